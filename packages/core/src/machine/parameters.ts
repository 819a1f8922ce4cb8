import { type DomainId, type IovaPfn, type KernelRules, LabError, type PhysAddr } from '../base/index.ts';
import type { DmaDeviceParameters, ProtectionPolicy } from '../dma/index.ts';
import { ADVERSARIAL_CACHES, type CacheShape, type Capability, type ExtendedCapability } from '../iommu/index.ts';
import type { IovaDomainParameters } from '../iova/index.ts';
import type { LabelMemoryParameters } from '../mem/index.ts';

/** A remapping unit. */
export interface IommuParameters {
  readonly capability: Capability;
  readonly extendedCapability: ExtendedCapability;
  /** Builds of the caches; an adversarial one keeps every entry until it is invalidated. */
  readonly iotlb: CacheShape;
  readonly pagingStructures: CacheShape;
}

/** The bounce pool. */
export interface SwiotlbParameters {
  readonly start: PhysAddr;
  readonly slots: number;
  readonly areas: number;
  /** `swiotlb=force`: direct mappings always bounce. */
  readonly forced: boolean;
  readonly slotBytes?: number;
  readonly segmentSlots?: number;
}

/** One translation domain: an IOMMU group with a DMA or DMA-FQ domain. */
export interface DomainParameters {
  /** Ranges that are never handed out, in the order in which the kernel reserves them; page frames, both inclusive. */
  readonly reserved: readonly { readonly loPfn: IovaPfn; readonly hiPfn: IovaPfn }[];
  /** Its domain id where that is known; the others get the lowest free ones. */
  readonly domainId?: DomainId | undefined;
}

/** A device with the domain that its group is in and the policy that protects memory from it. */
export interface DeviceParameters extends DmaDeviceParameters {
  /** Index in `domains`, -1 when the policy does not translate. */
  readonly domain: number;
  readonly policy: ProtectionPolicy;
}

/** Rows that tables have at first. None of them changes what a machine does; a small machine saves memory with them. */
export interface MachineSizes {
  /** Page frames for page tables. */
  readonly tableFrames: number;
  /** Sets of page tables, one per domain. */
  readonly tableSets: number;
  /** Frames of memory with contents. */
  readonly memoryFrames: number;
  /** Calls of the DMA API in flight, and scatter-list entries of each. */
  readonly calls: number;
  readonly callEntries: number;
  /** Slots of the invalidation queue, a power of two: it must never be full. */
  readonly queueEntries: number;
}

/** Everything a machine is made of. All sizes are parameters, so that a checker can run the same code on a tiny one. */
export interface MachineParameters {
  readonly kernel: KernelRules;
  /** CPUs that could exist: sizes per-CPU caches, flush-queue rings and default areas. */
  readonly possibleCpus: number;
  readonly onlineCpus: number;
  /** Kernel ticks per second (CONFIG_HZ). */
  readonly hz: number;
  /** Absent: no IOMMU, every device is mapped directly. */
  readonly iommu: IommuParameters | null;
  /** Absent: no bounce pool. */
  readonly swiotlb: SwiotlbParameters | null;
  readonly domains: readonly DomainParameters[];
  readonly devices: readonly DeviceParameters[];
  /** Whether memory holds real bytes, or copies are only counted, or it is a small window with one label per granule. */
  readonly memory: 'accounting' | 'bytes' | LabelMemoryParameters;
  /** Overrides of the IOVA allocator's sizes. */
  readonly iova?: Partial<IovaDomainParameters> | undefined;
  /** Entries of a flush-queue ring; Linux 256. */
  readonly ringEntries?: number | undefined;
  readonly sizes?: Partial<MachineSizes> | undefined;
}

/** Caches that keep every translation until it is invalidated: what the architecture permits at worst. */
export const adversarialCaches: Pick<IommuParameters, 'iotlb' | 'pagingStructures'> = {
  iotlb: ADVERSARIAL_CACHES.iotlb,
  pagingStructures: ADVERSARIAL_CACHES.pagingStructures,
};

/** No caches: for replays in which no device accesses memory. */
export const noCaches: Pick<IommuParameters, 'iotlb' | 'pagingStructures'> = { iotlb: null, pagingStructures: null };

/** Refuses devices whose policy needs a domain that they do not have, or has no use for one that they have. */
export function checkDevices(parameters: MachineParameters): void {
  const { devices, domains, iommu } = parameters;
  for (const { name, policy, domain } of devices) {
    if (policy.translated && (iommu === null || domains[domain] === undefined)) {
      throw new LabError({
        code: 'MCH010',
        message: `the policy of device ${name} translates addresses, but the device has no domain`,
        expected: `an IOMMU, and for ${policy.name} the index of one of its domains`,
        got: iommu === null ? 'no IOMMU' : `domain ${domain} of ${domains.length}`,
        next: 'give the machine an IOMMU and the device a domain, or use the policy passthrough',
      });
    }
    if (!policy.translated && domain >= 0) {
      throw new LabError({
        code: 'MCH011',
        message: `the policy of device ${name} does not translate addresses, but the device has a domain`,
        expected: `domain -1 for ${policy.name}`,
        got: `domain ${domain}`,
        next: 'set its domain to -1',
      });
    }
  }
}
