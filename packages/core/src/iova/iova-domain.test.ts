import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KernelRules, NO_IOVA, Prng, StateArena } from '../base/index.ts';
import { IovaDomainOracle } from './iova-domain.oracle.ts';
import { IovaDomain } from './iova-domain.ts';
import { type IovaDomainParameters, iovaDomainParameters } from './parameters.ts';

const KERNELS: KernelRules[] = ['6.1', '6.12'];

/** Anchor of the oracle as the domain shows it. */
function shown(pfn: bigint): number {
  return pfn === 2n ** 64n - 1n ? Infinity : Number(pfn);
}

/** `expect` with its message only where the two differ: most of a long run's time would go into it. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) expect(actual, what).toBe(expected);
}

/** One domain and its oracle; every call goes to both, and every answer must agree. */
class Pair {
  readonly arena = new StateArena();
  readonly domain: IovaDomain;
  readonly oracle: IovaDomainOracle;
  readonly parameters: IovaDomainParameters;

  constructor(parameters: IovaDomainParameters) {
    this.parameters = parameters;
    this.domain = new IovaDomain(this.arena, parameters);
    this.oracle = new IovaDomainOracle(parameters);
  }

  reserve(lo: number, hi: number): void {
    this.domain.reserveIova(lo, hi);
    this.oracle.reserveIova(lo, hi);
    this.compareScalars();
  }

  alloc(pages: number, limit: number, flush: boolean, cpu: number): number {
    const pfn = this.domain.allocIovaFast(pages, limit, flush, cpu);
    same(pfn, this.oracle.allocIovaFast(pages, limit, flush, cpu), 'address');
    this.compareScalars();
    return pfn;
  }

  free(pfn: number, pages: number, cpu: number): void {
    this.domain.freeIovaFast(pfn, pages, cpu);
    this.oracle.freeIovaFast(pfn, pages, cpu);
    this.compareScalars();
  }

  depotWork(bin: number): void {
    expect(this.domain.depotWork(bin)).toBe(this.oracle.depotWork(bin));
    this.compareScalars();
  }

  releaseCpu(cpu: number): void {
    this.domain.releaseCpu(cpu);
    this.oracle.releaseCpu(cpu);
    this.compareScalars();
  }

  compareScalars(): void {
    const { domain, oracle } = this;
    same(domain.cached32Lo, shown(oracle.cached32Node.lo), 'cached32Lo');
    same(domain.cachedLo, shown(oracle.cachedNode.lo), 'cachedLo');
    same(domain.max32AllocSize, Number(oracle.max32AllocSize), 'max32AllocSize');
    same(domain.nodeCount, oracle.ranges.length - 1, 'nodeCount');
  }

  compareCaches(): void {
    const { domain, oracle } = this;
    for (let bin = 0; bin < oracle.depots.length; bin++) {
      expect(domain.depotSize(bin)).toBe(oracle.depots[bin].length);
      expect(domain.depotWorkArmed(bin)).toBe(oracle.workArmed[bin]);
      for (let cpu = 0; cpu < this.parameters.possibleCpus; cpu++) {
        const { loaded, prev } = oracle.rcaches[cpu][bin];
        expect(domain.cachedEntries(cpu, bin)).toBe(loaded.length + prev.length);
        expect(domain.loadedEntries(cpu, bin, 1000)).toEqual(loaded.map(Number).reverse());
      }
    }
  }
}

