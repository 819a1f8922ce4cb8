import { describe, expect, it } from 'vitest';
import { Prng, StateArena } from '../base/index.ts';
import { AssociativeCache, type Replacement } from './associative-cache.ts';
import { Iotlb } from './iotlb.ts';
import { PagingStructureCache } from './paging-structure-cache.ts';
import { entryStart } from './second-level-entry.ts';
import { TranslationCacheOracle } from './translation-cache.oracle.ts';
import { NO_ENTRY, type TranslationCache } from './translation-cache.ts';
import { UnboundedCache } from './unbounded-cache.ts';

const OWNERS = [2, 3, 0xffff];

function associative(arena: StateArena, sets: number, ways: number, replacement: Replacement): AssociativeCache {
  return new AssociativeCache(arena, 'cache', { kind: 'associative', sets, ways, replacement, seed: 7 });
}

function unbounded(arena = new StateArena(), slots = 4): UnboundedCache {
  return new UnboundedCache(arena, 'cache', { kind: 'unbounded', slots });
}

/** Random stores and drops in `cache` and oracle; every find is compared by `agrees`. */
function compare(
  cache: TranslationCache,
  arena: StateArena,
  seed: number,
  agrees: (slot: number, expected: { pfn: number; rights: number } | undefined) => void,
) {
  const oracle = new TranslationCacheOracle();
  const random = new Prng(seed);
  const pageAt = (level: number) =>
    entryStart(random.below(2) * (2 ** 45 - 2 ** 20) + random.below(3) * 2 ** 18 + random.below(1200), level);
  for (let turn = 0; turn < 6000; turn++) {
    const owner = OWNERS[random.below(3)];
    const level = 1 + Math.floor(random.below(9) ** 2 / 17);
    const page = pageAt(level);
    const action = random.below(200);
    if (action < 120) {
      const pfn = random.below(2 ** 31) * 512;
      oracle.store(owner, page, level, pfn, 1 + (turn % 3));
      cache.store(owner, page, level, pfn, 1 + (turn % 3));
      expect(cache.find(owner, page, level)).not.toBe(NO_ENTRY);
    } else if (action < 170) {
      const last = page + [0, 7, 600, 2 ** 19][random.below(4)];
      oracle.dropRange(owner, level, page, last);
      cache.dropRange(owner, level, page, last);
    } else if (action === 198) {
      oracle.dropOwner(owner);
      cache.dropOwner(owner);
    } else if (action === 199 && random.chance(1, 4)) {
      oracle.dropAll();
      cache.dropAll();
    }
    if (turn % 1000 === 999) {
      const hash = arena.hash();
      const saved = arena.save();
      for (let i = 0; i < 300; i++) cache.store(2, i, 1, i, 1);
      cache.dropOwner(3);
      arena.restore(saved);
      expect(arena.hash()).toBe(hash);
    }
    for (let probe = 0; probe < 3; probe++) {
      const probed = probe === 0 ? page : pageAt(level);
      const slot = cache.find(owner, probed, level);
      const expected = oracle.find(owner, probed, level);
      if (slot !== NO_ENTRY) {
        expect(expected).toBeDefined();
        expect([cache.page[slot], cache.pfn[slot], cache.rights[slot]]).toEqual([probed, expected!.pfn, expected!.rights]);
      }
      agrees(slot, expected);
    }
  }
  return oracle;
}

function liveOf(cache: TranslationCache): number {
  return cache.liveAt.reduce((sum, count) => sum + count, 0);
}

describe('unbounded cache', () => {
  it.each([1, 2, 3])('agrees with a list, seed %i', (seed) => {
    const arena = new StateArena();
    const cache = unbounded(arena);
    const oracle = compare(cache, arena, seed, (slot, expected) => expect(slot === NO_ENTRY).toBe(expected === undefined));
    expect(liveOf(cache)).toBe(oracle.entries.length);
    expect(cache.evictions).toBe(0);
  });

  it('hashes alike for the same entries however they came about', () => {
    const random = new Prng(11);
    for (let round = 0; round < 50; round++) {
      const pages = Array.from({ length: 30 }, (_, i) => i * 3 + random.below(2));
      const arenas = [new StateArena(), new StateArena()];
      const [there, back] = arenas.map((arena) => unbounded(arena, 128));
      for (const page of pages) there.store(2, page, 1, page + 9, 3);
      for (let i = 0; i < 20; i++) back.store(3, 1000 + random.below(40), 1, 5, 1);
      for (const page of pages.toReversed()) back.store(2, page, 1, page + 9, 3);
      back.dropOwner(3);
      expect(arenas[1].hash()).toBe(arenas[0].hash());
    }
  });
});

