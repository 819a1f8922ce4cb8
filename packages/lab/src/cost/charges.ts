import { COPY_INTERVALS } from './copy-table.ts';
import type { CostConstantName } from './cost-constant.ts';

/** The parts that a cost is split into, in the order in which they are summed up. */
export const COST_PARTS = ['call', 'iova', 'pageTable', 'slots', 'copy', 'invalidation', 'lock', 'flush'] as const;
export type CostPart = (typeof COST_PARTS)[number];

/** What is counted of the work of a row, per owner. Each has one price, see QUANTITY_PRICES. */
export const Quantity = {
  MAP_CALLS: 0,
  UNMAP_CALLS: 1,
  SYNC_COPIES: 2,
  IOVA_CACHE_ALLOCS: 3,
  IOVA_CACHE_FREES: 4,
  IOVA_TREE_ALLOCS: 5,
  IOVA_TREE_FREES: 6,
  /** Ranges written into the page table, and their pages without the first of each. */
  MAPPED_RANGES: 7,
  MAPPED_NEXT_PAGES: 8,
  UNMAPPED_RANGES: 9,
  UNMAPPED_NEXT_PAGES: 10,
  TABLES_ALLOCATED: 11,
  TABLES_FREED: 12,
  SLOT_SEARCHES: 13,
  SLOTS_LOOKED_AT: 14,
  SLOTS_TAKEN: 15,
  SLOT_RELEASES: 16,
  SLOTS_RETURNED: 17,
  ZEROED_BYTES: 18,
  /** Invalidations outside flushes: of pages, and of a whole domain where pages cannot be expressed. */
  PAGE_INVALIDATIONS: 19,
  DOMAIN_INVALIDATIONS: 20,
  LOCKS: 21,
  QUEUE_ADDS: 22,
  /** Drained entries, and where their addresses went. */
  DRAINED_TO_CACHE: 23,
  DRAINED_TO_TREE: 24,
  TIMER_FLUSHES: 25,
  RING_FULL_FLUSHES: 26,
  TEARDOWN_FLUSHES: 27,
  /** Flushes before their time, because the pool was dry: of the domain that asked for slots, and of others. */
  EARLY_FLUSHES_OWN: 28,
  EARLY_FLUSHES_FOREIGN: 29,
  /** A mapping takes one of its device's shadow buffers, or gives it back: a free list, priced like a magazine. */
  SHADOWS_TAKEN: 30,
  SHADOWS_RETURNED: 31,
  /** Copies by size interval (COPY_INTERVALS columns, see COPY_KNOTS), then their bytes. */
  COPIES: 32,
  COPIED_BYTES: 42,
} as const;
export type Quantity = (typeof Quantity)[keyof typeof Quantity];

/** Quantities with a constant each; the copies follow them. */
export const PLAIN_QUANTITIES: number = Quantity.COPIES;
export const QUANTITIES: number = Quantity.COPIED_BYTES + COPY_INTERVALS;

/** What one unit of a quantity costs, and where it is shown. */
export interface QuantityPrice {
  readonly constants: readonly CostConstantName[];
  readonly part: CostPart;
}

/** Prices of the plain quantities. A drained entry costs its release and the free of its address. */
export const QUANTITY_PRICES: readonly QuantityPrice[] = [
  { constants: ['mapCall'], part: 'call' },
  { constants: ['unmapCall'], part: 'call' },
  { constants: ['syncCall'], part: 'call' },
  { constants: ['iovaCacheAlloc'], part: 'iova' },
  { constants: ['iovaCacheFree'], part: 'iova' },
  { constants: ['iovaTreeAlloc'], part: 'iova' },
  { constants: ['iovaTreeFree'], part: 'iova' },
  { constants: ['mapFirstPage'], part: 'pageTable' },
  { constants: ['mapNextPage'], part: 'pageTable' },
  { constants: ['unmapFirstPage'], part: 'pageTable' },
  { constants: ['unmapNextPage'], part: 'pageTable' },
  { constants: ['tablePageAlloc'], part: 'pageTable' },
  { constants: ['tablePageFree'], part: 'pageTable' },
  { constants: ['slotSearch'], part: 'slots' },
  { constants: ['slotLook'], part: 'slots' },
  { constants: ['slotTake'], part: 'slots' },
  { constants: ['slotRelease'], part: 'slots' },
  { constants: ['slotReturn'], part: 'slots' },
  { constants: ['zeroing'], part: 'copy' },
  { constants: ['pageInvalidation'], part: 'invalidation' },
  { constants: ['domainInvalidation'], part: 'invalidation' },
  { constants: ['lock'], part: 'lock' },
  { constants: ['flushQueueAdd'], part: 'flush' },
  { constants: ['flushQueueRelease', 'iovaCacheFree'], part: 'flush' },
  { constants: ['flushQueueRelease', 'iovaTreeFree'], part: 'flush' },
  { constants: ['domainInvalidation'], part: 'flush' },
  { constants: ['domainInvalidation'], part: 'flush' },
  { constants: ['domainInvalidation'], part: 'flush' },
  { constants: ['domainInvalidation'], part: 'flush' },
  { constants: ['domainInvalidation'], part: 'flush' },
  { constants: ['iovaCacheAlloc'], part: 'slots' },
  { constants: ['iovaCacheFree'], part: 'slots' },
];

/** What some work consists of: everything that its price depends on. */
export interface Charges {
  /** By Quantity. */
  readonly quantities: Float64Array;
  /** Waiting for the invalidation queue behind other CPUs, ns, with all latencies low, stated and high. Not linear in them. */
  readonly waitNs: Float64Array;
}

/** Number of points at which the waiting is followed. */
export const WAIT_POINTS = 3;

export function emptyCharges(): Charges {
  return { quantities: new Float64Array(QUANTITIES), waitNs: new Float64Array(WAIT_POINTS) };
}

/** Charges as plain data, quantities by their names in camel case; copies and their bytes by size interval. */
export function plainCharges({ quantities, waitNs }: Charges): Record<string, number | number[]> {
  const named = Object.entries(Quantity).filter(([, quantity]) => quantity < PLAIN_QUANTITIES);
  return {
    ...Object.fromEntries(named.map(([name, quantity]) => [camelCase(name), quantities[quantity]])),
    copies: [...quantities.subarray(Quantity.COPIES, Quantity.COPIED_BYTES)],
    copiedBytes: [...quantities.subarray(Quantity.COPIED_BYTES)],
    waitNs: [...waitNs],
  };
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
