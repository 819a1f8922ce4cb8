import {
  allocateSlots,
  type DmaDevice,
  headBytes,
  type KernelRules,
  type Machine,
  NO_SLOT,
  type ObservationLog,
  Observed,
  type PhysAddr,
  poolSize,
  releaseSlots,
  SEGMENT_SLOTS,
  SlotOutcome,
  StateArena,
  SwiotlbPool,
  tailBytes,
} from 'dmalab-core';
import type { ReplayCall } from './replay-call.ts';

/** Candidates go up to so many times the row's own pool, to tell by how much that is too small. */
const ABOVE_OWN = 4;
/** 1 GiB, the most that a kernel takes by itself. */
export const POOL_SLOTS_MAX: number = 2 ** 19;
/** Requests that wait: enough that a candidate stays in the processor's caches for a while. */
const WAITING_MAX = 1024;

/** A pool of another size. */
interface Candidate {
  readonly pool: SwiotlbPool;
  /** By first slot in the row's own pool: first slot here plus 1, 0 for none. */
  readonly taken: Int32Array;
  /** Slots, by tlb_addr, of mappings that failed in the row's own pool, by their block of segments. */
  readonly held: Map<number, readonly number[]>;
}

/**
 * Bounce pools of several sizes, filled and emptied side by side with one row's own: whatever takes slots there takes
 * them here by the same request, and what it gives back is given back here.
 *
 * Next-fit search, segments and areas make the peak of slots in use only a lower bound of the pool that suffices; this
 * finds it by trying. A candidate ends at its first request that does not fit. Requests that fit no pool end none.
 *
 * A mapping that fails in the row's own pool is tried in all of the larger candidates, which hold its slots until the
 * recording ends it. Where slots are kept longer than their mapping (until a flush, or for ever) that would not tell
 * when they come free; see `giveUp`.
 */
export class CandidatePools {
  private readonly candidates: Candidate[] = [];
  private readonly machine: Machine;
  private readonly own: SwiotlbPool;
  // Requests that wait, in order: candidates know nothing of each other, so each can take many in one go.
  private waiting = 0;
  /** First slot in the row's own pool. */
  private readonly first: Int32Array = new Int32Array(WAITING_MAX);
  private readonly device: Int32Array = new Int32Array(WAITING_MAX);
  private readonly cpu: Int32Array = new Int32Array(WAITING_MAX);
  private readonly tlb: Float64Array = new Float64Array(WAITING_MAX);
  /** 0 gives the slots back. */
  private readonly bytes: Float64Array = new Float64Array(WAITING_MAX);

  /** @param own  the row's pool: same start, same areas as far as the kernel allows for the size */
  constructor(machine: Machine, own: SwiotlbPool) {
    this.machine = machine;
    this.own = own;
    const { kernel, possibleCpus } = machine.parameters;
    let last = 0;
    for (let wanted = SEGMENT_SLOTS; wanted <= Math.min(own.slots * ABOVE_OWN, POOL_SLOTS_MAX); wanted *= 2) {
      const { slots, areas } = poolSize({ slots: wanted, areas: own.areas }, possibleCpus, kernel);
      if (slots === last) continue;
      last = slots;
      const pool = new SwiotlbPool(new StateArena(), { start: own.start, slots, areas, kernel });
      this.candidates.push({ pool, taken: new Int32Array(own.slots), held: new Map() });
    }
  }

  /** Slots of the smallest pool that had room for every request so far; null when none is known to have. */
  get smallest(): number | null {
    this.catchUp();
    return this.candidates.length === 0 ? null : this.candidates[0].pool.slots;
  }

  /**
   * Follows the row's own pool.
   *
   * @param takes  false for a call that failed for want of room: what it took and gave back is left out, see `takeFailed`
   */
  observe(log: ObservationLog, takes: boolean): void {
    if (this.candidates.length === 0) return;
    for (let row = 0; row < log.length; row++) {
      const kind = log.kind[row];
      if (kind === Observed.SLOT_ALLOCATED) {
        // The request is that of the row: its address keeps those bits of the original buffer's that a search looks at.
        const tlb = log.c[row];
        const bytes = log.f[row] - (tlb - this.own.start - log.a[row] * this.own.slotBytes);
        if (takes) this.wait(log, row, tlb, bytes);
      } else if (kind === Observed.SLOT_RELEASED) {
        this.wait(log, row, 0, 0);
      }
    }
  }

