import { describe, expect, it } from 'vitest';
import { type KernelRules, Prng, StateArena } from '../base/index.ts';
import { OraclePool } from './pool.oracle.ts';
import { SwiotlbPool } from './pool.ts';
import { INVALID_PHYS_ADDR, mappingBytesMax, NO_SLOT, SlotOutcome } from './pool-parameters.ts';
import { allocateSlots } from './slot-allocation.ts';
import { releaseSlots } from './slot-free.ts';

const NONE = Number.POSITIVE_INFINITY;

interface Setup {
  readonly name: string;
  readonly start: number;
  readonly slots: number;
  readonly areas: number;
  readonly slotBytes?: number;
  readonly segmentSlots?: number;
  readonly alignMasks: readonly number[];
  readonly minMasks: readonly number[];
  readonly boundaries: readonly number[];
  readonly longest: number;
}

const SETUPS: readonly Setup[] = [
  {
    name: 'one area',
    start: 0x7bfd7000,
    slots: 1024,
    areas: 1,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, 0xffffffff, NONE],
    longest: 270_000,
  },
  {
    name: 'four areas',
    start: 0x7bfd7000,
    slots: 2048,
    areas: 4,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, 0xffffffff, NONE],
    longest: 60_000,
  },
  {
    name: 'short mappings',
    start: 0x7bfd7000,
    slots: 512,
    areas: 2,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 2047, 4095],
    boundaries: [0xffffffff],
    longest: 9000,
  },
  {
    name: 'across 4 GiB',
    start: 0xfffc5000,
    slots: 512,
    areas: 2,
    alignMasks: [0, 4095],
    minMasks: [0, 4095],
    boundaries: [0xfff, 0x1ffff, 0xffffffff, NONE],
    longest: 100_000,
  },
  {
    name: 'above 4 GiB',
    start: 0x12_3456_7000,
    slots: 512,
    areas: 1,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, 0xffffffff, 2 ** 44 - 1],
    longest: 100_000,
  },
  {
    name: 'across 2^44',
    start: 2 ** 44 - 0x25000,
    slots: 256,
    areas: 1,
    alignMasks: [0, 4095],
    minMasks: [0, 4095],
    boundaries: [2 ** 44 - 1, NONE],
    longest: 90_000,
  },
  {
    name: 'large alignment',
    start: 0x7bfd7000,
    slots: 512,
    areas: 2,
    alignMasks: [0, 4095, 65535],
    minMasks: [0, 4095, 16383, 65535],
    boundaries: [0xffffffff],
    longest: 20_000,
  },
  {
    name: 'segments shared by areas',
    start: 0x40000000,
    slots: 512,
    areas: 8,
    alignMasks: [0, 4095],
    minMasks: [0, 4095],
    boundaries: [0xffffffff],
    longest: 90_000,
  },
  {
    name: 'odd end',
    start: 0x40000000,
    slots: 300,
    areas: 1,
    alignMasks: [0, 4095],
    minMasks: [0, 4095],
    boundaries: [0xffffffff],
    longest: 90_000,
  },
  {
    name: 'eight slots',
    start: 0x10000,
    slots: 8,
    areas: 2,
    segmentSlots: 4,
    alignMasks: [0, 4095],
    minMasks: [0, 4095],
    boundaries: [0xffff, NONE],
    longest: 9000,
  },
  {
    name: 'small slots',
    start: 0x10000,
    slots: 64,
    areas: 2,
    slotBytes: 1024,
    segmentSlots: 16,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, NONE],
    longest: 9000,
  },
  {
    name: 'page slots',
    start: 0x10000,
    slots: 64,
    areas: 1,
    slotBytes: 4096,
    segmentSlots: 32,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, NONE],
    longest: 90_000,
  },
  {
    name: 'segments of two words',
    start: 0x10000,
    slots: 256,
    areas: 1,
    segmentSlots: 64,
    alignMasks: [0, 4095],
    minMasks: [0, 511, 4095],
    boundaries: [0xffff, NONE],
    longest: 90_000,
  },
];

function makePool(setup: Setup, kernel: KernelRules): SwiotlbPool {
  return new SwiotlbPool(new StateArena(), { ...setup, kernel });
}

function makeOracle(setup: Setup, kernel: KernelRules): OraclePool {
  return new OraclePool(setup.start, setup.slots, setup.areas, kernel, setup.slotBytes ?? 2048, setup.segmentSlots ?? 128);
}

