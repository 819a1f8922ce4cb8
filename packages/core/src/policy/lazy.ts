import type { ProtectionPolicy } from '../dma/index.ts';
import { mapBounced, mapDirect, releaseSlots, unmapLazy } from './step-lists.ts';

/**
 * DMA-FQ, the Linux default for trusted devices: unmapped ranges wait on the flush queue, and the device can reach them
 * until the next flush of the domain.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c __iommu_dma_unmap(), queue_iova()
 */
export const lazy: ProtectionPolicy = {
  name: 'lazy',
  summary: 'mapped as it is, invalidated by a timer or a full queue',
  status: 'Linux default for trusted devices (DMA-FQ)',
  promises: ['P5', 'P6'],
  translated: true,
  lazy: true,
  mapsSgPerEntry: false,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: () => false,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapLazy,
  unmapBounced: [...unmapLazy, ...releaseSlots],
  unmapCoherent: unmapLazy,
};