describe.each(KERNELS)('fact-sheet vectors, kernel %s', (kernel) => {
  test('A.6: page numbers with reserved windows', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters(kernel, 2));
    domain.reserveIova(0xc0000, 0xfebff);
    domain.reserveIova(0xa0, 0xbf);
    domain.reserveIova(0x100000, 0x8fffff);
    domain.reserveIova(0xfee00, 0xfeeff);
    const alloc = (cpu: number, pages: number, limit: number) => domain.allocIovaFast(pages, limit, true, cpu);
    expect(alloc(0, 1, 0xfffff)).toBe(0xfffff);
    expect(alloc(0, 1, 0xfffff)).toBe(0xffffe);
    expect(alloc(0, 3, 0xfffff)).toBe(0xffff8);
    expect(domain.lastAllocPages).toBe(4);
    expect(alloc(0, 1, 0xfffff)).toBe(0xffff7);
    expect(alloc(0, 33, 0xfffff)).toBe(0xfffc0);
    expect(domain.lastAllocPages).toBe(33);
    expect(alloc(0, 17, 0xfffff)).toBe(0xfffa0);
    expect(domain.lastAllocFromCache).toBe(false);
    domain.freeIovaFast(0xfffff, 1, 0);
    domain.freeIovaFast(0xffffe, 1, 0);
    expect(domain.lastFreeToCache).toBe(true);
    expect(alloc(0, 1, 0xfffff)).toBe(0xffffe);
    expect(domain.lastAllocFromCache).toBe(true);
    expect(alloc(1, 1, 0xfffff)).toBe(0xfff9f);
    domain.freeIovaFast(0xfffc0, 33, 0);
    expect(domain.lastFreeToCache).toBe(false);
    expect(alloc(0, 40, 0xfffff)).toBe(0xfffc0);
    domain.freeIovaFast(0xffff8, 3, 0);
    expect(alloc(0, 4, 0xfffff)).toBe(0xffff8);
    expect(alloc(0, 1, 0x7ffffff)).toBe(0xfffff);
    expect(alloc(0, 64, 0x7ffffff)).toBe(0x7ffffc0);
    // fffff, ffffe, ffff8 (4), ffff7, fffc0 (40), fffa0 (32), fff9f, 7ffffc0 (64); nothing left in a cache.
    expect(domain.nodePages).toBe(1 + 1 + 4 + 1 + 40 + 32 + 1 + 64);
    expect(domain.cachedPages()).toBe(0);
    expect([domain.nodeCount, domain.reservedNodeCount]).toEqual([12, 4]);
  });

  test('A.7: exhaustion, early exit and cache flush', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters(kernel, 2));
    domain.reserveIova(1, 0xfffdf);
    const rows: [number, number, number, boolean, number, number][] = [
      [0, 40, 0xfffff, false, NO_IOVA, 0x28],
      [0, 33, 0xfffff, false, NO_IOVA, 0x21],
      [0, 16, 0xfffff, false, 0xffff0, 0x21],
      [0, 8, 0xfffff, false, 0xfffe8, 0x21],
      [0, 8, 0xfffff, false, 0xfffe0, 0x21],
      [0, 1, 0xfffff, false, NO_IOVA, 1],
    ];
    const check = ([cpu, pages, limit, flush, pfn, max32]: (typeof rows)[number]) => {
      expect(domain.allocIovaFast(pages, limit, flush, cpu)).toBe(pfn);
      expect(domain.max32AllocSize).toBe(max32);
    };
    rows.forEach(check);
    domain.freeIovaFast(0xfffe8, 8, 0);
    expect(domain.max32AllocSize).toBe(1);
    check([0, 4, 0xfffff, false, NO_IOVA, 1]);
    expect(domain.lastAllocFlushedCaches).toBe(false);
    check([0, 4, 0xfffff, true, 0xfffec, 0x100000]);
    expect(domain.lastAllocFlushedCaches).toBe(true);
    check([1, 5, 0xfffff, true, NO_IOVA, 8]);
    domain.freeIovaFast(0xffff0, 16, 1);
    expect(domain.max32AllocSize).toBe(8);
    check([0, 16, 0xfffff, false, NO_IOVA, 8]);
    check([0, 16, 0xfffff, true, 0xffff0, 0x100000]);
    check([0, 1, 0x7ffffff, true, 0x7ffffff, 0x100000]);
  });

  test('A.8: cached nodes and holes', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters(kernel, 1));
    const cached = () => [domain.cached32Lo, domain.cachedLo];
    const alloc = (pages: number, limit: number) => domain.allocIovaFast(pages, limit, true, 0);
    expect([alloc(64, 0xfffff), alloc(64, 0xfffff), alloc(64, 0xfffff)]).toEqual([0xfffc0, 0xfff80, 0xfff40]);
    expect(cached()).toEqual([0xfff40, Infinity]);
    domain.freeIovaFast(0xfffc0, 64, 0);
    expect(cached()).toEqual([Infinity, Infinity]);
    expect(alloc(128, 0xfffff)).toBe(0xffe80);
    expect(cached()).toEqual([0xffe80, Infinity]);
    expect(alloc(64, 0xfffff)).toBe(0xffe40);
    expect(cached()).toEqual([0xffe40, Infinity]);
    domain.freeIovaFast(0xfff40, 64, 0);
    expect(cached()).toEqual([0xfff80, Infinity]);
    expect(alloc(33, 0xfffff)).toBe(0xfff40);
    expect(cached()).toEqual([0xfff40, Infinity]);
    domain.freeIovaFast(0xfff80, 64, 0);
    expect(cached()).toEqual([Infinity, Infinity]);
    expect(alloc(64, 0xfffff)).toBe(0xfffc0);
    expect(cached()).toEqual([0xfffc0, Infinity]);
    expect([alloc(64, 0x7ffffff), alloc(64, 0x7ffffff)]).toEqual([0x7ffffc0, 0x7ffff80]);
    expect(cached()).toEqual([0xfffc0, 0x7ffff80]);
    domain.freeIovaFast(0x7ffffc0, 64, 0);
    expect(cached()).toEqual([0xfffc0, Infinity]);
    expect(alloc(48, 0x7ffffff)).toBe(0x7ffffc0);
    expect(cached()).toEqual([0xfffc0, 0x7ffffc0]);
  });
});

