import { DmaStep } from '../dma/index.ts';

/** Mapping a range as it is. */
export const mapDirect: readonly DmaStep[] = [DmaStep.ALLOCATE_IOVA, DmaStep.WRITE_TABLE, DmaStep.FLUSH_MAP];

/** Mapping a copy of it in bounce slots. */
export const mapBounced: readonly DmaStep[] = [DmaStep.TAKE_SLOTS, DmaStep.COPY_IN, DmaStep.ZERO_PADDING, ...mapDirect];

/** Clear, invalidate, wait, then free: nothing is reused before the device has lost it. */
export const unmapStrict: readonly DmaStep[] = [
  DmaStep.CLEAR_TABLE,
  DmaStep.SUBMIT_INVALIDATION,
  DmaStep.WAIT_INVALIDATION,
  DmaStep.FREE_TABLES,
  DmaStep.FREE_IOVA,
];

/** Clear and queue: the address is freed after the next flush of the domain. */
export const unmapLazy: readonly DmaStep[] = [DmaStep.CLEAR_TABLE, DmaStep.QUEUE_IOVA];

/** What ends a bounced mapping once the device is done with it. */
export const releaseSlots: readonly DmaStep[] = [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS];
