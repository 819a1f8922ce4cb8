/**
 * Takes slots for a bounce buffer: the unit that finds them and marks them, without any copy.
 *
 * The search is next-fit: it goes on where the last one in the area ended, so that a slot just released is not used
 * again until the search has come round. Which slot it takes and how many it looks at follow the kernel's loop exactly;
 * both are computed from the loop's path instead of walking it, because the path is regular. It visits the slots in
 * sweeps: from the area's index to its end, then from the area's start. In a sweep the slots that can match, the
 * candidates, lie `step` apart from `first` on; other slots are looked at only between them.
 *
 * @source Linux v6.12 and v6.1 kernel/dma/swiotlb.c swiotlb_find_slots(), swiotlb_search_pool_area() (6.1: swiotlb_do_find_slots())
 */
import { assert, type Cpu, isPowerOfTwo, type KernelRules, PAGE_SIZE, type PhysAddr, roundUp } from '../base/index.ts';
import type { SwiotlbPool } from './pool.ts';
import { NO_SLOT, SlotOutcome } from './pool-parameters.ts';
import { clearBits } from './slot-bits.ts';
import { findFreeRun } from './slot-search.ts';

/** Result of a search in one area besides a slot index. */
const NOTHING = -1;
const FOR_EVER = -2;

/** Boundary masks from here on have no boundary below the largest physical address, 2^52 - 1. */
const NO_BOUNDARY = 2 ** 52 - 1;

/**
 * Takes slots for `bytes` of the buffer at `originalAddress` and tells where the mapping begins in the pool.
 *
 * The pool's `last...` fields say more about the call, also when it failed. Masks are a power of two less one, or 0.
 *
 * @param originalAddress      0 for memory without an original buffer: then only `allocAlignMask` counts for alignment
 * @param bytes                size of the mapping, 1 or more. The size searched for is derived here for both kernels: callers
 *                             in 6.1, which hand over a size of their own, round up to `allocAlignMask` + 1 as well
 * @param allocAlignMask       4095 under an IOMMU, so that whole pages are taken; 0 in direct mode
 * @param minAlignMask         the device's min_align_mask: address bits that bouncing has to keep
 * @param segmentBoundaryMask  the device's segment boundary; Infinity or anything from 2^52 - 1 for none
 * @param cpu                  decides the area where the search begins
 * @param kernel               rules of the search
 * @returns tlb_addr, the address in the pool of the mapping's first byte, or NO_SLOT
 */
export function allocateSlots(
  pool: SwiotlbPool,
  originalAddress: PhysAddr,
  bytes: number,
  allocAlignMask: number,
  minAlignMask: number,
  segmentBoundaryMask: number,
  cpu: Cpu,
  kernel: KernelRules = pool.kernel,
): PhysAddr {
  assert(
    (allocAlignMask & (allocAlignMask + 1)) === 0 && (minAlignMask & (minAlignMask + 1)) === 0,
    'alignment masks are powers of two less one',
  );
  assert(segmentBoundaryMask >= (allocAlignMask | minAlignMask), 'a segment boundary is not finer than the alignment');
  const slotBytes = pool.slotBytes;
  const old = kernel === '6.1';
  const keptMask = old ? minAlignMask & (slotBytes - 1) : minAlignMask & (allocAlignMask | (slotBytes - 1));
  const leading = originalAddress & keptMask;
  const unrounded = (old ? bytes : bytes + leading) + allocAlignMask;
  const searched = unrounded - (unrounded & allocAlignMask) + (old ? leading : 0);
  const count = pool.slotsFor(searched);

  const boundarySlots = segmentBoundaryMask + 1 >= pool.enclosingBytes ? 0 : slotsBetweenBoundaries(pool, segmentBoundaryMask);
  const hopeless = count > pool.segmentSlots || (boundarySlots !== 0 && count > boundarySlots);
  pool.lastSearchedBytes = searched;
  pool.lastSlots = count;
  pool.lastSlotsLookedAt = 0;
  pool.lastPadSlots = 0;
  pool.lastFirstSlot = NO_SLOT;

  const areas = pool.areas;
  for (let offset = 0; offset < areas; offset++) {
    const area = (cpu + offset) & (areas - 1);
    if (count > pool.areaSlots - pool.areaUsedSlots[area]) continue;
    const index = old
      ? searchArea61(pool, area, originalAddress, searched, allocAlignMask, minAlignMask, hopeless ? 0 : count, boundarySlots)
      : searchArea(pool, area, originalAddress, searched, allocAlignMask, minAlignMask, hopeless ? 0 : count, boundarySlots);
    if (index >= 0) {
      takeSlots(pool, area, index, count, originalAddress, searched, leading);
      return pool.start + pool.lastFirstSlot * slotBytes + leading;
    }
    if (index === FOR_EVER) {
      pool.lastOutcome = SlotOutcome.ENDLESS;
      return NO_SLOT;
    }
  }
  pool.lastOutcome = hopeless ? SlotOutcome.NEVER_FITS : SlotOutcome.FULL;
  return NO_SLOT;
}

