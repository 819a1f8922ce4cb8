import type { ProtectionPolicy } from '../dma/index.ts';
import { isUnaligned, mapBounced, mapDirect, releaseSlots, unmapStrict } from './step-lists.ts';

/**
 * The order of the newer IOVA interface for untrusted devices: copies as bounce-partial, but unlink copies out and frees the
 * slots before the entries are cleared, so that for a moment the device reaches slots that may be somebody else's.
 *
 * @source Linux v7.2 drivers/iommu/dma-iommu.c dma_iova_link(), dma_iova_unlink() (read, not observed)
 */
export const bounceLink: ProtectionPolicy = {
  name: 'bounce-link',
  summary: 'as bounce-partial, but slots are freed before the device loses them',
  status: 'Linux dma_iova_link and dma_iova_unlink, read from the 7.x code',
  promises: ['P1', 'P2', 'P4', 'P5', 'P6'],
  translated: true,
  lazy: false,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: true,
  mapsAlignedDirectWhenDry: false,
  bounces: isUnaligned,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapStrict,
  unmapBounced: [...releaseSlots, ...unmapStrict],
  unmapCoherent: unmapStrict,
};
