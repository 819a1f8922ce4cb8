import { assert, type StateArena, type StateTable } from '../base/index.ts';
import { naturalRoom } from './natural-room.ts';

/** What a range of the tree is: kept free of allocations for good, or handed out. */
export const RangeKind = { RESERVED: 0, ALLOCATED: 1 } as const;
export type RangeKind = (typeof RangeKind)[keyof typeof RangeKind];

/** Levels of the tallest tree; half-empty pages of 4 entries reach it beyond 10^9 ranges. */
const MAX_HEIGHT = 32;
const ROOT = 0;

/**
 * Disjoint ranges of page frames in order, with the anchor above all of them: a B-tree in typed arrays.
 *
 * The kernel keeps a red-black tree and finds room by walking down range by range. Here each range also carries the
 * longest naturally aligned request that fits the gap just below it (its *room*), and each entry of an inner page sums up
 * one child page: its lowest frame, its highest frame, its greatest room. So the next gap downwards that fits is found
 * by climbing and descending once. Pages of sorted entries instead of nodes with two children keep the tree shallow and its
 * memory together, and a domain that fits the root page has one layout only, whatever led to it.
 *
 * The tree has one cursor: the `seek` methods and `stepUp` place it, the others work on the range under it. Any change of
 * the tree loses it. Page 0 is the root. Free pages and unused entries are zero.
 */
export class RangeTree {
  /** After `remove`: the range above the removed one; Infinity for the anchor. */
  aboveLo = 0;
  aboveHi = 0;

  private lo!: Float64Array<ArrayBuffer>;
  private hi!: Float64Array<ArrayBuffer>;
  private room!: Float64Array<ArrayBuffer>;
  /** Of a leaf's entry its RangeKind, of an inner entry the page that it sums up. */
  private ref!: Uint32Array<ArrayBuffer>;
  private count!: Uint32Array<ArrayBuffer>;
  private nextFree!: Uint32Array<ArrayBuffer>;
  private height!: Uint32Array<ArrayBuffer>;
  private pagesUsed!: Uint32Array<ArrayBuffer>;
  private freePage!: Uint32Array<ArrayBuffer>;
  private readonly entries: StateTable;
  private readonly pages: StateTable;
  private readonly fanout: number;

  /** The cursor: page and slot at each level, leaf first, and the row of the leaf's entry. */
  private readonly pathPage = new Int32Array(MAX_HEIGHT);
  private readonly pathSlot = new Int32Array(MAX_HEIGHT);
  private at = 0;

  constructor(arena: StateArena, name: string, initialNodes: number, fanout: number) {
    assert(fanout >= 4, 'a page of the range tree holds 4 entries or more');
    this.fanout = fanout;
    // One entry is the anchor's; pages of a tree that grows downwards are nearly full.
    const pages = Math.ceil((initialNodes + 1) / fanout);
    this.entries = arena.table(`${name}.ranges`, pages * fanout, { lo: 'f64', hi: 'f64', room: 'f64', ref: 'u32' }, (columns) => {
      this.lo = columns.lo;
      this.hi = columns.hi;
      this.room = columns.room;
      this.ref = columns.ref;
    });
    this.pages = arena.table(`${name}.pages`, pages, { count: 'u32', nextFree: 'u32' }, (columns) => {
      this.count = columns.count;
      this.nextFree = columns.nextFree;
    });
    arena.table(`${name}.root`, 1, { height: 'u32', pagesUsed: 'u32', freePage: 'u32' }, (columns) => {
      this.height = columns.height;
      this.pagesUsed = columns.pagesUsed;
      this.freePage = columns.freePage;
    });
    this.height[0] = 1;
    this.pagesUsed[0] = 1;
    this.count[ROOT] = 1;
    this.write(0, Infinity, Infinity, Infinity, RangeKind.RESERVED);
  }

  /** First page frame of the range under the cursor. */
  get cursorLo(): number {
    return this.lo[this.at];
  }

