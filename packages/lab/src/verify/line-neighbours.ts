import type { LineQueue } from '../replay/line-queue.ts';

/** Levels of interruption on a CPU, see ContextLevel. */
const LEVELS = 4;

/** Between which lines of its context a line stands: the span in which what it does not show can have happened. */
export class LineNeighbours {
  private readonly lines: LineQueue;
  /** By CPU and interrupt level, the last line so far; rows grow with the CPUs. */
  private readonly lastLineOfLevel: Float64Array[] = [];

  constructor(lines: LineQueue) {
    this.lines = lines;
  }

  /** Line `seq` of the queue is handled from here on. */
  note(seq: number): void {
    const at = seq & this.lines.mask;
    const cpu = this.lines.cpu[at];
    while (this.lastLineOfLevel.length <= cpu) this.lastLineOfLevel.push(new Float64Array(LEVELS).fill(-1));
    this.lastLineOfLevel[cpu][this.lines.level[at]] = seq;
  }

  /**
   * The line after which what happens before line `seq` in its context can have begun, -1 for the start of the recording:
   * the line before it there, or, as an interrupt runs to its end, the last line of what it interrupted.
   */
  before(seq: number): number {
    const { lines } = this;
    const at = seq & lines.mask;
    let before = lines.previous[at];
    const levels = this.lastLineOfLevel[lines.cpu[at]];
    for (let level = 0; level < lines.level[at]; level++) before = Math.max(before, levels[level]);
    return before;
  }

  /** Sequence number of the next line of the line's context, Infinity while it is not known. */
  after(seq: number): number {
    const next = this.lines.next[seq & this.lines.mask];
    return next < 0 ? Number.POSITIVE_INFINITY : next;
  }

  /** CPU of the neighbouring line of the context, `after` or `before`, that is not `seq`: where a task may have been instead of on `cpu`. */
  otherCpu(seq: number, after: number, before: number, cpu: number): number {
    const { lines } = this;
    const other = seq === after ? before : after;
    return other >= lines.head && other < lines.tail ? lines.cpu[other & lines.mask] : cpu;
  }
}
