import type { KernelRules, ObservationLog } from '../base/index.ts';
import type { Bounce } from '../swiotlb/index.ts';
import type { CacheTagFlusher } from './cache-tag.ts';
import type { DmaDevice } from './dma-device.ts';
import type { DmaDomain } from './dma-domain.ts';

/** What the DMA API works on; the machine wires it. */
export interface DmaApiParts {
  readonly kernel: KernelRules;
  readonly log: ObservationLog;
  readonly devices: readonly DmaDevice[];
  readonly domains: readonly DmaDomain[];
  /** Absent when the machine has no bounce pool. */
  readonly bounce: Bounce | null;
  /** Whether `swiotlb=force` bounces every direct mapping. */
  readonly poolForced: boolean;
  /** Absent when the machine has no IOMMU. */
  readonly flusher: CacheTagFlusher | null;
}
