import { describe, expect, it } from 'vitest';
import { type KernelRules, StateArena } from '../base/index.ts';
import { SwiotlbPool } from './pool.ts';
import { NO_SLOT, SlotOutcome } from './pool-parameters.ts';
import { allocateSlots } from './slot-allocation.ts';
import { releaseSlots } from './slot-free.ts';

const START = 0x7bfd7000;
const FOUR_GIB = 0xffffffff;
const KERNELS: readonly KernelRules[] = ['6.1', '6.12'];

function makePool(kernel: KernelRules, slots: number, areas: number): SwiotlbPool {
  return new SwiotlbPool(new StateArena(), { start: START, slots, areas, kernel });
}

function lists(pool: SwiotlbPool, from: number, to: number): number[] {
  const values: number[] = [];
  for (let slot = from; slot <= to; slot++) values.push(pool.listOf(slot));
  return values;
}

describe.each(KERNELS)('%s, 32768 slots in 4 areas', (kernel) => {
  const old = kernel === '6.1';
  // CPU, M, original, bytes, A, tlb in 6.1 and its slot, in 6.12, area, its index after in 6.1 and 6.12.
  const steps = [
    [0, 0, 0x10001234, 60, 0, 0x7bfd7000, 0, 0x7bfd7000, 0, 0, 1, 1],
    [0, 0, 0x10002000, 2048, 0, 0x7bfd7800, 1, 0x7bfd7800, 1, 0, 2, 2],
    [0, 0, 0x10003800, 4096, 0, 0x7bfd8000, 2, 0x7bfd8000, 2, 0, 4, 4],
    [0, 0, 0x10004010, 100, 4095, 0x7bfd9000, 4, 0x7bfd9000, 4, 0, 6, 6],
    [0, 0, 0x10005000, 5000, 4095, 0x7bfda000, 6, 0x7bfda000, 6, 0, 10, 10],
    [1, 0, 0x10006abc, 1500, 0, 0x7cfd7000, 8192, 0x7cfd7000, 8192, 1, 1, 1],
    [1, 4095, 0x10007a10, 4096, 4095, 0x7cfd8210, 8194, 0x7cfd8a10, 8195, 1, 5, 6],
    [1, 4095, 0x10008a10, 700, 0, 0x7cfdaa10, 8199, 0x7cfdaa10, 8199, 1, 8, 8],
    [5, 0, 0x10009000, 6000, 0, 0x7cfdb000, 8200, 0x7cfdb000, 8200, 1, 11, 11],
  ] as const;

  it('allocates, numbers and merges as the kernel does', () => {
    const pool = makePool(kernel, 32768, 4);
    const tlbs = steps.map(([cpu, m, original, bytes, a, tlb61, slot61, tlb612, slot612, area, index61, index612]) => {
      const tlb = allocateSlots(pool, original, bytes, a, m, FOUR_GIB, cpu);
      expect(tlb).toBe(old ? tlb61 : tlb612);
      expect(pool.slotAt(tlb)).toBe(old ? slot61 : slot612);
      expect(pool.areaIndex(area)).toBe(old ? index61 : index612);
      return tlb;
    });
    expect(pool.padSlots(8195)).toBe(old ? 0 : 1);
    expect(lists(pool, 0, 15)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 118, 117, 116, 115, 114, 113]);
    releaseSlots(pool, tlbs[1], 0);
    expect(pool.listOf(1)).toBe(1);
    releaseSlots(pool, tlbs[0], 0);
    expect(lists(pool, 0, 1)).toEqual([2, 1]);
    expect(pool.areaIndex(0)).toBe(10);
  });
});

