import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  atLeast,
  bytesText,
  counted,
  countText,
  durationText,
  lineHandle,
  mappingHandle,
  parseLineHandle,
  secondsText,
  shareText,
  significantText,
} from './format.ts';

const SETTINGS = { seed: 20190422, numRuns: 2000 };
const NEVER = /NaN|undefined|Infinity|null|e\+|e-|^$/;
const UNIT_BYTES = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
  ['PiB', 2 ** 50],
]);

describe('countText', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1204881, '1,204,881'],
    [Number.MAX_SAFE_INTEGER, '9,007,199,254,740,991'],
    [Number.NaN, '?'],
  ])('%d is %s', (count, text) => expect(countText(count)).toBe(text));

  it('loses no digit', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        const text = countText(count);
        expect(text).not.toMatch(NEVER);
        expect(Number(text.replaceAll(',', ''))).toBe(count);
      }),
      SETTINGS,
    );
  });

  it('knows one and many', () => {
    expect(counted(1, 'event')).toBe('1 event');
    expect(counted(0, 'event')).toBe('0 events');
    expect(counted(2, 'policy', 'policies')).toBe('2 policies');
  });
});

describe('significantText', () => {
  it.each([
    [0, '0'],
    [0.5213, '0.521'],
    [12.34, '12.3'],
    [9.999, '10.0'],
    [99.96, '100'],
    [123.4, '123'],
    [1234.5, '1,230'],
    [267, '267'],
  ])('%d is %s', (value, text) => expect(significantText(value)).toBe(text));

  it('is within half of its third digit', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (value) => {
        const text = significantText(value);
        expect(text).not.toMatch(NEVER);
        expect(Math.abs(Number(text.replaceAll(',', '')) - value)).toBeLessThanOrEqual(value * 0.00501);
      }),
      SETTINGS,
    );
  });
});

describe('bytesText', () => {
  it.each([
    [0, '0 B'],
    [512, '512 B'],
    [4096, '4 KiB'],
    [999, '999 B'],
    [1000, '0.977 KiB'],
    [400384, '391 KiB'],
    [267 * 2 ** 20, '267 MiB'],
    [1.63 * 2 ** 30, '1.63 GiB'],
    [1023.9 * 1024, '1.00 MiB'],
    [Number.NaN, '?'],
  ])('%d is %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it('has a unit, at most three digits, and the right size', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        const [digits, unit] = bytesText(bytes).split(' ');
        expect(digits!.replace(/^0\./, '').replace('.', '').length).toBeLessThanOrEqual(3);
        expect(Math.abs(Number(digits) * UNIT_BYTES.get(unit!)! - bytes)).toBeLessThanOrEqual(bytes * 0.00501);
      }),
      SETTINGS,
    );
  });
});

describe('shareText', () => {
  it.each([
    [0, 10, '0 %'],
    [10, 10, '100 %'],
    [1, 8, '12.5 %'],
    [161903, 161904, '99.9994 %'],
    [1, 1e9, '0.000000100 %'],
    [3, 0, '-'],
  ])('%d of %d is %s', (part, whole, text) => expect(shareText(part, whole)).toBe(text));

  it('says 0 and 100 only where it is so', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1e9 }), (part, rest) => {
        const text = shareText(part, part + rest);
        expect(text).not.toMatch(NEVER);
        const percent = Number(text.replace(' %', ''));
        expect(percent).toBeGreaterThan(0);
        expect(percent).toBeLessThan(100);
      }),
      SETTINGS,
    );
  });
});

describe('line handles', () => {
  it('read back what was printed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (line) => {
        expect(parseLineHandle(lineHandle(line))).toBe(line);
        expect(parseLineHandle(String(line))).toBe(line);
      }),
      SETTINGS,
    );
  });

  it.each(['', 'L', '0', 'L1,23', '-4', '1.5', 'L12x', '9'.repeat(20)])('refuse %j', (text) =>
    expect(parseLineHandle(text)).toBeUndefined(),
  );
});

describe('signs', () => {
  it('mark a lower bound', () => expect(atLeast(countText(1241))).toBe('>=1,241'));
  it('shorten durations', () => {
    expect(secondsText(0.0812)).toBe('0.081 s');
    expect(secondsText(2.14)).toBe('2.1 s');
    expect(secondsText(61.7)).toBe('62 s');
  });
});

describe('durationText', () => {
  it.each([
    [0, '0 us'],
    [3, '3 ns'],
    [3000, '3 us'],
    [999_400, '999 us'],
    [999_600, '1.00 ms'],
    [6_081_000, '6.08 ms'],
    [323e9, '323 s'],
    [Number.NaN, '?'],
  ])('%d ns is %s', (ns, text) => expect(durationText(ns)).toBe(text));
});

describe('mappingHandle', () => {
  it('has a number, or a question mark', () => expect([mappingHandle(1207), mappingHandle(0)]).toEqual(['m-1207', '?']));
});
