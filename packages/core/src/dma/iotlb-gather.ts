import { PAGE_SIZE } from '../base/index.ts';
import { type CallList, NO_TABLES, type TablePages } from '../iommu/index.ts';
import type { CacheTagFlusher } from './cache-tag.ts';
import type { DmaCallTable } from './dma-call.ts';

/**
 * Collects what an unmap cleared into one range to invalidate, in `gatherStart` and `gatherEnd` of the call. What was
 * cleared with another page size than before, or not next to it, first flushes what is gathered so far and frees the
 * emptied tables; the flush at the end then finds none, and says so to the unit (IH).
 *
 * @param cleared  calls to the driver that the unmap consisted of
 * @source Linux v6.12 include/linux/iommu.h iommu_iotlb_gather_add_page()
 */
export function gatherCleared(calls: DmaCallTable, call: number, cleared: CallList, flusher: CacheTagFlusher, pages: TablePages): void {
  let start = -1;
  let end = -1;
  let size = 0;
  for (let row = 0; row < cleared.length; row++) {
    const chunkStart = cleared.iovaPfn[row] * PAGE_SIZE;
    const chunkBytes = cleared.pages[row] * PAGE_SIZE;
    if (start >= 0 && (chunkBytes !== size || chunkStart !== end + 1)) {
      calls.gatherStart[call] = start;
      calls.gatherEnd[call] = end;
      flushGathered(calls, call, flusher);
      flusher.wait(calls.cpu[call], calls.device[call], calls.domain[call]);
      pages.freeChain(calls.freedTables[call]);
      calls.freedTables[call] = NO_TABLES;
      start = -1;
    }
    if (start < 0) start = chunkStart;
    end = chunkStart + chunkBytes - 1;
    size = chunkBytes;
  }
  calls.gatherStart[call] = start;
  calls.gatherEnd[call] = end;
}

/** Puts the invalidation of what is gathered on the unit's queue. */
export function flushGathered(calls: DmaCallTable, call: number, flusher: CacheTagFlusher): void {
  if (calls.gatherStart[call] < 0) return;
  flusher.flushRange(
    calls.cpu[call],
    calls.device[call],
    calls.domain[call],
    calls.gatherStart[call],
    calls.gatherEnd[call],
    calls.freedTables[call] === NO_TABLES,
  );
}
