import { PAGE_SIZE, type PhysAddr, roundDown } from '../base/index.ts';
import type { DmaCallTable } from './dma-call.ts';

/**
 * The partial pages at the two ends of a range, for policies that bounce only those: the head is in the range's first
 * page, the tail in its last. Data within one page is all head.
 *
 * @source Linux v7.2 drivers/iommu/dma-iommu.c dma_iova_link(); iommu: Bounce page for untrusted devices, version 3 (2019-04-21)
 */

/** Bytes of the head that have to be bounced, 0 when the range begins with a whole page. */
export function headBytes(address: number, bytes: number): number {
  const offset = address % PAGE_SIZE;
  if (offset + bytes < PAGE_SIZE) return bytes;
  return offset === 0 ? 0 : PAGE_SIZE - offset;
}

/** Bytes of the tail, 0 when the range ends with a whole page or in its first one. */
export function tailBytes(address: number, bytes: number): number {
  const end = (address % PAGE_SIZE) + bytes;
  return end < PAGE_SIZE ? 0 : end % PAGE_SIZE;
}

/**
 * Bytes of the next physically contiguous run of a range whose ends are bounced, behind the `mappedBytes` that are in
 * place: the page of the head's slots, the middle as it is, the page of the tail's.
 */
export function edgeRunBytes(calls: DmaCallTable, call: number): number {
  const left = calls.pages[call] * PAGE_SIZE - calls.mappedBytes[call];
  if (left === PAGE_SIZE || (calls.mappedBytes[call] === 0 && calls.slots[call] >= 0)) return PAGE_SIZE;
  return calls.tailSlots[call] >= 0 ? left - PAGE_SIZE : left;
}

/** Where that run begins. */
export function edgeRunPhys(calls: DmaCallTable, call: number): PhysAddr {
  const done = calls.mappedBytes[call];
  if (done === 0 && calls.slots[call] >= 0) return roundDown(calls.slots[call], PAGE_SIZE);
  if (calls.tailSlots[call] >= 0 && done === (calls.pages[call] - 1) * PAGE_SIZE) return calls.tailSlots[call];
  return roundDown(calls.original[call], PAGE_SIZE) + done;
}
