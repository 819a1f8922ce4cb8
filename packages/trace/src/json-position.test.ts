import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonLines, lineAt } from './json-position.ts';

it('finds the line of every value', () => {
  const text = '\n{\n "a": 1,\n "b": [\n  2,\n  {"c\\"d": [], "e": {}}\n ],\r\n "f": "x{[,\\\\"\n}\n';
  expect([...jsonLines(text)]).toEqual([
    ['', 2],
    ['a', 3],
    ['b', 4],
    ['b[0]', 5],
    ['b[1]', 6],
    ['b[1].c"d', 6],
    ['b[1].e', 6],
    ['f', 8],
  ]);
});

it('goes through any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value, null, 1);
      const last = text.split('\n').length;
      expect([...jsonLines(text).values()].filter((line) => line < 1 || line > last)).toEqual([]);
    }),
  );
});

it('counts lines from 1', () => {
  expect([0, 1, 2, 3].map((offset) => lineAt('a\n\nb', offset))).toEqual([1, 1, 2, 3]);
});