interface Space {
  readonly name: string;
  readonly parameters: IovaDomainParameters;
  readonly reserved: readonly (readonly [number, number])[];
  readonly limits: readonly number[];
  readonly pagesMax: number;
  readonly liveMax: number;
  readonly steps: number;
  /** Small enough that a run takes every rare way of the allocator. */
  readonly rareWays: boolean;
}

function small(kernel: KernelRules, more: Partial<IovaDomainParameters>): IovaDomainParameters {
  return { ...iovaDomainParameters(kernel, 3, 2), ...more };
}

const SPACES: Space[] = KERNELS.flatMap((kernel): Space[] => [
  {
    name: `${kernel}, 256 pages below the boundary, 1024 in all`,
    parameters: small(kernel, { dma32BitPfn: 0x100, magazineSize: 2, rcacheBins: 3, treeFanout: 4, initialNodes: 1 }),
    reserved: [
      [0x60, 0x7f],
      [0x1f0, 0x20f],
      [0xfe, 0x100],
    ],
    limits: [0x5, 0x3f, 0xff, 0xff, 0xff, 0x1ff, 0x3ff, 0x3ff],
    pagesMax: 20,
    liveMax: 400,
    steps: 20_000,
    rareWays: true,
  },
  {
    name: `${kernel}, 4096 pages below the boundary, start at 0x10`,
    parameters: small(kernel, {
      startPfn: 0x10,
      dma32BitPfn: 0x1000,
      magazineSize: 4,
      rcacheBins: 4,
      treeFanout: 5,
      depotMagazinesMax: kernel === '6.1' ? 3 : Infinity,
    }),
    reserved: [[0xa0, 0xbf]],
    limits: [0x3ff, 0xfff, 0xfff, 0xfff, 0x1fff],
    pagesMax: 40,
    liveMax: 900,
    steps: 20_000,
    rareWays: true,
  },
  {
    name: `${kernel}, stock sizes, windows as in an emulator`,
    parameters: small(kernel, {}),
    reserved: [
      [0xa0, 0xbf],
      [0x10, 0xfff],
      [0x8000, 0xfebff],
      [0xfee00, 0xfeeff],
      [0x1c0000, 0x9bffff],
    ],
    limits: [0xfffff, 0xfffff, 0xfffff, 0x7ffffff, 0xfffffffff],
    pagesMax: 80,
    liveMax: 2500,
    steps: 20_000,
    rareWays: false,
  },
]);

/** Sizes as drivers ask for them: many of one page, some of any size, few large. */
function pickPages(prng: Prng, max: number): number {
  const dice = prng.below(10);
  if (dice < 5) return 1;
  return dice < 9 ? 1 + prng.below(max) : Math.min(max, 2 ** prng.below(8));
}

/** A long run in bursts of allocating and freeing, so that both an empty and a full space are reached. */
function run(pair: Pair, space: Space, seed: number): void {
  const prng = new Prng(seed);
  const live: { pfn: number; pages: number }[] = [];
  let fills = true;
  for (const [lo, hi] of space.reserved) pair.reserve(lo, hi);
  for (let step = 0; step < space.steps; step++) {
    if (prng.chance(1, 300)) fills = !fills;
    const cpu = prng.below(pair.parameters.possibleCpus);
    if (live.length < space.liveMax && prng.chance(fills ? 4 : 1, 5)) {
      const pages = pickPages(prng, space.pagesMax);
      const pfn = pair.alloc(pages, space.limits[prng.below(space.limits.length)], prng.chance(1, 4), cpu);
      if (pfn !== NO_IOVA) live.push({ pfn, pages });
    } else if (live.length > 0) {
      const at = prng.chance(1, 2) ? live.length - 1 : prng.below(live.length);
      const { pfn, pages } = live[at];
      live[at] = live[live.length - 1];
      live.pop();
      pair.free(pfn, pages, cpu);
    }
    if (prng.chance(1, 40)) {
      const bin = prng.below(pair.parameters.rcacheBins ?? 6);
      if (pair.domain.depotWorkArmed(bin)) pair.depotWork(bin);
    }
    if (prng.chance(1, 3000)) pair.releaseCpu(cpu);
    if (step % 100 === 0) pair.compareCaches();
  }
  pair.compareCaches();
}

