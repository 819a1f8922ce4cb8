import { assert, type StateArena, type StateTable } from '../base/index.ts';
import { naturalRoom } from './natural-room.ts';

/** What a range of the tree is: kept free of allocations for good, or handed out. */
export const RangeKind = { RESERVED: 0, ALLOCATED: 1 } as const;
export type RangeKind = (typeof RangeKind)[keyof typeof RangeKind];

/**
 * Cells of one entry. Of a leaf's entry REF is its RangeKind, of an inner entry the page that it sums up; `| 0` where it is
 * read keeps the arithmetic on it in integers.
 */
const LO = 0;
const HI = 1;
const ROOM = 2;
const REF = 3;
const CELLS = 4;

/** Levels of the tallest tree; pages that hold 2 entries of 4 reach it beyond 10^9 ranges. */
const MAX_HEIGHT = 32;
const ROOT = 0;
/** Cell of a cursor that has been lost. */
const NOWHERE = -1;

/**
 * Disjoint ranges of page frames from the highest to the lowest, first of all the anchor: a B-tree in typed arrays.
 *
 * The kernel keeps a red-black tree and finds room by walking down range by range. Here each range also carries the
 * longest naturally aligned request that fits the gap just below it (its *room*), and each entry of an inner page sums up
 * one child page: its lowest frame, its highest frame, its greatest room. So the next gap downwards that fits is found
 * by climbing and descending once. Pages of sorted entries instead of nodes with two children keep the tree shallow and its
 * memory together, and a domain that fits the root page has one layout only, whatever led to it. Entries go downwards
 * because IOVAs are handed out downwards: the usual new range is appended.
 *
 * The tree has one cursor: the `seek` methods and `stepUp` place it, the others work on the range under it. After
 * `insertBelow` it is at the new range; `remove` and a restored state lose it. Page 0 is the root. Free pages and unused entries are zero.
 */
export class RangeTree {
  /** After `remove`: the range above the removed one; Infinity for the anchor. */
  aboveLo = 0;
  aboveHi = 0;

  // `declare` where `!` would store undefined first: the compiler of the JavaScript engine then knows what a field holds.
  declare private cell: Float64Array<ArrayBuffer>;
  declare private count: Uint32Array<ArrayBuffer>;
  declare private nextFree: Uint32Array<ArrayBuffer>;
  declare private height: Uint32Array<ArrayBuffer>;
  declare private pagesUsed: Uint32Array<ArrayBuffer>;
  declare private freePage: Uint32Array<ArrayBuffer>;
  declare private readonly cells: StateTable;
  declare private readonly pages: StateTable;
  declare private readonly fanout: number;
  declare private readonly pageCells: number;

  /** The cursor: page and slot at each level, leaf first, and the first cell of the leaf's entry. */
  private readonly pathPage = new Int32Array(MAX_HEIGHT);
  private readonly pathSlot = new Int32Array(MAX_HEIGHT);
  private at = NOWHERE;

  constructor(arena: StateArena, name: string, initialNodes: number, fanout: number) {
    assert(fanout >= 4, 'a page of the range tree holds 4 entries or more');
    this.fanout = fanout;
    this.pageCells = fanout * CELLS;
    // One entry is the anchor's; the pages of a tree that grows downwards are nearly full.
    const pages = Math.ceil((initialNodes + 1) / fanout);
    this.cells = arena.table(
      `${name}.ranges`,
      pages * this.pageCells,
      { cell: 'f64' },
      (columns) => {
        this.cell = columns.cell;
      },
      {
        restored: () => {
          this.at = NOWHERE;
        },
      },
    );
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
    this.cell.fill(Infinity, LO, REF);
  }

  /** First page frame of the range under the cursor. */
  get cursorLo(): number {
    return this.cell[this.at + LO];
  }

  /** Last page frame of the range under the cursor. */
  get cursorHi(): number {
    return this.cell[this.at + HI];
  }

  get cursorKind(): number {
    return this.cell[this.at + REF];
  }

  /** True when the cursor has not been lost and its range starts at `pfn`. */
  cursorStartsAt(pfn: number): boolean {
    return this.at !== NOWHERE && this.cell[this.at + LO] === pfn;
  }

