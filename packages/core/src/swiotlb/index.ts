export * from './bounce.ts';
export * from './padding.ts';
export { SwiotlbPool } from './pool.ts';
export * from './pool-parameters.ts';
export * from './pool-size.ts';
export { adoptSlots } from './slot-adoption.ts';
export { allocateSlots } from './slot-allocation.ts';
export * from './slot-binding.ts';
export { releaseSlots } from './slot-free.ts';