test.each(SPACES.map((space) => [space.name, space] as const))(
  '%s: every address of long random runs is that of the oracle',
  (_name, space) => {
    const ways: Record<string, number> = {};
    for (const seed of [1, 2, 3]) {
      const pair = new Pair(space.parameters);
      run(pair, space, seed);
      for (const [way, count] of Object.entries(pair.oracle.taken)) ways[way] = (ways[way] ?? 0) + count;
    }
    const never = space.parameters.depotMagazinesMax === Infinity ? ['overflow'] : ['trim'];
    for (const [way, count] of Object.entries(ways)) {
      if (space.rareWays && !never.includes(way)) expect(count, `${way} taken`).toBeGreaterThan(5);
    }
  },
);

type Step = { alloc: boolean; pick: number; pages: number; limit: number; flush: boolean; cpu: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    alloc: fc.boolean(),
    pick: fc.nat(50),
    pages: fc.integer({ min: 1, max: 24 }),
    limit: fc.constantFrom(0x3, 0x1f, 0x2f, 0x5f),
    flush: fc.boolean(),
    cpu: fc.nat(1),
  }),
  { maxLength: 60 },
);

test.each(KERNELS)('any short sequence in a tiny space agrees with the oracle, kernel %s', (kernel) => {
  const parameters = {
    ...iovaDomainParameters(kernel, 2),
    dma32BitPfn: 0x30,
    magazineSize: 1,
    rcacheBins: 2,
    depotMagazinesMax: kernel === '6.1' ? 1 : Infinity,
    treeFanout: 4,
  };
  fc.assert(
    fc.property(steps, (sequence) => {
      const pair = new Pair(parameters);
      const live: { pfn: number; pages: number }[] = [];
      for (const { alloc, pick, pages, limit, flush, cpu } of sequence) {
        if (alloc) {
          const pfn = pair.alloc(pages, limit, flush, cpu);
          if (pfn !== NO_IOVA) live.push({ pfn, pages });
        } else if (live.length > 0) {
          const [gone] = live.splice(pick % live.length, 1);
          pair.free(gone.pfn, gone.pages, cpu);
        }
      }
      pair.compareCaches();
    }),
    { seed: 20_190_429, numRuns: 400 },
  );
});

test('ranges at tree level and reservations in any order agree with the oracle', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ what: fc.nat(3), at: fc.nat(0x7f), length: fc.integer({ min: 1, max: 40 }) }), { maxLength: 40 }),
      (sequence) => {
        const pair = new Pair({ ...iovaDomainParameters('6.12', 1), dma32BitPfn: 0x40, treeFanout: 4 });
        for (const { what, at, length } of sequence) {
          if (what === 0) pair.reserve(at, at + length - 1);
          else if (what === 1) expect(pair.domain.freeIova(at)).toBe(pair.oracle.freeIova(at));
          else {
            const limit = what === 2 ? 0x3f : 0x7f;
            expect(pair.domain.allocIova(length, limit)).toBe(pair.oracle.allocIova(length, limit));
          }
          pair.compareScalars();
        }
      },
    ),
    { seed: 7, numRuns: 1000 },
  );
});

describe('64-bit wrap-around', () => {
  test('a request longer than what is below the lowest range is refused, not wrapped', () => {
    const pair = new Pair({ ...iovaDomainParameters('6.12', 1), dma32BitPfn: 0x40 });
    pair.reserve(0x4, 0x3f);
    expect(pair.alloc(9, 0x3f, true, 0)).toBe(NO_IOVA);
    expect(pair.oracle.taken.wrap).toBe(1);
    expect(pair.domain.max32AllocSize).toBe(16);
    expect(pair.alloc(0x50, 0x7f, true, 0)).toBe(NO_IOVA);
    // A failed request without the 32-bit limit is noted as well.
    expect(pair.domain.max32AllocSize).toBe(0x50);
  });

  test('a limit below the size takes any cached range', () => {
    const pair = new Pair(iovaDomainParameters('6.12', 1));
    const pfn = pair.alloc(8, 0xfffff, true, 0);
    pair.free(pfn, 8, 0);
    expect(pair.alloc(8, 6, false, 0)).toBe(pfn);
    pair.free(pfn, 8, 0);
    expect(pair.alloc(8, 7, false, 0)).toBe(NO_IOVA);
  });
});

