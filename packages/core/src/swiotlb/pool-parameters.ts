/** Sizes and names that the whole SWIOTLB shares. */
import { type KernelRules, type PhysAddr, roundUp } from '../base/index.ts';

/** IO_TLB_SIZE, bytes of a slot. */
export const SLOT_BYTES = 2048;
/** IO_TLB_SEGSIZE, slots of a segment: the longest mapping there can be. */
export const SEGMENT_SLOTS = 128;
/** Result of an allocation that failed. */
export const NO_SLOT = -1;
/** What `SwiotlbPool.origAddr` answers for a slot that holds no part of a mapping: the kernel's INVALID_PHYS_ADDR. */
export const INVALID_PHYS_ADDR = -1;

/** How the last allocation ended. */
export const SlotOutcome = {
  ALLOCATED: 0,
  /** No area had room. */
  FULL: 1,
  /** No area had room and none ever can: longer than a segment or than the device's segment boundary. */
  NEVER_FITS: 2,
  /** The kernel would search for ever with the area locked. Linux 6.1 only. */
  ENDLESS: 3,
} as const;
export type SlotOutcome = (typeof SlotOutcome)[keyof typeof SlotOutcome];

export interface SwiotlbPoolParameters {
  /** First byte, a multiple of 4096. */
  readonly start: PhysAddr;
  readonly slots: number;
  /** A power of two; each has floor(slots / areas) slots, which is 0 for a small 6.1 pool on a large machine. */
  readonly areas: number;
  readonly kernel: KernelRules;
  /** A power of two up to 4096; 2048 in every kernel. */
  readonly slotBytes?: number;
  /** A power of two up to 128; 128 in every kernel. */
  readonly segmentSlots?: number;
}

/**
 * Longest mapping in bytes for a device with the given minimum alignment mask.
 *
 * @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_max_mapping_size()
 */
export function mappingBytesMax(minAlignMask: number, slotBytes: number = SLOT_BYTES, segmentSlots: number = SEGMENT_SLOTS): number {
  return slotBytes * segmentSlots - roundUp(minAlignMask, slotBytes);
}
