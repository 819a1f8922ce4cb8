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
} as const;
export type Program = (typeof Program)[keyof typeof Program];

/** swiotlb_tbl_unmap_single: slots go back the same way whether a mapping ends or was never made. */
const RELEASE_SLOTS: readonly DmaStep[] = [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS];

/** What the flush timer of a domain does; it belongs to no device and so to no policy. */
export const FLUSH_TIMER_STEPS: readonly DmaStep[] = [DmaStep.SUBMIT_FLUSH, DmaStep.WAIT_FLUSH, DmaStep.DRAIN_RING];

/** The step lists of a policy, by Program. */
export function programsOf(policy: ProtectionPolicy): readonly (readonly DmaStep[])[] {
  return [policy.mapDirect, policy.mapBounced, policy.unmapDirect, policy.unmapBounced, policy.unmapCoherent, RELEASE_SLOTS, []];
}
