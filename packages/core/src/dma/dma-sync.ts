import type { Cpu, Direction, DmaAddr, PhysAddr } from '../base/index.ts';
import { PAGE_SIZE } from '../base/index.ts';
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

/** Physical slot address behind a DMA address, -1 when it was not bounced or the device skips syncs. */
function bouncedPhys(parts: DmaApiParts, device: number, address: DmaAddr): PhysAddr {
  const { bounce, devices } = parts;
  if (bounce === null || devices[device].skipsSync) return -1;
  const { domain } = devices[device];
  let phys: PhysAddr = address as number;
  if (domain !== null) {
    const physPfn = domain.hardware.lookup(Math.floor(address / PAGE_SIZE));
    if (physPfn === NOT_MAPPED) return -1;
    phys = physPfn * PAGE_SIZE + (address % PAGE_SIZE);
  }
  return bounce.pool.contains(phys) ? phys : -1;
}
