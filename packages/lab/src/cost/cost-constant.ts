/** Lowest, stated and highest value of a constant. */
export interface ConstantRange {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/**
 * Every constant that a cost profile can give, with its unit.
 *
 * `ns/range` is per contiguous range that one call of the kernel's function works on, `ns/mapping` per bounced mapping.
 */
export const COST_UNITS = {
  /** The part of a map call (or coherent allocation) that does the same under every policy. */
  mapCall: 'ns/call',
  /** The same of an unmap call or coherent free. */
  unmapCall: 'ns/call',
  /** The same of a sync call that copies. */
  syncCall: 'ns/call',
  /** IOVA from the magazines of the CPU; the range holds the depot exchange and its trimming, which no observation shows. */
  iovaCacheAlloc: 'ns/range',
  iovaCacheFree: 'ns/range',
  /** IOVA from the red-black tree. Linux walks over live ranges, so the cost grows with them. */
  iovaTreeAlloc: 'ns/range',
  iovaTreeFree: 'ns/range',
  /** Page-table software: the first page of a range and each further one. */
  mapFirstPage: 'ns/range',
  mapNextPage: 'ns/page',
  unmapFirstPage: 'ns/range',
  unmapNextPage: 'ns/page',
  /** A page of the page table itself is taken (and cleared) or given back. */
  tablePageAlloc: 'ns/page',
  tablePageFree: 'ns/page',
  /** Bounce slots: the search apart from looking, with the renumbering of the segment's free list, which no observation shows. */
  slotSearch: 'ns/mapping',
  slotLook: 'ns/slot',
  slotTake: 'ns/slot',
  /** Release of the slots of a mapping, with renumbering, and each slot. */
  slotRelease: 'ns/mapping',
  slotReturn: 'ns/slot',
  /** Where between the hot (0) and the cold (1) end of the copy table the copies lie. */
  copyState: 'ratio',
  zeroing: 'ns/byte',
  /** A synchronous page-selective invalidation alone on its queue, from submission to the status write. */
  pageInvalidation: 'ns/invalidation',
  /** The same of a whole domain: a flush, or where a range is too large for a page-selective one. */
  domainInvalidation: 'ns/invalidation',
  /** How long an invalidation keeps the queue from the next one, as a share of its own latency. */
  queueService: 'ratio',
  /** A range goes into a ring of the flush queue, or leaves it after a flush. */
  flushQueueAdd: 'ns/entry',
  flushQueueRelease: 'ns/entry',
  /** A lock that nobody else holds: taken and given back. */
  lock: 'ns/lock',
  iotlbEntries: 'entries',
  /** Ways of a set; null means that it is not known, and one set of all entries is assumed. */
  iotlbWays: 'ways',
  /** Entries at each level of the paging-structure caches. */
  pagingStructureEntries: 'entries',
  /** Added latency of a device access that misses the IOTLB but finds the leaf table in the paging-structure caches. */
  iotlbMiss: 'ns/miss',
  /** Each further level that has to be read from memory. */
  walkStep: 'ns/read',
} as const;

export type CostConstantName = keyof typeof COST_UNITS;

export const COST_CONSTANT_NAMES: readonly CostConstantName[] = Object.keys(COST_UNITS) as CostConstantName[];
