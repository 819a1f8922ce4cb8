/**
 * The named steps that a call of the DMA API is made of.
 *
 * A protection policy arranges them (see ProtectionPolicy); replay runs them through, a checker stops between any two
 * and lets another CPU or the device act.
 */
export const DmaStep = {
  /** The call returns to the driver. */
  RETURN: 0,
  /**
   * Search the bounce pool and take slots (swiotlb_tbl_map_single, up to the copy); where only the ends of a range are
   * bounced, one end per step.
   */
  TAKE_SLOTS: 1,
  /** Copy the driver's buffer into the slots. */
  COPY_IN: 2,
  /** Clear what lies around the data in the pages that the device will reach. */
  ZERO_PADDING: 3,
  /** Take a range of the I/O address space. */
  ALLOCATE_IOVA: 4,
  /** Write the page-table entries of one physically contiguous run. */
  WRITE_TABLE: 5,
  /** Tell a unit that caches not-present entries (caching mode) about the new ones. */
  FLUSH_MAP: 6,
  /** Clear the page-table entries; caches still hold them. */
  CLEAR_TABLE: 7,
  /** Put the invalidation descriptors on the queue. */
  SUBMIT_INVALIDATION: 8,
  /** Wait until the unit has executed them. */
  WAIT_INVALIDATION: 9,
  /** Give emptied page-table pages back; no cache can lead to them any more. */
  FREE_TABLES: 10,
  /** Give the I/O address range back to the allocator. */
  FREE_IOVA: 11,
  /** Put the range on this CPU's flush-queue ring; flushes first when the ring is full. */
  QUEUE_IOVA: 12,
  /** Copy the slots back to the driver's buffer, if the direction asks for it. */
  COPY_OUT: 13,
  /** Give the bounce slots back to the pool, as they were taken: where only the ends were bounced, one end per step. */
  FREE_SLOTS: 14,
  /** A flush of a whole domain, by its timer, for room in the pool or at the end: put its invalidation on the queue. */
  SUBMIT_FLUSH: 15,
  /** Wait for it. */
  WAIT_FLUSH: 16,
  /** Release what the flush has made safe, one CPU's ring per step. */
  DRAIN_RING: 17,
  /** As QUEUE_IOVA, and the bounce slots wait with the range. */
  QUEUE_IOVA_AND_SLOTS: 18,
  /** Take an idle shadow buffer of the device that the data fits in; without one the call goes on with `mapNewShadow`. */
  TAKE_SHADOW: 19,
  /** Take slots for a new shadow buffer and clear them. */
  GROW_SHADOW: 20,
  /** The new buffer is mapped: it is the device's from now on, and the call has it. */
  KEEP_SHADOW: 21,
  /** Give the shadow buffer back to its device's idle ones; it stays mapped. */
  RETURN_SHADOW: 22,
} as const;
export type DmaStep = (typeof DmaStep)[keyof typeof DmaStep];

/** Step names as a person reads them, by step number. */
export const dmaStepNames: readonly string[] = Object.keys(DmaStep).map((name) => name.toLowerCase().replaceAll('_', ' '));
