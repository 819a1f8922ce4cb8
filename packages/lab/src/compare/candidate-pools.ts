import {
  allocateSlots,
  type DmaDevice,
  type KernelRules,
  NO_SLOT,
  PAGE_SIZE,
  poolSize,
  releaseSlots,
  SEGMENT_SLOTS,
  SlotOutcome,
  StateArena,
  SwiotlbPool,
} from 'dmalab-core';
import type { ReplayCall } from './replay-call.ts';
import type { SegmentStore } from './segment-store.ts';

/** Candidates go up to so many times the row's own pool, to tell by how much that is too small. */
const ABOVE_OWN = 4;
/** 1 GiB, the most that a kernel takes by itself. */
export const POOL_SLOTS_MAX: number = 2 ** 19;

/**
 * Bounce pools of several sizes, filled and emptied side by side with the slot requests of one row.
 *
 * Next-fit search, segments and areas make the peak of slots in use only a lower bound of the pool that suffices; this
 * finds it by trying. A candidate ends at its first request that does not fit. Requests that fit no pool end none.
 */
export class CandidatePools {
  private readonly pools: SwiotlbPool[] = [];
  private readonly columns: number[] = [];
  private readonly segments: SegmentStore;

  /** @param own  the row's pool: same start, same areas as far as the kernel allows for the size */
  constructor(own: SwiotlbPool, kernel: KernelRules, possibleCpus: number, segments: SegmentStore) {
    this.segments = segments;
    let last = 0;
    for (let wanted = SEGMENT_SLOTS; wanted <= Math.min(own.slots * ABOVE_OWN, POOL_SLOTS_MAX); wanted *= 2) {
      const { slots, areas } = poolSize({ slots: wanted, areas: own.areas }, possibleCpus, kernel);
      if (slots === last) continue;
      last = slots;
      this.pools.push(new SwiotlbPool(new StateArena(), { start: own.start, slots, areas, kernel }));
      this.columns.push(segments.addColumn());
    }
  }

  /** Slots of the smallest pool that had room for every request so far; null when even the largest had not. */
  get smallest(): number | null {
    return this.pools.length === 0 ? null : this.pools[0].slots;
  }

  /** Takes slots for those ranges of a mapping that `bounced` marks, beside the segments of its block. */
  take(call: ReplayCall, device: DmaDevice, bounced: Uint8Array, block: number): void {
    for (let index = this.pools.length - 1; index >= 0; index--) {
      if (this.takeFrom(this.pools[index], this.columns[index], call, device, bounced, block)) continue;
      this.pools.splice(index, 1);
      this.columns.splice(index, 1);
    }
  }

  /** Gives back what the block holds. */
  release(device: DmaDevice, block: number, count: number): void {
    for (let index = 0; index < this.pools.length; index++) this.releaseFrom(this.pools[index], this.columns[index], device, block, count);
  }

  private takeFrom(pool: SwiotlbPool, column: number, call: ReplayCall, device: DmaDevice, bounced: Uint8Array, block: number): boolean {
    const slots = this.segments.beside[column];
    const { minAlignMask, segmentBoundaryMask } = device.parameters;
    const alignMask = device.policy.translated ? PAGE_SIZE - 1 : 0;
    slots.fill(NO_SLOT, block, block + call.count);
    for (let range = 0; range < call.count; range++) {
      if (bounced[range] === 0) continue;
      const taken = allocateSlots(pool, call.phys[range], call.lengths[range], alignMask, minAlignMask, segmentBoundaryMask, call.cpu);
      slots[block + range] = taken;
      if (taken !== NO_SLOT) continue;
      if (pool.lastOutcome !== SlotOutcome.NEVER_FITS) return false;
      this.releaseFrom(pool, column, device, block, range);
      return true;
    }
    return true;
  }

  private releaseFrom(pool: SwiotlbPool, column: number, device: DmaDevice, block: number, count: number): void {
    const slots = this.segments.beside[column];
    for (let row = block; row < block + count; row++) {
      if (slots[row] === NO_SLOT) continue;
      releaseSlots(pool, slots[row], device.parameters.minAlignMask);
      slots[row] = NO_SLOT;
    }
  }
}
