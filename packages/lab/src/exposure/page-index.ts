const EMPTY = -1;
const FIRST_CAPACITY = 1024;

/**
 * Rows by page frame number: a hash table with linear probing in two typed arrays. Deleting moves later entries back, so
 * that a table which is used for long keeps no graves.
 */
export class PageIndex {
  private keys: Float64Array<ArrayBuffer> = new Float64Array(FIRST_CAPACITY).fill(EMPTY);
  private values: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  private mask: number = FIRST_CAPACITY - 1;
  size = 0;

  /** The row of `pfn`, -1 for none. */
  get(pfn: number): number {
    const { keys, mask } = this;
    for (let at = this.home(pfn); ; at = (at + 1) & mask) {
      if (keys[at] === pfn) return this.values[at];
      if (keys[at] === EMPTY) return -1;
    }
  }

  /** Sets the row of `pfn`, whether it had one or not. */
  set(pfn: number, row: number): void {
    const { keys, mask } = this;
    let at = this.home(pfn);
    while (keys[at] !== EMPTY && keys[at] !== pfn) at = (at + 1) & mask;
    this.values[at] = row;
    if (keys[at] === pfn) return;
    keys[at] = pfn;
    this.size += 1;
    if (this.size * 2 > mask) this.grow();
  }

  /** Forgets `pfn`. @returns the row that it had, -1 for none */
  delete(pfn: number): number {
    const { keys, values, mask } = this;
    let at = this.home(pfn);
    while (keys[at] !== pfn) {
      if (keys[at] === EMPTY) return -1;
      at = (at + 1) & mask;
    }
    const row = values[at];
    for (let next = (at + 1) & mask; keys[next] !== EMPTY; next = (next + 1) & mask) {
      // An entry may move to the hole unless its home lies behind the hole.
      if (((next - this.home(keys[next])) & mask) < ((next - at) & mask)) continue;
      keys[at] = keys[next];
      values[at] = values[next];
      at = next;
    }
    keys[at] = EMPTY;
    this.size -= 1;
    return row;
  }

  /** The rows of all pages, in no order. */
  forEach(visit: (row: number) => void): void {
    for (let at = 0; at < this.keys.length; at++) if (this.keys[at] !== EMPTY) visit(this.values[at]);
  }

  private home(pfn: number): number {
    const high = (pfn / 2 ** 32) | 0;
    const mixed = Math.imul((pfn | 0) ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & this.mask;
  }

  private grow(): void {
    const { keys, values } = this;
    const capacity = keys.length * 2;
    this.keys = new Float64Array(capacity).fill(EMPTY);
    this.values = new Int32Array(capacity);
    this.mask = capacity - 1;
    this.size = 0;
    for (let at = 0; at < keys.length; at++) if (keys[at] !== EMPTY) this.set(keys[at], values[at]);
  }
}
