export * from './bounce.ts';
export * from './padding.ts';
export {
  INVALID_PHYS_ADDR,
  mappingBytesMax,
  NO_SLOT,
  SEGMENT_SLOTS,
  SLOT_BYTES,
  SlotOutcome,
  SwiotlbPool,
  type SwiotlbPoolParameters,
} from './pool.ts';
export * from './pool-size.ts';
export { allocateSlots } from './slot-allocation.ts';
export { releaseSlots } from './slot-free.ts';