/** Slots between two segment boundaries of which one may lie in the pool; 0 when no address can reach one. */
function slotsBetweenBoundaries(pool: SwiotlbPool, segmentBoundaryMask: number): number {
  if (segmentBoundaryMask >= NO_BOUNDARY) return 0;
  assert(isPowerOfTwo(segmentBoundaryMask + 1), 'a segment boundary mask is a power of two less one');
  return Math.max(1, (segmentBoundaryMask + 1) / pool.slotBytes);
}

/**
 * One area in 6.12: the search begins at the area's index, unrounded, and ends once it has advanced by the area's size.
 *
 * The candidates are `period` slots apart. After one that does not fit the loop jumps by `stride`, which with a large
 * minAlignMask is a little less, and comes to the next candidate slot by slot.
 *
 * @param count  slots needed, 0 when no run of free slots can do
 * @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_search_pool_area()
 */
function searchArea(
  pool: SwiotlbPool,
  area: number,
  originalAddress: PhysAddr,
  searched: number,
  allocAlignMask: number,
  minAlignMask: number,
  count: number,
  boundarySlots: number,
): number {
  const slotBytes = pool.slotBytes;
  const size = pool.areaSlots;
  const pageWise = allocAlignMask === 0 && minAlignMask === 0 && searched >= PAGE_SIZE;
  const alignMask = (pageWise ? PAGE_SIZE - 1 : allocAlignMask) | (slotBytes - 1);
  const matchMask = minAlignMask & ~alignMask;
  const stride = (Math.max(alignMask, matchMask) >> pool.slotShift) + 1;
  const period = (Math.max(alignMask, minAlignMask) >> pool.slotShift) + 1;
  const modulus = originalAddress === 0 ? (alignMask >> pool.slotShift) + 1 : period;
  const wanted = (originalAddress & matchMask) >> pool.slotShift;
  const base = area * size;
  const residue = (wanted - pool.startSlotLow - base) & (modulus - 1);

  const start = pool.areaNextIndex[area];
  const first = start + ((residue - start) & (modulus - 1));
  if (count !== 0 && first < size) {
    const found = findFreeRun(pool, base + first, base + size, period, count, boundarySlots) - base;
    if (found >= 0) {
      pool.lastSlotsLookedAt += looksUntil(start, first, found, period, stride);
      return found;
    }
  }
  pool.lastSlotsLookedAt += looksInVain(start, first, size, period, stride);
  return searchFromAreaStart(pool, base, start, first, residue, period, stride, count, boundarySlots);
}

/** Second sweep in 6.12. The jump from the last candidate past the area's end counts in full, so this ends that much before `start`. */
function searchFromAreaStart(
  pool: SwiotlbPool,
  base: number,
  start: number,
  first: number,
  residue: number,
  period: number,
  stride: number,
  count: number,
  boundarySlots: number,
): number {
  const size = pool.areaSlots;
  const limit = start - (first < size ? Math.max(0, lastCandidate(first, size, period) + stride - size) : 0);
  if (count !== 0 && residue < limit) {
    const found = findFreeRun(pool, base + residue, base + limit, period, count, boundarySlots) - base;
    if (found >= 0) {
      pool.lastSlotsLookedAt += looksUntil(0, residue, found, period, stride);
      return found;
    }
  }
  pool.lastSlotsLookedAt += looksInVain(0, residue, limit, period, stride);
  return NOTHING;
}

/**
 * One area in 6.1: the search begins at the area's index rounded up to the stride and ends when it is there again,
 * which it may never be.
 *
 * A device whose minAlignMask asks for more than the alignment of the slots makes it step by single slots to one that
 * matches. From then on it keeps a distance from the multiples of the stride; unless the first slot matched at once it
 * passes its starting point without meeting it.
 *
 * @param count  slots needed, 0 when no run of free slots can do
 * @source Linux v6.1 kernel/dma/swiotlb.c swiotlb_do_find_slots()
 */
