/**
 * Cost of a copy by its size: straight lines between the knots, for both ends of the cache state.
 *
 * The sizes are the same in every profile, so that what a row has copied can be summed up without losing anything: per
 * interval the number of copies and their bytes.
 */

/** Sizes at which a profile gives the cost of a copy, bytes. */
export const COPY_KNOTS: readonly number[] = [64, 512, 1500, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576];

/** Below the first knot (as dear as the knot), between two, and above the last (on along the last line). */
export const COPY_INTERVALS: number = COPY_KNOTS.length + 1;

/** Cost at one knot, ns: both ends in cache, and neither. */
export interface CopyKnot {
  readonly bytes: number;
  readonly hot: number;
  readonly cold: number;
}

/** A line: cost of n bytes = `base` + n * `perByte`, ns. */
export interface CopyLine {
  readonly base: number;
  readonly perByte: number;
}

/** Interval that a copy of so many bytes lies in. */
export function copyInterval(bytes: number): number {
  let interval = 0;
  while (interval < COPY_KNOTS.length && bytes >= COPY_KNOTS[interval]) interval += 1;
  return interval;
}

/** The line of an interval at one end of the cache state. */
export function copyLine(knots: readonly CopyKnot[], end: 'hot' | 'cold', interval: number): CopyLine {
  if (interval === 0) return { base: knots[0][end], perByte: 0 };
  const right = Math.min(interval, knots.length - 1);
  const from = knots[right - 1];
  const to = knots[right];
  const perByte = (to[end] - from[end]) / (to.bytes - from.bytes);
  return { base: from[end] - from.bytes * perByte, perByte };
}
