import type { PropertyName } from 'dmalab-core';

/** How far the outcomes below reach, for whoever quotes them. */
export const REFUTED_WITHIN = 'quick bound: 1 to 2 CPUs, 2 devices, 2 to 8 slots';

/**
 * Properties that the checker refutes for the policies that come with dmalab, under 6.12 rules within the quick bound; for
 * all others it finds nothing there. Kept here so that a comparison can quote them without a search; a test repeats it.
 */
export const REFUTED_PROPERTIES: Readonly<Record<string, readonly PropertyName[]>> = {
  passthrough: ['P1', 'P2', 'P3'],
  strict: ['P1', 'P2'],
  lazy: ['P1', 'P2', 'P3'],
  'bounce-strict': [],
  'bounce-partial': [],
  // Promised P1 and P4 as well: a slot that is given away while a device still reaches it breaks them with P3.
  'bounce-link': ['P1', 'P3', 'P4'],
  'bounce-lazy-unsafe': ['P1', 'P3', 'P4'],
  'bounce-deferred': [],
  'bounce-deferred-mixed': [],
  shadow: [],
  'swiotlb-force': ['P1', 'P2', 'P3', 'P4'],
};
