import type { ProtectionPolicy } from '../dma/index.ts';
import { isUnaligned, mapBounced, mapDirect, unmapDeferred, unmapStrict } from './step-lists.ts';

/**
 * Unaligned buffers as in bounce-deferred; aligned ones are mapped as they are and unmapped strictly, since nothing but an
 * invalidation keeps the device from memory that the CPU uses again.
 */
export const bounceDeferredMixed: ProtectionPolicy = {
  name: 'bounce-deferred-mixed',
  summary: 'unaligned buffers as bounce-deferred, aligned ones as strict',
  status: 'practical variant of bounce-deferred, implemented in no kernel',
  promises: ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
  translated: true,
  lazy: true,
  mapsSgPerEntry: true,
  bouncesEdgesOnly: false,
  mapsAlignedDirectWhenDry: false,
  bounces: isUnaligned,
  mapDirect,
  mapBounced,
  mapNewShadow: [],
  unmapDirect: unmapStrict,
  unmapBounced: unmapDeferred,
  unmapCoherent: unmapStrict,
};
