import type { ProtectionPolicy } from '../dma/index.ts';
import { isUnaligned, mapBounced, mapDirect, releaseSlots, unmapStrict } from './step-lists.ts';

/**
 * Only the partial pages at the two ends of a buffer are copied; the whole pages between are mapped as they are, in one
 * address range with them. Unmap as bounce-strict.
 *
 * @source Lu Baolu, iommu: Bounce page for untrusted devices, version 3, 2019-04-21
 */
export const bouncePartial: ProtectionPolicy = {
  name: 'bounce-partial',
  summary: 'partial pages at the ends copied, the middle mapped as it is, invalidated at every unmap',
  status: 'version 3 of the 2019 bounce-page series, never merged',
  promises: ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
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
  unmapBounced: [...unmapStrict, ...releaseSlots],
  unmapCoherent: unmapStrict,
};
