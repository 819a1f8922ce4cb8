/**
 * Gives the slots of a bounce buffer back: the unit that merges and unmarks them, without any copy.
 *
 * The memory is not cleared and the area's search index does not move. The releasing CPU plays no role.
 *
 * @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_release_slots()
 */
import { assert, type PhysAddr } from '../base/index.ts';
import type { SwiotlbPool } from './pool.ts';

/**
 * Releases the mapping that begins at `tlbAddress`; the pool's `lastReleased...` fields say which slots that were.
 *
 * Differs: the kernel works out slots from whatever address and mask it is given; here they have to be those of a live mapping.
 *
 * @param tlbAddress    as `allocateSlots` returned it
 * @param minAlignMask  the device's min_align_mask, unchanged since
 */
export function releaseSlots(pool: SwiotlbPool, tlbAddress: PhysAddr, minAlignMask: number): void {
  assert(pool.contains(tlbAddress), 'released address is not in the bounce pool');
  const slotBytes = pool.slotBytes;
  const offset = tlbAddress & minAlignMask & (slotBytes - 1);
  const first = pool.firstSlotOf(pool.slotAt(tlbAddress - offset));
  assert(first >= 0 && pool.tlbAddress(first) === tlbAddress, 'released address is not the start of a live bounce mapping');

  const count = pool.slotsOfMapping(first);
  const free = pool.freeBits;
  let word = first >> pool.wordShift;
  let bit = first & pool.bitMask;
  pool.firstBits[word] &= ~(1 << bit);
  for (let left = count; left > 0; word++, bit = 0) {
    const given = Math.min(left, 32 - bit);
    free[word] |= (-1 >>> (32 - given)) << bit;
    left -= given;
  }
  pool.original[first] = 0;
  pool.searchedBytes[first] = 0;
  pool.leadingBytes[first] = 0;
  pool.countUsed(Math.floor(first / pool.areaSlots), -count);

  const segment = first >> pool.segmentShift;
  if (pool.runBound[segment] < pool.segmentSlots) {
    const merged = pool.freeRunBefore(first) + pool.listOf(first);
    if (merged > pool.runBound[segment]) pool.runBound[segment] = merged;
  }
  pool.lastReleasedFirstSlot = first;
  pool.lastReleasedSlots = count;
}