  /** True when the cursor has not been lost and its range contains `pfn`. */
  cursorHolds(pfn: number): boolean {
    const at = this.at;
    return at !== NOWHERE && this.cell[at + LO] <= pfn && pfn <= this.cell[at + HI];
  }

  /** Last page frame of the range below the cursor's, -1 when there is none. */
  belowHi(): number {
    const height = this.height[0];
    for (let level = 0; level < height; level++) {
      const page = this.pathPage[level];
      const slot = this.pathSlot[level] + 1;
      if (slot < this.count[page]) return this.cell[page * this.pageCells + slot * CELLS + HI];
    }
    return -1;
  }

  /** Cursor to the highest range that starts below `pfn`; when there is none, to the lowest range, and false. */
  seekBelow(pfn: number): boolean {
    const cell = this.cell;
    let page = ROOT;
    for (let level = this.height[0] - 1; ; level--) {
      const base = page * this.pageCells;
      const last = base + (this.count[page] - 1) * CELLS;
      // Four entries at a time, then one: as few steps as halving here, and the processor guesses them better.
      let at = base;
      while (at + 4 * CELLS <= last && cell[at + 3 * CELLS + LO] >= pfn) at += 4 * CELLS;
      while (at < last && cell[at + LO] >= pfn) at += CELLS;
      this.pathPage[level] = page;
      this.pathSlot[level] = ((at - base) / CELLS) | 0;
      if (level === 0) {
        this.at = at;
        return cell[at + LO] < pfn;
      }
      page = cell[at + REF] | 0;
    }
  }

  /** Cursor from its range, this one included, down to the first with a gap of `pages` room below it; false when there is none. */
  seekRoom(pages: number): boolean {
    const height = this.height[0];
    let level = 0;
    let slot = this.firstWithRoom(this.pathPage[0], this.pathSlot[0], pages);
    while (slot < 0) {
      level++;
      if (level === height) return false;
      slot = this.firstWithRoom(this.pathPage[level], this.pathSlot[level] + 1, pages);
    }
    this.pathSlot[level] = slot;
    let at = this.pathPage[level] * this.pageCells + slot * CELLS;
    while (level > 0) {
      const page = this.cell[at + REF] | 0;
      level--;
      slot = this.firstWithRoom(page, 0, pages);
      this.pathPage[level] = page;
      this.pathSlot[level] = slot;
      at = page * this.pageCells + slot * CELLS;
    }
    this.at = at;
    return true;
  }

  /** Cursor to the next range upwards; not to be called at the anchor. */
  stepUp(): void {
    let level = 0;
    while (this.pathSlot[level] === 0) level++;
    this.pathSlot[level]--;
    let at = this.pathPage[level] * this.pageCells + this.pathSlot[level] * CELLS;
    while (level > 0) {
      const page = this.cell[at + REF] | 0;
      level--;
      this.pathPage[level] = page;
      this.pathSlot[level] = this.count[page] - 1;
      at = page * this.pageCells + this.pathSlot[level] * CELLS;
    }
    this.at = at;
  }

  /** Adds a range to the gap below the cursor's range. */
  insertBelow(lo: number, hi: number, kind: RangeKind): void {
    if (this.count[this.pathPage[0]] === this.fanout) this.split(0);
    const below = this.belowHi();
    const above = this.pathPage[0] * this.pageCells + this.pathSlot[0] * CELLS;
    const cell = this.cell;
    assert(below < lo && lo <= hi && hi < cell[above + LO], 'a range of IOVAs must lie in a gap');
    const was = cell[above + ROOM];
    const upper = naturalRoom(hi + 1, cell[above + LO]);
    const lower = naturalRoom(below + 1, lo);
    cell[above + ROOM] = upper;
    const at = this.openSlotBelow(0);
    cell[at + LO] = lo;
    cell[at + HI] = hi;
    cell[at + ROOM] = lower;
    cell[at + REF] = kind;
    if (this.height[0] > 1) this.refresh(0, was, upper > lower ? upper : lower);
    this.pathSlot[0]++;
    this.at = at;
  }

