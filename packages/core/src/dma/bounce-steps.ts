/**
 * The steps that have to do with bounce slots. Each works on the piece at work of a call.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_map_page(), iommu_dma_unmap_page(); kernel/dma/swiotlb.c swiotlb_map()
 */
import { type Direction, Observed, PAGE_SIZE } from '../base/index.ts';
import { copyInAtMap, copyOutAtUnmap, NO_SLOT, tblAllocate, tblRelease, zeroPadding } from '../swiotlb/index.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { DMA_ATTR_SKIP_CPU_SYNC, type DmaCallTable } from './dma-call.ts';
import { directReaches } from './dma-direct.ts';
import { pagesOf } from './dma-pieces.ts';

/** Alignment that dma-iommu asks of a bounce allocation: the granule less one. */
const GRANULE_MASK = PAGE_SIZE - 1;

/** Takes slots, which become the piece's physical range; false when there is no pool, no room, or no reach. */
export function takeSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  const { bounce } = parts;
  if (bounce === null) return false;
  const index = calls.device[call];
  const device = parts.devices[index];
  const { minAlignMask, segmentBoundaryMask } = device.parameters;
  const { translated } = device.policy;
  const original = calls.original[call];
  const bytes = calls.bytes[call];
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  bounce.log.emit(Observed.BOUNCED, cpu, index, domain, original, bytes, parts.poolForced ? 1 : 0);
  const allocAlignMask = translated ? GRANULE_MASK : 0;
  const slots = tblAllocate(bounce, original, bytes, allocAlignMask, minAlignMask, segmentBoundaryMask, cpu, index, domain);
  if (slots === NO_SLOT) return false;
  device.needSyncFromNowOn();
  if (!translated && !directReaches(device, slots, bytes)) {
    // Linux looks only once the data is in the pool, and gives the slots back without a copy.
    copyInAtMap(bounce, slots, bytes, minAlignMask, cpu, index, domain);
    tblRelease(bounce, slots, minAlignMask, cpu, index, domain);
    return false;
  }
  calls.slots[call] = slots;
  calls.phys[call] = slots;
  calls.pages[call] = pagesOf(slots, bytes);
  return true;
}

/** Copies the driver's buffer into the slots. */
export function copyIn(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const device = calls.device[call];
  const { minAlignMask } = parts.devices[device].parameters;
  copyInAtMap(parts.bounce!, calls.slots[call], calls.bytes[call], minAlignMask, calls.cpu[call], device, calls.domain[call]);
}

/** Clears what else the device can reach in the pages of the slots. */
export function clearPadding(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const direction = calls.direction[call] as Direction;
  const skipCpuSync = (calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0;
  const bytes = calls.bytes[call];
  zeroPadding(parts.bounce!, calls.slots[call], bytes, direction, skipCpuSync, calls.cpu[call], calls.device[call], calls.domain[call]);
}

/** Copies the slots back to the driver's buffer where direction and attributes ask for it. */
export function copyOut(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  if ((calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0) return;
  const device = calls.device[call];
  const direction = calls.direction[call] as Direction;
  const { minAlignMask } = parts.devices[device].parameters;
  copyOutAtUnmap(parts.bounce!, calls.slots[call], calls.bytes[call], direction, minAlignMask, calls.cpu[call], device, calls.domain[call]);
}

/** Gives the slots back to the pool. */
export function freeSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const device = calls.device[call];
  const { minAlignMask } = parts.devices[device].parameters;
  tblRelease(parts.bounce!, calls.slots[call], minAlignMask, calls.cpu[call], device, calls.domain[call]);
  calls.slots[call] = -1;
}
