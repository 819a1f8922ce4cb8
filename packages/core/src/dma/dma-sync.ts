import { type Cpu, type Direction, type DmaAddr, PAGE_SIZE, type PhysAddr } from '../base/index.ts';
import { NOT_MAPPED } from '../iommu/index.ts';
import { syncSingleForCpu as bounceForCpu, syncSingleForDevice as bounceForDevice } from '../swiotlb/index.ts';
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
  const phys = bouncedPhys(parts, device, address);
  if (phys < 0) return;
  const { parameters, domain } = parts.devices[device];
  bounceForCpu(parts.bounce!, phys, bytes, direction, parameters.minAlignMask, cpu, device, domainIdOf(domain));
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
  const phys = bouncedPhys(parts, device, address);
  if (phys < 0) return;
  const { parameters, domain } = parts.devices[device];
  bounceForDevice(parts.bounce!, phys, bytes, direction, parameters.minAlignMask, cpu, device, domainIdOf(domain));
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
