import { expect, test } from 'vitest';
import { Prng } from './prng.ts';

// Computed with sfc32 written in 64-bit integers, seeded as PractRand does.
test.each([
  [0, [0x514676c3, 0x08a809df, 0x30349d2b, 0xfb52c520]],
  [1, [0x77eef724, 0x6f99472c, 0x65c86823, 0x6a161a47]],
  [2 ** 32 + 1, [0x14c41217, 0x05ae8a33, 0xd1f5dd4d, 0x92c2ab56]],
  [20190430, [0xf56fc6c2, 0xfc415c84, 0xd937dab6, 0x4d465471]],
])('seed %i begins with the values of sfc32', (seed, values) => {
  const prng = new Prng(seed);
  expect(values.map(() => prng.next32())).toEqual(values);
});

test('below stays below its bound, reaches both ends, and is even', () => {
  const prng = new Prng(3);
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 20000; draw++) counts[prng.below(10)] += 1;
  for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  expect(prng.below(1)).toBe(0);
  expect(prng.below(2 ** 32)).toBeGreaterThan(2 ** 20);
});

test('chance is the fraction', () => {
  const prng = new Prng(4);
  let hits = 0;
  for (let draw = 0; draw < 20000; draw++) hits += prng.chance(1, 4) ? 1 : 0;
  expect(Math.abs(hits - 5000)).toBeLessThan(300);
  expect([prng.chance(0, 5), prng.chance(5, 5)]).toEqual([false, true]);
});