describe('caches', () => {
  /** Allocates `count` single pages on CPU 0, then frees them there in order. */
  function cycle(domain: IovaDomain, count: number): void {
    const pfns = Array.from({ length: count }, () => domain.allocIovaFast(1, 0xfffff, true, 0));
    for (const pfn of pfns) domain.freeIovaFast(pfn, 1, 0);
  }

  test('6.1: the 33rd full magazine goes back to the tree', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters('6.1', 4));
    cycle(domain, 127 * 34);
    expect(domain.depotSize(0)).toBe(32);
    expect(domain.nodePages).toBe(127 * 34);
    cycle(domain, 127 * 34 + 1);
    expect(domain.depotSize(0)).toBe(32);
    expect(domain.nodePages).toBe(127 * 33 + 1);
    expect(domain.cachedPages()).toBe(domain.nodePages);
    expect(domain.depotWorkArmed(0)).toBe(false);
  });

  test('6.12: the work trims the depot to one magazine for each online CPU, newest first', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters('6.12', 4, 2));
    cycle(domain, 127 * 40);
    expect(domain.depotSize(0)).toBe(38);
    expect(domain.depotWorkArmed(0)).toBe(true);
    expect(domain.depotWorkArmed(1)).toBe(false);
    let runs = 0;
    while (domain.depotWork(0)) runs++;
    expect(runs).toBe(36);
    expect(domain.depotWorkArmed(0)).toBe(false);
    expect(domain.depotSize(0)).toBe(2);
    // The oldest magazines hold what was freed first: the highest pages.
    expect(domain.nodePages).toBe(4 * 127);
    expect(domain.allocIova(1, 0xffe00)).toBe(0xffe00);
    expect(domain.depotWork(0, 1)).toBe(true);
    expect(domain.depotSize(0)).toBe(1);
  });

  test('a CPU that goes offline leaves its ranges to the tree, others keep theirs', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters('6.12', 2));
    for (const cpu of [0, 1]) {
      const pfns = [1, 2, 5].map((pages) => domain.allocIovaFast(pages, 0xfffff, true, cpu));
      pfns.forEach((pfn, i) => {
        domain.freeIovaFast(pfn, [1, 2, 5][i], cpu);
      });
    }
    expect(domain.nodePages).toBe(2 * (1 + 2 + 8));
    domain.releaseCpu(0);
    expect(domain.nodePages).toBe(1 + 2 + 8);
    expect([0, 1, 3].map((bin) => [domain.cachedEntries(0, bin), domain.cachedEntries(1, bin)])).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  test('the loaded magazine is listed newest first', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters('6.12', 2));
    cycle(domain, 130);
    expect(domain.cachedEntries(0, 0)).toBe(130);
    expect(domain.loadedEntries(0, 0, 2)).toEqual([0xfff7e, 0xfff7f]);
    expect(domain.loadedEntries(0, 0, 9)).toHaveLength(3);
    expect(domain.loadedEntries(1, 5, 9)).toEqual([]);
  });
});

