import { type DeviceParameters, type DomainParameters, type MachineParameters, noCaches, roundUpPowerOfTwo } from 'dmalab-core';
import type { CallSequence } from './call-sequence.ts';

/** What the CPUs of a saturated machine have in common besides the invalidation queue and the bounce pool. */
export type Sharing = 'queue-and-pool' | 'device';

/** A machine with a copy of each device of a sequence for every CPU, and how to find them. */
export interface SaturatedMachine {
  readonly parameters: MachineParameters;
  readonly cpus: number;
  /** Device of the machine by CPU and device of the sequence: row cpu * `devicesOfSequence` + device. */
  readonly deviceOf: Int32Array;
  readonly devicesOfSequence: number;
  /** Added to the physical addresses of a CPU's buffers, by CPU. */
  readonly shift: Float64Array;
}

/** Copies of a device have neighbouring requester ids, from bus 1 on. */
const FIRST_SOURCE_ID = 0x100;

/**
 * Multiplies the devices of `one`, with their domains, by the CPUs. Devices that shared a domain do so in each copy;
 * with sharing 'device' there is one copy for all. The pool keeps its size and gets an area per CPU unless `areas` is given;
 * per-CPU caches and rings follow from the number of CPUs.
 */
export function saturatedMachine(
  one: MachineParameters,
  sequence: CallSequence,
  cpus: number,
  sharing: Sharing,
  areas?: number,
): SaturatedMachine {
  const copies = sharing === 'device' ? 1 : cpus;
  const devices: DeviceParameters[] = [];
  const domains: DomainParameters[] = [];
  const devicesOfSequence = one.devices.length;
  const deviceOf = new Int32Array(cpus * devicesOfSequence).fill(-1);
  for (let copy = 0; copy < copies; copy++) {
    const domainOf = new Map<number, number>();
    for (const index of sequence.devices) {
      const device = one.devices[index];
      let domain = -1;
      if (device.domain >= 0) {
        domain = domainOf.get(device.domain) ?? domains.push({ reserved: one.domains[device.domain].reserved }) - 1;
        domainOf.set(device.domain, domain);
      }
      deviceOf[copy * devicesOfSequence + index] = devices.length;
      devices.push({ ...device, name: `${device.name} copy ${copy}`, sourceId: FIRST_SOURCE_ID + devices.length, domain });
    }
  }
  for (let cpu = copies; cpu < cpus; cpu++) deviceOf.copyWithin(cpu * devicesOfSequence, 0, devicesOfSequence);
  const swiotlb = one.swiotlb === null ? null : { ...one.swiotlb, areas: areasOf(one.swiotlb.slots, areas ?? roundUpPowerOfTwo(cpus)) };
  return {
    parameters: {
      ...one,
      possibleCpus: cpus,
      onlineCpus: cpus,
      iommu: one.iommu === null ? null : { ...one.iommu, ...noCaches },
      swiotlb,
      domains,
      devices,
      memory: 'accounting',
    },
    cpus,
    deviceOf,
    devicesOfSequence,
    shift: shiftsOf(sequence, cpus),
  };
}

/** An area holds one segment of 128 slots at least. @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_adjust_nareas() */
function areasOf(slots: number, wanted: number): number {
  let areas = wanted;
  while (areas > 1 && slots < areas * 128) areas /= 2;
  return areas;
}

/** Copies lie a power of two apart, so that every alignment stays; the first stays where it was recorded. */
function shiftsOf(sequence: CallSequence, cpus: number): Float64Array {
  let end = 2 ** 32;
  for (let range = 0; range < sequence.phys.length; range++) end = Math.max(end, sequence.phys[range] + sequence.lengths[range]);
  const apart = 2 ** Math.ceil(Math.log2(end));
  return Float64Array.from({ length: cpus }, (_, cpu) => cpu * apart);
}
