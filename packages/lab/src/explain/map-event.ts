import { type EventBatch, EventKind } from 'dmalab-trace';

/**
 * Whether an event makes a mapping that gets a number: a call that succeeded, or, in a recording without calls, a line
 * of the page table. Counting these events counts the numbers of `m-1207`.
 */
export function isMapEvent(batch: EventBatch, row: number, outcomesOnly: boolean): boolean {
  switch (batch.kind[row]) {
    case EventKind.MAP:
      return outcomesOnly;
    case EventKind.DMA_MAP_PAGE:
    case EventKind.DMA_MAP_PHYS:
    case EventKind.DMA_MAP_RESOURCE:
      return batch.v0[row] !== -1;
    case EventKind.DMA_ALLOC:
    case EventKind.DMA_ALLOC_PAGES:
      return batch.v0[row] !== -1 && batch.v0[row] !== 0;
    case EventKind.DMA_MAP_SG:
      return batch.dmaAddrsCount[row] > 0;
    default:
      return false;
  }
}
