import fc from 'fast-check';
import { expect, test } from 'vitest';
import { andLow, ceilLog2, high32, isPowerOfTwo, join32, low32, roundDown, roundUp, roundUpPowerOfTwo } from './bits.ts';

const address = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53 - 1));
const runs = { seed: 32, numRuns: 1000 };

test('halves are those of the 64-bit integer, and join again', () => {
  fc.assert(
    fc.property(address, (value) => {
      expect(high32(value)).toBe(Number(BigInt(value) >> 32n));
      expect(low32(value)).toBe(Number(BigInt(value) & 0xffffffffn));
      expect(join32(high32(value), low32(value))).toBe(value);
    }),
    runs,
  );
});

test('halves that are negative 32-bit numbers count as unsigned', () => {
  expect(join32(1, -1)).toBe(0x1ffffffff);
  expect(join32(0, 0x80000000 | 0)).toBe(0x80000000);
});

test('rounding goes to the nearest multiple of any power of two', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 51 }), fc.integer({ min: 0, max: 51 }), (value, shift) => {
      const step = 2 ** shift;
      const [down, up] = [roundDown(value, step), roundUp(value, step)];
      expect(BigInt(down)).toBe((BigInt(value) / BigInt(step)) * BigInt(step));
      expect(up).toBe(down === value ? value : down + step);
    }),
    runs,
  );
});

test('powers of two', () => {
  for (let shift = 0; shift <= 31; shift++) {
    const power = 2 ** shift;
    expect([roundUpPowerOfTwo(power), ceilLog2(power), isPowerOfTwo(power)]).toEqual([power, shift, true]);
    if (shift >= 2) {
      expect([roundUpPowerOfTwo(power - 1), ceilLog2(power - 1), isPowerOfTwo(power - 1)]).toEqual([power, shift, false]);
      expect(ceilLog2(power / 2 + 1)).toBe(shift);
    }
  }
  expect([0, -4, 2 ** 53, 2 ** 53 - 2].map(isPowerOfTwo)).toEqual([false, false, true, false]);
});

test('masking works for addresses above 32 bits', () => {
  fc.assert(
    fc.property(address, fc.integer({ min: 0, max: 0xffffffff }), (value, mask) => {
      expect(andLow(value, mask)).toBe(Number(BigInt(value) & BigInt(mask)));
    }),
    runs,
  );
});