describe('associative cache', () => {
  it.each([
    [8, 4, 'lru'],
    [1, 16, 'fifo'],
    [64, 1, 'lru'],
    [16, 3, 'random'],
  ] as [number, number, Replacement][])('of %i sets, %i ways, %s only ever holds what was stored last', (sets, ways, replacement) => {
    const arena = new StateArena();
    const cache = associative(arena, sets, ways, replacement);
    let hits = 0;
    compare(cache, arena, sets, (slot) => {
      if (slot !== NO_ENTRY) hits++;
    });
    expect(hits).toBeGreaterThan(1000);
    expect(cache.evictions).toBeGreaterThan(0);
    expect(liveOf(cache)).toBeLessThanOrEqual(sets * ways);
  });

  it.each([
    ['lru', [1, 3, 4]],
    ['fifo', [2, 3, 4]],
  ] as [Replacement, number[]][])('replaces by %s', (replacement, survivors) => {
    const cache = associative(new StateArena(), 1, 3, replacement);
    for (const page of [1, 2, 3]) cache.store(2, page, 1, page, 3);
    cache.find(2, 1, 1);
    cache.store(2, 4, 1, 4, 3);
    expect([1, 2, 3, 4].filter((page) => cache.find(2, page, 1) !== NO_ENTRY)).toEqual(survivors);
  });

  it('replaces at random in the same way after a restore', () => {
    const arena = new StateArena();
    const cache = associative(arena, 2, 8, 'random');
    for (let page = 0; page < 40; page++) cache.store(2, page, 1, page, 3);
    const saved = arena.save();
    const run = () => {
      for (let page = 100; page < 160; page++) cache.store(2, page, 1, page, 3);
      return arena.hash();
    };
    const first = run();
    arena.restore(saved);
    expect(run()).toBe(first);
  });
});

describe('iotlb', () => {
  const filled = () => {
    const iotlb = new Iotlb(unbounded());
    for (const owner of [2, 3]) {
      for (const page of [0xffff0, 0xffff7, 0xfffff, 0xfffef]) iotlb.store(owner, page, 1, page + 0x1000, 3);
      iotlb.store(owner, 0x20123, 2, 0x80123, 1);
      iotlb.store(owner, 0x4abcde, 3, 0x8abcde, 3);
    }
    return iotlb;
  };
  const present = (iotlb: Iotlb, owner: number) =>
    [0xfffef, 0xffff0, 0xffff7, 0xfffff, 0x20000, 0x4bffff].filter((page) => iotlb.lookup(owner, page) !== NO_ENTRY);

  it('translates inside leaves of every size', () => {
    const iotlb = filled();
    expect(iotlb.pfnAt(iotlb.lookup(2, 0xffff7), 0xffff7)).toBe(0x100ff7);
    expect(iotlb.pfnAt(iotlb.lookup(2, 0x201ff), 0x201ff)).toBe(0x801ff);
    expect(iotlb.rightsAt(iotlb.lookup(2, 0x20000))).toBe(1);
    expect(iotlb.pfnAt(iotlb.lookup(3, 0x480000), 0x480000)).toBe(0x880000);
    expect([iotlb.lookup(2, 0x20200), iotlb.lookup(4, 0xffff7)]).toEqual([NO_ENTRY, NO_ENTRY]);
    expect([iotlb.hits, iotlb.misses]).toEqual([4, 2]);
  });

  it.each([
    { name: 'one page', page: 0xffff7, mask: 0, left: [0xfffef, 0xffff0, 0xfffff, 0x20000, 0x4bffff] },
    { name: 'mask 4, address not aligned', page: 0xffff7, mask: 4, left: [0xfffef, 0x20000, 0x4bffff] },
    { name: 'a page inside 2 MiB', page: 0x201fe, mask: 0, left: [0xfffef, 0xffff0, 0xffff7, 0xfffff, 0x4bffff] },
    { name: 'a page inside 1 GiB', page: 0x480001, mask: 0, left: [0xfffef, 0xffff0, 0xffff7, 0xfffff, 0x20000] },
    { name: 'mask 18', page: 0, mask: 18, left: [0xfffef, 0xffff0, 0xffff7, 0xfffff, 0x4bffff] },
    { name: 'mask 52', page: 5, mask: 52, left: [] },
  ])('invalidates $name of one domain and nothing else', ({ page, mask, left }) => {
    const iotlb = filled();
    iotlb.invalidatePages(2, page, mask);
    expect(present(iotlb, 2)).toEqual(left);
    expect(present(iotlb, 3)).toHaveLength(6);
  });

  it('invalidates a domain, and everything', () => {
    const iotlb = filled();
    iotlb.invalidateDomain(2);
    expect([present(iotlb, 2).length, present(iotlb, 3).length]).toEqual([0, 6]);
    iotlb.invalidateAll();
    expect(present(iotlb, 3)).toEqual([]);
  });
});

describe('paging-structure caches', () => {
  const filled = () => {
    const structures = new PagingStructureCache([unbounded(), unbounded(), unbounded(), unbounded()]);
    for (let level = 2; level <= 5; level++) structures.store(2, 0x12345, level, 0x1000 + level, 3);
    return structures;
  };

  it('start a walk at the lowest level that covers the page', () => {
    const structures = filled();
    expect([structures.lookup(2, 0x123ff, 4), structures.tablePfn]).toEqual([2, 0x1002]);
    expect([structures.lookup(2, 0x12400, 4), structures.tablePfn]).toEqual([3, 0x1003]);
    expect(structures.lookup(2, 2 ** 18, 4)).toBe(4);
    expect(structures.lookup(2, 2 ** 27, 4)).toBe(0);
    expect(structures.lookup(2, 2 ** 27, 5)).toBe(5);
    expect(structures.lookup(3, 0x12345, 5)).toBe(0);
  });

  it('lose with a page every entry that leads to it, and keep the others', () => {
    const structures = filled();
    structures.store(2, 0x12400, 2, 0x2002, 3);
    structures.invalidatePages(2, 0x12345, 0);
    expect([structures.lookup(2, 0x12345, 5), structures.lookup(2, 0x12400, 5)]).toEqual([0, 2]);
  });
});
