import { PAGE_SIZE, type PhysAddr, roundDown } from '../base/index.ts';
import type { SwiotlbPool } from './pool.ts';
import { NO_SLOT } from './pool-parameters.ts';
import { allocateSlots } from './slot-allocation.ts';
import { releaseSlots } from './slot-free.ts';

/**
 * Takes slots at a given place, whatever the search would have chosen: for following a recording after a difference.
 * The area's search goes on behind them, as it would have in the kernel.
 *
 * @param address  an address in the first page of the slots
 * @returns tlb_addr of the mapping, or NO_SLOT when those slots are not free
 */
export function adoptSlots(
  pool: SwiotlbPool,
  address: PhysAddr,
  originalAddress: PhysAddr,
  bytes: number,
  allocAlignMask: number,
  minAlignMask: number,
  segmentBoundaryMask: number,
): PhysAddr {
  const page = roundDown(address, PAGE_SIZE);
  if (!pool.contains(page)) return NO_SLOT;
  const slot = pool.slotAt(page);
  const area = Math.floor(slot / pool.areaSlots);
  const index = pool.areaIndex(area);
  pool.areaNextIndex[area] = slot % pool.areaSlots;
  const taken = allocateSlots(pool, originalAddress, bytes, allocAlignMask, minAlignMask, segmentBoundaryMask, area);
  if (taken !== NO_SLOT && roundDown(taken, PAGE_SIZE) === page) return taken;
  if (taken !== NO_SLOT) releaseSlots(pool, taken, minAlignMask);
  pool.areaNextIndex[area] = index;
  return NO_SLOT;
}
