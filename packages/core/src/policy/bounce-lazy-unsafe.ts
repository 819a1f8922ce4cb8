import { DmaStep, type ProtectionPolicy } from '../dma/index.ts';
import { mapBounced, mapDirect, unmapStrict } from './step-lists.ts';

/**
 * Every buffer copied and unmapped lazily, but the slots go back to the pool at once: a stale translation still reaches
 * them when another device has them. All else is as in bounce-deferred.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_unmap_page() in a lazy domain
 */
export const bounceLazyUnsafe: ProtectionPolicy = {
  name: 'bounce-lazy-unsafe',
  summary: 'every buffer copied, invalidated later, slots freed at once',
  status: 'Linux around 5.11 for untrusted devices, 6.12 for trusted non-coherent arm64 devices',
  promises: ['P2', 'P5', 'P6'],
  translated: true,
  lazy: true,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: true,
  bounces: () => true,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapStrict,
  unmapBounced: [DmaStep.CLEAR_TABLE, DmaStep.COPY_OUT, DmaStep.QUEUE_IOVA, DmaStep.FREE_SLOTS],
  unmapCoherent: unmapStrict,
};
