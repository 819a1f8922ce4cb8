import type { ProtectionPolicy } from '../dma/index.ts';
import { mapBouncedWithoutTranslation, releaseSlots } from './step-lists.ts';

/**
 * `swiotlb=force` on direct mapping, as in a confidential VM: every buffer is copied through slots, and nothing but memory
 * encryption keeps the device from the rest. Here the policy forces it, whatever the machine's pool does by itself.
 *
 * @source Linux v6.12 kernel/dma/direct.h dma_direct_map_page(), is_swiotlb_force_bounce()
 */
export const swiotlbForce: ProtectionPolicy = {
  name: 'swiotlb-force',
  summary: 'no translation, every buffer copied through bounce slots',
  status: 'Linux with swiotlb=force, confidential VMs',
  promises: ['P5', 'P6'],
  translated: false,
  lazy: false,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: () => true,
  mapDirect: [],
  mapBounced: mapBouncedWithoutTranslation,
  mapNewShadow: [],
  unmapDirect: [],
  unmapBounced: releaseSlots,
  unmapCoherent: [],
};
