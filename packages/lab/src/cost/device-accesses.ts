import { type Machine, type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { rangeOf } from './constant-range.ts';
import type { CostProfile } from './cost-profile.ts';
import { LruCache } from './lru-cache.ts';
import { addSums, type CostFigure, type CostSum, emptySum, figureOf, sumOf } from './price-charges.ts';
import { isPageSelective } from './row-charger.ts';

/** Index bits of a table level. */
const LEVEL_BITS = 9;
const ENTRIES_PER_TABLE = 2 ** LEVEL_BITS;
/** Bit 6 of the low half of qw1: non-leaf entries may stay. @source VT-d 6.5.2.3 */
const INVALIDATION_HINT = 1 << 6;
const ADDRESS_MASK_BITS = 63;

/** Columns of the counts, by device. */
const PAGES = 0;
const MISSES = 1;
const READS = 2;
const COLUMNS = 3;

/** What the devices' accesses needed of the translation caches. */
export interface DeviceAccessCounts {
  /** Pages looked up, one for each page of each mapping. */
  readonly pages: number;
  readonly iotlbMisses: number;
  /** Levels above the leaf table that had to be read from memory. */
  readonly walkReads: number;
}

/**
 * IOTLB and paging-structure caches under a stated access model: the device touches each mapped byte once, in order, just
 * before the mapping ends. What the invalidations of the stream take out of the caches is gone.
 *
 * Geometry from the profile. Where it gives no ways, the IOTLB is one set; replacement is least recently used. Large pages
 * count as their 4 KiB pages.
 */
export class DeviceAccesses implements ObservationConsumer {
  private readonly machine: Machine;
  private readonly iotlb: LruCache;
  /** For entries of levels 2 and up, which lead to the tables below them. */
  private readonly structures: readonly LruCache[];
  private readonly counts: Float64Array;
  /** Keys of one domain: its page frames, after those of the domains before it. */
  private readonly domainKeys: number;
  private readonly firstKeyOfId: ReadonlyMap<number, number>;

  /** Null when the profile does not describe the caches. */
  static of(machine: Machine, profile: CostProfile): DeviceAccesses | null {
    const entries = rangeOf(profile, 'iotlbEntries');
    const structureEntries = rangeOf(profile, 'pagingStructureEntries');
    if (entries === undefined || structureEntries === undefined) return null;
    return new DeviceAccesses(machine, entries.mid, rangeOf(profile, 'iotlbWays')?.mid ?? entries.mid, structureEntries.mid);
  }

  private constructor(machine: Machine, entries: number, ways: number, structureEntries: number) {
    this.machine = machine;
    const sets = 2 ** Math.max(0, Math.floor(Math.log2(entries / ways)));
    this.iotlb = new LruCache(sets, ways);
    const levels = machine.domains.reduce((most, { hardware }) => Math.max(most, hardware.levels), 0);
    this.structures = Array.from({ length: Math.max(0, levels - 1) }, () => new LruCache(1, structureEntries));
    this.counts = new Float64Array(machine.devices.length * COLUMNS);
    this.domainKeys = 2 ** machine.domains.reduce((most, { hardware }) => Math.max(most, hardware.widthBits), 0) / PAGE_SIZE;
    this.firstKeyOfId = new Map(machine.domains.map(({ id, index }) => [id, index * this.domainKeys]));
  }

  /** A mapping of a device is about to end: rows `first` to `first` + `count` - 1 are its DMA addresses and their bytes. */
  mappingEnds(device: number, dmaAddr: Float64Array, bytes: Float64Array, first: number, count: number): void {
    const { domain } = this.machine.devices[device];
    if (domain === null) return;
    const at = device * COLUMNS;
    const firstKey = domain.index * this.domainKeys;
    for (let row = first; row < first + count; row++) {
      const lastPfn = Math.floor((dmaAddr[row] + bytes[row] - 1) / PAGE_SIZE);
      for (let pfn = Math.floor(dmaAddr[row] / PAGE_SIZE); pfn <= lastPfn; pfn++) {
        this.counts[at + PAGES] += 1;
        if (!this.iotlb.use(firstKey + pfn)) {
          this.counts[at + MISSES] += 1;
          this.counts[at + READS] += this.walk(firstKey, pfn, domain.hardware.levels);
        }
      }
    }
  }

  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      if (log.kind[row] === Observed.DESCRIPTOR_SUBMITTED) this.invalidate(log, row);
    }
  }

  /** Counts of some devices together. */
  countsOf(devices: readonly number[]): DeviceAccessCounts {
    const sum = (column: number): number => devices.reduce((total, device) => total + this.counts[device * COLUMNS + column], 0);
    return { pages: sum(PAGES), iotlbMisses: sum(MISSES), walkReads: sum(READS) };
  }

  /** @returns levels above the leaf table that the walk had to read */
  private walk(firstKey: number, pfn: number, levels: number): number {
    let block = pfn;
    for (let level = 2; level <= levels; level++) {
      block = Math.floor(block / ENTRIES_PER_TABLE);
      if (this.structures[level - 2].use(firstKey + block)) return level - 2;
    }
    return levels - 1;
  }

  private invalidate(log: ObservationLog, row: number): void {
    const first = this.firstKeyOfId.get(log.domain[row]);
    if (first === undefined) return;
    if (!isPageSelective(log, row)) {
      const last = first + this.domainKeys - 1;
      this.iotlb.dropRange(first, last);
      for (const cache of this.structures) cache.dropRange(first, last);
      return;
    }
    const pages = 2 ** (log.d[row] & ADDRESS_MASK_BITS);
    const pfn = Math.floor((log.c[row] * 2 ** 32 + log.d[row]) / PAGE_SIZE);
    const start = pfn - (pfn % pages);
    this.iotlb.dropRange(first + start, first + start + pages - 1);
    if ((log.d[row] & INVALIDATION_HINT) !== 0) return;
    let span = 1;
    for (const cache of this.structures) {
      span *= ENTRIES_PER_TABLE;
      cache.dropRange(first + Math.floor(start / span), first + Math.floor((start + pages - 1) / span));
    }
  }
}

/** Latency that the misses add to the devices' accesses, one after another. No CPU time. */
export function priceDeviceAccesses(counts: DeviceAccessCounts, profile: CostProfile): CostFigure {
  const share = (name: 'iotlbMiss' | 'walkStep', amount: number): CostSum => {
    const range = rangeOf(profile, name);
    if (range !== undefined) return sumOf(name, { low: amount * range.low, mid: amount * range.mid, high: amount * range.high });
    return amount === 0 ? emptySum() : { ...emptySum(), missing: [name] };
  };
  return figureOf(addSums(share('iotlbMiss', counts.iotlbMisses), share('walkStep', counts.walkReads)));
}
