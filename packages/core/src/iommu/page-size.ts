/**
 * How one request is cut into calls of a single page size: the generic IOMMU layer asks the driver for runs of equal
 * pages, and each run is one call with its own freed tables and its own entry in the flush gathering.
 */
import type { IovaPfn, Pfn } from '../base/index.ts';
import { entryPages, TABLE_ENTRIES } from './second-level-entry.ts';

/** CAP.SLLPS: bit 0 = leaves of 2 MiB, bit 1 = leaves of 1 GiB. 4 KiB is always there. */
export type SuperpageSupport = 0 | 1 | 3;

/** True when entries of `level` may be leaves. */
export function isLeafLevel(level: number, superpages: SuperpageSupport): boolean {
  return level === 1 || ((level === 2 || level === 3) && ((superpages >> (level - 2)) & 1) === 1);
}

/** The next run: `count` pages of the size of `level`. One object is reused for all runs of a request. */
export class PageRun {
  /** 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. */
  level = 1;
  /** Pages of that size. */
  count = 0;

  /**
   * Picks the biggest page that size and alignment allow, and as many of them as fit before a bigger one could begin.
   *
   * @param pfn    physical start; for unmapping the IOVA itself
   * @param pages  4 KiB pages still to do, 1 or more
   * @source Linux v6.12 drivers/iommu/iommu.c iommu_pgsize()
   */
  pick(iovaPfn: IovaPfn, pfn: Pfn, pages: number, superpages: SuperpageSupport): void {
    if (pages < TABLE_ENTRIES) {
      this.level = 1;
      this.count = pages;
      return;
    }
    let level = 1;
    while (level < 3 && fits(iovaPfn, pfn, pages, level + 1, superpages)) level++;
    let runPages = pages;
    if (level < 3 && isLeafLevel(level + 1, superpages)) {
      const next = entryPages(level + 1);
      if (((iovaPfn ^ pfn) & (next - 1)) === 0) {
        const distance = next - (iovaPfn & (next - 1));
        if (distance + next <= pages) runPages = distance;
      }
    }
    this.level = level;
    this.count = Math.floor(runPages / entryPages(level));
  }
}

function fits(iovaPfn: IovaPfn, pfn: Pfn, pages: number, level: number, superpages: SuperpageSupport): boolean {
  if (!isLeafLevel(level, superpages)) return false;
  const size = entryPages(level);
  return size <= pages && ((iovaPfn | pfn) & (size - 1)) === 0;
}