  /** A call failed in the row's own pool: its ranges that `bounced` marks take their slots here, and hold them for `block`. */
  takeFailed(call: ReplayCall, bounced: Uint8Array, block: number): void {
    this.catchUp();
    const device = this.machine.devices[call.device];
    this.keepWhere((candidate) => {
      const slots: number[] = [];
      const outcome = this.takeRanges(candidate.pool, call, device, bounced, slots);
      if (outcome === SlotOutcome.ALLOCATED) candidate.held.set(block, slots);
      else for (const tlb of slots) releaseSlots(candidate.pool, tlb, device.slotAlignMask);
      return outcome === SlotOutcome.ALLOCATED || outcome === SlotOutcome.NEVER_FITS;
    });
  }

  /** The mapping that failed has ended in the recording. */
  releaseFailed(device: DmaDevice, block: number): void {
    this.catchUp();
    for (const { pool, held } of this.candidates) {
      for (const tlb of held.get(block) ?? []) releaseSlots(pool, tlb, device.slotAlignMask);
      held.delete(block);
    }
  }

  /** The row has come to where its own pool was too small, and nothing tells how a larger one would have gone on. */
  giveUp(): void {
    this.candidates.length = 0;
    this.waiting = 0;
  }

  private wait(log: ObservationLog, row: number, tlb: PhysAddr, bytes: number): void {
    if (this.waiting === WAITING_MAX) this.catchUp();
    const at = this.waiting;
    this.waiting = at + 1;
    this.first[at] = log.a[row];
    this.device[at] = log.device[row];
    this.cpu[at] = log.cpu[row];
    this.tlb[at] = tlb;
    this.bytes[at] = bytes;
  }

  /** Lets each candidate take what waits. */
  private catchUp(): void {
    if (this.waiting === 0) return;
    this.keepWhere((candidate) => this.follow(candidate));
    this.waiting = 0;
  }

  /** @returns whether there was room for every request */
  private follow({ pool, taken }: Candidate): boolean {
    const { machine, waiting, first, device, cpu, tlb, bytes } = this;
    for (let at = 0; at < waiting; at++) {
      const parts = machine.devices[device[at]];
      if (bytes[at] > 0) {
        if (this.allocate(pool, parts, tlb[at], bytes[at], cpu[at]) === NO_SLOT) return false;
        taken[first[at]] = pool.lastFirstSlot + 1;
        continue;
      }
      const slot = taken[first[at]] - 1;
      if (slot < 0) continue;
      taken[first[at]] = 0;
      releaseSlots(pool, pool.tlbAddress(slot), parts.slotAlignMask);
    }
    return true;
  }

  private takeRanges(pool: SwiotlbPool, call: ReplayCall, device: DmaDevice, bounced: Uint8Array, slots: number[]): SlotOutcome {
    for (let range = 0; range < call.count; range++) {
      if (bounced[range] === 0) continue;
      const address = call.phys[range];
      const bytes = call.lengths[range];
      const edges = device.policy.bouncesEdgesOnly;
      const head = edges ? headBytes(address, bytes) : bytes;
      const tail = edges ? tailBytes(address, bytes) : 0;
      for (const [start, length] of [
        [address, head],
        [address + bytes - tail, tail],
      ]) {
        if (length === 0) continue;
        const tlb = this.allocate(pool, device, start, length, call.cpu);
        if (tlb === NO_SLOT) return pool.lastOutcome;
        slots.push(tlb);
      }
    }
    return SlotOutcome.ALLOCATED;
  }

  private allocate(pool: SwiotlbPool, device: DmaDevice, original: PhysAddr, bytes: number, cpu: number): PhysAddr {
    const { allocAlignMask, iotlbAlignMask, parameters } = device;
    const kernel: KernelRules = device.keepsOffsets ? '6.12' : pool.kernel;
    return allocateSlots(pool, original, bytes, allocAlignMask, iotlbAlignMask, parameters.segmentBoundaryMask, cpu, kernel);
  }

  private keepWhere(fits: (candidate: Candidate) => boolean): void {
    const kept = this.candidates.filter(fits);
    this.candidates.length = 0;
    this.candidates.push(...kept);
  }
}