  /** Last page frame of the range under the cursor. */
  get cursorHi(): number {
    return this.hi[this.at];
  }

  get cursorKind(): number {
    return this.ref[this.at];
  }

  /** Last page frame of the range below the cursor's, -1 when there is none. */
  belowHi(): number {
    const height = this.height[0];
    for (let level = 0; level < height; level++) {
      const slot = this.pathSlot[level];
      if (slot > 0) return this.hi[this.pathPage[level] * this.fanout + slot - 1];
    }
    return -1;
  }

  /** Cursor to the highest range that starts below `pfn`; when there is none, to the lowest range, and false. */
  seekBelow(pfn: number): boolean {
    const lo = this.lo;
    const count = this.count;
    const pathPage = this.pathPage;
    const pathSlot = this.pathSlot;
    const fanout = this.fanout;
    let page = ROOT;
    for (let level = this.height[0] - 1; ; level--) {
      const base = page * fanout;
      let slot = 0;
      for (let left = count[page]; left > 1; ) {
        const half = left >>> 1;
        if (lo[base + slot + half] < pfn) slot += half;
        left -= half;
      }
      pathPage[level] = page;
      pathSlot[level] = slot;
      if (level === 0) {
        this.at = base + slot;
        return lo[base + slot] < pfn;
      }
      page = this.ref[base + slot];
    }
  }

  /** Cursor from its range, this one included, down to the first with a gap of `pages` room below it; false when there is none. */
  seekRoom(pages: number): boolean {
    const room = this.room;
    const ref = this.ref;
    const count = this.count;
    const pathPage = this.pathPage;
    const pathSlot = this.pathSlot;
    const fanout = this.fanout;
    const height = this.height[0];
    let level = 0;
    let base = pathPage[0] * fanout;
    let slot = pathSlot[0];
    for (;;) {
      while (slot >= 0 && room[base + slot] < pages) slot--;
      if (slot >= 0) break;
      level++;
      if (level === height) return false;
      base = pathPage[level] * fanout;
      slot = pathSlot[level] - 1;
    }
    pathSlot[level] = slot;
    while (level > 0) {
      const page = ref[base + slot];
      level--;
      base = page * fanout;
      slot = count[page] - 1;
      while (room[base + slot] < pages) slot--;
      pathPage[level] = page;
      pathSlot[level] = slot;
    }
    this.at = base + slot;
    return true;
  }

  /** Cursor to the next range upwards; not to be called at the anchor. */
  stepUp(): void {
    const pathPage = this.pathPage;
    const pathSlot = this.pathSlot;
    const fanout = this.fanout;
    let level = 0;
    while (pathSlot[level] + 1 === this.count[pathPage[level]]) level++;
    pathSlot[level]++;
    let row = pathPage[level] * fanout + pathSlot[level];
    while (level > 0) {
      level--;
      pathPage[level] = this.ref[row];
      pathSlot[level] = 0;
      row = pathPage[level] * fanout;
    }
    this.at = row;
  }

  /** Adds a range to the gap below the cursor's range. */
  insertBelow(lo: number, hi: number, kind: RangeKind): void {
    const below = this.belowHi();
    assert(below < lo && lo <= hi && hi < this.lo[this.at], 'a range of IOVAs must lie in a gap');
    this.room[this.at] = naturalRoom(hi + 1, this.lo[this.at]);
    this.insertAt(0, this.pathSlot[0], lo, hi, naturalRoom(below + 1, lo), kind);
  }

  /** Takes the range under the cursor out. */
  remove(): void {
    const below = this.belowHi();
    const lo = this.lo[this.at];
    const sharesLeaf = this.pathSlot[0] + 1 < this.count[this.pathPage[0]];
    if (!sharesLeaf) this.stepUp();
    const above = sharesLeaf ? this.at + 1 : this.at;
    this.aboveLo = this.lo[above];
    this.aboveHi = this.hi[above];
    this.room[above] = naturalRoom(below + 1, this.aboveLo);
    if (!sharesLeaf) {
      this.refresh(0);
      this.seekBelow(lo + 1);
    }
    this.deleteAt(0);
  }

