/** Batches that the fastest thread may be ahead of the slowest. */
const LEAD = 6;
/** Stands in the limit beside the number: nobody raises it any more. */
const FROZEN = 2 ** 30;
/** Batches of a thread that needs to be waited for no longer. */
const DONE = 2 ** 29;
const LIMIT = 0;
const FIRST_THREAD = 1;

/**
 * Lets threads that read the same batches stop behind the same one.
 *
 * One shared number says up to which batch anybody may go. A thread that is done with a batch raises it to a few above
 * the slowest thread; to stop, it is frozen, and every thread goes on to it: a few batches at most.
 */
export class BatchLimit {
  private readonly cells: Int32Array<SharedArrayBuffer>;
  private readonly threads: number;

  constructor(cells: Int32Array<SharedArrayBuffer>) {
    this.cells = cells;
    this.threads = cells.length - FIRST_THREAD;
  }

  /** Cells to share. */
  static cellsFor(threads: number): Int32Array<SharedArrayBuffer> {
    const cells = new Int32Array(new SharedArrayBuffer((FIRST_THREAD + threads) * Int32Array.BYTES_PER_ELEMENT));
    cells[LIMIT] = LEAD;
    return cells;
  }

  /** Makes all threads stop soon, behind the same batch. */
  freeze(): void {
    Atomics.or(this.cells, LIMIT, FROZEN);
    Atomics.notify(this.cells, LIMIT);
  }

  get isFrozen(): boolean {
    return (Atomics.load(this.cells, LIMIT) & FROZEN) !== 0;
  }

  /** Waits until batch number `batch`, from 0, may be replayed. @returns false when everybody stops before it */
  mayBegin(batch: number): boolean {
    while (true) {
      const limit = Atomics.load(this.cells, LIMIT);
      if (batch < (limit & ~FROZEN)) return true;
      if ((limit & FROZEN) !== 0) return false;
      Atomics.wait(this.cells, LIMIT, limit);
    }
  }

  /** The thread is done with so many batches. */
  reach(thread: number, batches: number): void {
    Atomics.store(this.cells, FIRST_THREAD + thread, batches);
    this.raise();
  }

  /** The thread has seen the last batch. */
  end(thread: number): void {
    this.reach(thread, DONE);
  }

  private raise(): void {
    while (true) {
      const limit = Atomics.load(this.cells, LIMIT);
      if ((limit & FROZEN) !== 0) return;
      let slowest = DONE;
      for (let thread = 0; thread < this.threads; thread++) slowest = Math.min(slowest, Atomics.load(this.cells, FIRST_THREAD + thread));
      if (slowest + LEAD <= limit) return;
      if (Atomics.compareExchange(this.cells, LIMIT, limit, slowest + LEAD) !== limit) continue;
      Atomics.notify(this.cells, LIMIT);
      return;
    }
  }
}
