import { PAGE_SIZE, type PhysAddr } from '../base/index.ts';
import { DmaStep } from '../dma/index.ts';

/** What Linux bounces for an untrusted device: whatever does not begin and end on a page boundary. */
export function isUnaligned(address: PhysAddr, bytes: number): boolean {
  return address % PAGE_SIZE !== 0 || bytes % PAGE_SIZE !== 0;
}

/** Mapping a range as it is. */
export const mapDirect: readonly DmaStep[] = [DmaStep.ALLOCATE_IOVA, DmaStep.WRITE_TABLE, DmaStep.FLUSH_MAP];

/** Mapping a copy of it in bounce slots. */
export const mapBounced: readonly DmaStep[] = [DmaStep.TAKE_SLOTS, DmaStep.COPY_IN, DmaStep.ZERO_PADDING, ...mapDirect];

/** The same where the device addresses the slots themselves. */
export const mapBouncedWithoutTranslation: readonly DmaStep[] = [DmaStep.TAKE_SLOTS, DmaStep.COPY_IN];

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

/** Clear, copy out, queue: address and slots are given back together after the next flush of the domain. */
export const unmapDeferred: readonly DmaStep[] = [DmaStep.CLEAR_TABLE, DmaStep.COPY_OUT, DmaStep.QUEUE_IOVA_AND_SLOTS];

/** What ends a bounced mapping once the device is done with it. */
export const releaseSlots: readonly DmaStep[] = [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS];
