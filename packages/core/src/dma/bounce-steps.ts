/**
 * The steps that have to do with bounce slots. Each works on the piece at work of a call: on its slots or, where only
 * the ends of a range are bounced, on those of its head and its tail.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_map_page(), iommu_dma_unmap_page(); kernel/dma/swiotlb.c swiotlb_map()
 */
import { type Direction, Observed, type PhysAddr } from '../base/index.ts';
import { type Bounce, copyInAtMap, copyOutAtUnmap, NO_SLOT, tblAllocate, tblRelease, zeroPadding } from '../swiotlb/index.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { DMA_ATTR_SKIP_CPU_SYNC, type DmaCallTable } from './dma-call.ts';
import type { DmaDevice } from './dma-device.ts';
import { directReaches } from './dma-direct.ts';
import { pagesOf } from './dma-pieces.ts';
import { headBytes, tailBytes } from './edge-pages.ts';

/** The pool under the rules that hold for the device; null when the machine has none. */
export function bounceOf(parts: DmaApiParts, device: DmaDevice): Bounce | null {
  return device.keepsOffsets ? parts.bounceKeepingOffsets : parts.bounce;
}

/** Notes that a range goes through slots, which may then not be found. */
export function emitBounced(calls: DmaCallTable, call: number, parts: DmaApiParts, original: PhysAddr, bytes: number): void {
  const device = parts.devices[calls.device[call]];
  const forced = parts.poolForced || (!device.policy.translated && device.policy.bounces(original, bytes));
  parts.log.emit(Observed.BOUNCED, calls.cpu[call], device.index, calls.domain[call], original, bytes, forced ? 1 : 0);
}

/** Takes slots, which become the piece's physical range; false when there is no pool, no room, or no reach. */
export function takeSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  const { bounce } = parts;
  if (bounce === null) return false;
  const index = calls.device[call];
  const device = parts.devices[index];
  if (device.policy.bouncesEdgesOnly) return takeEdgeSlots(calls, call, parts);
  const { minAlignMask, segmentBoundaryMask } = device.parameters;
  const { allocAlignMask, iotlbAlignMask } = device;
  const { translated } = device.policy;
  const original = calls.original[call];
  const bytes = calls.bytes[call];
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  if (calls.roomStamp[call] === 0) emitBounced(calls, call, parts, original, bytes);
  const slots = tblAllocate(bounce, original, bytes, allocAlignMask, iotlbAlignMask, segmentBoundaryMask, cpu, index, domain);
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

/** Takes slots for the head, or for the tail once the head has its own; the range itself stays where it is. */
function takeEdgeSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  const device = parts.devices[calls.device[call]];
  const bounce = bounceOf(parts, device)!;
  const range = calls.original[call];
  const ofHead = needsHeadSlots(calls, call);
  const bytes = ofHead ? headBytes(range, calls.bytes[call]) : tailBytes(range, calls.bytes[call]);
  const original = ofHead ? range : range + calls.bytes[call] - bytes;
  const { allocAlignMask, iotlbAlignMask } = device;
  const { segmentBoundaryMask } = device.parameters;
  const cpu = calls.cpu[call];
  if (calls.roomStamp[call] === 0) emitBounced(calls, call, parts, original, bytes);
  const domain = calls.domain[call];
  const slots = tblAllocate(bounce, original, bytes, allocAlignMask, iotlbAlignMask, segmentBoundaryMask, cpu, device.index, domain);
  if (slots === NO_SLOT) return false;
  device.needSyncFromNowOn();
  if (ofHead) calls.slots[call] = slots;
  else calls.tailSlots[call] = slots;
  return true;
}

/** Whether a part of the piece has yet to get slots, after one has. */
export function needsMoreSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  if (!parts.devices[calls.device[call]].policy.bouncesEdgesOnly) return false;
  return calls.tailSlots[call] < 0 && tailBytes(calls.original[call], calls.bytes[call]) > 0;
}

function needsHeadSlots(calls: DmaCallTable, call: number): boolean {
  return calls.slots[call] < 0 && headBytes(calls.original[call], calls.bytes[call]) > 0;
}

/** Copies the driver's buffer into the slots. */
export function copyIn(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const index = calls.device[call];
  const device = parts.devices[index];
  const bounce = bounceOf(parts, device)!;
  const { slotAlignMask } = device;
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  const tail = calls.tailSlots[call];
  if (calls.slots[call] >= 0) copyInAtMap(bounce, calls.slots[call], bytesInSlots(calls, call, device), slotAlignMask, cpu, index, domain);
  if (tail >= 0) copyInAtMap(bounce, tail, tailBytes(calls.phys[call], calls.bytes[call]), slotAlignMask, cpu, index, domain);
}

/** Clears what else the device can reach in the pages of the slots. */
export function clearPadding(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const index = calls.device[call];
  const device = parts.devices[index];
  const bounce = bounceOf(parts, device)!;
  const direction = calls.direction[call] as Direction;
  const skipCpuSync = (calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0;
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  const slots = calls.slots[call];
  const tail = calls.tailSlots[call];
  if (slots >= 0) zeroPadding(bounce, slots, bytesInSlots(calls, call, device), direction, skipCpuSync, cpu, index, domain);
  if (tail >= 0) zeroPadding(bounce, tail, tailBytes(calls.phys[call], calls.bytes[call]), direction, skipCpuSync, cpu, index, domain);
}

/** Copies the slots back to the driver's buffer where direction and attributes ask for it. */
export function copyOut(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  if ((calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0) return;
  const index = calls.device[call];
  const device = parts.devices[index];
  const bounce = bounceOf(parts, device)!;
  const direction = calls.direction[call] as Direction;
  const { slotAlignMask } = device;
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  const slots = calls.slots[call];
  const tail = calls.tailSlots[call];
  if (slots >= 0) copyOutAtUnmap(bounce, slots, bytesInSlots(calls, call, device), direction, slotAlignMask, cpu, index, domain);
  if (tail >= 0) copyOutAtUnmap(bounce, tail, tailBytes(calls.phys[call], calls.bytes[call]), direction, slotAlignMask, cpu, index, domain);
}

/** Gives slots back to the pool: the piece's, or its head's, then its tail's. @returns whether all are back */
export function freeSlots(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  const index = calls.device[call];
  const { slotAlignMask } = parts.devices[index];
  const slots = calls.slots[call] >= 0 ? calls.slots[call] : calls.tailSlots[call];
  tblRelease(parts.bounce!, slots, slotAlignMask, calls.cpu[call], index, calls.domain[call]);
  if (calls.slots[call] < 0) calls.tailSlots[call] = -1;
  calls.slots[call] = -1;
  return calls.tailSlots[call] < 0;
}

/** Bytes of the piece's data in `slots`. Slots of a head keep the offset in the page, so either address tells its length. */
function bytesInSlots(calls: DmaCallTable, call: number, device: DmaDevice): number {
  return device.policy.bouncesEdgesOnly ? headBytes(calls.phys[call], calls.bytes[call]) : calls.bytes[call];
}
