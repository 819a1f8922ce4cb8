/**
 * Gives the slots of a bounce buffer back: the unit that merges and unmarks them, without any copy.
 *
 * The memory is not cleared and the area's search index does not move. The releasing CPU plays no role.
 *
 * @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_release_slots()
 */
import { assert, type PhysAddr } from '../base/index.ts';
import type { SwiotlbPool } from './pool.ts';
import { setBits } from './slot-bits.ts';

/**
 * Releases the mapping that begins at `tlbAddress`; the pool's `lastReleased...` fields say which slots that were.
 *
 * Differs: the kernel works out slots from whatever address and mask it is given; here they have to be those of a live mapping.
 *
 * @param tlbAddress    as `allocateSlots` returned it
 * @param minAlignMask  the device's min_align_mask, unchanged since
 */
export function releaseSlots(pool: SwiotlbPool, tlbAddress: PhysAddr, minAlignMask: number): void {
  const slot = pool.slotAt(tlbAddress);
  assert(slot >= 0 && slot < pool.slots, 'released address is not in the bounce pool');
  const first = pool.firstSlotOf(slot);
  assert(first >= 0, 'released slot is free');
  const slotMask = pool.slotBytes - 1;
  const leading = pool.leadingBytes[first];
  const offset = leading & slotMask;
  assert(
    slot === first + (leading >> pool.slotShift) && offset === (tlbAddress & slotMask),
    'released address is not the start of its mapping',
  );
  assert(offset === (offset & minAlignMask), 'minimum alignment mask is not the one the mapping was made with');

  const count = pool.slotsOfMapping(first);
  const word = first >> pool.wordShift;
  const bit = first & pool.bitMask;
  pool.firstBits[word] &= ~(1 << bit);
  setBits(pool.freeBits, word, bit, count);
  pool.original[first] = 0;
  pool.searchedBytes[first] = 0;
  pool.leadingBytes[first] = 0;
  pool.countUsed(pool.areas === 1 ? 0 : (first / pool.areaSlots) | 0, -count);

  // The next search that looks at the segment finds the bound anew; merging runs here would cost more than that.
  pool.runBound[first >> pool.segmentShift] = pool.segmentSlots;
  pool.lastReleasedFirstSlot = first;
  pool.lastReleasedSlots = count;
}
