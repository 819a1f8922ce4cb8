import { type DomainId, PAGE_SIZE, type StateArena } from '../base/index.ts';
import type { DmaDomain } from './dma-domain.ts';
import type { ProtectionPolicy } from './protection-policy.ts';

/** What is known of a device before it does DMA. Masks are highest reachable addresses; all ones is Infinity. */
export interface DmaDeviceParameters {
  readonly name: string;
  /** PCI requester id: bus 15:8, device 7:3, function 2:0. */
  readonly sourceId: number;
  /** Highest address the driver lets the device use (dma_mask, inclusive). */
  readonly dmaMask: number;
  /** The same for coherent memory. */
  readonly coherentDmaMask: number;
  /** Bus limit below the mask, 0 for none (bus_dma_limit). */
  readonly busDmaLimit: number;
  /** Behind an external-facing port: strict domain, bounced when not page aligned, no ATS. */
  readonly untrusted: boolean;
  /** PCI devices try the 32-bit space first unless `iommu.forcedac` is set. */
  readonly triesLowFirst: boolean;
  /** Low address bits that a bounce address must keep (dma_set_min_align_mask); NVMe 4095. */
  readonly minAlignMask: number;
  /** Longest segment that a merged scatter list may have, bytes. PCI default 65536. */
  readonly maxSegmentBytes: number;
  /** A segment may not cross a multiple of this plus one. PCI default 0xffffffff; all ones is Infinity. */
  readonly segmentBoundaryMask: number;
}

/** Alignment that dma-iommu asks of bounce slots: the granule less one. */
const GRANULE_MASK = PAGE_SIZE - 1;

const TRIES_LOW_FIRST = 0;
const SKIPS_SYNC = 1;

/** One device as the DMA API sees it: its limits, its domain, its policy, and two flags that change while it runs. */
export class DmaDevice {
  readonly index: number;
  readonly parameters: DmaDeviceParameters;
  /** Translation domain of its group; null under direct mapping. */
  readonly domain: DmaDomain | null;
  readonly policy: ProtectionPolicy;
  /** Whether its bounced mappings use shadow buffers. */
  readonly hasShadows: boolean;
  /** Whether its data lies at a chosen offset in its slots. That needs 6.12 rules: 6.1 drops an offset's upper bits. */
  readonly keepsOffsets: boolean;
  /** Low address bits that its bounce slots keep. */
  readonly slotAlignMask: number;
  /** The masks of its searches for slots, see allocateSlots; a shadow buffer is searched for before it has an address. */
  readonly allocAlignMask: number;
  readonly iotlbAlignMask: number;
  private flags!: Uint8Array<ArrayBuffer>;

  constructor(arena: StateArena, index: number, parameters: DmaDeviceParameters, domain: DmaDomain | null, policy: ProtectionPolicy) {
    this.index = index;
    this.parameters = parameters;
    this.domain = domain;
    this.policy = policy;
    this.hasShadows = policy.mapNewShadow.length > 0;
    this.keepsOffsets = policy.bouncesEdgesOnly || this.hasShadows;
    this.slotAlignMask = policy.bouncesEdgesOnly ? parameters.minAlignMask | GRANULE_MASK : parameters.minAlignMask;
    this.allocAlignMask = (policy.translated ? GRANULE_MASK : 0) | (this.hasShadows ? parameters.minAlignMask : 0);
    this.iotlbAlignMask = this.hasShadows ? 0 : this.slotAlignMask;
    arena.table(`device${index}.flags`, 2, { flags: 'u8' }, (columns) => {
      this.flags = columns.flags;
    });
    this.flags[TRIES_LOW_FIRST] = parameters.triesLowFirst ? 1 : 0;
    this.flags[SKIPS_SYNC] = 1;
  }

  /**
   * Whether the next mapping tries below 4 GiB first. Under 6.12 rules the first failure there clears it for good.
   *
   * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_alloc_iova(), dev->iommu->pci_32bit_workaround
   */
  get triesLowFirst(): boolean {
    return this.flags[TRIES_LOW_FIRST] === 1;
  }

  stopTryingLowFirst(): void {
    this.flags[TRIES_LOW_FIRST] = 0;
  }

  /**
   * Whether sync calls return at once: a coherent device that has not bounced since its driver set the DMA mask.
   *
   * @source Linux v6.12 include/linux/dma-mapping.h dma_need_sync(), dev->dma_skip_sync
   */
  get skipsSync(): boolean {
    return this.flags[SKIPS_SYNC] === 1;
  }

  needSyncFromNowOn(): void {
    this.flags[SKIPS_SYNC] = 0;
  }

  /** A driver sets its mask (probe): a coherent device starts to skip syncs again. */
  setDmaMask(): void {
    this.flags[SKIPS_SYNC] = 1;
  }

  /** Highest address under `mask` and the bus limit. */
  limitUnder(mask: number): number {
    const bus = this.parameters.busDmaLimit;
    return bus !== 0 && bus < mask ? bus : mask;
  }
}

/** The id that stands in observations: -1 for a device without a domain. */
export function domainIdOf(domain: DmaDomain | null): DomainId {
  return domain === null ? -1 : domain.id;
}
