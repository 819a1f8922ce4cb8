import { expect, test } from 'vitest';
import { AssertionFailure, assert } from './assert.ts';
import { LabError } from './lab-error.ts';

test('the text has the place, the sentence, what was expected and got, and the next step', () => {
  const error = new LabError({
    code: 'TRC003',
    message: 'the size is not a number',
    file: 'x.trace',
    line: 17,
    expected: 'decimal digits',
    got: "'12x'",
    next: 'record the trace again',
  });
  expect(error.toText()).toBe(
    [
      'TRC003 x.trace:L17: the size is not a number',
      '  expected  decimal digits',
      "  got       '12x'",
      '  next      record the trace again',
    ].join('\n'),
  );
  expect(error).toBeInstanceOf(Error);
  expect([error.name, error.message]).toEqual(['LabError', 'the size is not a number']);
});

test('what is not known is left out', () => {
  expect(new LabError({ code: 'CLI001', message: 'unknown verb' }).toText()).toBe('CLI001 unknown verb');
  expect(new LabError({ code: 'TRC001', message: 'empty', file: '-' }).toText()).toBe('TRC001 -: empty');
  expect(new LabError({ code: 'TRC001', message: 'cut', line: 3, next: 'look' }).toText()).toBe('TRC001 L3: cut\n  next      look');
});

test('a broken invariant is an error of another kind', () => {
  expect(() => assert(false, 'heads and tails agree')).toThrow(AssertionFailure);
  expect(() => assert(false, 'heads and tails agree')).toThrow('heads and tails agree');
  expect(() => assert(true, 'never')).not.toThrow();
});
