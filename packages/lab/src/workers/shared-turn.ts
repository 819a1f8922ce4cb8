const FREE = 0;
const TAKEN = 1;

/** Lets one thread at a time do what takes a lot of memory. */
export class SharedTurn {
  private readonly cell: Int32Array<SharedArrayBuffer>;

  constructor(cell: Int32Array<SharedArrayBuffer>) {
    this.cell = cell;
  }

  /** A cell to share. */
  static newCell(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  }

  /** Waits until no other thread has the turn, and takes it. */
  take(): void {
    while (Atomics.compareExchange(this.cell, 0, FREE, TAKEN) !== FREE) Atomics.wait(this.cell, 0, TAKEN);
  }

  give(): void {
    Atomics.store(this.cell, 0, FREE);
    Atomics.notify(this.cell, 0, 1);
  }
}
