import { ContextLevel } from 'dmalab-trace';
import { grownColumn } from './grown-column.ts';

/**
 * Numbers the contexts that write trace lines: a task by its pid wherever it runs, an interrupt level by its CPU. The
 * idle tasks share pid 0 and count per CPU.
 *
 * Inside one context lines are in program order; between contexts only their printed order is known.
 */
export class ContextTable {
  private readonly tasks = new Map<number, number>();
  private readonly byCpu: Int32Array[] = [];
  /** Sequence number of the newest line of each context, -1 for none. */
  lastSeq: Float64Array = new Float64Array(64).fill(-1);
  count = 0;

  numberOf(pid: number, cpu: number, level: number): number {
    if (level === ContextLevel.TASK && pid !== 0) {
      let context = this.tasks.get(pid);
      if (context === undefined) {
        context = this.add();
        this.tasks.set(pid, context);
      }
      return context;
    }
    while (this.byCpu.length <= cpu) this.byCpu.push(new Int32Array(4).fill(-1));
    const levels = this.byCpu[cpu];
    if (levels[level] < 0) levels[level] = this.add();
    return levels[level];
  }

  private add(): number {
    if (this.count === this.lastSeq.length) this.lastSeq = grownColumn(this.lastSeq, new Float64Array(this.count * 2).fill(-1));
    return this.count++;
  }
}
