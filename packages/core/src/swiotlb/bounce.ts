/**
 * Bouncing: slots together with the copies between them and the original buffer, each step on its own.
 *
 * In all functions `tlb` is an address in the pool and `bytes` the length of the mapping or of a part of it;
 * `minAlignMask` is the device's min_align_mask; `cpu`, `device` and `domain` stand in the observations that are emitted.
 *
 * @source Linux v6.12 and v6.1 kernel/dma/swiotlb.c swiotlb_tbl_map_single(), swiotlb_tbl_unmap_single(), swiotlb_bounce()
 */
import {
  assert,
  type Cpu,
  Direction,
  type DomainId,
  type KernelRules,
  type ObservationLog,
  Observed,
  type PhysAddr,
} from '../base/index.ts';
import type { Memory } from '../mem/index.ts';
import type { SwiotlbPool } from './pool.ts';
import { INVALID_PHYS_ADDR, NO_SLOT } from './pool-parameters.ts';
import { allocateSlots } from './slot-allocation.ts';
import { releaseSlots } from './slot-free.ts';

/**
 * What bouncing works on: a pool, the memory it lies in, and the log that its work is reported to; and whose rules the
 * search, the copies and the clearing follow, which for a use that no kernel makes of the pool need not be the pool's own.
 */
export interface Bounce {
  readonly pool: SwiotlbPool;
  readonly kernel: KernelRules;
  readonly memory: Memory;
  readonly log: ObservationLog;
}

/**
 * Takes slots and copies the buffer in. Emits as `tblAllocate` and `copyInAtMap`; the caller emits BOUNCED before.
 *
 * @returns as allocateSlots
 */
export function tblMapSingle(
  bounce: Bounce,
  originalAddress: PhysAddr,
  bytes: number,
  allocAlignMask: number,
  minAlignMask: number,
  segmentBoundaryMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): PhysAddr {
  const tlb = tblAllocate(bounce, originalAddress, bytes, allocAlignMask, minAlignMask, segmentBoundaryMask, cpu, device, domain);
  if (tlb !== NO_SLOT) copyInAtMap(bounce, tlb, bytes, minAlignMask, cpu, device, domain);
  return tlb;
}

/**
 * Copies the mapping out where the direction asks for it and releases its slots. Emits as `copyOutAtUnmap` and `tblRelease`.
 *
 * @param skipCpuSync  attribute DMA_ATTR_SKIP_CPU_SYNC: no copy
 */
export function tblUnmapSingle(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  direction: Direction,
  skipCpuSync: boolean,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  if (!skipCpuSync) copyOutAtUnmap(bounce, tlb, bytes, direction, minAlignMask, cpu, device, domain);
  tblRelease(bounce, tlb, minAlignMask, cpu, device, domain);
}

/** First step of a mapping: allocateSlots. Emits SLOT_ALLOCATED or SLOT_FAILED. */
export function tblAllocate(
  bounce: Bounce,
  originalAddress: PhysAddr,
  bytes: number,
  allocAlignMask: number,
  minAlignMask: number,
  segmentBoundaryMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): PhysAddr {
  const { pool, log } = bounce;
  const tlb = allocateSlots(pool, originalAddress, bytes, allocAlignMask, minAlignMask, segmentBoundaryMask, cpu, bounce.kernel);
  const looks = pool.lastSlotsLookedAt;
  const searched = pool.lastSearchedBytes;
  if (tlb === NO_SLOT) {
    log.emit(Observed.SLOT_FAILED, cpu, device, domain, searched, pool.lastSlots, looks);
  } else {
    log.emit(Observed.SLOT_ALLOCATED, cpu, device, domain, pool.lastFirstSlot, pool.lastSlots, tlb, pool.lastPadSlots, looks, searched);
  }
  return tlb;
}

/**
 * Second step of a mapping: copies the whole buffer in, whatever the direction, because what a device leaves unwritten
 * must come back as the driver's own data and not as old contents of the slots. Emits COPIED_IN.
 */
export function copyInAtMap(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  copyPart(bounce, true, tlb, bytes, minAlignMask, cpu, device, domain);
}

/** First step of an unmapping: copies the mapping out if the device may have written. Emits COPIED_OUT if it copies. */
export function copyOutAtUnmap(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  direction: Direction,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  if (direction !== Direction.FROM_DEVICE && direction !== Direction.BIDIRECTIONAL) return;
  copyPart(bounce, false, tlb, bytes, minAlignMask, cpu, device, domain);
}

/** Last step of an unmapping, at once or when a policy allows it: releaseSlots. Emits SLOT_RELEASED. */
export function tblRelease(bounce: Bounce, tlb: PhysAddr, minAlignMask: number, cpu: Cpu, device: number, domain: DomainId): void {
  const { pool, log } = bounce;
  releaseSlots(pool, tlb, minAlignMask);
  log.emit(Observed.SLOT_RELEASED, cpu, device, domain, pool.lastReleasedFirstSlot, pool.lastReleasedSlots);
}

/** Hands a part of a mapping to the device: copies it in unless only the device writes. Emits COPIED_IN if it copies. */
export function syncSingleForDevice(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  direction: Direction,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  assert(direction !== Direction.NONE, 'sync without a direction');
  if (direction !== Direction.FROM_DEVICE) copyPart(bounce, true, tlb, bytes, minAlignMask, cpu, device, domain);
}

/** Hands a part of a mapping to the CPU: copies it out unless only the CPU writes. Emits COPIED_OUT if it copies. */
export function syncSingleForCpu(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  direction: Direction,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  assert(direction !== Direction.NONE, 'sync without a direction');
  if (direction !== Direction.TO_DEVICE) copyPart(bounce, false, tlb, bytes, minAlignMask, cpu, device, domain);
}

/**
 * Copies a part of a mapping, by what the slot that `tlb` lies in says about the buffer; an address in a free slot does
 * nothing. The pool counts copies that are refused or cut.
 *
 * In the first bytes of a later slot `distance` is negative, since the offset of the buffer inside its first slot is
 * part of every slot's original address: 6.1 takes that for an access before the buffer, 6.12 knows better. Sizes are
 * unsigned in the kernel, so one that falls below zero counts as enormous there and cuts nothing.
 *
 * @source Linux v6.12 and v6.1 kernel/dma/swiotlb.c swiotlb_bounce()
 */
function copyPart(
  bounce: Bounce,
  intoPool: boolean,
  tlb: PhysAddr,
  bytes: number,
  minAlignMask: number,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  const { pool, memory, log } = bounce;
  const slot = pool.slotAt(tlb);
  const slotOriginal = pool.origAddr(slot);
  if (slotOriginal === INVALID_PHYS_ADDR) return;
  const size = pool.allocSize(slot);
  const slotMask = pool.slotBytes - 1;
  const distance = (tlb & slotMask) - (slotOriginal & minAlignMask & slotMask);
  if (bounce.kernel === '6.1') {
    if (distance < 0) {
      pool.countEarlyAccess();
      return;
    }
    if (size >= 0 && distance > size) {
      pool.countOverflow();
      return;
    }
  }
  const rest = size - distance;
  let length = bytes;
  if (rest >= 0 && bytes > rest) {
    pool.countOverflow();
    length = rest;
  }
  if (length === 0) return;
  const original = slotOriginal + distance;
  if (intoPool) {
    memory.copy(tlb, original, length);
    log.emit(Observed.COPIED_IN, cpu, device, domain, tlb, length, original);
  } else {
    memory.copy(original, tlb, length);
    log.emit(Observed.COPIED_OUT, cpu, device, domain, tlb, length, original);
  }
}
