import type { KernelRules, ObservationLog } from '../base/index.ts';
import type { Bounce } from '../swiotlb/index.ts';
import type { CacheTagFlusher } from './cache-tag.ts';
import type { DmaDevice } from './dma-device.ts';
import type { DmaDomain } from './dma-domain.ts';
import type { ShadowBuffers } from './shadow-buffers.ts';

/** What the DMA API works on; the machine wires it. */
export interface DmaApiParts {
  readonly kernel: KernelRules;
  readonly log: ObservationLog;
  readonly devices: readonly DmaDevice[];
  readonly domains: readonly DmaDomain[];
  /** Absent when the machine has no bounce pool. */
  readonly bounce: Bounce | null;
  /** The same pool under 6.12 rules, for devices that keep offsets (DmaDevice.keepsOffsets). */
  readonly bounceKeepingOffsets: Bounce | null;
  /** Absent when no device has shadow buffers. */
  readonly shadows: ShadowBuffers | null;
  /** Whether `swiotlb=force` bounces every direct mapping. */
  readonly poolForced: boolean;
  /** Absent when the machine has no IOMMU. */
  readonly flusher: CacheTagFlusher | null;
}