function searchArea61(
  pool: SwiotlbPool,
  area: number,
  originalAddress: PhysAddr,
  searched: number,
  allocAlignMask: number,
  minAlignMask: number,
  count: number,
  boundarySlots: number,
): number {
  const slotBytes = pool.slotBytes;
  const size = pool.areaSlots;
  const alignMask = allocAlignMask | (slotBytes - 1);
  const matchMask = minAlignMask & ~alignMask;
  let stride = (matchMask >> pool.slotShift) + 1;
  if (searched >= PAGE_SIZE) stride *= PAGE_SIZE / slotBytes;
  stride = Math.max(stride, (alignMask >> pool.slotShift) + 1);
  const matching = matchMask !== 0 && originalAddress !== 0;
  const base = area * size;
  const rounded = roundUp(pool.areaNextIndex[area], stride);
  const start = rounded < size ? rounded : 0;
  if (matching && alignMask >= slotBytes) {
    return walkArea61(pool, base, start, stride, matchMask, originalAddress & matchMask, count, boundarySlots);
  }

  const modulus = matching ? (minAlignMask >> pool.slotShift) + 1 : 1;
  const residue = (((originalAddress & matchMask) >> pool.slotShift) - pool.startSlotLow - base) & (modulus - 1);
  const first = start + ((residue - start) & (modulus - 1));
  const looksBefore = pool.lastSlotsLookedAt;
  if (count !== 0 && first < size) {
    const found = findFreeRun(pool, base + first, base + size, stride, count, boundarySlots) - base;
    if (found >= 0) {
      pool.lastSlotsLookedAt = looksBefore + looksUntil(start, first, found, stride, stride);
      return found;
    }
  }
  const looks = looksBefore + looksInVain(start, first, size, stride, stride);
  if (count !== 0 && residue < start) {
    const found = findFreeRun(pool, base + residue, base + start, stride, count, boundarySlots) - base;
    if (found >= 0) {
      pool.lastSlotsLookedAt = looks + looksUntil(0, residue, found, stride, stride);
      return found;
    }
  }
  if (start !== 0 && first !== start) {
    pool.lastSlotsLookedAt = looksBefore + size;
    return FOR_EVER;
  }
  pool.lastSlotsLookedAt = looks + looksInVain(0, residue, start, stride, stride);
  return NOTHING;
}

/**
 * The 6.1 search slot by slot, for a minAlignMask above an allocAlignMask that is itself above the slot size: there the
 * matching slots come in blocks. A search that has made as many steps as there are slots is in a circle.
 */
function walkArea61(
  pool: SwiotlbPool,
  base: number,
  start: number,
  stride: number,
  matchMask: number,
  wanted: number,
  count: number,
  boundarySlots: number,
): number {
  const size = pool.areaSlots;
  let index = start;
  for (let looks = 1; looks <= size; looks++) {
    pool.lastSlotsLookedAt += 1;
    const slot = base + index;
    const matches = ((pool.start + slot * pool.slotBytes) & matchMask) === wanted;
    if (matches && count !== 0 && findFreeRun(pool, slot, slot + 1, 1, count, boundarySlots) === slot) return index;
    const next = index + (matches ? stride : 1);
    index = next < size ? next : 0;
    if (index === start) return NOTHING;
  }
  return FOR_EVER;
}

/** Slots looked at in a sweep from `from` that ends successfully at candidate `found`. */
function looksUntil(from: number, first: number, found: number, step: number, stride: number): number {
  return first - from + 1 + (((found - first) / step) | 0) * (1 + step - stride);
}

/** Slots looked at in a sweep from `from` up to `limit`, which may lie before it, when no candidate fits. */
function looksInVain(from: number, first: number, limit: number, step: number, stride: number): number {
  if (first >= limit) return Math.max(0, limit - from);
  const last = lastCandidate(first, limit, step);
  return looksUntil(from, first, last, step, stride) + Math.max(0, limit - last - stride);
}

function lastCandidate(first: number, limit: number, step: number): number {
  return first + Math.floor((limit - 1 - first) / step) * step;
}

/** Marks the slots of a mapping and moves the area's index past them. */
function takeSlots(
  pool: SwiotlbPool,
  area: number,
  index: number,
  count: number,
  original: PhysAddr,
  searched: number,
  leading: number,
): void {
  const slot = area * pool.areaSlots + index;
  const word = slot >> pool.wordShift;
  const bit = slot & pool.bitMask;
  pool.firstBits[word] |= 1 << bit;
  clearBits(pool.freeBits, word, bit, count);
  pool.original[slot] = original;
  pool.searchedBytes[slot] = searched;
  pool.leadingBytes[slot] = leading;
  const next = index + count;
  pool.areaNextIndex[area] = next < pool.areaSlots ? next : 0;
  pool.countUsed(area, count);
  pool.lastFirstSlot = slot;
  pool.lastPadSlots = leading >> pool.slotShift;
  pool.lastOutcome = SlotOutcome.ALLOCATED;
}
