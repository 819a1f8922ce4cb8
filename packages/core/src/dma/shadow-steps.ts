/**
 * The steps of mappings that use shadow buffers (shadow-buffers.ts).
 *
 * **What the device sees besides the data.** Every mapping clears the bytes of its first page before the data and of its
 * last page after it. Further pages of the buffer keep what this device had there, or zeros: a new buffer is cleared
 * whole before it is mapped, and no other device ever has it.
 */
import { Observed, PAGE_SIZE } from '../base/index.ts';
import type { Rights } from '../iommu/index.ts';
import { bindSlots, NO_SLOT, tblAllocate, unbindSlots, zeroRange } from '../swiotlb/index.ts';
import { bounceOf, emitBounced } from './bounce-steps.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import type { DmaCallTable } from './dma-call.ts';
import { pagesOf } from './dma-pieces.ts';
import { NO_SHADOW, shadowPages } from './shadow-buffers.ts';

/** Takes an idle buffer; false when there is none. */
export function takeShadow(calls: DmaCallTable, call: number, parts: DmaApiParts, rights: Rights): boolean {
  if (parts.shadows === null) return false;
  const device = parts.devices[calls.device[call]];
  emitBounced(calls, call, parts, calls.original[call], calls.bytes[call]);
  device.needSyncFromNowOn();
  const pages = pagesOf(leadingOf(calls, call, parts), calls.bytes[call]);
  const firstSlot = parts.shadows.take(device.index, pages, rights);
  if (firstSlot === NO_SHADOW) return false;
  useShadow(calls, call, parts, firstSlot, pages, false);
  return true;
}

/** Takes slots for a buffer of the class and clears them, so that no byte of an earlier owner is left; false when there are none. */
export function growShadow(calls: DmaCallTable, call: number, parts: DmaApiParts): boolean {
  const device = parts.devices[calls.device[call]];
  const bounce = bounceOf(parts, device);
  if (bounce === null) return false;
  const { allocAlignMask, iotlbAlignMask } = device;
  const { segmentBoundaryMask } = device.parameters;
  const pages = shadowPages(pagesOf(leadingOf(calls, call, parts), calls.bytes[call]));
  const bytes = pages * PAGE_SIZE;
  const cpu = calls.cpu[call];
  const domain = calls.domain[call];
  const slots = tblAllocate(bounce, 0, bytes, allocAlignMask, iotlbAlignMask, segmentBoundaryMask, cpu, device.index, domain);
  if (slots === NO_SLOT) return false;
  unbindSlots(bounce.pool, bounce.pool.lastFirstSlot);
  zeroRange(bounce, slots, slots + bytes, cpu, device.index, domain);
  calls.slots[call] = slots;
  calls.phys[call] = slots;
  calls.pages[call] = pages;
  return true;
}

/** The new buffer becomes the device's, and the call uses it. */
export function keepShadow(calls: DmaCallTable, call: number, parts: DmaApiParts, rights: Rights): void {
  const { pool } = parts.bounce!;
  const firstSlot = pool.slotAt(calls.slots[call]);
  parts.shadows!.keep(firstSlot, calls.device[call], calls.pages[call], rights, calls.iovaPfn[call]);
  useShadow(calls, call, parts, firstSlot, calls.pages[call], true);
}

/** Gives the buffer back. */
export function returnShadow(calls: DmaCallTable, call: number, parts: DmaApiParts): void {
  const { pool, log } = parts.bounce!;
  const data = calls.slots[call];
  const firstSlot = pool.firstSlotOf(pool.slotAt(data));
  unbindSlots(pool, firstSlot);
  parts.shadows!.giveBack(firstSlot);
  calls.slots[call] = -1;
  log.emit(Observed.SHADOW_RETURNED, calls.cpu[call], calls.device[call], calls.domain[call], data, calls.bytes[call]);
}

function useShadow(calls: DmaCallTable, call: number, parts: DmaApiParts, firstSlot: number, pages: number, isNew: boolean): void {
  const { pool, log } = parts.bounce!;
  const leading = leadingOf(calls, call, parts);
  const data = bindSlots(pool, firstSlot, calls.original[call], leading);
  calls.slots[call] = data;
  calls.phys[call] = data;
  calls.iovaPfn[call] = parts.shadows!.iovaOf(firstSlot) + Math.floor(leading / PAGE_SIZE);
  const bufferBytes = shadowPages(pages) * PAGE_SIZE;
  const domain = calls.domain[call];
  log.emit(Observed.SHADOW_TAKEN, calls.cpu[call], calls.device[call], domain, data, calls.bytes[call], isNew ? 1 : 0, bufferBytes);
}

/** Bytes of the buffer before the data: the address bits that bouncing has to keep. */
function leadingOf(calls: DmaCallTable, call: number, parts: DmaApiParts): number {
  return calls.original[call] & parts.devices[calls.device[call]].parameters.minAlignMask;
}
