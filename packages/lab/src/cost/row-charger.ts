import { CallKind, FlushCause, type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';
import { Quantity } from './charges.ts';
import { COPY_INTERVALS, copyInterval } from './copy-table.ts';

/**
 * Whether a kind of observation is charged, and if not, why not. Every row of a log is charged once: by its own kind
 * here, or with the row that the reason names.
 */
export const OBSERVATION_CHARGES: Readonly<Record<keyof typeof Observed, 'charged' | { readonly free: string }>> = {
  MAPPED: 'charged',
  UNMAPPED: 'charged',
  BOUNCED: { free: 'the decision is part of the call' },
  SLOT_ALLOCATED: 'charged',
  SLOT_RELEASED: 'charged',
  SLOT_FAILED: 'charged',
  COPIED_IN: 'charged',
  COPIED_OUT: 'charged',
  ZEROED: 'charged',
  IOVA_ALLOCATED: 'charged',
  IOVA_FREED: 'charged',
  IOVA_FAILED: 'charged',
  DESCRIPTOR_SUBMITTED: 'charged',
  INVALIDATION_COMPLETED: { free: 'the latency of DESCRIPTOR_SUBMITTED lasts until here' },
  CACHE_TAG_FLUSH_RANGE: { free: 'a decision; its descriptor is charged' },
  CACHE_TAG_FLUSH_RANGE_NP: { free: 'a decision; its descriptor is charged' },
  CACHE_TAG_FLUSH_ALL: { free: 'a decision; its descriptor is charged' },
  FLUSH_QUEUED: 'charged',
  FLUSH_STARTED: { free: 'its descriptor is charged as that of a flush' },
  FLUSH_FINISHED: { free: 'the entries that it lets go are charged one by one' },
  TABLE_ALLOCATED: 'charged',
  TABLE_FREED: 'charged',
  FAULTED: { free: 'the device pays' },
  CALL_BEGUN: 'charged',
  CALL_ENDED: { free: 'CALL_BEGUN paid for the call' },
  SLOT_DEFERRED: { free: 'the slots go with the entry of FLUSH_QUEUED' },
  SHADOW_TAKEN: 'charged',
  SHADOW_RETURNED: 'charged',
  BOUNCE_FORGONE: { free: 'a decision; the searches before it and the mapping are charged' },
};

const COPY_QUANTITIES = Array.from({ length: 2 * COPY_INTERVALS }, (_, index) => (Quantity.COPIES + index) as Quantity);
const FREE_QUANTITIES = [Quantity.IOVA_CACHE_FREES, Quantity.IOVA_TREE_FREES, Quantity.DRAINED_TO_CACHE, Quantity.DRAINED_TO_TREE];
const SUBMITTED_QUANTITIES = [
  Quantity.PAGE_INVALIDATIONS,
  Quantity.DOMAIN_INVALIDATIONS,
  Quantity.TIMER_FLUSHES,
  Quantity.RING_FULL_FLUSHES,
  Quantity.TEARDOWN_FLUSHES,
  Quantity.EARLY_FLUSHES_OWN,
  Quantity.EARLY_FLUSHES_FOREIGN,
];

/** Which quantities a row of each kind can add to, by kind; so that a single row can be priced without looking at all. */
export const QUANTITIES_OF_KIND: readonly (readonly Quantity[])[] = byKind({
  MAPPED: [Quantity.MAPPED_RANGES, Quantity.MAPPED_NEXT_PAGES],
  UNMAPPED: [Quantity.UNMAPPED_RANGES, Quantity.UNMAPPED_NEXT_PAGES],
  SLOT_ALLOCATED: [Quantity.SLOT_SEARCHES, Quantity.SLOTS_LOOKED_AT, Quantity.SLOTS_TAKEN, Quantity.LOCKS],
  SLOT_RELEASED: [Quantity.SLOT_RELEASES, Quantity.SLOTS_RETURNED, Quantity.LOCKS],
  SLOT_FAILED: [Quantity.SLOT_SEARCHES, Quantity.SLOTS_LOOKED_AT, Quantity.LOCKS],
  COPIED_IN: [Quantity.SYNC_COPIES, ...COPY_QUANTITIES],
  COPIED_OUT: [Quantity.SYNC_COPIES, ...COPY_QUANTITIES],
  ZEROED: [Quantity.ZEROED_BYTES],
  IOVA_ALLOCATED: [Quantity.IOVA_CACHE_ALLOCS, Quantity.IOVA_TREE_ALLOCS, Quantity.LOCKS],
  IOVA_FREED: [...FREE_QUANTITIES, Quantity.LOCKS],
  IOVA_FAILED: [Quantity.IOVA_TREE_ALLOCS, Quantity.LOCKS],
  DESCRIPTOR_SUBMITTED: [...SUBMITTED_QUANTITIES, Quantity.LOCKS],
  FLUSH_QUEUED: [Quantity.QUEUE_ADDS, Quantity.LOCKS],
  TABLE_ALLOCATED: [Quantity.TABLES_ALLOCATED],
  TABLE_FREED: [Quantity.TABLES_FREED],
  CALL_BEGUN: [Quantity.MAP_CALLS, Quantity.UNMAP_CALLS],
  SHADOW_TAKEN: [Quantity.SHADOWS_TAKEN, Quantity.LOCKS],
  SHADOW_RETURNED: [Quantity.SHADOWS_RETURNED, Quantity.LOCKS],
});

function byKind(quantities: Partial<Record<keyof typeof Observed, readonly Quantity[]>>): readonly (readonly Quantity[])[] {
  const columns: (readonly Quantity[])[] = [];
  for (const [name, kind] of Object.entries(Observed)) columns[kind] = quantities[name as keyof typeof Observed] ?? [];
  return columns;
}

const NOT_FLUSHING = 255;
const NO_PFN = -1;
/** Granularity field of an IOTLB descriptor, bits 5:4 of its low half. @source VT-d 6.5.2.3 */
const PAGE_SELECTIVE = 3;
/** Largest range that the magazines hold. @source Linux v6.12 drivers/iommu/iova.c IOVA_RANGE_CACHE_MAX_SIZE */
const CACHED_PAGES_MAX = 32;

/**
 * Turns rows of the observation log into quantities.
 *
 * It follows each CPU: whether it is inside a call (a copy outside is one of a sync call), inside a flush (whose
 * invalidation is not one of an unmap), and which range it has in hand (any other one that it frees was drained).
 */
export class RowCharger {
  private readonly inCall: Uint8Array;
  private readonly flushCause: Uint8Array;
  private readonly allocatedPfn: Float64Array;
  private readonly unmappedPfn: Float64Array;

  constructor(cpus: number) {
    this.inCall = new Uint8Array(cpus);
    this.flushCause = new Uint8Array(cpus).fill(NOT_FLUSHING);
    this.allocatedPfn = new Float64Array(cpus).fill(NO_PFN);
    this.unmappedPfn = new Float64Array(cpus).fill(NO_PFN);
  }

  /** Adds what a row costs to the quantities that begin at `at`. Rows of one log have to come in order. */
  charge(log: ObservationLog, row: number, into: Float64Array, at: number): void {
    const cpu = log.cpu[row];
    switch (log.kind[row]) {
      case Observed.MAPPED:
        into[at + Quantity.MAPPED_RANGES] += 1;
        into[at + Quantity.MAPPED_NEXT_PAGES] += log.c[row] / PAGE_SIZE - 1;
        return;
      case Observed.UNMAPPED:
        this.unmappedPfn[cpu] = log.a[row] / PAGE_SIZE;
        into[at + Quantity.UNMAPPED_RANGES] += 1;
        into[at + Quantity.UNMAPPED_NEXT_PAGES] += Math.max(0, log.c[row] / PAGE_SIZE - 1);
        return;
      case Observed.SLOT_ALLOCATED:
        into[at + Quantity.SLOT_SEARCHES] += 1;
        into[at + Quantity.SLOTS_LOOKED_AT] += log.e[row];
        into[at + Quantity.SLOTS_TAKEN] += log.b[row];
        into[at + Quantity.LOCKS] += 1;
        return;
      case Observed.SLOT_FAILED:
        into[at + Quantity.SLOT_SEARCHES] += 1;
        into[at + Quantity.SLOTS_LOOKED_AT] += log.c[row];
        into[at + Quantity.LOCKS] += 1;
        return;
      case Observed.SLOT_RELEASED:
        into[at + Quantity.SLOT_RELEASES] += 1;
        into[at + Quantity.SLOTS_RETURNED] += log.b[row];
        into[at + Quantity.LOCKS] += 1;
        return;
      case Observed.COPIED_IN:
      case Observed.COPIED_OUT: {
        const interval = copyInterval(log.b[row]);
        into[at + Quantity.COPIES + interval] += 1;
        into[at + Quantity.COPIED_BYTES + interval] += log.b[row];
        if (this.inCall[cpu] === 0) into[at + Quantity.SYNC_COPIES] += 1;
        return;
      }
      case Observed.ZEROED:
        into[at + Quantity.ZEROED_BYTES] += log.b[row];
        return;
      case Observed.IOVA_ALLOCATED:
        this.allocatedPfn[cpu] = log.a[row];
        if (log.c[row] === 1) this.chargeCached(into, at, Quantity.IOVA_CACHE_ALLOCS);
        else this.chargeTree(into, at, Quantity.IOVA_TREE_ALLOCS, log.b[row]);
        return;
      case Observed.IOVA_FAILED:
        this.chargeTree(into, at, Quantity.IOVA_TREE_ALLOCS, log.a[row]);
        return;
      case Observed.IOVA_FREED: {
        const drained = log.a[row] !== this.unmappedPfn[cpu] && log.a[row] !== this.allocatedPfn[cpu];
        if (log.c[row] === 1) this.chargeCached(into, at, drained ? Quantity.DRAINED_TO_CACHE : Quantity.IOVA_CACHE_FREES);
        else this.chargeTree(into, at, drained ? Quantity.DRAINED_TO_TREE : Quantity.IOVA_TREE_FREES, log.b[row]);
        return;
      }
      case Observed.DESCRIPTOR_SUBMITTED:
        into[at + this.invalidationOf(log, row)] += 1;
        into[at + Quantity.LOCKS] += 1;
        return;
      case Observed.FLUSH_QUEUED:
        this.forgetRange(cpu);
        into[at + Quantity.QUEUE_ADDS] += 1;
        into[at + Quantity.LOCKS] += 1;
        return;
      case Observed.FLUSH_STARTED:
        this.flushCause[cpu] = log.a[row];
        return;
      case Observed.FLUSH_FINISHED:
        this.flushCause[cpu] = NOT_FLUSHING;
        return;
      case Observed.TABLE_ALLOCATED:
        into[at + Quantity.TABLES_ALLOCATED] += 1;
        return;
      case Observed.TABLE_FREED:
        into[at + Quantity.TABLES_FREED] += 1;
        return;
      case Observed.CALL_BEGUN:
        this.inCall[cpu] = 1;
        this.forgetRange(cpu);
        if (isMap(log.a[row])) into[at + Quantity.MAP_CALLS] += 1;
        else if (isUnmap(log.a[row])) into[at + Quantity.UNMAP_CALLS] += 1;
        return;
      case Observed.CALL_ENDED:
        this.inCall[cpu] = 0;
        this.forgetRange(cpu);
        return;
      case Observed.SHADOW_TAKEN:
        this.chargeCached(into, at, Quantity.SHADOWS_TAKEN);
        return;
      case Observed.SHADOW_RETURNED:
        this.chargeCached(into, at, Quantity.SHADOWS_RETURNED);
    }
  }

  /** Which quantity the invalidation of a DESCRIPTOR_SUBMITTED row is. */
  invalidationOf(log: ObservationLog, row: number): Quantity {
    switch (this.flushCause[log.cpu[row]]) {
      case FlushCause.TIMER:
        return Quantity.TIMER_FLUSHES;
      case FlushCause.RING_FULL:
        return Quantity.RING_FULL_FLUSHES;
      case FlushCause.TEARDOWN:
        return Quantity.TEARDOWN_FLUSHES;
      case FlushCause.POOL_OWN:
        return Quantity.EARLY_FLUSHES_OWN;
      case FlushCause.POOL_FOREIGN:
        return Quantity.EARLY_FLUSHES_FOREIGN;
      default:
        return isPageSelective(log, row) ? Quantity.PAGE_INVALIDATIONS : Quantity.DOMAIN_INVALIDATIONS;
    }
  }

  /** One lock: that of the magazines (or of a device's shadow buffers). */
  private chargeCached(into: Float64Array, at: number, quantity: Quantity): void {
    into[at + quantity] += 1;
    into[at + Quantity.LOCKS] += 1;
  }

  /** The lock of the tree, after that of the magazines unless the range is too long for them. */
  private chargeTree(into: Float64Array, at: number, quantity: Quantity, pages: number): void {
    into[at + quantity] += 1;
    into[at + Quantity.LOCKS] += pages <= CACHED_PAGES_MAX ? 2 : 1;
  }

  private forgetRange(cpu: number): void {
    this.allocatedPfn[cpu] = NO_PFN;
    this.unmappedPfn[cpu] = NO_PFN;
  }
}

/** Whether a DESCRIPTOR_SUBMITTED row invalidates pages, not a whole domain. */
export function isPageSelective(log: ObservationLog, row: number): boolean {
  return ((log.b[row] >>> 4) & 3) === PAGE_SELECTIVE;
}

function isMap(kind: number): boolean {
  return kind === CallKind.MAP_PAGE || kind === CallKind.MAP_SG || kind === CallKind.MAP_RESOURCE || kind === CallKind.ALLOC;
}

function isUnmap(kind: number): boolean {
  return kind === CallKind.UNMAP_PAGE || kind === CallKind.UNMAP_SG || kind === CallKind.UNMAP_RESOURCE || kind === CallKind.FREE;
}
