import type { ProtectionPolicy } from '../dma/index.ts';
import { mapBounced, mapDirect, releaseSlots, unmapStrict } from './step-lists.ts';

/**
 * `iommu.strict=1`, trusted devices: unmap returns only after the IOTLB has been invalidated.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c __iommu_dma_unmap()
 */
export const strict: ProtectionPolicy = {
  name: 'strict',
  summary: 'mapped as it is, invalidated at every unmap',
  status: 'Linux strict domains, iommu.strict=1',
  promises: ['P3', 'P5', 'P6'],
  translated: true,
  lazy: false,
  mapsSgPerEntry: false,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: () => false,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapStrict,
  unmapBounced: [...unmapStrict, ...releaseSlots],
  unmapCoherent: unmapStrict,
};