/** The first difference between all that can be asked of the two, or nothing. */
function difference(pool: SwiotlbPool, oracle: OraclePool): string | undefined {
  for (let area = 0; area < pool.areas; area++) {
    if (pool.areaIndex(area) !== oracle.index[area]) return `index of area ${area}: ${pool.areaIndex(area)}, oracle ${oracle.index[area]}`;
    if (pool.areaUsed(area) !== oracle.areaUsed[area])
      return `used of area ${area}: ${pool.areaUsed(area)}, oracle ${oracle.areaUsed[area]}`;
  }
  if (pool.used !== oracle.used) return `used: ${pool.used}, oracle ${oracle.used}`;
  if (pool.hiwater !== oracle.hiwater) return `hiwater: ${pool.hiwater}, oracle ${oracle.hiwater}`;
  for (let slot = 0; slot < pool.slots; slot++) {
    const orig = oracle.origAddr[slot] === 2n ** 64n - 1n ? INVALID_PHYS_ADDR : Number(oracle.origAddr[slot]);
    if (pool.listOf(slot) !== oracle.list[slot]) return `list[${slot}]: ${pool.listOf(slot)}, oracle ${oracle.list[slot]}`;
    if (pool.origAddr(slot) !== orig) return `orig_addr[${slot}]: ${pool.origAddr(slot)}, oracle ${orig}`;
    if (pool.allocSize(slot) !== Number(oracle.allocSize[slot]))
      return `alloc_size[${slot}]: ${pool.allocSize(slot)}, oracle ${oracle.allocSize[slot]}`;
    if (pool.padSlots(slot) !== oracle.padSlots[slot]) return `pad_slots[${slot}]: ${pool.padSlots(slot)}, oracle ${oracle.padSlots[slot]}`;
  }
  return undefined;
}

/** A size with short, page-sized and long ones all frequent. */
function someSize(prng: Prng, longest: number): number {
  switch (prng.below(4)) {
    case 0:
      return 1 + prng.below(2100);
    case 1:
      return 4096;
    case 2:
      return 1 + prng.below(Math.min(longest, 10_000));
    default:
      return 1 + prng.below(longest);
  }
}

/** Random mappings and unmappings on both, compared call by call. Counts how the calls ended. */
function compareRandomRun(
  setup: Setup,
  kernel: KernelRules,
  seed: number,
  operations: number,
  keepPercent: number,
): Record<string, number> {
  const prng = new Prng(seed);
  const pool = makePool(setup, kernel);
  const oracle = makeOracle(setup, kernel);
  const live: { tlb: number; m: number }[] = [];
  const ends: Record<string, number> = { allocated: 0, full: 0, endless: 0, padded: 0 };
  for (let i = 0; i < operations; i++) {
    if (live.length > 0 && prng.below(100) >= keepPercent) {
      const [gone] = live.splice(prng.below(live.length), 1);
      releaseSlots(pool, gone.tlb, gone.m);
      oracle.release(gone.tlb, gone.m);
    } else {
      const orig = prng.chance(1, 16)
        ? 0
        : (prng.chance(1, 2) ? 0x10000000 : 0x12_0000_0000) + prng.below(65536) * (prng.chance(1, 4) ? 16 : 1);
      const bytes = someSize(prng, setup.longest);
      const a = setup.alignMasks[prng.below(setup.alignMasks.length)];
      const m = setup.minMasks[prng.below(setup.minMasks.length)];
      const b = setup.boundaries[prng.below(setup.boundaries.length)];
      if (b < (a | m)) continue;
      const cpu = prng.below(16);
      const got = allocateSlots(pool, orig, bytes, a, m, b, cpu);
      const want = oracle.allocate(orig, bytes, a, m, b, cpu);
      const call = `seed ${seed} operation ${i}: orig ${orig} bytes ${bytes} A ${a} M ${m} B ${b} cpu ${cpu}`;
      expect(
        { tlb: got, first: pool.lastFirstSlot, slots: pool.lastSlots, pad: pool.lastPadSlots, looks: pool.lastSlotsLookedAt },
        call,
      ).toEqual({
        tlb: typeof want.tlb === 'number' ? want.tlb : NO_SLOT,
        first: want.firstSlot,
        slots: want.slots,
        pad: want.padSlots,
        looks: want.looks,
      });
      expect(pool.lastOutcome === SlotOutcome.ENDLESS, call).toBe(want.tlb === 'endless');
      ends[typeof want.tlb === 'number' ? 'allocated' : want.tlb] += 1;
      if (want.padSlots > 0) ends.padded += 1;
      if (got !== NO_SLOT) live.push({ tlb: got, m });
    }
    if (i % 64 === 0) expect(difference(pool, oracle), `seed ${seed} after operation ${i}`).toBeUndefined();
  }
  expect(difference(pool, oracle), `seed ${seed} at the end`).toBeUndefined();
  for (const { tlb, m } of live) releaseSlots(pool, tlb, m);
  expect(pool.used).toBe(0);
  return ends;
}

