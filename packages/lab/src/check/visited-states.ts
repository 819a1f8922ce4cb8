/**
 * The hashes of states seen so far: 64 bits each in an open table that doubles when it is two thirds full.
 *
 * States are told apart by hash alone. For n states, two of them share a hash with a probability below n^2 / 2^65: for
 * ten million below 3 in a million.
 */
export class VisitedStates {
  static readonly FIRST_ENTRIES: number = 2 ** 12;
  static readonly BYTES_PER_ENTRY: number = 8;

  /** Pairs of halves; a pair of zeros is free. */
  private table = new Int32Array(2 * VisitedStates.FIRST_ENTRIES);
  private mask = VisitedStates.FIRST_ENTRIES - 1;
  private count = 0;

  /** States that a table of so many entries takes before it doubles. */
  static statesIn(entries: number): number {
    return Math.floor((entries * 2) / 3);
  }

  get size(): number {
    return this.count;
  }

  get byteLength(): number {
    return this.table.byteLength;
  }

  /** Adds a state; false when it was there. */
  add(low: number, high: number): boolean {
    const first = low === 0 && high === 0 ? 1 : low;
    const { table, mask } = this;
    let at = (first ^ (high << 7)) & mask;
    for (;;) {
      const here = table[2 * at];
      const there = table[2 * at + 1];
      if (here === 0 && there === 0) break;
      if (here === first && there === high) return false;
      at = (at + 1) & mask;
    }
    table[2 * at] = first;
    table[2 * at + 1] = high;
    this.count += 1;
    if (this.count > VisitedStates.statesIn(mask + 1)) this.grow();
    return true;
  }

  private grow(): void {
    const old = this.table;
    this.table = new Int32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    const { table, mask } = this;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === 0 && old[from + 1] === 0) continue;
      let at = (old[from] ^ (old[from + 1] << 7)) & mask;
      while (table[2 * at] !== 0 || table[2 * at + 1] !== 0) at = (at + 1) & mask;
      table[2 * at] = old[from];
      table[2 * at + 1] = old[from + 1];
    }
  }
}