describe('state', () => {
  test('a run that is saved, continued, restored and continued again gives the same addresses and state', () => {
    for (const space of [SPACES[0], SPACES[3]]) {
      const arena = new StateArena();
      const domain = new IovaDomain(arena, space.parameters);
      const go = (seed: number): number[] => {
        const prng = new Prng(seed);
        const live: { pfn: number; pages: number }[] = [];
        const pfns: number[] = [];
        for (let step = 0; step < 2000; step++) {
          const cpu = prng.below(3);
          if (prng.chance(3, 5)) {
            const pages = pickPages(prng, space.pagesMax);
            const pfn = domain.allocIovaFast(pages, space.limits[prng.below(space.limits.length)], prng.chance(1, 4), cpu);
            pfns.push(pfn);
            if (pfn !== NO_IOVA) live.push({ pfn, pages });
          } else if (live.length > 0) {
            const { pfn, pages } = live.splice(prng.below(live.length), 1)[0];
            domain.freeIovaFast(pfn, pages, cpu);
          }
        }
        for (const { pfn, pages } of live) domain.freeIovaFast(pfn, pages, 0);
        return pfns;
      };
      const empty = arena.save();
      const emptyHash = arena.hash();
      go(1);
      const middle = arena.save();
      const middleHash = arena.hash();
      const first = go(2);
      const endHash = arena.hash();
      arena.restore(middle);
      expect(arena.hash()).toBe(middleHash);
      expect(go(2)).toEqual(first);
      expect(arena.hash()).toBe(endHash);
      arena.restore(empty);
      expect(arena.hash()).toBe(emptyHash);
      go(1);
      expect(arena.hash()).toBe(middleHash);
    }
  });

  test('two ways to the same small state give the same bytes', () => {
    const parameters = { ...iovaDomainParameters('6.12', 2), magazineSize: 2, rcacheBins: 1 };
    const hashes = [false, true].map((detour) => {
      const arena = new StateArena();
      const domain = new IovaDomain(arena, parameters);
      const pfns = [0, 1, 2].map(() => domain.allocIovaFast(1, 0xfffff, true, 0));
      for (const pfn of pfns) domain.freeIovaFast(pfn, 1, 0);
      if (detour) {
        // Empties loaded, takes and returns one of prev, and puts back in the old order.
        const taken = [0, 1, 2].map(() => domain.allocIovaFast(1, 0xfffff, true, 0));
        expect(taken).toEqual([pfns[2], pfns[1], pfns[0]]);
        for (const pfn of pfns) domain.freeIovaFast(pfn, 1, 0);
      }
      return arena.hash();
    });
    expect(hashes[0]).toBe(hashes[1]);
  });

  test('emptied magazines and depots leave nothing behind', () => {
    const hashes = [false, true].map((reversed) => {
      const arena = new StateArena();
      const domain = new IovaDomain(arena, { ...iovaDomainParameters('6.12', 1), magazineSize: 2, rcacheBins: 1 });
      const pfns = [0, 1, 2, 3, 4].map(() => domain.allocIovaFast(1, 0xfffff, true, 0));
      if (reversed) pfns.reverse();
      for (const pfn of pfns) domain.freeIovaFast(pfn, 1, 0);
      expect(domain.depotSize(0)).toBe(1);
      const taken = pfns.map(() => domain.allocIovaFast(1, 0xfffff, true, 0));
      expect(domain.cachedPages()).toBe(0);
      for (const pfn of taken) domain.freeIova(pfn);
      expect(domain.nodeCount).toBe(0);
      return arena.hash();
    });
    expect(hashes[0]).toBe(hashes[1]);
  });

  test('two domains share an arena under two names', () => {
    const arena = new StateArena();
    const first = new IovaDomain(arena, iovaDomainParameters('6.12', 1), 'first');
    const second = new IovaDomain(arena, iovaDomainParameters('6.12', 1), 'second');
    first.allocIovaFast(1, 0xfffff, true, 0);
    expect(first.nodeCount).toBe(1);
    expect(second.nodeCount).toBe(0);
  });

  test('an ordinary domain of eight CPUs is saved in well under 200 KB', () => {
    const arena = new StateArena();
    const domain = new IovaDomain(arena, iovaDomainParameters('6.12', 8));
    expect(arena.byteLength).toBeLessThan(6_000);
    const prng = new Prng(5);
    for (let round = 0; round < 20; round++) {
      const pages = Array.from({ length: 1000 }, () => 1 + prng.below(4));
      const pfns = pages.map((n, i) => domain.allocIovaFast(n, 0xfffff, true, i % 8));
      pfns.forEach((pfn, i) => {
        domain.freeIovaFast(pfn, pages[i], prng.below(8));
      });
    }
    expect(arena.byteLength).toBeLessThan(150_000);
  });

  test('wrong use is an assertion', () => {
    const domain = new IovaDomain(new StateArena(), iovaDomainParameters('6.12', 2));
    expect(() => domain.allocIovaFast(1, 0xfffff, true, 2)).toThrow('possible CPU');
    expect(() => domain.freeIovaFast(1, 1, 2)).toThrow('possible CPU');
    expect(() => domain.allocIova(1, 2 ** 52)).toThrow('below 2^52');
    expect(() => domain.reserveIova(5, 4)).toThrow('goes upwards');
    expect(() => new IovaDomain(new StateArena(), { ...iovaDomainParameters('6.12', 2), startPfn: 0 })).toThrow('page 0');
  });
});
