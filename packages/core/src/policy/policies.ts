import type { ProtectionPolicy } from '../dma/index.ts';
import { bounceDeferred } from './bounce-deferred.ts';
import { bounceDeferredMixed } from './bounce-deferred-mixed.ts';
import { bounceLazyUnsafe } from './bounce-lazy-unsafe.ts';
import { bounceLink } from './bounce-link.ts';
import { bouncePartial } from './bounce-partial.ts';
import { bounceStrict } from './bounce-strict.ts';
import { lazy } from './lazy.ts';
import { passthrough } from './passthrough.ts';
import { shadow } from './shadow.ts';
import { strict } from './strict.ts';
import { swiotlbForce } from './swiotlb-force.ts';

/** All policies that come with dmalab, in the order of tables. */
export const policies: readonly ProtectionPolicy[] = [
  passthrough,
  strict,
  lazy,
  bounceStrict,
  bouncePartial,
  bounceLink,
  bounceLazyUnsafe,
  bounceDeferred,
  bounceDeferredMixed,
  shadow,
  swiotlbForce,
];
