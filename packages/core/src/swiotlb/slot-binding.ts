/**
 * Slots that outlive a mapping: which original buffer they stand for can change while they stay taken. No kernel does
 * this; it is what a pool of shadow buffers needs.
 */
import { assert, type PhysAddr } from '../base/index.ts';
import type { SwiotlbPool } from './pool.ts';
import { INVALID_PHYS_ADDR } from './pool-parameters.ts';

/**
 * Binds taken slots to a buffer, so that copies and syncs go to it.
 *
 * @param leading  bytes from the start of the slots to the data
 * @returns tlb_addr of the data
 */
export function bindSlots(pool: SwiotlbPool, firstSlot: number, originalAddress: PhysAddr, leading: number): PhysAddr {
  assert(pool.firstSlotOf(firstSlot) === firstSlot, 'bound slots are taken');
  pool.original[firstSlot] = originalAddress;
  pool.leadingBytes[firstSlot] = leading;
  return pool.tlbAddress(firstSlot);
}

/** Unbinds them: copies and syncs find nothing to do. @returns address of their first byte */
export function unbindSlots(pool: SwiotlbPool, firstSlot: number): PhysAddr {
  return bindSlots(pool, firstSlot, INVALID_PHYS_ADDR, 0);
}