describe.each(KERNELS)('%s, 512 slots in 2 areas, page alignment', (kernel) => {
  it('falls over to the next area, wraps and fills exact gaps', () => {
    const pool = makePool(kernel, 512, 2);
    const tlbs = new Map<string, number>();
    const map = (name: string, cpu: number, bytes: number): number => {
      const tlb = allocateSlots(pool, 0x10000000, bytes, 4095, 0, FOUR_GIB, cpu);
      tlbs.set(name, tlb);
      return tlb === NO_SLOT ? NO_SLOT : pool.slotAt(tlb);
    };
    const state = (): number[] => [pool.areaIndex(0), pool.areaIndex(1), pool.areaUsed(0), pool.areaUsed(1)];

    expect([map('a', 0, 200000), pool.lastSlots, ...state()]).toEqual([0, 98, 98, 0, 98, 0]);
    expect([map('b', 0, 100000), ...state()]).toEqual([128, 178, 0, 148, 0]);
    expect([map('c', 0, 60000), ...state()]).toEqual([178, 208, 0, 178, 0]);
    expect([map('d', 0, 200000), ...state()]).toEqual([256, 208, 98, 178, 98]);
    expect([map('e', 0, 60000), ...state()]).toEqual([208, 238, 98, 208, 98]);
    expect([map('f', 0, 60000), ...state()]).toEqual([98, 128, 98, 238, 98]);
    expect([map('g', 0, 60000), ...state()]).toEqual([354, 128, 128, 238, 128]);
    releaseSlots(pool, tlbs.get('a')!, 0);
    expect([pool.listOf(0), pool.listOf(97), pool.listOf(98), ...state()]).toEqual([98, 1, 0, 128, 128, 140, 128]);
    expect([map('h', 0, 64), ...state()]).toEqual([238, 240, 128, 142, 128]);
    expect([map('i', 0, 64), ...state()]).toEqual([240, 242, 128, 144, 128]);
    releaseSlots(pool, tlbs.get('e')!, 0);
    expect([pool.listOf(208), pool.listOf(237), pool.listOf(238), ...state()]).toEqual([30, 1, 0, 242, 128, 114, 128]);
    expect([map('j', 1, 262144), ...state()]).toEqual([384, 242, 0, 114, 256]);
    expect([map('k', 1, 262145), ...state()]).toEqual([NO_SLOT, 242, 0, 114, 256]);
    expect(pool.lastOutcome).toBe(SlotOutcome.NEVER_FITS);
  });
});

describe.each(KERNELS)('%s, one area of 512 slots', (kernel) => {
  const old = kernel === '6.1';

  it('keeps mappings inside a segment boundary of 64 KiB', () => {
    const pool = makePool(kernel, 512, 1);
    const map = (bytes: number): number => allocateSlots(pool, 0x10000000, bytes, 4095, 0, 0xffff, 0);
    expect([map(40960), pool.lastFirstSlot, pool.areaIndex(0)]).toEqual([0x7bfe0000, 18, 38]);
    expect([map(40960), pool.lastFirstSlot, pool.areaIndex(0)]).toEqual([0x7bff0000, 50, 70]);
    expect([map(65536), pool.lastFirstSlot, pool.areaIndex(0)]).toEqual([0x7c000000, 82, 114]);
    expect([map(65537), pool.lastOutcome]).toEqual([NO_SLOT, SlotOutcome.NEVER_FITS]);
  });

  it('keeps the address bits of a device like an NVMe controller, by padding slots only in 6.12', () => {
    const pool = makePool(kernel, 512, 1);
    const map = (original: number, bytes: number): number[] => {
      const tlb = allocateSlots(pool, original, bytes, 4095, 4095, FOUR_GIB, 0);
      return [tlb, pool.slotAt(tlb), pool.areaIndex(0), pool.used];
    };
    expect(map(0x10000e08, 512)).toEqual(old ? [0x7bfd7608, 0, 3, 3] : [0x7bfd7e08, 1, 4, 4]);
    const [b, ...stateB] = map(0x100007f8, 4096);
    expect([b, ...stateB]).toEqual(old ? [0x7bfd97f8, 4, 7, 6] : [0x7bfd97f8, 4, 8, 8]);
    expect(map(0x10000800, 6000)).toEqual(old ? [0x7bfdb000, 8, 12, 10] : [0x7bfdb800, 9, 12, 12]);
    releaseSlots(pool, b, 4095);
    expect([pool.listOf(4), pool.listOf(6)]).toEqual([4, 2]);
    expect(map(0x10000ffc, 8)).toEqual(old ? [0x7bfdd7fc, 12, 15, 10] : [0x7bfddffc, 13, 16, 12]);
  });

  it('rounds the start index to the stride only in 6.1', () => {
    const pool = makePool(kernel, 512, 1);
    const map = (m: number, original: number, bytes: number): number[] => {
      const tlb = allocateSlots(pool, original, bytes, 0, m, FOUR_GIB, 0);
      return [tlb, pool.lastFirstSlot];
    };
    expect(map(0, 0x10000000, 60)).toEqual([0x7bfd7000, 0]);
    expect(map(0, 0x10000000, 4096)).toEqual([0x7bfd8000, 2]);
    expect(map(0, 0x10000000, 100)).toEqual([0x7bfd9000, 4]);
    expect(map(511, 0x100001f0, 5000)).toEqual(old ? [0x7bfda1f0, 6] : [0x7bfd99f0, 5]);
    expect(map(511, 0x10000733, 60)).toEqual(old ? [0x7bfdb933, 9] : [0x7bfdb133, 8]);
  });

  it('goes round the area before it uses a released slot again', () => {
    const pool = makePool(kernel, 512, 1);
    const slots: number[] = [];
    for (let i = 0; i < 513; i++) {
      const tlb = allocateSlots(pool, 0x10000000, 64, 0, 0, FOUR_GIB, 0);
      slots.push(pool.lastFirstSlot);
      releaseSlots(pool, tlb, 0);
    }
    expect(slots.slice(510)).toEqual([510, 511, 0]);
  });

  it('says how many slots a search that fails has examined', () => {
    const pool = makePool(kernel, 512, 1);
    const holes: number[] = [];
    for (let i = 0; i < 512; i++) {
      const tlb = allocateSlots(pool, 0x10000000, 2048, 0, 0, FOUR_GIB, 0);
      if (i % 2 === 0) holes.push(tlb);
    }
    for (const tlb of holes) releaseSlots(pool, tlb, 0);
    expect(allocateSlots(pool, 0x10000000, 4096, 4095, 0, FOUR_GIB, 0)).toBe(NO_SLOT);
    expect([pool.lastOutcome, pool.lastSlotsLookedAt, pool.lastSlots, pool.lastSearchedBytes]).toEqual([SlotOutcome.FULL, 256, 2, 4096]);
    expect(allocateSlots(pool, 0x10000000, 3000, 0, 0, FOUR_GIB, 0)).toBe(NO_SLOT);
    expect([pool.lastOutcome, pool.lastSlotsLookedAt]).toEqual([SlotOutcome.FULL, 512]);
    expect(allocateSlots(pool, 0x10000000, 257 * 2048, 0, 0, FOUR_GIB, 0)).toBe(NO_SLOT);
    expect([pool.lastOutcome, pool.lastSlotsLookedAt]).toEqual([SlotOutcome.NEVER_FITS, 0]);
  });
});

