const NEXT = 0;
const STOP = 1;
const CELLS = 2;

/** Hands policies out to threads, one after the other, until there are none or somebody stops it. */
export class PolicyQueue {
  private readonly cells: Int32Array<SharedArrayBuffer>;

  constructor(cells: Int32Array<SharedArrayBuffer>) {
    this.cells = cells;
  }

  /** Cells to share. */
  static newCells(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT));
  }

  /** Number of a policy that nobody else has; it need not exist. */
  next(): number {
    return Atomics.add(this.cells, NEXT, 1);
  }

  stop(): void {
    Atomics.store(this.cells, STOP, 1);
  }

  get isStopped(): boolean {
    return Atomics.load(this.cells, STOP) !== 0;
  }
}
