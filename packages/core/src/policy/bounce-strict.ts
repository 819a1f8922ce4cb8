import type { ProtectionPolicy } from '../dma/index.ts';
import { isUnaligned, mapBounced, mapDirect, releaseSlots, unmapStrict } from './step-lists.ts';

/**
 * What Linux does with untrusted devices: a buffer that does not begin and end on a page boundary is copied whole
 * through bounce slots, and every unmap invalidates before anything is reused.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c dev_use_swiotlb(), iommu_dma_map_page(), iommu_dma_unmap_page(), iommu_dma_map_sg_swiotlb()
 */
export const bounceStrict: ProtectionPolicy = {
  name: 'bounce-strict',
  summary: 'unaligned buffers copied through bounce slots, invalidated at every unmap',
  status: 'Linux for untrusted devices',
  promises: ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
  translated: true,
  lazy: false,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: isUnaligned,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapStrict,
  unmapBounced: [...unmapStrict, ...releaseSlots],
  unmapCoherent: unmapStrict,
};
