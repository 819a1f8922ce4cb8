import { type ObservationLog, Observed } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';

/** A trace line that the model says the kernel writes. */
export interface PredictedLine {
  /** EventKind of the line. */
  event: number;
  cpu: number;
  domain: number;
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
}

const NO_EVENT = 0;

/** EventKind that an observation is printed as, 0 for none. */
const eventOf: Uint8Array = (() => {
  const table = new Uint8Array(32);
  table[Observed.MAPPED] = EventKind.MAP;
  table[Observed.UNMAPPED] = EventKind.UNMAP;
  table[Observed.BOUNCED] = EventKind.BOUNCED;
  table[Observed.DESCRIPTOR_SUBMITTED] = EventKind.QI_SUBMIT;
  table[Observed.CACHE_TAG_FLUSH_RANGE] = EventKind.CACHE_TAG_FLUSH_RANGE;
  table[Observed.CACHE_TAG_FLUSH_RANGE_NP] = EventKind.CACHE_TAG_FLUSH_RANGE_NP;
  table[Observed.CACHE_TAG_FLUSH_ALL] = EventKind.CACHE_TAG_FLUSH_ALL;
  return table;
})();

/** Which lines the recording can contain at all. */
export interface ComparableLines {
  /** `qi_submit` was recorded. */
  readonly descriptors: boolean;
  /** The kernel has `cache_tag_*` events and they were recorded. */
  readonly cacheTags: boolean;
}

/** The lines that one call is about to have, first in, first out. */
export class PredictedLines {
  private readonly lines: PredictedLine[] = [];
  private head = 0;

  get length(): number {
    return this.lines.length - this.head;
  }

  get first(): PredictedLine {
    return this.lines[this.head];
  }

  shift(): void {
    this.head += 1;
    if (this.head === this.lines.length) this.clear();
  }

  clear(): void {
    this.lines.length = 0;
    this.head = 0;
  }

  /** Adds what rows `from` and on of the log print. */
  addFrom(log: ObservationLog, from: number, comparable: ComparableLines): void {
    for (let row = from; row < log.length; row++) {
      const event = eventOf[log.kind[row]];
      if (event === NO_EVENT) continue;
      if (event === EventKind.QI_SUBMIT && !comparable.descriptors) continue;
      if (event >= EventKind.CACHE_TAG_FLUSH_ALL && event <= EventKind.CACHE_TAG_FLUSH_RANGE_NP && !comparable.cacheTags) continue;
      this.lines.push({
        event,
        cpu: log.cpu[row],
        domain: log.domain[row],
        a: log.a[row],
        b: log.b[row],
        c: log.c[row],
        d: log.d[row],
        e: log.e[row],
      });
    }
  }
}
