import { DmaStep, type ProtectionPolicy } from '../dma/index.ts';

/**
 * `iommu.passthrough=1`: the device addresses physical memory. It bounces only what the device cannot reach, or
 * everything under `swiotlb=force`.
 *
 * @source Linux v6.12 kernel/dma/direct.h dma_direct_map_page(), dma_direct_unmap_page()
 */
export const passthrough: ProtectionPolicy = {
  name: 'passthrough',
  summary: 'no translation: the device reaches all memory',
  translated: false,
  lazy: false,
  mapsSgPerEntry: true,
  bounces: () => false,
  mapDirect: [],
  mapBounced: [DmaStep.TAKE_SLOTS, DmaStep.COPY_IN],
  unmapDirect: [],
  unmapBounced: [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS],
  unmapCoherent: [],
};
