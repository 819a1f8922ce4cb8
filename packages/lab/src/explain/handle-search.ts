import { LabError, PAGE_SIZE, roundDown } from 'dmalab-core';
import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { ContextTable } from '../replay/context-table.ts';
import type { Recording } from '../replay/recording.ts';
import type { Handle, PageQuestion } from './explain-question.ts';
import { isMapEvent } from './map-event.ts';

/** Where a handle leads. */
interface Place {
  readonly address: number;
  readonly device: string | null;
  readonly timeNs: number;
}

/**
 * Finds the page that a printed handle stands for, in a pass of its own: what happened to the page before is needed too.
 *
 * A line without an address (a bounce, the API line of an unmapped list) stands for the next one of its context that has one.
 */
export class HandleSearch {
  private readonly handle: Handle;
  private readonly recording: Recording;
  private readonly names: TraceNames;
  private readonly contexts = new ContextTable();
  private readonly outcomesOnly: boolean;
  private mappings = 0;
  /** Context of the line that was asked for, -1 until it is reached. */
  private context = -1;
  private device: string | null = null;
  private timeNs = 0;
  private place: Place | undefined;

  constructor(recording: Recording, handle: Handle) {
    this.recording = recording;
    this.names = recording.names;
    this.handle = handle;
    this.outcomesOnly = !recording.facts.hasApiLines;
  }

  /** Takes the next batch of the trace. @returns whether more are needed */
  push(batch: EventBatch): boolean {
    for (let row = 0; row < batch.rowCount && this.place === undefined; row++) {
      if ('mapping' in this.handle) this.countMapping(batch, row, this.handle.mapping);
      else this.findLine(batch, row, this.handle.line);
    }
    return this.place === undefined;
  }

  /**
   * The question that the handle amounts to.
   *
   * @throws LabError EXP007 when the trace has no such mapping, or the line touches none
   */
  question(): PageQuestion {
    const { place, handle } = this;
    if (place === undefined) throw this.notFound();
    const seconds = place.timeNs / 1e9 + this.recording.statistics.timeBaseSeconds;
    return { page: roundDown(place.address, PAGE_SIZE), fault: null, device: place.device, seconds, handle };
  }

  private countMapping(batch: EventBatch, row: number, wanted: number): void {
    if (!isMapEvent(batch, row, this.outcomesOnly)) return;
    this.mappings += 1;
    if (this.mappings === wanted) this.found(batch, row, this.deviceOf(batch, row));
  }

  private findLine(batch: EventBatch, row: number, wanted: number): void {
    const context = this.contexts.numberOf(batch.pid[row], batch.cpu[row], batch.level[row]);
    if (batch.line[row] === wanted) {
      this.context = context;
      this.timeNs = batch.timeNs[row];
      this.device = this.deviceOf(batch, row);
    }
    if (this.context !== context || addressOf(batch, row) < 0) return;
    this.found(batch, row, this.device ?? (batch.line[row] === wanted ? null : this.deviceOf(batch, row)));
  }

  private found(batch: EventBatch, row: number, device: string | null): void {
    this.place = { address: addressOf(batch, row), device, timeNs: 'line' in this.handle ? this.timeNs : batch.timeNs[row] };
  }

  private deviceOf(batch: EventBatch, row: number): string | null {
    return batch.device[row] < 0 ? null : this.names.devices.nameOf(batch.device[row]);
  }

  private notFound(): LabError {
    const { handle } = this;
    const isMapping = 'mapping' in handle;
    return new LabError({
      code: 'EXP007',
      message: isMapping ? 'The trace has no such mapping.' : 'No event of this line, or behind it in its context, has an address.',
      expected: isMapping ? `m-1 to m-${this.mappings}` : `a line of an event, up to L${this.recording.statistics.lines}`,
      got: isMapping ? `m-${handle.mapping}` : `L${handle.line}`,
      next: 'take one that explain or verify printed for this trace',
    });
  }
}

/** I/O address of an event, -1 when it has none. */
function addressOf(batch: EventBatch, row: number): number {
  switch (batch.kind[row]) {
    case EventKind.QI_SUBMIT:
      return batch.v3[row] === 0 && batch.v2[row] === 0 ? -1 : batch.v2[row] * 2 ** 32 + roundDown(batch.v3[row], PAGE_SIZE);
    case EventKind.CACHE_TAG_FLUSH_RANGE:
    case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
      return batch.v1[row];
    case EventKind.MAP:
    case EventKind.UNMAP:
    case EventKind.IO_PAGE_FAULT:
      return batch.v0[row];
    case EventKind.DMA_MAP_SG:
    case EventKind.DMA_SYNC_SG_FOR_CPU:
    case EventKind.DMA_SYNC_SG_FOR_DEVICE:
      return batch.dmaAddrsCount[row] > 0 ? batch.list[batch.dmaAddrsOffset[row]] : -1;
    default:
      return HAVE_ADDRESS.has(batch.kind[row]) ? batch.v0[row] : -1;
  }
}

const HAVE_ADDRESS: ReadonlySet<number> = new Set([
  EventKind.DMA_MAP_PAGE,
  EventKind.DMA_MAP_PHYS,
  EventKind.DMA_MAP_RESOURCE,
  EventKind.DMA_UNMAP_PAGE,
  EventKind.DMA_UNMAP_PHYS,
  EventKind.DMA_UNMAP_RESOURCE,
  EventKind.DMA_ALLOC,
  EventKind.DMA_ALLOC_PAGES,
  EventKind.DMA_FREE,
  EventKind.DMA_FREE_PAGES,
  EventKind.DMA_SYNC_SINGLE_FOR_CPU,
  EventKind.DMA_SYNC_SINGLE_FOR_DEVICE,
]);
