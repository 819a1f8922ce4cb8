/** Arithmetic on addresses that are numbers (exact to 2^53), where the 32-bit operators of the language would cut. */

const TWO_32 = 2 ** 32;

/** Upper 32 bits of a non-negative integer below 2^53, as an unsigned 32-bit number. */
export function high32(value: number): number {
  return Math.floor(value / TWO_32) >>> 0;
}

/** Lower 32 bits of a non-negative integer, as an unsigned 32-bit number. */
export function low32(value: number): number {
  return value >>> 0;
}

/** The integer with the given unsigned 32-bit halves; exact while the high half is below 2^21. */
export function join32(high: number, low: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}

/** Smallest multiple of `step` (a power of two, any size) at or above `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Largest multiple of `step` (a power of two, any size) at or below `value`. */
export function roundDown(value: number, step: number): number {
  return Math.floor(value / step) * step;
}

/** Smallest power of two at or above `value`, which is 1 or more and at most 2^31. */
export function roundUpPowerOfTwo(value: number): number {
  return value <= 1 ? 1 : 2 ** (32 - Math.clz32(value - 1));
}

/** ceil(log2(value)) for 1 <= value <= 2^31. */
export function ceilLog2(value: number): number {
  return value <= 1 ? 0 : 32 - Math.clz32(value - 1);
}

/** `value & mask` for a non-negative `value` below 2^53 and a mask below 2^32. */
export function andLow(value: number, mask: number): number {
  return (value & mask) >>> 0;
}

/** True when `value` is a power of two; works up to 2^53. */
export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && 2 ** Math.round(Math.log2(value)) === value;
}
