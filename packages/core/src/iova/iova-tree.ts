import { assert, type IovaPfn, NO_IOVA, type StateArena } from '../base/index.ts';
import { alignDown, naturalAlignment } from './natural-room.ts';
import { RangeKind, RangeTree } from './range-tree.ts';

/** Page frame numbers stay below this bound, so that the end of a range is exact too. */
const PFN_END = 2 ** 52;

/** Rows of the scalar column. The anchor, which the kernel places at 2^64 - 1, is Infinity. */
const MAX32_ALLOC_SIZE = 0;
const CACHED32_LO = 1;
const CACHED32_HI = 2;
const CACHED_LO = 3;
const CACHED_HI = 4;
const NODES = 5;
const ALLOCATED_PAGES = 6;
const RESERVED_NODES = 7;
const SCALARS = 8;

/**
 * The IOVA space of one domain without its caches: ranges are taken from the top down, below the *cached node*.
 *
 * There are two cached nodes, one for requests that end below 4 GiB and one for the others; each is the range last
 * allocated on its side, or the one above a range that was freed at or above it. They are kept as page frames.
 *
 * @source Linux v6.12 drivers/iommu/iova.c __alloc_and_insert_iova_range(), reserve_iova(), remove_iova()
 */
export class IovaTree {
  // `declare` where `!` would store undefined first: the compiler of the JavaScript engine then knows what a field holds.
  declare private scalar: Float64Array<ArrayBuffer>;
  declare private readonly ranges: RangeTree;
  declare private readonly startPfn: number;
  declare private readonly dma32BitPfn: number;

  constructor(arena: StateArena, name: string, startPfn: IovaPfn, dma32BitPfn: IovaPfn, initialNodes: number, fanout: number) {
    assert(startPfn >= 1, 'IOVA page 0 means failure and cannot be handed out');
    this.startPfn = startPfn;
    this.dma32BitPfn = dma32BitPfn;
    this.ranges = new RangeTree(arena, name, initialNodes, fanout);
    arena.table(`${name}.scalars`, SCALARS, { value: 'f64' }, (columns) => {
      this.scalar = columns.value;
    });
    this.scalar[MAX32_ALLOC_SIZE] = dma32BitPfn;
    this.scalar.fill(Infinity, CACHED32_LO, CACHED_HI + 1);
  }

  /** Requests of this many pages or more are known to fail below 4 GiB. */
  get max32AllocSize(): number {
    return this.scalar[MAX32_ALLOC_SIZE];
  }

  /** First page frame of the cached node for 32-bit requests; Infinity is the anchor. */
  get cached32Lo(): number {
    return this.scalar[CACHED32_LO];
  }

  /** First page frame of the cached node for all others; Infinity is the anchor. */
  get cachedLo(): number {
    return this.scalar[CACHED_LO];
  }

  /** Ranges in the tree, reserved ones included, the anchor not. */
  get nodeCount(): number {
    return this.scalar[NODES];
  }

  get reservedNodeCount(): number {
    return this.scalar[RESERVED_NODES];
  }

  /** Pages in allocated ranges. */
  get nodePages(): number {
    return this.scalar[ALLOCATED_PAGES];
  }

  /**
   * Takes the page frames `loPfn` to `hiPfn` out of use. A range that overlaps them grows downwards to cover its part; what
   * lies above becomes a range of its own.
   *
   * @source Linux v6.12 drivers/iommu/iova.c reserve_iova()
   */
  reserveIova(loPfn: IovaPfn, hiPfn: IovaPfn): void {
    assert(0 <= loPfn && loPfn <= hiPfn && hiPfn < PFN_END, 'a reserved IOVA range goes upwards and ends below 2^52');
    const ranges = this.ranges;
    let rest = loPfn;
    for (;;) {
      const startsBelow = ranges.seekBelow(rest + 1);
      if (startsBelow && ranges.cursorHi < rest) ranges.stepUp();
      if (ranges.cursorLo > hiPfn) break;
      if (rest < ranges.cursorLo) this.growDown(rest);
      if (hiPfn <= ranges.cursorHi) return;
      rest = ranges.cursorHi + 1;
    }
    ranges.insertBelow(rest, hiPfn, RangeKind.RESERVED);
    this.scalar[NODES]++;
    this.scalar[RESERVED_NODES]++;
  }

