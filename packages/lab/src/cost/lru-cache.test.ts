import { Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { LruCache } from './lru-cache.ts';

/** Sets as lists, the key used last at the front. */
class ListCache {
  private readonly sets: number[][];
  private readonly ways: number;

  constructor(sets: number, ways: number) {
    this.sets = Array.from({ length: sets }, () => []);
    this.ways = ways;
  }

  use(key: number): boolean {
    const index = key % this.sets.length;
    const set = this.sets[index];
    this.sets[index] = [key, ...set.filter((other) => other !== key)].slice(0, this.ways);
    return set.includes(key);
  }

  dropRange(first: number, last: number): void {
    for (const [index, set] of this.sets.entries()) this.sets[index] = set.filter((key) => key < first || key > last);
  }
}

describe.each([
  [1, 1],
  [1, 2],
  [1, 64],
  [16, 4],
  [8, 1],
])('%i sets of %i ways', (sets, ways) => {
  it('keep what lists would keep', () => {
    const prng = new Prng(sets * 100 + ways);
    const [cache, lists] = [new LruCache(sets, ways), new ListCache(sets, ways)];
    const far = 2 ** 45;
    for (let step = 0; step < 20_000; step++) {
      const key = prng.below(2 * sets * ways + 2) + (prng.chance(1, 2) ? far : 0);
      if (prng.chance(1, 30)) {
        const last = key + (prng.chance(1, 5) ? 2 ** 40 : prng.below(4));
        cache.dropRange(key, last);
        lists.dropRange(key, last);
      } else {
        expect(cache.use(key)).toBe(lists.use(key));
      }
    }
  });
});