  /** Takes the range under the cursor out. */
  remove(): void {
    const below = this.belowHi();
    const cell = this.cell;
    const lo = cell[this.at + LO];
    const sharesLeaf = this.pathSlot[0] > 0;
    if (!sharesLeaf) this.stepUp();
    const above = sharesLeaf ? this.at - CELLS : this.at;
    const aboveLo = cell[above + LO];
    this.aboveLo = aboveLo;
    this.aboveHi = cell[above + HI];
    const was = cell[above + ROOM];
    const joined = naturalRoom(below + 1, aboveLo);
    cell[above + ROOM] = joined;
    if (sharesLeaf) {
      this.closeSlot(0, was, joined);
    } else {
      this.refresh(0, was, joined);
      this.seekBelow(lo + 1);
      this.closeSlot(0, cell[this.at + ROOM], 0);
    }
    this.at = NOWHERE;
  }

  /** Lets the range under the cursor start at `lo`, inside the gap below it. */
  growDown(lo: number): void {
    const cell = this.cell;
    const was = cell[this.at + ROOM];
    const room = naturalRoom(this.belowHi() + 1, lo);
    cell[this.at + LO] = lo;
    cell[this.at + ROOM] = room;
    this.refresh(0, was, room);
  }

  /** First slot at or after `slot` of a page whose entry has room, -1 for none. */
  private firstWithRoom(page: number, slot: number, pages: number): number {
    const cell = this.cell;
    const count = this.count[page];
    const base = page * this.pageCells + ROOM;
    for (let i = slot; i < count; i++) {
      if (cell[base + i * CELLS] >= pages) return i;
    }
    return -1;
  }

  /** Makes place behind the entry on the path, in a page that is not full; returns the first cell, and the caller writes all of them. */
  private openSlotBelow(level: number): number {
    const page = this.pathPage[level];
    const cell = this.cell;
    const base = page * this.pageCells;
    const at = base + (this.pathSlot[level] + 1) * CELLS;
    for (let from = base + this.count[page] * CELLS - 1; from >= at; from--) cell[from + CELLS] = cell[from];
    this.count[page]++;
    return at;
  }

  /**
   * Takes the entry on the path out of its page, and the page out of the tree when nothing is left or a neighbour has
   * place for the rest. `was` and `now` are as for `refresh`.
   */
  private closeSlot(level: number, was: number, now: number): void {
    const page = this.pathPage[level];
    const cell = this.cell;
    const base = page * this.pageCells;
    const left = this.count[page] - 1;
    const end = base + left * CELLS;
    for (let to = base + this.pathSlot[level] * CELLS; to < end; to++) cell[to] = cell[to + CELLS];
    for (let i = 0; i < CELLS; i++) cell[end + i] = 0;
    this.count[page] = left;
    if (level === this.height[0] - 1) {
      this.lowerRoot();
    } else if (left === 0) {
      this.dropPage(page);
      const up = this.pathPage[level + 1] * this.pageCells + this.pathSlot[level + 1] * CELLS;
      this.closeSlot(level + 1, cell[up + ROOM], 0);
    } else {
      this.refresh(level, was, now);
      if (left <= this.fanout >> 2) this.merge(level);
    }
  }

  /**
   * Carries a change in the page on the path up into the entries that sum it up, as far as it goes.
   *
   * @param was  greatest room of the changed entries before, removed ones included
   * @param now  the same after
   */
  private refresh(level: number, was: number, now: number): void {
    const cell = this.cell;
    const top = this.height[0] - 1;
    let before = was;
    let after = now;
    for (let child = level; child < top; child++) {
      const page = this.pathPage[child];
      const up = this.pathPage[child + 1] * this.pageCells + this.pathSlot[child + 1] * CELLS;
      const first = page * this.pageCells;
      const lo = cell[first + (this.count[page] - 1) * CELLS + LO];
      const hi = cell[first + HI];
      const room = cell[up + ROOM];
      // Where a lesser entry changed, the greatest stays; only where the greatest itself fell must all be looked at.
      let greatest = room;
      if (after > room) greatest = after;
      else if (before === room && after < room) greatest = this.greatestRoom(page);
      if (greatest === room && lo === cell[up + LO] && hi === cell[up + HI]) return;
      cell[up + LO] = lo;
      cell[up + HI] = hi;
      cell[up + ROOM] = greatest;
      before = room;
      after = greatest;
    }
  }