  /** Lets the range under the cursor start at `lo`, inside the gap below it. */
  growDown(lo: number): void {
    this.lo[this.at] = lo;
    this.room[this.at] = naturalRoom(this.belowHi() + 1, lo);
    this.refresh(0);
  }

  private write(row: number, lo: number, hi: number, room: number, ref: number): void {
    this.lo[row] = lo;
    this.hi[row] = hi;
    this.room[row] = room;
    this.ref[row] = ref;
  }

  /** Moves `rows` entries to rows that are unused or among the moved ones, and zeroes those left behind. */
  private move(from: number, to: number, rows: number): void {
    const lo = this.lo;
    const hi = this.hi;
    const room = this.room;
    const ref = this.ref;
    const step = from < to ? -1 : 1;
    let source = from < to ? from + rows - 1 : from;
    let target = from < to ? to + rows - 1 : to;
    for (let left = rows; left > 0; left--) {
      lo[target] = lo[source];
      hi[target] = hi[source];
      room[target] = room[source];
      ref[target] = ref[source];
      source += step;
      target += step;
    }
    const gap = Math.min(rows, Math.abs(to - from));
    const first = from < to ? from : from + rows - gap;
    for (let row = first; row < first + gap; row++) this.write(row, 0, 0, 0, 0);
  }

  /** Puts an entry at `slot` of the page on the path, which then leads to it; splits a full page first. */
  private insertAt(level: number, slot: number, lo: number, hi: number, room: number, ref: number): void {
    this.pathSlot[level] = slot;
    if (this.count[this.pathPage[level]] === this.fanout) this.split(level);
    const page = this.pathPage[level];
    const row = page * this.fanout + this.pathSlot[level];
    this.move(row, row + 1, this.count[page] - this.pathSlot[level]);
    this.write(row, lo, hi, room, ref);
    this.count[page]++;
    this.refresh(level);
  }

  /** Cuts the page on the path in two and lets the path lead to the half and slot where its slot now belongs. */
  private split(level: number): void {
    if (level === this.height[0] - 1) this.raiseRoot();
    const fanout = this.fanout;
    const slot = this.pathSlot[level];
    // IOVAs are handed out downwards: a cut at the place of the new entry leaves full pages behind it.
    const cut = slot < fanout >> 2 ? Math.max(slot, 1) : fanout >> 1;
    const right = this.takePage();
    const left = this.pathPage[level];
    this.move(left * fanout + cut, right * fanout, fanout - cut);
    this.count[left] = cut;
    this.count[right] = fanout - cut;
    this.refresh(level);
    const base = right * fanout;
    this.insertAt(
      level + 1,
      this.pathSlot[level + 1] + 1,
      this.lo[base],
      this.hi[base + fanout - cut - 1],
      this.greatestRoom(right),
      right,
    );
    if (slot > cut) {
      this.pathPage[level] = right;
      this.pathSlot[level] = slot - cut;
    } else {
      this.pathSlot[level + 1]--;
    }
  }

  /** Moves the root's entries to a new page, which becomes the root's only child. */
  private raiseRoot(): void {
    const page = this.takePage();
    const base = page * this.fanout;
    const top = this.height[0];
    assert(top < MAX_HEIGHT, 'the range tree is taller than its path');
    const rows = this.count[ROOT];
    this.move(ROOT, base, rows);
    this.count[page] = rows;
    this.count[ROOT] = 1;
    this.write(ROOT, this.lo[base], this.hi[base + rows - 1], this.greatestRoom(page), page);
    this.pathPage[top - 1] = page;
    this.pathPage[top] = ROOT;
    this.pathSlot[top] = 0;
    this.height[0] = top + 1;
  }

