import type { ProtectionPolicy } from '../dma/index.ts';
import { mapBounced, mapDirect, unmapDeferred, unmapStrict } from './step-lists.ts';

/**
 * Every buffer copied, page-aligned ones too, and unmapped lazily; slots and address wait together on the flush queue. The
 * device can reach only dead slots meanwhile, with its own former data, and late writes change nothing the CPU looks at. A
 * page-aligned buffer for which the pool has no room left is mapped as it is and unmapped strictly.
 *
 * @source Robin Murphy in Re: [PATCH v3 02/10] swiotlb: Factor out slot allocation and free, 2019-04-29 and 2019-04-30 (proposed there)
 */
export const bounceDeferred: ProtectionPolicy = {
  name: 'bounce-deferred',
  summary: 'every buffer copied, slots and address freed together after a later flush',
  status: 'proposed in 2019, implemented in no kernel',
  promises: ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
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
  unmapBounced: unmapDeferred,
  unmapCoherent: unmapStrict,
};