describe.each(['6.1', '6.12'] as const)('%s slot allocator against a linear search', (kernel) => {
  it.each(SETUPS)('$name', (setup) => {
    const total: Record<string, number> = { allocated: 0, full: 0, endless: 0, padded: 0 };
    for (let seed = 1; seed <= 4; seed++) {
      for (const keepPercent of [52, 65, 90]) {
        const ends = compareRandomRun(setup, kernel, seed * 100 + keepPercent, 600, keepPercent);
        for (const end of Object.keys(ends)) total[end] += ends[end];
      }
    }
    expect(total.allocated).toBeGreaterThan(300);
    expect(total.full).toBeGreaterThan(20);
    if (kernel === '6.12') expect(total.endless).toBe(0);
    else expect(total.padded).toBe(0);
  });
});

describe('SwiotlbPool', () => {
  it('meets endless searches in 6.1 and padding slots in 6.12 in the runs above', () => {
    expect(compareRandomRun(SETUPS[2], '6.1', 190, 600, 90).endless).toBeGreaterThan(0);
    expect(compareRandomRun(SETUPS[2], '6.12', 190, 600, 90).padded).toBeGreaterThan(0);
  });

  it('knows its addresses', () => {
    const pool = makePool(SETUPS[0], '6.12');
    expect([0x7bfd6fff, 0x7bfd7000, 0x7c1d6fff, 0x7c1d7000].map((address) => pool.contains(address))).toEqual([false, true, true, false]);
    expect(pool.slotAt(0x7bfd7fff)).toBe(1);
  });

  it('starts with every slot free up to the end of its segment', () => {
    const pool = makePool({ ...SETUPS[0], slots: 300 }, '6.12');
    expect([0, 1, 127, 128, 255, 256, 299].map((slot) => pool.listOf(slot))).toEqual([128, 127, 1, 128, 1, 44, 1]);
    expect(pool.origAddr(5)).toBe(INVALID_PHYS_ADDR);
    expect(pool.allocSize(5)).toBe(0);
  });

  it('keeps a size that the kernel wraps below zero as a negative number', () => {
    const pool = makePool(SETUPS[0], '6.12');
    allocateSlots(pool, 0x10000000 + 2000, 100, 0, 2047, 0xffffffff, 0);
    expect([pool.allocSize(0), pool.allocSize(1)]).toEqual([100, -1948]);
  });

  it('restores a saved state, from then on does the same again, and hashes equal states equally', () => {
    const arena = new StateArena();
    const pool = new SwiotlbPool(arena, { ...SETUPS[1], kernel: '6.12' });
    const run = (seed: number, operations: number): number[] => {
      const prng = new Prng(seed);
      const results: number[] = [];
      for (let i = 0; i < operations; i++) {
        const tlb = allocateSlots(pool, 0x10000000 + prng.below(4096), someSize(prng, 30_000), 4095, 4095, 0xffffffff, prng.below(4));
        results.push(tlb, pool.lastSlotsLookedAt);
        if (tlb !== NO_SLOT && prng.chance(1, 2)) releaseSlots(pool, tlb, 4095);
      }
      return results;
    };
    run(7, 400);
    const saved = arena.save();
    const hash = arena.hash();
    const first = run(8, 400);
    expect(arena.hash()).not.toBe(hash);
    arena.restore(saved);
    expect(arena.hash()).toBe(hash);
    expect(run(8, 400)).toEqual(first);
  });

  it('shares an arena with a second pool of another name', () => {
    const arena = new StateArena();
    const one = new SwiotlbPool(arena, { ...SETUPS[0], kernel: '6.12' });
    const two = new SwiotlbPool(arena, { ...SETUPS[0], start: 0x20000000, kernel: '6.12' }, 'restricted');
    expect(allocateSlots(one, 0x1000, 64, 0, 0, NONE, 0)).toBe(0x7bfd7000);
    expect([one.used, two.used]).toEqual([1, 0]);
  });

  it('refuses a geometry that no pool has', () => {
    expect(() => makePool({ ...SETUPS[0], start: 0x800 }, '6.12')).toThrow('page boundary');
    expect(() => makePool({ ...SETUPS[0], areas: 3 }, '6.12')).toThrow('number of areas');
    expect(() => makePool({ ...SETUPS[0], slotBytes: 8192 }, '6.12')).toThrow('slot size');
    expect(() => makePool({ ...SETUPS[0], segmentSlots: 256 }, '6.12')).toThrow('at most 128');
  });
});

describe('mappingBytesMax', () => {
  it.each([
    [0, 262144],
    [511, 260096],
    [4095, 258048],
  ])('minimum alignment mask %i: %i bytes', (mask, bytes) => {
    expect(mappingBytesMax(mask)).toBe(bytes);
  });
});
