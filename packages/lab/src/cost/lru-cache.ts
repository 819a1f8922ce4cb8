const NONE = -1;

/**
 * A set-associative cache of keys, least recently used first out, with a hash table in front: one lookup costs the same
 * however many ways a set has.
 */
export class LruCache {
  private readonly setMask: number;
  private readonly ways: number;
  private readonly hashMask: number;
  /** Key of an entry, -1 for a free one. */
  private readonly key: Float64Array;
  /** Entries with the same hash. */
  private readonly hashHead: Int32Array;
  private readonly hashNext: Int32Array;
  /** By set, a ring through its entries: `newest` is the one used last, the one before it in the ring the oldest. */
  private readonly newest: Int32Array;
  private readonly older: Int32Array;
  private readonly newer: Int32Array;

  /** `sets` is a power of two. */
  constructor(sets: number, ways: number) {
    const entries = sets * ways;
    this.setMask = sets - 1;
    this.ways = ways;
    this.hashMask = 2 ** Math.ceil(Math.log2(2 * entries)) - 1;
    this.key = new Float64Array(entries).fill(NONE);
    this.hashHead = new Int32Array(this.hashMask + 1).fill(NONE);
    this.hashNext = new Int32Array(entries).fill(NONE);
    this.newest = Int32Array.from({ length: sets }, (_, set) => set * ways);
    this.older = Int32Array.from({ length: entries }, (_, entry) => entry - (entry % ways) + ((entry + 1) % ways));
    this.newer = Int32Array.from({ length: entries }, (_, entry) => entry - (entry % ways) + ((entry + ways - 1) % ways));
  }

  get entries(): number {
    return this.key.length;
  }

  /** Uses a key, and enters it if it is not there. @returns whether it was */
  use(key: number): boolean {
    const found = this.find(key);
    const set = this.setOf(key);
    const entry = found === NONE ? this.newer[this.newest[set]] : found;
    if (found === NONE) {
      if (this.key[entry] !== NONE) this.unlink(entry);
      this.link(entry, key);
    }
    this.makeNewest(set, entry);
    return found !== NONE;
  }

  /** Takes a key out, if it is there. */
  drop(key: number): void {
    const entry = this.find(key);
    if (entry !== NONE) this.empty(entry);
  }

  /** Takes out all keys in [first, last]. */
  dropRange(first: number, last: number): void {
    if (last - first < this.entries) {
      for (let key = first; key <= last; key++) this.drop(key);
      return;
    }
    for (let entry = 0; entry < this.key.length; entry++) {
      if (this.key[entry] >= first && this.key[entry] <= last) this.empty(entry);
    }
  }

  private find(key: number): number {
    let entry = this.hashHead[this.hashOf(key)];
    while (entry !== NONE && this.key[entry] !== key) entry = this.hashNext[entry];
    return entry;
  }

  /** An emptied entry is the next to be filled. */
  private empty(entry: number): void {
    const set = Math.floor(entry / this.ways);
    this.unlink(entry);
    this.makeNewest(set, entry);
    this.newest[set] = this.older[entry];
  }

  private link(entry: number, key: number): void {
    const hash = this.hashOf(key);
    this.key[entry] = key;
    this.hashNext[entry] = this.hashHead[hash];
    this.hashHead[hash] = entry;
  }

  private unlink(entry: number): void {
    const hash = this.hashOf(this.key[entry]);
    let before = this.hashHead[hash];
    if (before === entry) {
      this.hashHead[hash] = this.hashNext[entry];
    } else {
      while (this.hashNext[before] !== entry) before = this.hashNext[before];
      this.hashNext[before] = this.hashNext[entry];
    }
    this.key[entry] = NONE;
  }

  private makeNewest(set: number, entry: number): void {
    const newest = this.newest[set];
    if (entry === newest) return;
    const oldest = this.newer[newest];
    if (entry !== oldest) {
      this.older[this.newer[entry]] = this.older[entry];
      this.newer[this.older[entry]] = this.newer[entry];
      this.older[entry] = newest;
      this.newer[entry] = oldest;
      this.newer[newest] = entry;
      this.older[oldest] = entry;
    }
    this.newest[set] = entry;
  }

  private setOf(key: number): number {
    return (key | 0) & this.setMask;
  }

  /** Neighbouring keys go to neighbouring buckets. Bit operations take the lower 32 bits of a number of any size. */
  private hashOf(key: number): number {
    return (key ^ Math.imul(key / 4294967296, 0x9e3779b1)) & this.hashMask;
  }
}