  /**
   * Takes a range aligned to its length rounded up to a power of two.
   *
   * @param pages     1 to 2^31
   * @param limitPfn  highest usable page frame, inclusive, below 2^52
   * @returns first page frame, or NO_IOVA
   * @source Linux v6.12 drivers/iommu/iova.c alloc_iova(), __alloc_and_insert_iova_range()
   */
  allocIova(pages: number, limitPfn: IovaPfn): IovaPfn {
    assert(pages >= 1 && limitPfn >= 0 && limitPfn < PFN_END, 'an IOVA request has pages and a limit below 2^52');
    const scalar = this.scalar;
    const limit = limitPfn + 1;
    const below32 = limit <= this.dma32BitPfn;
    if (below32 && pages >= scalar[MAX32_ALLOC_SIZE]) return NO_IOVA;
    const cachedLo = scalar[below32 ? CACHED32_LO : CACHED_LO];
    const cachedHi = scalar[below32 ? CACHED32_HI : CACHED_HI];
    let lo = this.take(pages, Math.min(limit, cachedLo), this.startPfn);
    // The part above the cached node, which the first pass left out.
    if (lo === NO_IOVA && cachedHi < limit) lo = this.take(pages, limit, cachedHi + 1);
    if (lo === NO_IOVA) {
      // The kernel notes it for a failed 64-bit request too.
      scalar[MAX32_ALLOC_SIZE] = pages;
      return NO_IOVA;
    }
    const hi = lo + pages - 1;
    const noted = hi < this.dma32BitPfn ? CACHED32_LO : CACHED_LO;
    scalar[noted] = lo;
    scalar[noted + 1] = hi;
    scalar[NODES]++;
    scalar[ALLOCATED_PAGES] += pages;
    return lo;
  }

  /**
   * Gives back the whole range that contains `pfn`.
   *
   * @returns false when there is none
   * @source Linux v6.12 drivers/iommu/iova.c free_iova(), remove_iova(), __cached_rbnode_delete_update()
   */
  freeIova(pfn: IovaPfn): boolean {
    const ranges = this.ranges;
    if (!ranges.cursorHolds(pfn) && (!ranges.seekBelow(pfn + 1) || ranges.cursorHi < pfn)) return false;
    const scalar = this.scalar;
    const lo = ranges.cursorLo;
    const hi = ranges.cursorHi;
    if (ranges.cursorKind === RangeKind.ALLOCATED) scalar[ALLOCATED_PAGES] -= hi - lo + 1;
    else scalar[RESERVED_NODES]--;
    scalar[NODES]--;
    ranges.remove();
    if (lo === scalar[CACHED32_LO] || (hi < this.dma32BitPfn && lo >= scalar[CACHED32_LO])) {
      scalar[CACHED32_LO] = ranges.aboveLo;
      scalar[CACHED32_HI] = ranges.aboveHi;
    }
    if (lo < this.dma32BitPfn) scalar[MAX32_ALLOC_SIZE] = this.dma32BitPfn;
    if (lo >= scalar[CACHED_LO]) {
      scalar[CACHED_LO] = ranges.aboveLo;
      scalar[CACHED_HI] = ranges.aboveHi;
    }
    return true;
  }

  /**
   * Inserts the highest aligned range that ends below `high` and starts at or above `low`.
   *
   * The kernel walks down and tries `(high - pages) & mask` below each range. That value only falls, so the first gap
   * that fits decides, even when it lies below `low`. Where `high < pages` the kernel's subtraction wraps around to a
   * huge number, which ends its walk at once and is then refused for `high < pages`: no room here as well.
   */
  private take(pages: number, high: number, low: number): IovaPfn {
    if (high < pages) return NO_IOVA;
    const ranges = this.ranges;
    const align = naturalAlignment(pages);
    let lo = alignDown(high - pages, align);
    if (lo < low) return NO_IOVA;
    // Below the range allocated last, the usual case, the cursor is in place, and its room says what `lo` would.
    const inPlace = ranges.cursorStartsAt(high);
    if (inPlace || ranges.seekBelow(high)) {
      if (!inPlace && ranges.cursorHi < lo) {
        ranges.stepUp();
      } else {
        if (!ranges.seekRoom(pages)) return NO_IOVA;
        lo = alignDown(ranges.cursorLo - pages, align);
        if (lo < low) return NO_IOVA;
      }
    }
    ranges.insertBelow(lo, lo + pages - 1, RangeKind.ALLOCATED);
    return lo;
  }

  private growDown(lo: number): void {
    const ranges = this.ranges;
    const scalar = this.scalar;
    const was = ranges.cursorLo;
    ranges.growDown(lo);
    if (scalar[CACHED32_LO] === was) scalar[CACHED32_LO] = lo;
    if (scalar[CACHED_LO] === was) scalar[CACHED_LO] = lo;
    if (ranges.cursorKind === RangeKind.ALLOCATED) scalar[ALLOCATED_PAGES] += was - lo;
  }
}