  /** Takes the entry on the path out of its page, and the page out of the tree when nothing is left or a neighbour has room for the rest. */
  private deleteAt(level: number): void {
    const page = this.pathPage[level];
    const row = page * this.fanout + this.pathSlot[level];
    const left = this.count[page] - 1;
    const behind = left - this.pathSlot[level];
    if (behind > 0) this.move(row + 1, row, behind);
    else this.write(row, 0, 0, 0, 0);
    this.count[page] = left;
    if (level === this.height[0] - 1) {
      this.lowerRoot();
    } else if (left === 0) {
      this.dropPage(page);
      this.deleteAt(level + 1);
    } else {
      this.refresh(level);
      if (left <= this.fanout >> 2) this.merge(level);
    }
  }

  /** Joins the page on the path with a neighbour under the same parent, if a quarter of the page stays free. */
  private merge(level: number): void {
    const fanout = this.fanout;
    const pathSlot = this.pathSlot;
    const base = this.pathPage[level + 1] * fanout;
    const own = pathSlot[level + 1];
    const most = fanout - (fanout >> 2) - this.count[this.pathPage[level]];
    let lower = own;
    if (own > 0 && this.count[this.ref[base + own - 1]] <= most) lower = own - 1;
    else if (own + 1 === this.count[this.pathPage[level + 1]] || this.count[this.ref[base + own + 1]] > most) return;
    const left = this.ref[base + lower];
    const right = this.ref[base + lower + 1];
    this.move(right * fanout, left * fanout + this.count[left], this.count[right]);
    this.count[left] += this.count[right];
    this.dropPage(right);
    this.pathPage[level] = left;
    pathSlot[level + 1] = lower;
    this.refresh(level);
    pathSlot[level + 1] = lower + 1;
    this.deleteAt(level + 1);
  }

  /** Replaces a root that has one child by that child. */
  private lowerRoot(): void {
    while (this.height[0] > 1 && this.count[ROOT] === 1) {
      const child = this.ref[ROOT];
      this.move(child * this.fanout, ROOT, this.count[child]);
      this.count[ROOT] = this.count[child];
      this.dropPage(child);
      this.height[0]--;
    }
  }

  /** Carries the sum of the page on the path up, as far as something changes. */
  private refresh(level: number): void {
    const lo = this.lo;
    const hi = this.hi;
    const room = this.room;
    const pathPage = this.pathPage;
    const pathSlot = this.pathSlot;
    const fanout = this.fanout;
    const top = this.height[0] - 1;
    for (let child = level; child < top; child++) {
      const page = pathPage[child];
      const first = page * fanout;
      const last = first + this.count[page] - 1;
      const row = pathPage[child + 1] * fanout + pathSlot[child + 1];
      const greatest = this.greatestRoom(page);
      if (lo[row] === lo[first] && hi[row] === hi[last] && room[row] === greatest) return;
      lo[row] = lo[first];
      hi[row] = hi[last];
      room[row] = greatest;
    }
  }

  private greatestRoom(page: number): number {
    const room = this.room;
    const first = page * this.fanout;
    const end = first + this.count[page];
    let greatest = 0;
    for (let row = first; row < end; row++) {
      if (room[row] > greatest) greatest = room[row];
    }
    return greatest;
  }

  private takePage(): number {
    const free = this.freePage[0];
    if (free !== 0) {
      this.freePage[0] = this.nextFree[free];
      this.nextFree[free] = 0;
      return free;
    }
    if (this.pagesUsed[0] === this.pages.rows) {
      const pages = this.pages.rows * 2;
      this.pages.grow(pages);
      this.entries.grow(pages * this.fanout);
    }
    return this.pagesUsed[0]++;
  }

  private dropPage(page: number): void {
    this.count[page] = 0;
    this.nextFree[page] = this.freePage[0];
    this.freePage[0] = page;
  }
}
