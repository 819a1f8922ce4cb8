/**
 * Mapping and unmapping of whole requests: the generic IOMMU layer cuts them into calls of one page size, and what the
 * caller has to flush and to free depends on those calls.
 */
import type { IovaPfn, Pfn } from '../base/index.ts';
import { PageRun } from './page-size.ts';
import type { PageTables, Rights } from './page-table.ts';
import { entryPages } from './second-level-entry.ts';
import { NO_TABLES } from './table-pages.ts';

/**
 * The calls of one request in order, rows 0 to `length` - 1. Reused: each request starts it anew, so the caller has
 * taken what it needs, above all `freed`, before the next one.
 */
export class CallList {
  length = 0;
  /** First page that the call changed. */
  iovaPfn: Float64Array<ArrayBuffer> = new Float64Array(16);
  /** Pages that the call changed: what the driver adds to the flush gathering. */
  pages: Float64Array<ArrayBuffer> = new Float64Array(16);
  /** Chain of the tables that the request detached; to be freed after the flush. */
  freed: number = NO_TABLES;

  reset(): void {
    this.length = 0;
    this.freed = NO_TABLES;
  }

  add(iovaPfn: IovaPfn, pages: number): void {
    const row = this.length;
    if (row === this.pages.length) this.grow();
    this.iovaPfn[row] = iovaPfn;
    this.pages[row] = pages;
    this.length = row + 1;
  }

  private grow(): void {
    const iovaPfn = new Float64Array(this.length * 2);
    const pages = new Float64Array(this.length * 2);
    iovaPfn.set(this.iovaPfn);
    pages.set(this.pages);
    this.iovaPfn = iovaPfn;
    this.pages = pages;
  }
}

/** Scratch of the two functions below; empty between calls. */
const run = new PageRun();

/**
 * Maps `pages` pages. `calls` gets one row for each superpage run that replaced empty tables: Linux flushes those ranges
 * page-selectively, and then the tables in `calls.freed` may be freed. Otherwise it stays empty.
 *
 * @returns leaves that were already set and stayed as they were, 0 when the mapping is complete; the first of them is in
 *   the `refused...` fields of `tables`
 * @source Linux v6.12 drivers/iommu/iommu.c iommu_map()
 */
export function iommuMap(
  tables: PageTables,
  row: number,
  iovaPfn: IovaPfn,
  pfn: Pfn,
  pages: number,
  rights: Rights,
  calls: CallList,
): number {
  const superpages = tables.superpagesOf(row);
  calls.reset();
  let refused = 0;
  let done = 0;
  while (done < pages) {
    run.pick(iovaPfn + done, pfn + done, pages - done, superpages);
    const runPages = run.count * entryPages(run.level);
    refused += tables.mapPages(row, iovaPfn + done, pfn + done, run.level, run.count, rights);
    if (tables.freed !== NO_TABLES) {
      calls.freed = tables.pages.join(tables.freed, calls.freed);
      calls.add(iovaPfn + done, runPages);
    }
    done += runPages;
  }
  return refused;
}

/**
 * Clears `pages` pages. `calls` gets one row for each call to the driver and the chain of detached tables.
 *
 * @returns pages unmapped: more than asked when the range holds only a part of a superpage
 * @source Linux v6.12 drivers/iommu/iommu.c __iommu_unmap()
 */
export function iommuUnmap(tables: PageTables, row: number, iovaPfn: IovaPfn, pages: number, calls: CallList): number {
  const superpages = tables.superpagesOf(row);
  calls.reset();
  let done = 0;
  let unmapped = 0;
  while (done < pages) {
    const start = iovaPfn + done;
    run.pick(start, start, pages - done, superpages);
    const cleared = tables.unmapPages(row, start, run.count * entryPages(run.level));
    calls.freed = tables.pages.join(tables.freed, calls.freed);
    calls.add(tables.clearedFirst, cleared);
    unmapped += cleared;
    done = tables.clearedFirst + cleared - iovaPfn;
  }
  return unmapped;
}

/**
 * The kernel log line for the first refused leaf, without time stamp.
 *
 * @source Linux v6.12 drivers/iommu/intel/iommu.c __domain_mapping()
 */
export function formatEntryAlreadySet(tables: PageTables): string {
  const old = hexOfHalves(tables.refusedOldHigh, tables.refusedOldLow);
  const fresh = hexOfHalves(tables.refusedNewHigh, tables.refusedNewLow);
  return `DMAR: ERROR: DMA PTE for vPFN 0x${tables.refusedIovaPfn.toString(16)} already set (to ${old} not ${fresh})`;
}

function hexOfHalves(high: number, low: number): string {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}
