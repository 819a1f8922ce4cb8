/** What is counted per device and row; the numbers are columns of CounterTable. */
export const Counter = {
  MAP_PAGE: 0,
  UNMAP_PAGE: 1,
  MAP_SG: 2,
  UNMAP_SG: 3,
  MAP_RESOURCE: 4,
  UNMAP_RESOURCE: 5,
  ALLOC: 6,
  FREE: 7,
  SYNC: 8,
  MAP_SG_ENTRIES: 9,
  MAPPED: 10,
  FAILED: 11,
  POOL_FULL: 12,
  NEVER_FITS: 13,
  ENDLESS_SEARCH: 14,
  NO_POOL: 15,
  ADDRESS_SPACE: 16,
  OUT_OF_REACH: 17,
  PAGE_TABLE: 18,
  /** Streaming ranges and bytes that were mapped, and those of them that bounced. */
  RANGES: 19,
  RANGE_BYTES: 20,
  BOUNCE_ATTEMPTS: 21,
  BOUNCED_RANGES: 22,
  BOUNCED_BYTES: 23,
  COPIED_IN_MAP: 24,
  COPIED_IN_SYNC: 25,
  COPIED_OUT_SYNC: 26,
  COPIED_OUT_UNMAP: 27,
  ZEROED: 28,
  TABLE_MAPS: 29,
  TABLE_MAPPED_PAGES: 30,
  TABLE_UNMAPS: 31,
  TABLE_UNMAPPED_PAGES: 32,
  PAGE_SELECTIVE: 33,
  DOMAIN_SELECTIVE: 34,
  FLUSHES_TIMER: 35,
  FLUSHES_RING_FULL: 36,
  FLUSHES_EARLY_OWN: 37,
  FLUSHES_EARLY_FOREIGN: 38,
  /** Of BOUNCE_ATTEMPTS: mapped without slots. */
  DIRECT_WHEN_DRY: 39,
  RELEASED_AT_ONCE: 40,
  SKIPPED_UNMAPS: 41,
  LEFT_OPEN: 42,
} as const;
export type Counter = (typeof Counter)[keyof typeof Counter];

const COUNTERS = 43;

/**
 * Counters by owner: the devices first, then the domains, for what no single device did, then one row for what belongs
 * to nobody known.
 */
export class CounterTable {
  readonly owners: number;
  private readonly counts: Float64Array;

  constructor(owners: number) {
    this.owners = owners;
    this.counts = new Float64Array(owners * COUNTERS);
  }

  add(owner: number, counter: Counter, amount: number): void {
    this.counts[owner * COUNTERS + counter] += amount;
  }

  get(owner: number, counter: Counter): number {
    return this.counts[owner * COUNTERS + counter];
  }

  total(counter: Counter): number {
    let sum = 0;
    for (let owner = 0; owner < this.owners; owner++) sum += this.get(owner, counter);
    return sum;
  }
}
