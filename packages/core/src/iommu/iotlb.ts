/**
 * The IOTLB: finished translations per domain, leaves of 4 KiB, 2 MiB and 1 GiB. Nothing but an invalidation or
 * replacement takes an entry out, so it can be stale for any time after the page table has changed.
 *
 * The same structure inside a device, tagged with its source id, is the device-TLB (ATS).
 */
import type { DomainId, IovaPfn, Pfn } from '../base/index.ts';
import { blockEnd, blockStart, entryStart } from './second-level-entry.ts';
import { NO_ENTRY, type TranslationCache } from './translation-cache.ts';

/** Widest address mask that means anything: 2^52 pages are all pages. */
export const ADDRESS_MASK_ALL = 52;

export class Iotlb {
  readonly cache: TranslationCache;
  /** Statistics, not part of the state. */
  hits = 0;
  misses = 0;
  /** Entries that page-selective invalidations took out. */
  pagesDropped = 0;

  constructor(cache: TranslationCache) {
    this.cache = cache;
  }

  /** Index of the entry that translates the page, smallest leaf first, or NO_ENTRY. `owner` is a domain id, or a source id in a device-TLB. */
  lookup(owner: DomainId, iovaPfn: IovaPfn): number {
    const cache = this.cache;
    let entry = cache.find(owner, iovaPfn, 1);
    if (entry === NO_ENTRY && cache.liveAt[2] !== 0) entry = cache.find(owner, entryStart(iovaPfn, 2), 2);
    if (entry === NO_ENTRY && cache.liveAt[3] !== 0) entry = cache.find(owner, entryStart(iovaPfn, 3), 3);
    if (entry === NO_ENTRY) this.misses++;
    else this.hits++;
    return entry;
  }

  /** Physical page that an entry gives for a page inside its block. */
  pfnAt(entry: number, iovaPfn: IovaPfn): Pfn {
    return this.cache.pfn[entry] + (iovaPfn - this.cache.page[entry]);
  }

  rightsAt(entry: number): number {
    return this.cache.rights[entry];
  }

  /** Enters a leaf of `level`; page and frame are any pair inside it. */
  store(owner: DomainId, iovaPfn: IovaPfn, level: number, pfn: Pfn, rights: number): void {
    const start = entryStart(iovaPfn, level);
    this.cache.store(owner, start, level, pfn - (iovaPfn - start), rights);
  }

  /** Drops what translates the aligned block of 2^addressMask pages that holds `iovaPfn`; address bits below the mask are ignored. */
  invalidatePages(owner: DomainId, iovaPfn: IovaPfn, addressMask: number): void {
    const first = blockStart(iovaPfn, addressMask);
    const last = blockEnd(iovaPfn, addressMask);
    for (let level = 1; level <= 3; level++) this.pagesDropped += this.cache.dropRange(owner, level, first, last);
  }

  invalidateDomain(owner: DomainId): void {
    this.cache.dropOwner(owner);
  }

  invalidateAll(): void {
    this.cache.dropAll();
  }
}
