import { DmaStep } from './dma-step.ts';
import type { ProtectionPolicy } from './protection-policy.ts';

/** The step lists that a call can run; the numbers are stored in the call table. */
export const Program = {
  MAP_DIRECT: 0,
  MAP_BOUNCED: 1,
  UNMAP_DIRECT: 2,
  UNMAP_BOUNCED: 3,
  UNMAP_COHERENT: 4,
  /** A bounced mapping that failed after it took slots. */
  RELEASE_SLOTS: 5,
  NOTHING: 6,
  /** A bounced mapping that has to make itself a new shadow buffer. */
  MAP_NEW_SHADOW: 7,
  /** A flush of a whole domain. In a mapping that found no slots: afterwards it goes on where it was and searches again. */
  FLUSH: 8,
  /** The end of an idle shadow buffer. */
  RELEASE_SHADOW: 9,
} as const;
export type Program = (typeof Program)[keyof typeof Program];

/** swiotlb_tbl_unmap_single: slots go back the same way whether a mapping ends or was never made. */
const RELEASE_SLOTS: readonly DmaStep[] = [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS];

/** A flush belongs to no device and so to no policy. */
const FLUSH: readonly DmaStep[] = [DmaStep.SUBMIT_FLUSH, DmaStep.WAIT_FLUSH, DmaStep.DRAIN_RING];

/** The one unmapping of a shadow buffer. */
const RELEASE_SHADOW: readonly DmaStep[] = [
  DmaStep.CLEAR_TABLE,
  DmaStep.SUBMIT_INVALIDATION,
  DmaStep.WAIT_INVALIDATION,
  DmaStep.FREE_TABLES,
  DmaStep.FREE_IOVA,
  DmaStep.FREE_SLOTS,
];

/** What calls without a device run, by Program: flushes only. */
export const PROGRAMS_WITHOUT_DEVICE: readonly (readonly DmaStep[])[] = programs([], [], [], [], [], []);

/** The step lists of a policy, by Program. */
export function programsOf(policy: ProtectionPolicy): readonly (readonly DmaStep[])[] {
  const { mapDirect, mapBounced, unmapDirect, unmapBounced, unmapCoherent, mapNewShadow } = policy;
  return programs(mapDirect, mapBounced, unmapDirect, unmapBounced, unmapCoherent, mapNewShadow);
}

function programs(
  mapDirect: readonly DmaStep[],
  mapBounced: readonly DmaStep[],
  unmapDirect: readonly DmaStep[],
  unmapBounced: readonly DmaStep[],
  unmapCoherent: readonly DmaStep[],
  mapNewShadow: readonly DmaStep[],
): readonly (readonly DmaStep[])[] {
  return [mapDirect, mapBounced, unmapDirect, unmapBounced, unmapCoherent, RELEASE_SLOTS, [], mapNewShadow, FLUSH, RELEASE_SHADOW];
}
