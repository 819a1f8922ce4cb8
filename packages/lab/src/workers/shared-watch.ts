import type { CodeWatch } from '../user-policy/user-policy.ts';

/** Of each thread: 1 while code from outside runs, and how often that has begun. */
const RUNNING = 0;
const BEGUN = 1;
const CELLS = 2;

/** Lets another thread see that code from outside does not come back. */
export class SharedWatch implements CodeWatch {
  private readonly cells: Int32Array<SharedArrayBuffer>;
  private readonly first: number;

  constructor(cells: Int32Array<SharedArrayBuffer>, thread: number) {
    this.cells = cells;
    this.first = thread * CELLS;
  }

  static cellsFor(threads: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(new SharedArrayBuffer(threads * CELLS * Int32Array.BYTES_PER_ELEMENT));
  }

  enter(): void {
    this.cells[this.first + BEGUN] += 1;
    this.cells[this.first + RUNNING] = 1;
  }

  leave(): void {
    this.cells[this.first + RUNNING] = 0;
  }

  /** Number of the run at work, 0 when none is. */
  get run(): number {
    return this.cells[this.first + RUNNING] === 0 ? 0 : this.cells[this.first + BEGUN] >>> 0;
  }
}
