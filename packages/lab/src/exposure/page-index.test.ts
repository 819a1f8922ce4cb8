import { Prng } from 'dmalab-core';
import { expect, it } from 'vitest';
import { PageIndex } from './page-index.ts';

it.each([1, 2])('behaves as a Map, also for pages that share homes and above 2^32 (seed %i)', (seed) => {
  const random = new Prng(seed);
  const index = new PageIndex();
  const map = new Map<number, number>();
  for (let step = 0; step < 30_000; step++) {
    const pfn = random.below(700) * (random.chance(1, 2) ? 1 : 2 ** 28) + random.below(3);
    if (random.chance(2, 5)) {
      expect(index.delete(pfn)).toBe(map.get(pfn) ?? -1);
      map.delete(pfn);
    } else {
      index.set(pfn, step);
      map.set(pfn, step);
    }
    expect(index.get(pfn)).toBe(map.get(pfn) ?? -1);
    expect(index.size).toBe(map.size);
  }
  const rows: number[] = [];
  index.forEach((row) => {
    rows.push(row);
  });
  expect(rows.sort()).toEqual([...map.values()].sort());
});