  /** Cuts the full page on the path in two; the path leads to the same entries as before. */
  private split(level: number): void {
    const fanout = this.fanout;
    if (level === this.height[0] - 1) this.raiseRoot();
    else if (this.count[this.pathPage[level + 1]] === fanout) this.split(level + 1);
    const slot = this.pathSlot[level];
    // Where ranges are appended, a cut near the end leaves full pages behind it.
    const cut = slot >= fanout - (fanout >> 2) ? slot : fanout >> 1;
    const lower = this.takePage();
    const upper = this.pathPage[level];
    this.moveEntries(upper, cut, lower, 0, fanout - cut);
    const at = this.openSlotBelow(level + 1);
    this.sumUp(upper, at - CELLS);
    this.sumUp(lower, at);
    if (slot >= cut) {
      this.pathPage[level] = lower;
      this.pathSlot[level] = slot - cut;
      this.pathSlot[level + 1]++;
    }
  }

  /** Joins the page on the path with a neighbour under the same parent, if a quarter of the page stays free. */
  private merge(level: number): void {
    const cell = this.cell;
    const parent = this.pathPage[level + 1];
    const base = parent * this.pageCells + REF;
    const own = this.pathSlot[level + 1];
    const most = this.fanout - (this.fanout >> 2) - this.count[this.pathPage[level]];
    let first = own;
    if (own > 0 && this.count[cell[base + (own - 1) * CELLS] | 0] <= most) first = own - 1;
    else if (own + 1 === this.count[parent] || this.count[cell[base + (own + 1) * CELLS] | 0] > most) return;
    const upper = cell[base + first * CELLS] | 0;
    const lower = cell[base + (first + 1) * CELLS] | 0;
    this.moveEntries(lower, 0, upper, this.count[upper], this.count[lower]);
    this.dropPage(lower);
    this.sumUp(upper, base - REF + first * CELLS);
    this.pathSlot[level + 1] = first + 1;
    // The entry of the page that stays has taken over all that goes: nothing changes in sum.
    this.closeSlot(level + 1, 0, 0);
  }

  /** Moves the root's entries to a new page, which becomes the root's only child. */
  private raiseRoot(): void {
    const page = this.takePage();
    const top = this.height[0];
    assert(top < MAX_HEIGHT, 'the range tree is taller than its path');
    this.moveEntries(ROOT, 0, page, 0, this.count[ROOT]);
    this.count[ROOT] = 1;
    this.sumUp(page, ROOT);
    this.pathPage[top - 1] = page;
    this.pathPage[top] = ROOT;
    this.pathSlot[top] = 0;
    this.height[0] = top + 1;
  }

  /** Replaces a root that has one child by that child. */
  private lowerRoot(): void {
    while (this.height[0] > 1 && this.count[ROOT] === 1) {
      const child = this.cell[REF] | 0;
      this.count[ROOT] = 0;
      this.moveEntries(child, 0, ROOT, 0, this.count[child]);
      this.dropPage(child);
      this.height[0]--;
    }
  }

  /** Writes the entry for a page. */
  private sumUp(page: number, at: number): void {
    const cell = this.cell;
    const first = page * this.pageCells;
    cell[at + LO] = cell[first + (this.count[page] - 1) * CELLS + LO];
    cell[at + HI] = cell[first + HI];
    cell[at + ROOM] = this.greatestRoom(page);
    cell[at + REF] = page;
  }

  private greatestRoom(page: number): number {
    const cell = this.cell;
    const first = page * this.pageCells + ROOM;
    const end = first + this.count[page] * CELLS;
    let greatest = 0;
    for (let at = first; at < end; at += CELLS) {
      if (cell[at] > greatest) greatest = cell[at];
    }
    return greatest;
  }

  /** Moves the last entries of one page, from `slot` on, to another page and zeroes their old places. */
  private moveEntries(page: number, slot: number, toPage: number, toSlot: number, entries: number): void {
    const cell = this.cell;
    const from = page * this.pageCells + slot * CELLS;
    const to = toPage * this.pageCells + toSlot * CELLS;
    for (let i = 0; i < entries * CELLS; i++) {
      cell[to + i] = cell[from + i];
      cell[from + i] = 0;
    }
    this.count[page] -= entries;
    this.count[toPage] += entries;
  }

  /** A zeroed page. */
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
      this.cells.grow(pages * this.pageCells);
    }
    return this.pagesUsed[0]++;
  }

  private dropPage(page: number): void {
    this.nextFree[page] = this.freePage[0];
    this.freePage[0] = page;
  }
}