describe('a device that asks for more alignment than direct mode gives, and finds the pool full', () => {
  function fillButMatchingSlots(kernel: KernelRules): SwiotlbPool {
    const pool = makePool(kernel, 512, 1);
    for (let i = 0; i < 511; i++) allocateSlots(pool, 0x10000000, 64, 0, 0, FOUR_GIB, 0);
    releaseSlots(pool, START + 2048 * 100, 0);
    releaseSlots(pool, START + 2048 * 200, 0);
    allocateSlots(pool, 0x10000000, 64, 0, 0, FOUR_GIB, 0);
    allocateSlots(pool, 0x10000000, 64, 0, 0, FOUR_GIB, 0);
    return pool;
  }

  it('never returns from 6.1', () => {
    const pool = fillButMatchingSlots('6.1');
    expect(pool.areaIndex(0)).toBe(101);
    expect(allocateSlots(pool, 0x10000800, 64, 0, 4095, FOUR_GIB, 0)).toBe(NO_SLOT);
    expect([pool.lastOutcome, pool.lastSlotsLookedAt]).toEqual([SlotOutcome.ENDLESS, 512]);
    expect(pool.used).toBe(511);
    expect(allocateSlots(pool, 0x10000000, 64, 0, 4095, FOUR_GIB, 0)).toBe(START + 2048 * 200);
    expect(pool.lastOutcome).toBe(SlotOutcome.ALLOCATED);
  });

  it('fails in 6.12', () => {
    const pool = fillButMatchingSlots('6.12');
    expect(allocateSlots(pool, 0x10000800, 64, 0, 4095, FOUR_GIB, 0)).toBe(NO_SLOT);
    expect(pool.lastOutcome).toBe(SlotOutcome.FULL);
  });
});

describe('wrong calls', () => {
  it('are assertions', () => {
    const pool = makePool('6.12', 512, 1);
    const tlb = allocateSlots(pool, 0x10000e00, 4096, 4095, 4095, FOUR_GIB, 0);
    expect(() => releaseSlots(pool, tlb + 2048, 4095)).toThrow('not the start');
    expect(() => releaseSlots(pool, tlb + 1, 4095)).toThrow('not the start');
    expect(() => releaseSlots(pool, tlb, 511)).toThrow('not the one');
    expect(() => releaseSlots(pool, START + 2048 * 300, 0)).toThrow('is free');
    expect(() => releaseSlots(pool, START - 1, 0)).toThrow('not in the bounce pool');
    expect(() => allocateSlots(pool, 0x1000, 64, 4094, 0, FOUR_GIB, 0)).toThrow('alignment masks');
    expect(() => allocateSlots(pool, 0x1000, 64, 4095, 0, 0x7ff, 0)).toThrow('not finer');
    expect(() => allocateSlots(pool, 0x1000, 64, 4095, 0, 0x12345, 0)).toThrow('boundary mask');
  });
});
