import { type Cpu, type Direction, type DmaAddr, PAGE_SIZE, type PhysAddr } from '../base/index.ts';
import { NOT_MAPPED } from '../iommu/index.ts';
import { syncSingleForCpu as bounceForCpu, syncSingleForDevice as bounceForDevice } from '../swiotlb/index.ts';
import { bounceOf } from './bounce-steps.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { domainIdOf } from './dma-device.ts';

/** Copies a bounced mapping's bytes to where the CPU looks for them. */
export function syncSingleForCpu(
  parts: DmaApiParts,
  cpu: Cpu,
  device: number,
  address: DmaAddr,
  bytes: number,
  direction: Direction,
): void {
  syncPart(parts, true, cpu, device, address, firstPartBytes(parts, device, address, bytes), direction);
  const rest = lastPartBytes(parts, device, address, bytes);
  if (rest > 0) syncPart(parts, true, cpu, device, address + bytes - rest, rest, direction);
}

/** Copies the CPU's bytes of a bounced mapping to where the device looks for them. */
export function syncSingleForDevice(
  parts: DmaApiParts,
  cpu: Cpu,
  device: number,
  address: DmaAddr,
  bytes: number,
  direction: Direction,
): void {
  syncPart(parts, false, cpu, device, address, firstPartBytes(parts, device, address, bytes), direction);
  const rest = lastPartBytes(parts, device, address, bytes);
  if (rest > 0) syncPart(parts, false, cpu, device, address + bytes - rest, rest, direction);
}

/**
 * Bytes that can lie in the slots of the first byte: all of them, or, where only the ends of a range are bounced, those
 * up to the end of the page.
 */
function firstPartBytes(parts: DmaApiParts, device: number, address: DmaAddr, bytes: number): number {
  return parts.devices[device].policy.bouncesEdgesOnly ? Math.min(bytes, PAGE_SIZE - (address % PAGE_SIZE)) : bytes;
}

/** Bytes in the last page where only the ends of a range are bounced and it is not the first page too; else 0. What lies between is never bounced. */
function lastPartBytes(parts: DmaApiParts, device: number, address: DmaAddr, bytes: number): number {
  if (!parts.devices[device].policy.bouncesEdgesOnly || (address % PAGE_SIZE) + bytes <= PAGE_SIZE) return 0;
  return ((address + bytes - 1) % PAGE_SIZE) + 1;
}

function syncPart(
  parts: DmaApiParts,
  forCpu: boolean,
  cpu: Cpu,
  device: number,
  address: DmaAddr,
  bytes: number,
  direction: Direction,
): void {
  const phys = bouncedPhys(parts, device, address);
  if (phys < 0) return;
  const target = parts.devices[device];
  const bounce = bounceOf(parts, target)!;
  const domainId = domainIdOf(target.domain);
  if (forCpu) bounceForCpu(bounce, phys, bytes, direction, target.slotAlignMask, cpu, device, domainId);
  else bounceForDevice(bounce, phys, bytes, direction, target.slotAlignMask, cpu, device, domainId);
}

/** The entries of a list one by one; only a list that was mapped entry by entry can have been bounced. */
export function syncSgForCpu(
  parts: DmaApiParts,
  cpu: Cpu,
  device: number,
  addresses: Float64Array,
  bytes: Float64Array,
  offset: number,
  count: number,
  direction: Direction,
): void {
  for (let row = offset; row < offset + count; row++) syncSingleForCpu(parts, cpu, device, addresses[row], bytes[row], direction);
}

/** As `syncSgForCpu`, the other way. */
export function syncSgForDevice(
  parts: DmaApiParts,
  cpu: Cpu,
  device: number,
  addresses: Float64Array,
  bytes: Float64Array,
  offset: number,
  count: number,
  direction: Direction,
): void {
  for (let row = offset; row < offset + count; row++) syncSingleForDevice(parts, cpu, device, addresses[row], bytes[row], direction);
}

/**
 * Physical slot address behind a DMA address, -1 when there is nothing to copy.
 *
 * 6.12 skips the call for a device that has not bounced yet (`skipsSync`). 6.1 has no such flag: under translation it
 * returns at once unless the device's buffers can be bounced, in direct mode it always looks.
 */
function bouncedPhys(parts: DmaApiParts, device: number, address: DmaAddr): PhysAddr {
  const { bounce, devices } = parts;
  if (bounce === null || (parts.kernel !== '6.1' && devices[device].skipsSync)) return -1;
  const { domain } = devices[device];
  let phys: PhysAddr = address as number;
  if (domain !== null) {
    const physPfn = domain.hardware.lookup(Math.floor(address / PAGE_SIZE));
    if (physPfn === NOT_MAPPED) return -1;
    phys = physPfn * PAGE_SIZE + (address % PAGE_SIZE);
  }
  return bounce.pool.contains(phys) ? phys : -1;
}
