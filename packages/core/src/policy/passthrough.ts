import type { ProtectionPolicy } from '../dma/index.ts';
import { mapBouncedWithoutTranslation, releaseSlots } from './step-lists.ts';

/**
 * `iommu.passthrough=1`: the device addresses physical memory. It bounces only what the device cannot reach, or
 * everything under `swiotlb=force`.
 *
 * @source Linux v6.12 kernel/dma/direct.h dma_direct_map_page(), dma_direct_unmap_page()
 */
export const passthrough: ProtectionPolicy = {
  name: 'passthrough',
  summary: 'no translation: the device reaches all memory',
  status: 'Linux with iommu.passthrough=1',
  promises: ['P5', 'P6'],
  translated: false,
  lazy: false,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: () => false,
  mapDirect: [],
  mapBounced: mapBouncedWithoutTranslation,
  mapNewShadow: [],
  unmapDirect: [],
  unmapBounced: releaseSlots,
  unmapCoherent: [],
};
