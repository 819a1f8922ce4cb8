import { DmaStep, type ProtectionPolicy } from '../dma/index.ts';
import { mapDirect, unmapStrict } from './step-lists.ts';

/**
 * Every buffer is copied into one of the device's own shadow buffers, which stay mapped to it until it is removed: no
 * unmapping, no invalidation, no reuse by another device.
 *
 * @source Markuze, Morrison, Tsafrir, True IOMMU Protection from DMA Attacks, ASPLOS 2016, section 5
 */
export const shadow: ProtectionPolicy = {
  name: 'shadow',
  summary: 'every buffer copied into slots that stay mapped to one device',
  status: 'research, True IOMMU Protection, ASPLOS 2016',
  promises: ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
  translated: true,
  lazy: false,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: () => true,
  mapDirect,
  mapBounced: [DmaStep.TAKE_SHADOW, DmaStep.COPY_IN, DmaStep.ZERO_PADDING],
  mapNewShadow: [DmaStep.GROW_SHADOW, ...mapDirect, DmaStep.KEEP_SHADOW, DmaStep.COPY_IN, DmaStep.ZERO_PADDING],
  unmapDirect: unmapStrict,
  unmapBounced: [DmaStep.COPY_OUT, DmaStep.RETURN_SHADOW],
  unmapCoherent: unmapStrict,
};
