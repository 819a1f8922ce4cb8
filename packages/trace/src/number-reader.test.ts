import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberReader } from './number-reader.ts';
import { bytesOf } from './row-table.oracle.ts';

const LIMIT = 2n ** 53n;
const ONES = 2n ** 64n - 1n;

/** Goal: every 64-bit number is exact, all ones, or marked as too large. */
describe('number reader', () => {
  const expected = (value: bigint): number => (value === ONES ? -1 : value >= LIMIT ? Number.NaN : Number(value));
  const sizes = fc.integer({ min: 1, max: 64 });
  const values = sizes.chain((bits) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }));

  it('reads hexadecimal of any length with and without prefix and zeros', () => {
    const reader = new NumberReader();
    fc.assert(
      fc.property(values, fc.boolean(), fc.nat(16), fc.constantFrom('', ' ', ',', '-', 'g'), (value, prefix, width, tail) => {
        const text = `${prefix ? '0x' : ''}${value.toString(16).padStart(width, '0')}`;
        expect(reader.hex(bytesOf(text + tail), 0, text.length + tail.length)).toBe(text.length);
        expect(reader.value).toBe(expected(value));
        expect([BigInt(reader.high >>> 0), BigInt(reader.low >>> 0)]).toEqual([value >> 32n, value & 0xffffffffn]);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('reads decimal with a sign', () => {
    const reader = new NumberReader();
    fc.assert(
      fc.property(values, fc.boolean(), (value, negative) => {
        const text = `${negative ? '-' : ''}${value}`;
        expect(reader.decimal(bytesOf(text), 0, text.length)).toBe(text.length);
        if (!negative || value < LIMIT) expect(reader.value).toBe(negative && value > 0n ? -Number(value) : expected(value));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  it.each(['', '0x', 'x', '-', ' 1', '00000000000000001', '0x12345678123456781'])('refuses hexadecimal %j', (text) => {
    expect(new NumberReader().hex(bytesOf(text), 0, text.length)).toBe(-1);
  });

  it.each(['', '-', 'a', '123456789012345678901'])('refuses decimal %j', (text) => {
    expect(new NumberReader().decimal(bytesOf(text), 0, text.length)).toBe(-1);
  });

  it('does not read past the end', () => {
    const reader = new NumberReader();
    expect(reader.hex(bytesOf('12345678'), 0, 5)).toBe(5);
    expect(reader.value).toBe(0x12345);
  });
});
