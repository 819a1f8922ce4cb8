import type { ProtectionPolicy } from '../dma/index.ts';
import { bounceStrict } from './bounce-strict.ts';
import { lazy } from './lazy.ts';
import { passthrough } from './passthrough.ts';
import { strict } from './strict.ts';

/** All policies that come with dmalab, in the order of tables. */
export const policies: readonly ProtectionPolicy[] = [passthrough, strict, lazy, bounceStrict];
