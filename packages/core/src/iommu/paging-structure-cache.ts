/**
 * Paging-structure caches: for each level above the leaf table, pointers to the table below it, so that a walk starts
 * near the leaf. An entry outlives the table: until it is invalidated the hardware walks a table that the software has
 * detached, and whatever the frame holds once it is used again.
 */
import type { DomainId, IovaPfn, Pfn } from '../base/index.ts';
import { blockEnd, blockStart, entryStart } from './second-level-entry.ts';
import { LEVEL_MAX, NO_ENTRY, type TranslationCache } from './translation-cache.ts';

export class PagingStructureCache {
  /** Cache of level k at index k - 2, for levels 2 to 5; one object may serve several levels. */
  readonly caches: readonly TranslationCache[];
  /** After a hit of `lookup`: the table that the entry points to, and the rights left by the entries above it. */
  tablePfn: Pfn = 0;
  rights = 0;
  /** Statistics, not part of the state; `hitsAt` is indexed by level. */
  readonly hitsAt: Float64Array<ArrayBuffer> = new Float64Array(LEVEL_MAX + 1);
  misses = 0;

  constructor(caches: readonly TranslationCache[]) {
    this.caches = caches;
  }

  /** Lowest level from 2 to `levels` whose entry for the page is cached, 0 when none is. */
  lookup(domainId: DomainId, iovaPfn: IovaPfn, levels: number): number {
    for (let level = 2; level <= levels; level++) {
      const cache = this.caches[level - 2];
      if (cache.liveAt[level] === 0) continue;
      const entry = cache.find(domainId, entryStart(iovaPfn, level), level);
      if (entry === NO_ENTRY) continue;
      this.tablePfn = cache.pfn[entry];
      this.rights = cache.rights[entry];
      this.hitsAt[level]++;
      return level;
    }
    this.misses++;
    return 0;
  }

  /** Enters the entry of `level` (2 to 5) on the way to a page: it points to `tablePfn`. */
  store(domainId: DomainId, iovaPfn: IovaPfn, level: number, tablePfn: Pfn, rights: number): void {
    this.caches[level - 2].store(domainId, entryStart(iovaPfn, level), level, tablePfn, rights);
  }

  /** Drops every entry that leads to a page of the aligned block of 2^addressMask pages that holds `iovaPfn`. */
  invalidatePages(domainId: DomainId, iovaPfn: IovaPfn, addressMask: number): void {
    const first = blockStart(iovaPfn, addressMask);
    const last = blockEnd(iovaPfn, addressMask);
    for (let level = 2; level <= LEVEL_MAX; level++) this.caches[level - 2].dropRange(domainId, level, first, last);
  }

  invalidateDomain(domainId: DomainId): void {
    for (const cache of this.caches) cache.dropOwner(domainId);
  }

  invalidateAll(): void {
    for (const cache of this.caches) cache.dropAll();
  }
}
