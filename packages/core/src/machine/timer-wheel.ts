import type { Ns, StateArena } from '../base/index.ts';

/** Timers by number, each running or not; the one that is due first is known at any time. */
export class TimerWheel {
  /** When each fires, Infinity while it does not run. */
  private dueNs!: Float64Array<ArrayBuffer>;
  private readonly count: number;
  /** The next timer and its time; Infinity when none runs. */
  firstDue = -1;
  firstDueNs: Ns = Number.POSITIVE_INFINITY;

  constructor(arena: StateArena, count: number) {
    this.count = count;
    arena.table(
      'timers',
      Math.max(1, count),
      { dueNs: 'f64' },
      (columns) => {
        this.dueNs = columns.dueNs;
      },
      { restored: () => this.findFirst() },
    );
    this.dueNs.fill(Number.POSITIVE_INFINITY);
    this.findFirst();
  }

  isRunning(timer: number): boolean {
    return this.dueNs[timer] !== Number.POSITIVE_INFINITY;
  }

  start(timer: number, dueNs: Ns): void {
    this.dueNs[timer] = dueNs;
    this.findFirst();
  }

  stop(timer: number): void {
    this.dueNs[timer] = Number.POSITIVE_INFINITY;
    this.findFirst();
  }

  private findFirst(): void {
    this.firstDue = -1;
    this.firstDueNs = Number.POSITIVE_INFINITY;
    for (let timer = 0; timer < this.count; timer++) {
      if (this.dueNs[timer] < this.firstDueNs) {
        this.firstDue = timer;
        this.firstDueNs = this.dueNs[timer];
      }
    }
  }
}
