import { SharedWatch } from './shared-watch.ts';

/** Code of a policy file runs for microseconds; so long it runs only when it never ends. */
export const CODE_LIMIT_MS = 5000;
const WATCH_MS = 250;

/** Looks at threads that run code from outside, and says which of them does not come back. */
export class CodeWatcher {
  /** To hand to the threads. */
  readonly cells: Int32Array<SharedArrayBuffer>;
  private readonly watches: readonly SharedWatch[];
  /** By thread: the run at work when we looked last, and since when it has been. */
  private readonly runs: { run: number; sinceMs: number }[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(threads: number, onStuck: (thread: number) => void) {
    const cells = SharedWatch.cellsFor(threads);
    this.cells = cells;
    this.watches = Array.from({ length: threads }, (_, thread) => new SharedWatch(cells, thread));
    this.timer = setInterval(() => this.look(onStuck), WATCH_MS);
  }

  /** A new thread has taken the place of one that was ended within code from outside. */
  replaced(thread: number): void {
    this.watches[thread].leave();
  }

  end(): void {
    clearInterval(this.timer);
  }

  private look(onStuck: (thread: number) => void): void {
    const nowMs = performance.now();
    for (const [thread, watch] of this.watches.entries()) {
      const { run } = watch;
      const seen = this.runs[thread];
      if (run === 0 || seen?.run !== run) this.runs[thread] = { run, sinceMs: nowMs };
      else if (nowMs - seen.sinceMs > CODE_LIMIT_MS) onStuck(thread);
    }
  }
}
