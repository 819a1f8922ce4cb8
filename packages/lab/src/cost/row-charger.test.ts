import { FlushCause, ObservationLog, Observed, Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { QUANTITIES, Quantity } from './charges.ts';
import { OBSERVATION_CHARGES, RowCharger } from './row-charger.ts';

const KINDS = Object.entries(Observed) as [keyof typeof Observed, Observed][];
/** IOTLB descriptors of domain 2, page 0xfffff000. @source VT-d 6.5.2.3 */
const PAGES = 0x200f2;
const DOMAIN = 0x200e2;

/** Quantities of a log, by name, without those that are 0. */
function chargesOf(fill: (log: ObservationLog) => void): Record<string, number> {
  const log = new ObservationLog();
  fill(log);
  const charger = new RowCharger(2);
  const quantities = new Float64Array(QUANTITIES);
  for (let row = 0; row < log.length; row++) charger.charge(log, row, quantities, 0);
  const named = Object.entries(Quantity).map(([name, quantity]) => [name, quantities[quantity]] as const);
  return Object.fromEntries(named.filter(([, amount]) => amount !== 0));
}

/** Emits a row of a kind with plausible values. */
function emit(log: ObservationLog, kind: Observed, prng: Prng): void {
  const pages = 1 + prng.below(40);
  const values = (): [number, number, number, number, number] => {
    switch (kind) {
      case Observed.MAPPED:
        return [4096 * prng.below(100), 0, 4096 * pages, 3, 0];
      case Observed.UNMAPPED:
        return [4096 * prng.below(100), 4096 * pages, 4096 * pages, 0, 0];
      case Observed.DESCRIPTOR_SUBMITTED:
        return [0, prng.chance(1, 2) ? PAGES : DOMAIN, 0, 0xfffff000, 0];
      case Observed.FLUSH_STARTED:
      case Observed.FLUSH_FINISHED:
        return [prng.below(5), 0, 0, 0, 0];
      case Observed.CALL_BEGUN:
        return [prng.below(8), 0, 0, 0, 0];
      default:
        return [prng.below(100), pages, prng.below(2), 1, 1 + prng.below(20)];
    }
  };
  log.emit(kind, prng.below(2), 0, 2, ...values());
}

describe('the table of charges', () => {
  it('has every kind of observation', () => {
    expect(Object.keys(OBSERVATION_CHARGES).sort()).toEqual(KINDS.map(([name]) => name).sort());
  });

  it.each(KINDS)('says whether %s costs something', (name, kind) => {
    const prng = new Prng(kind);
    for (let round = 0; round < 20; round++) {
      const isCharged = Object.keys(chargesOf((log) => emit(log, kind, prng))).length > 0;
      expect(isCharged).toBe(OBSERVATION_CHARGES[name] === 'charged');
    }
  });

  it('charges every row of any stream once', () => {
    const single = new Float64Array(QUANTITIES);
    const whole = new Float64Array(QUANTITIES);
    const [one, all] = [new RowCharger(2), new RowCharger(2)];
    const prng = new Prng(5);
    const log = new ObservationLog();
    for (let row = 0; row < 3000; row++) emit(log, KINDS[prng.below(KINDS.length)][1], prng);
    for (let row = 0; row < log.length; row++) {
      all.charge(log, row, whole, 0);
      const alone = new Float64Array(QUANTITIES);
      one.charge(log, row, alone, 0);
      const name = KINDS.find(([, kind]) => kind === log.kind[row])![0];
      expect([name, leading(alone)]).toEqual([name, OBSERVATION_CHARGES[name] === 'charged' ? 1 : 0]);
      for (let quantity = 0; quantity < QUANTITIES; quantity++) single[quantity] += alone[quantity];
    }
    expect(single).toEqual(whole);
  });
});

/** How many operations a row was charged as: locks, sizes and pages only say how much of it, and a sync copy is still one copy. */
function leading(quantities: Float64Array): number {
  const sizes: readonly number[] = [
    Quantity.LOCKS,
    Quantity.MAPPED_NEXT_PAGES,
    Quantity.UNMAPPED_NEXT_PAGES,
    Quantity.SLOTS_LOOKED_AT,
    Quantity.SLOTS_TAKEN,
    Quantity.SLOTS_RETURNED,
    Quantity.SYNC_COPIES,
  ];
  let operations = 0;
  for (let quantity = 0; quantity < Quantity.COPIED_BYTES; quantity++) {
    if (quantities[quantity] !== 0 && !sizes.includes(quantity)) operations += 1;
  }
  return operations;
}

describe('an invalidation', () => {
  it('belongs to the flush that it lies in, on its own CPU', () => {
    const charges = chargesOf((log) => {
      log.emit(Observed.FLUSH_STARTED, 0, -1, 2, FlushCause.TIMER);
      log.emit(Observed.DESCRIPTOR_SUBMITTED, 1, 0, 2, 0, PAGES);
      log.emit(Observed.DESCRIPTOR_SUBMITTED, 0, -1, 2, 0, DOMAIN);
      log.emit(Observed.FLUSH_FINISHED, 0, -1, 2, FlushCause.TIMER);
      log.emit(Observed.DESCRIPTOR_SUBMITTED, 0, 0, 2, 0, DOMAIN);
    });
    expect(charges).toEqual({ TIMER_FLUSHES: 1, PAGE_INVALIDATIONS: 1, DOMAIN_INVALIDATIONS: 1, LOCKS: 3 });
  });

  it.each([
    ['RING_FULL', 'RING_FULL_FLUSHES'],
    ['TEARDOWN', 'TEARDOWN_FLUSHES'],
    ['POOL_OWN', 'EARLY_FLUSHES_OWN'],
    ['POOL_FOREIGN', 'EARLY_FLUSHES_FOREIGN'],
  ] as const)('of a flush for %s is counted apart', (cause, quantity) => {
    const charges = chargesOf((log) => {
      log.emit(Observed.FLUSH_STARTED, 0, 0, 2, FlushCause[cause]);
      log.emit(Observed.DESCRIPTOR_SUBMITTED, 0, 0, 2, 0, DOMAIN);
    });
    expect(charges).toEqual({ [quantity]: 1, LOCKS: 1 });
  });
});

describe('a freed range', () => {
  const unmapAndFree = (log: ObservationLog, pfn: number): void => {
    log.emit(Observed.UNMAPPED, 0, 0, 2, pfn * 4096, 4096, 4096);
    log.emit(Observed.IOVA_FREED, 0, -1, 2, pfn, 1, 1);
  };

  it('is that of the unmap, or one that a flush has let go', () => {
    expect(chargesOf((log) => unmapAndFree(log, 7))).toMatchObject({ IOVA_CACHE_FREES: 1 });
    const lazy = chargesOf((log) => {
      log.emit(Observed.UNMAPPED, 0, 0, 2, 7 * 4096, 4096, 4096);
      log.emit(Observed.IOVA_FREED, 0, -1, 2, 5, 1, 1);
      log.emit(Observed.IOVA_FREED, 0, -1, 2, 6, 1, 0);
      log.emit(Observed.FLUSH_QUEUED, 0, 0, 2, 7, 1, 1);
      // The timer on the same CPU lets go what has just been queued.
      log.emit(Observed.IOVA_FREED, 0, -1, 2, 7, 1, 1);
    });
    expect(lazy).toMatchObject({ DRAINED_TO_CACHE: 2, DRAINED_TO_TREE: 1, QUEUE_ADDS: 1 });
    expect(lazy.IOVA_CACHE_FREES).toBeUndefined();
  });

  it('is no drained one when a failed call gives back what it had taken', () => {
    const charges = chargesOf((log) => {
      log.emit(Observed.CALL_BEGUN, 0, 0, 2, 0);
      log.emit(Observed.IOVA_ALLOCATED, 0, 0, 2, 9, 1, 0);
      log.emit(Observed.IOVA_FREED, 0, -1, 2, 9, 1, 1);
    });
    expect(charges).toMatchObject({ IOVA_TREE_ALLOCS: 1, IOVA_CACHE_FREES: 1 });
  });
});

it('tells a copy of a sync call from one inside a map or unmap', () => {
  const charges = chargesOf((log) => {
    log.emit(Observed.CALL_BEGUN, 0, 0, 2, 0);
    log.emit(Observed.COPIED_IN, 0, 0, 2, 0, 1500);
    log.emit(Observed.COPIED_OUT, 1, 0, 2, 0, 1500);
    log.emit(Observed.CALL_ENDED, 0, 0, 2, 0);
  });
  expect(charges).toMatchObject({ MAP_CALLS: 1, SYNC_COPIES: 1 });
});
