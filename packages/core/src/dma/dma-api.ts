import {
  type Cpu,
  DMA_MAPPING_ERROR,
  Direction,
  type DmaAddr,
  FlushCause,
  type KernelRules,
  NO_IOVA,
  Observed,
  type ObservationLog,
  PAGE_SIZE,
  type PhysAddr,
  type StateArena,
  assert,
  roundDown,
  roundUp,
} from '../base/index.ts';
import { CallList, NO_TABLES, NOT_MAPPED, Rights } from '../iommu/index.ts';
import { type Bounce, copyInAtMap, copyOutAtUnmap, NO_SLOT, syncSingleForCpu, syncSingleForDevice, tblAllocate, tblRelease, zeroPadding } from '../swiotlb/index.ts';
import type { CacheTagFlusher } from './cache-tag.ts';
import { CallKind, DMA_ATTR_SKIP_CPU_SYNC, DmaCallTable } from './dma-call.ts';
import type { DmaDevice } from './dma-device.ts';
import { directBounces, directReaches } from './dma-direct.ts';
import type { DmaDomain } from './dma-domain.ts';
import { DmaStep } from './dma-step.ts';
import type { FlushQueue } from './flush-queue.ts';
import { finaliseSg, layOutSg } from './sg-layout.ts';

/** What the DMA API works on; the machine wires it. */
export interface DmaApiParts {
  readonly kernel: KernelRules;
  readonly log: ObservationLog;
  readonly devices: readonly DmaDevice[];
  readonly domains: readonly DmaDomain[];
  /** Absent when the machine has no bounce pool. */
  readonly bounce: Bounce | null;
  /** Whether `swiotlb=force` bounces every direct mapping. */
  readonly poolForced: boolean;
  /** Absent when the machine has no IOMMU. */
  readonly flusher: CacheTagFlusher | null;
}

/** Step lists a call can run; the numbers are stored in the call table. */
const Program = {
  MAP_DIRECT: 0,
  MAP_BOUNCED: 1,
  UNMAP_DIRECT: 2,
  UNMAP_BOUNCED: 3,
  UNMAP_COHERENT: 4,
  /** A bounced mapping that failed after it took slots. */
  RELEASE_SLOTS: 5,
  FLUSH_TIMER: 6,
  NOTHING: 7,
} as const;

const RELEASE_SLOTS: readonly DmaStep[] = [DmaStep.COPY_OUT, DmaStep.FREE_SLOTS];
const FLUSH_TIMER: readonly DmaStep[] = [DmaStep.SUBMIT_FLUSH, DmaStep.WAIT_FLUSH, DmaStep.DRAIN_RING];

/** Alignment that dma-iommu asks of a bounce allocation: the granule less one. */
const GRANULE_MASK = PAGE_SIZE - 1;

/**
 * The DMA API over dma-iommu and dma-direct: each call is begun, stepped until it returns, and ended.
 *
 * `begin…` returns the call's row in `calls`; `step` runs one named step and tells whether the call has returned; its
 * result is then in `calls.result` (DMA address, segment count, or DMA_MAPPING_ERROR) until `end` gives the row back.
 * `run` does all three.
 *
 * @source Linux v6.12 kernel/dma/mapping.c, drivers/iommu/dma-iommu.c, kernel/dma/direct.c
 */
export class DmaApi {
  readonly calls: DmaCallTable;
  private readonly parts: DmaApiParts;
  private readonly iommuCalls = new CallList();
  private readonly programs: readonly (readonly (readonly DmaStep[])[])[];
  /** Unmaps of addresses that no table translates; the kernel warns and does nothing. */
  unmapsOfNothing = 0;

  constructor(arena: StateArena, parts: DmaApiParts, callsMax = 16, entriesMax = 64) {
    this.parts = parts;
    this.calls = new DmaCallTable(arena, callsMax, entriesMax);
    this.programs = parts.devices.map(({ policy }) => [
      policy.mapDirect,
      policy.mapBounced,
      policy.unmapDirect,
      policy.unmapBounced,
      policy.unmapCoherent,
      RELEASE_SLOTS,
      FLUSH_TIMER,
      [],
    ]);
  }

  /** dma_map_page and dma_map_single: result is the DMA address. */
  beginMapPage(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.MAP_PAGE, cpu, device, direction, attrs, phys, bytes);
    this.beginMapPiece(call, phys, bytes);
    return call;
  }

  /** dma_map_resource: device memory, never bounced. */
  beginMapResource(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.MAP_RESOURCE, cpu, device, direction, attrs, phys, bytes);
    this.beginDirectPiece(call, phys, bytes);
    return call;
  }

  beginUnmapPage(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.UNMAP_PAGE, cpu, device, direction, attrs, address, bytes);
    this.beginUnmapPiece(call, address, bytes);
    return call;
  }

  beginUnmapResource(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.UNMAP_RESOURCE, cpu, device, direction, attrs, address, bytes);
    this.beginUnmapRange(call, address, bytes, Program.UNMAP_COHERENT);
    return call;
  }

  /**
   * dma_map_sg: result is the number of segments, which are then in the call's `entryDmaAddr` and `entryDmaBytes`.
   *
   * @param phys, bytes  columns of the list; entries `offset` to `offset + count - 1` are read
   */
  beginMapSg(cpu: Cpu, device: number, phys: Float64Array, bytes: Float64Array, offset: number, count: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.MAP_SG, cpu, device, direction, attrs, phys[offset], bytes[offset]);
    this.takeEntries(call, phys, bytes, offset, count);
    const { policy } = this.parts.devices[device];
    if (policy.mapsSgPerEntry || !policy.translated) this.beginMapPiece(call, phys[offset], bytes[offset]);
    else this.beginListPiece(call, layOutSg(this.calls, call, this.parts.devices[device].parameters.segmentBoundaryMask));
    return call;
  }

  /** dma_unmap_sg: takes the segments that map_sg gave. */
  beginUnmapSg(cpu: Cpu, device: number, addresses: Float64Array, bytes: Float64Array, offset: number, count: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.UNMAP_SG, cpu, device, direction, attrs, addresses[offset], bytes[offset]);
    this.takeSegments(call, addresses, bytes, offset, count);
    const { policy } = this.parts.devices[device];
    if (policy.mapsSgPerEntry || !policy.translated) {
      this.beginUnmapPiece(call, addresses[offset], bytes[offset]);
    } else {
      const last = offset + count - 1;
      this.beginUnmapPiece(call, addresses[offset], addresses[last] + bytes[last] - addresses[offset]);
    }
    return call;
  }

  /**
   * dma_alloc_coherent: maps memory that the caller has chosen, as physically contiguous runs of whole pages.
   *
   * @param bytes  size asked for; the runs hold it rounded up to pages
   */
  beginAlloc(cpu: Cpu, device: number, bytes: number, runPhys: Float64Array, runBytes: Float64Array, offset: number, count: number): number {
    const call = this.begin(CallKind.ALLOC, cpu, device, Direction.BIDIRECTIONAL, 0, count > 0 ? runPhys[offset] : 0, bytes);
    this.takeEntries(call, runPhys, runBytes, offset, count);
    if (this.parts.devices[device].policy.translated) {
      for (let row = call * this.calls.entriesMax, last = row + count; row < last; row++) this.calls.entryPadded[row] = this.calls.entryBytes[row];
      this.beginListPiece(call, roundUp(bytes, PAGE_SIZE));
    } else {
      this.calls.result[call] = runPhys[offset];
      this.calls.program[call] = Program.NOTHING;
    }
    return call;
  }

  beginFree(cpu: Cpu, device: number, address: DmaAddr, bytes: number): number {
    const call = this.begin(CallKind.FREE, cpu, device, Direction.BIDIRECTIONAL, 0, address, bytes);
    if (this.parts.devices[device].policy.translated) this.beginUnmapRange(call, address, bytes, Program.UNMAP_COHERENT);
    else this.calls.program[call] = Program.NOTHING;
    return call;
  }

  /** The domain's flush timer fires on `cpu`. */
  beginFlushTimer(cpu: Cpu, domain: number): number {
    const { calls } = this;
    const call = calls.begin();
    this.clear(call, CallKind.FLUSH_TIMER, cpu, -1, this.parts.domains[domain].id);
    calls.entry[call] = domain;
    calls.program[call] = Program.FLUSH_TIMER;
    return call;
  }

  /** The step that `step` would run next. */
  nextStep(call: number): DmaStep {
    const steps = this.stepsOf(call);
    const position = this.calls.position[call];
    return position < steps.length ? steps[position] : DmaStep.RETURN;
  }

  /** Runs one step; true when the call has returned to its driver. */
  step(call: number): boolean {
    const steps = this.stepsOf(call);
    const position = this.calls.position[call];
    if (position === steps.length) return this.pieceReturns(call);
    if (this.perform(call, steps[position])) this.calls.position[call] = position + 1;
    return false;
  }

  /** Ends a call that has returned. */
  end(call: number): void {
    this.calls.end(call);
  }

  /** Runs a begun call to its end. @returns its result */
  run(call: number): number {
    while (!this.step(call));
    const result = this.calls.result[call];
    this.end(call);
    return result;
  }

  /** dma_sync_single_for_cpu: a bounced mapping's bytes become visible to the CPU. */
  syncSingleForCpu(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    const phys = this.bouncedPhys(device, address);
    if (phys >= 0) syncSingleForCpu(this.parts.bounce!, phys, bytes, direction, this.minAlignMask(device), cpu, device, this.domainId(device));
  }

  /** dma_sync_single_for_device: the CPU's changes become visible to the device. */
  syncSingleForDevice(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    const phys = this.bouncedPhys(device, address);
    if (phys >= 0) syncSingleForDevice(this.parts.bounce!, phys, bytes, direction, this.minAlignMask(device), cpu, device, this.domainId(device));
  }

  // ---- steps -------------------------------------------------------------------------------------------------

  /** Performs a step; false when it has to run once more (a run after a run, a ring after a ring). */
  private perform(call: number, step: DmaStep): boolean {
    switch (step) {
      case DmaStep.TAKE_SLOTS:
        return this.takeSlots(call);
      case DmaStep.COPY_IN:
        return this.copyIn(call);
      case DmaStep.ZERO_PADDING:
        return this.zeroPadding(call);
      case DmaStep.ALLOCATE_IOVA:
        return this.allocateIova(call);
      case DmaStep.WRITE_TABLE:
        return this.writeTable(call);
      case DmaStep.FLUSH_MAP:
        return this.flushMap(call);
      case DmaStep.CLEAR_TABLE:
        return this.clearTable(call);
      case DmaStep.SUBMIT_INVALIDATION:
        return this.submitInvalidation(call);
      case DmaStep.WAIT_INVALIDATION:
      case DmaStep.WAIT_FLUSH:
        return this.waitInvalidation(call, step);
      case DmaStep.FREE_TABLES:
        return this.freeTables(call);
      case DmaStep.FREE_IOVA:
        return this.freeIova(call);
      case DmaStep.QUEUE_IOVA:
        return this.queueIova(call);
      case DmaStep.COPY_OUT:
        return this.copyOut(call);
      case DmaStep.FREE_SLOTS:
        return this.freeSlots(call);
      case DmaStep.SUBMIT_FLUSH:
        return this.submitFlush(call);
      case DmaStep.DRAIN_RING:
        return this.drainRing(call);
      case DmaStep.RETURN:
        return true;
    }
  }

  private takeSlots(call: number): boolean {
    const { calls, parts } = this;
    const device = calls.device[call];
    const domain = calls.domain[call];
    const { parameters, policy } = parts.devices[device];
    const original = calls.original[call];
    const bytes = calls.bytes[call];
    parts.log.emit(Observed.BOUNCED, calls.cpu[call], device, domain, original, bytes, parts.poolForced ? 1 : 0);
    if (parts.bounce === null) return this.fail(call);
    const alignMask = policy.translated ? GRANULE_MASK : 0;
    const slots = tblAllocate(
      parts.bounce,
      original,
      bytes,
      alignMask,
      parameters.minAlignMask,
      parameters.segmentBoundaryMask,
      calls.cpu[call],
      device,
      domain,
    );
    if (slots === NO_SLOT) return this.fail(call);
    parts.devices[device].needSyncFromNowOn();
    if (!policy.translated && !directReaches(parts.devices[device], slots, bytes)) {
      tblRelease(parts.bounce, slots, parameters.minAlignMask, calls.cpu[call], device, domain);
      return this.fail(call);
    }
    calls.slots[call] = slots;
    calls.phys[call] = slots;
    calls.pages[call] = pagesOf(slots, bytes);
    return true;
  }

  private copyIn(call: number): boolean {
    const { calls } = this;
    const device = calls.device[call];
    copyInAtMap(this.parts.bounce!, calls.slots[call], calls.bytes[call], this.minAlignMask(device), calls.cpu[call], device, calls.domain[call]);
    return true;
  }

  private zeroPadding(call: number): boolean {
    const { calls } = this;
    const device = calls.device[call];
    if (this.parts.devices[device].parameters.untrusted || this.parts.kernel === '6.1') {
      zeroPadding(
        this.parts.bounce!,
        calls.slots[call],
        calls.bytes[call],
        calls.direction[call] as Direction,
        (calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0,
        calls.cpu[call],
        device,
        calls.domain[call],
      );
    }
    return true;
  }

  private allocateIova(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const domain = device.domain!;
    const { parameters } = device;
    const mask = calls.kind[call] === CallKind.ALLOC ? parameters.coherentDmaMask : parameters.dmaMask;
    const firstPfn = domain.allocateIova(device, calls.pages[call], mask, calls.cpu[call], parts.kernel);
    if (firstPfn === NO_IOVA) return this.fail(call);
    calls.iovaPfn[call] = firstPfn;
    return true;
  }

  /** One physically contiguous run; a list is not done before its last run is in place. */
  private writeTable(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const domain = device.domain!;
    const isList = calls.entries[call] > 0 && this.isOnePiece(call);
    let phys = roundDown(calls.phys[call], PAGE_SIZE);
    let bytes = calls.pages[call] * PAGE_SIZE;
    let next = calls.entry[call];
    if (isList) {
      const first = call * calls.entriesMax;
      phys = roundDown(calls.entryPhys[first + next], PAGE_SIZE);
      bytes = calls.entryPadded[first + next];
      for (next += 1; next < calls.entries[call]; next++) {
        if (roundDown(calls.entryPhys[first + next], PAGE_SIZE) !== phys + bytes) break;
        bytes += calls.entryPadded[first + next];
      }
    }
    const iova = calls.iovaPfn[call] * PAGE_SIZE + calls.mappedBytes[call];
    const refused = domain.hardware.map(
      iova / PAGE_SIZE,
      phys / PAGE_SIZE,
      bytes / PAGE_SIZE,
      rightsOf(calls.direction[call]),
      this.iommuCalls,
    );
    if (refused !== 0) return this.failMapped(call, domain, calls.mappedBytes[call]);
    this.flushReplacedTables(call, domain);
    parts.log.emit(Observed.MAPPED, calls.cpu[call], device.index, domain.id, iova, phys, bytes);
    calls.mappedBytes[call] += bytes;
    calls.entry[call] = next;
    return !isList || next === calls.entries[call];
  }

  /** A superpage has taken the place of empty tables: caches may lead to those, so they go only after a flush. */
  private flushReplacedTables(call: number, domain: DmaDomain): void {
    const { calls, iommuCalls, parts } = this;
    if (iommuCalls.length === 0) return;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    for (let row = 0; row < iommuCalls.length; row++) {
      const start = iommuCalls.iovaPfn[row] * PAGE_SIZE;
      parts.flusher!.flushRange(cpu, device, domain.id, start, start + iommuCalls.pages[row] * PAGE_SIZE - 1, false);
      parts.flusher!.wait(cpu, device, domain.id);
    }
    domain.hardware.tables.pages.freeChain(iommuCalls.freed);
  }

  private flushMap(call: number): boolean {
    const { calls, parts } = this;
    const flusher = parts.flusher!;
    if (!flusher.flushesOnMap) return true;
    const device = calls.device[call];
    const domain = calls.domain[call];
    const start = calls.iovaPfn[call] * PAGE_SIZE;
    flusher.flushRangeNp(calls.cpu[call], device, domain, start, start + calls.pages[call] * PAGE_SIZE - 1);
    flusher.wait(calls.cpu[call], device, domain);
    return true;
  }

  private clearTable(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const { hardware, id } = device.domain!;
    const cpu = calls.cpu[call];
    const firstPfn = calls.iovaPfn[call];
    const bytes = calls.pages[call] * PAGE_SIZE;
    const unmappedPages = hardware.unmap(firstPfn, calls.pages[call], this.iommuCalls);
    calls.freedTables[call] = this.iommuCalls.freed;
    calls.gatherStart[call] = -1;
    if (this.nextButOne(call) === DmaStep.SUBMIT_INVALIDATION) this.gather(call);
    parts.log.emit(Observed.UNMAPPED, cpu, device.index, id, firstPfn * PAGE_SIZE, bytes, unmappedPages * PAGE_SIZE);
    return true;
  }

  /**
   * Collects the chunks of the last unmap into one range to invalidate. A chunk of another size than the one before, or
   * not next to it, first flushes what was gathered.
   *
   * @source Linux v6.12 include/linux/iommu.h iommu_iotlb_gather_add_page()
   */
  private gather(call: number): void {
    const { calls, iommuCalls } = this;
    let start = -1;
    let end = -1;
    let size = 0;
    for (let chunk = 0; chunk < iommuCalls.length; chunk++) {
      const chunkStart = iommuCalls.iovaPfn[chunk] * PAGE_SIZE;
      const chunkBytes = iommuCalls.pages[chunk] * PAGE_SIZE;
      if (start >= 0 && (chunkBytes !== size || chunkStart !== end + 1)) {
        calls.gatherStart[call] = start;
        calls.gatherEnd[call] = end;
        this.submitInvalidation(call);
        this.waitInvalidation(call, DmaStep.WAIT_INVALIDATION);
        start = -1;
      }
      if (start < 0) start = chunkStart;
      end = chunkStart + chunkBytes - 1;
      size = chunkBytes;
    }
    calls.gatherStart[call] = start;
    calls.gatherEnd[call] = end;
  }

  private submitInvalidation(call: number): boolean {
    const { calls, parts } = this;
    if (calls.gatherStart[call] < 0) return true;
    parts.flusher!.flushRange(
      calls.cpu[call],
      calls.device[call],
      calls.domain[call],
      calls.gatherStart[call],
      calls.gatherEnd[call],
      calls.freedTables[call] === NO_TABLES,
    );
    return true;
  }

  private waitInvalidation(call: number, step: DmaStep): boolean {
    const { calls, parts } = this;
    parts.flusher!.wait(calls.cpu[call], calls.device[call], calls.domain[call]);
    if (step === DmaStep.WAIT_FLUSH) this.endFlush(call, FlushCause.TIMER);
    return true;
  }

  private freeTables(call: number): boolean {
    const { calls } = this;
    if (calls.freedTables[call] !== NO_TABLES) {
      this.domainOf(call).hardware.tables.pages.freeChain(calls.freedTables[call]);
      calls.freedTables[call] = NO_TABLES;
    }
    return true;
  }

  private freeIova(call: number): boolean {
    const { calls } = this;
    this.domainOf(call).freeIova(calls.iovaPfn[call], calls.pages[call], calls.cpu[call]);
    return true;
  }

  /** Two passes when the ring is full: the first begins a flush, the second ends it and queues. */
  private queueIova(call: number): boolean {
    const { calls, parts } = this;
    const cpu = calls.cpu[call];
    const domain = this.domainOf(call);
    const queue = this.queueOf(domain);
    if (calls.flushing[call] === 1) {
      parts.flusher!.wait(cpu, calls.device[call], calls.domain[call]);
      this.endFlush(call, FlushCause.RING_FULL);
      calls.flushing[call] = 0;
    }
    if (!domain.queueIova(queue, calls.iovaPfn[call], calls.pages[call], calls.freedTables[call], cpu)) {
      this.beginFlush(call, domain, FlushCause.RING_FULL);
      calls.flushing[call] = 1;
      return false;
    }
    parts.log.emit(Observed.FLUSH_QUEUED, cpu, calls.device[call], calls.domain[call], calls.iovaPfn[call], calls.pages[call], queue.entriesOn(cpu));
    return true;
  }

  private submitFlush(call: number): boolean {
    const domain = this.domainOf(call);
    this.beginFlush(call, domain, FlushCause.TIMER);
    return true;
  }

  private drainRing(call: number): boolean {
    const { calls } = this;
    const domain = this.domainOf(call);
    const queue = this.queueOf(domain);
    queue.drain(calls.ring[call], calls.cpu[call], domain);
    calls.ring[call] += 1;
    return calls.ring[call] === queue.possibleCpus;
  }

  private copyOut(call: number): boolean {
    const { calls } = this;
    if ((calls.attrs[call] & DMA_ATTR_SKIP_CPU_SYNC) !== 0) return true;
    const device = calls.device[call];
    copyOutAtUnmap(
      this.parts.bounce!,
      calls.slots[call],
      calls.bytes[call],
      calls.direction[call] as Direction,
      this.minAlignMask(device),
      calls.cpu[call],
      device,
      calls.domain[call],
    );
    return true;
  }

  private freeSlots(call: number): boolean {
    const { calls } = this;
    const device = calls.device[call];
    tblRelease(this.parts.bounce!, calls.slots[call], this.minAlignMask(device), calls.cpu[call], device, calls.domain[call]);
    calls.slots[call] = -1;
    return true;
  }

  // ---- pieces ------------------------------------------------------------------------------------------------

  private begin(kind: CallKind, cpu: Cpu, device: number, direction: Direction, attrs: number, address: number, bytes: number): number {
    const { calls, parts } = this;
    const call = calls.begin();
    const domain = parts.devices[device].domain;
    this.clear(call, kind, cpu, device, domain === null ? -1 : domain.id);
    calls.direction[call] = direction;
    calls.attrs[call] = attrs;
    parts.log.emit(Observed.CALL_BEGUN, cpu, device, calls.domain[call], kind, address, bytes);
    return call;
  }

  private clear(call: number, kind: CallKind, cpu: Cpu, device: number, domain: number): void {
    const { calls } = this;
    calls.kind[call] = kind;
    calls.program[call] = Program.NOTHING;
    calls.position[call] = 0;
    calls.device[call] = device;
    calls.domain[call] = domain;
    calls.cpu[call] = cpu;
    calls.direction[call] = Direction.NONE;
    calls.attrs[call] = 0;
    calls.unwinding[call] = 0;
    calls.flushing[call] = 0;
    calls.ring[call] = 0;
    calls.phys[call] = 0;
    calls.original[call] = 0;
    calls.bytes[call] = 0;
    calls.iovaPfn[call] = 0;
    calls.pages[call] = 0;
    calls.slots[call] = -1;
    calls.gatherStart[call] = 0;
    calls.gatherEnd[call] = 0;
    calls.freedTables[call] = NO_TABLES;
    calls.entries[call] = 0;
    calls.entry[call] = 0;
    calls.mappedBytes[call] = 0;
    calls.result[call] = 0;
  }

  private takeEntries(call: number, phys: Float64Array, bytes: Float64Array, offset: number, count: number): void {
    const { calls } = this;
    calls.reserveEntries(count);
    const first = call * calls.entriesMax;
    for (let index = 0; index < count; index++) {
      calls.entryPhys[first + index] = phys[offset + index];
      calls.entryBytes[first + index] = bytes[offset + index];
    }
    calls.entries[call] = count;
  }

  private takeSegments(call: number, addresses: Float64Array, bytes: Float64Array, offset: number, count: number): void {
    const { calls } = this;
    calls.reserveEntries(count);
    const first = call * calls.entriesMax;
    for (let index = 0; index < count; index++) {
      calls.entryDmaAddr[first + index] = addresses[offset + index];
      calls.entryDmaBytes[first + index] = bytes[offset + index];
    }
    calls.entries[call] = count;
  }

  private beginMapPiece(call: number, phys: PhysAddr, bytes: number): void {
    const device = this.parts.devices[this.calls.device[call]];
    const bounced = device.policy.translated
      ? device.policy.bounces(phys, bytes)
      : directBounces(device, phys, bytes, this.parts.poolForced);
    this.beginDirectPiece(call, phys, bytes);
    if (bounced) this.calls.program[call] = Program.MAP_BOUNCED;
  }

  private beginDirectPiece(call: number, phys: PhysAddr, bytes: number): void {
    const { calls } = this;
    calls.program[call] = Program.MAP_DIRECT;
    calls.position[call] = 0;
    calls.phys[call] = phys;
    calls.original[call] = phys;
    calls.bytes[call] = bytes;
    calls.pages[call] = pagesOf(phys, bytes);
    calls.slots[call] = -1;
    calls.mappedBytes[call] = 0;
    calls.result[call] = 0;
  }

  /** A whole list as one piece. */
  private beginListPiece(call: number, totalBytes: number): void {
    const { calls } = this;
    calls.program[call] = Program.MAP_DIRECT;
    calls.bytes[call] = totalBytes;
    calls.pages[call] = totalBytes / PAGE_SIZE;
  }

  private beginUnmapPiece(call: number, address: DmaAddr, bytes: number): void {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    if (device.policy.translated) {
      this.beginUnmapRange(call, address, bytes, Program.UNMAP_DIRECT);
    } else {
      calls.program[call] = Program.UNMAP_DIRECT;
      calls.phys[call] = address;
    }
    const phys = calls.phys[call];
    calls.bytes[call] = bytes;
    calls.position[call] = 0;
    if (parts.bounce !== null && phys >= 0 && parts.bounce.pool.contains(phys)) {
      calls.program[call] = Program.UNMAP_BOUNCED;
      calls.slots[call] = phys;
    }
  }

  private beginUnmapRange(call: number, address: DmaAddr, bytes: number, program: number): void {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    calls.bytes[call] = bytes;
    if (!device.policy.translated) {
      calls.program[call] = Program.NOTHING;
      return;
    }
    const firstPfn = Math.floor(address / PAGE_SIZE);
    const physPfn = device.domain!.hardware.lookup(firstPfn);
    if (physPfn === NOT_MAPPED) {
      this.unmapsOfNothing += 1;
      calls.phys[call] = -1;
      calls.program[call] = Program.NOTHING;
      return;
    }
    calls.program[call] = program;
    calls.position[call] = 0;
    calls.phys[call] = physPfn * PAGE_SIZE + (address % PAGE_SIZE);
    calls.iovaPfn[call] = firstPfn;
    calls.pages[call] = pagesOf(address, bytes);
  }

  /** The piece at work has run its steps: goes on with the next entry, or returns to the driver. */
  private pieceReturns(call: number): boolean {
    const { calls } = this;
    const kind = calls.kind[call];
    if (kind === CallKind.MAP_SG && !this.isOnePiece(call)) return this.mapEntryReturns(call);
    if (kind === CallKind.UNMAP_SG && !this.isOnePiece(call)) return this.unmapEntryReturns(call);
    if (calls.result[call] !== DMA_MAPPING_ERROR) calls.result[call] = this.resultOf(call, kind);
    return this.returns(call);
  }

  private resultOf(call: number, kind: number): number {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    switch (kind) {
      case CallKind.MAP_PAGE:
      case CallKind.MAP_RESOURCE:
        return device.policy.translated ? calls.iovaPfn[call] * PAGE_SIZE + (calls.phys[call] % PAGE_SIZE) : calls.phys[call];
      case CallKind.MAP_SG: {
        const { segmentBoundaryMask, maxSegmentBytes } = device.parameters;
        return finaliseSg(calls, call, calls.iovaPfn[call] * PAGE_SIZE, segmentBoundaryMask, maxSegmentBytes);
      }
      case CallKind.ALLOC:
        return device.policy.translated ? calls.iovaPfn[call] * PAGE_SIZE : calls.result[call];
      default:
        return 0;
    }
  }

  private mapEntryReturns(call: number): boolean {
    const { calls } = this;
    if (calls.unwinding[call] === 1) return this.unmapEntryReturns(call);
    const first = call * calls.entriesMax;
    const entry = calls.entry[call];
    if (calls.result[call] === DMA_MAPPING_ERROR) {
      if (entry === 0) return this.returns(call);
      calls.unwinding[call] = 1;
      calls.entries[call] = entry;
      calls.entry[call] = 0;
      calls.attrs[call] |= DMA_ATTR_SKIP_CPU_SYNC;
      this.beginUnmapPiece(call, calls.entryDmaAddr[first], calls.entryDmaBytes[first]);
      return false;
    }
    calls.entryDmaAddr[first + entry] = this.resultOf(call, CallKind.MAP_PAGE);
    calls.entryDmaBytes[first + entry] = calls.entryBytes[first + entry];
    const next = entry + 1;
    calls.entry[call] = next;
    if (next === calls.entries[call]) {
      calls.result[call] = next;
      return this.returns(call);
    }
    this.beginMapPiece(call, calls.entryPhys[first + next], calls.entryBytes[first + next]);
    return false;
  }

  private unmapEntryReturns(call: number): boolean {
    const { calls } = this;
    const next = calls.entry[call] + 1;
    calls.entry[call] = next;
    if (next === calls.entries[call]) return this.returns(call);
    const row = call * calls.entriesMax + next;
    this.beginUnmapPiece(call, calls.entryDmaAddr[row], calls.entryDmaBytes[row]);
    return false;
  }

  private returns(call: number): boolean {
    const { calls, parts } = this;
    if (calls.kind[call] !== CallKind.FLUSH_TIMER) {
      parts.log.emit(Observed.CALL_ENDED, calls.cpu[call], calls.device[call], calls.domain[call], calls.kind[call], calls.result[call]);
    }
    return true;
  }

  /** The piece cannot be mapped; slots that it holds go back the way an unmap gives them back. */
  private fail(call: number): boolean {
    const { calls } = this;
    calls.result[call] = DMA_MAPPING_ERROR;
    calls.program[call] = calls.slots[call] >= 0 ? Program.RELEASE_SLOTS : Program.NOTHING;
    calls.position[call] = 0;
    return false;
  }

  /** The page table refused a run: what is in place is taken out again and the range goes straight back. */
  private failMapped(call: number, domain: DmaDomain, mappedBytes: number): boolean {
    const { calls } = this;
    const firstPfn = calls.iovaPfn[call];
    if (mappedBytes > 0) {
      domain.hardware.unmap(firstPfn, mappedBytes / PAGE_SIZE, this.iommuCalls);
      domain.hardware.tables.pages.freeChain(this.iommuCalls.freed);
    }
    domain.freeIova(firstPfn, calls.pages[call], calls.cpu[call]);
    return this.fail(call);
  }

  private beginFlush(call: number, domain: DmaDomain, cause: FlushCause): void {
    const { calls, parts } = this;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    domain.beginFlush(this.queueOf(domain), cause);
    parts.log.emit(Observed.FLUSH_STARTED, cpu, device, domain.id, cause);
    parts.flusher!.flushAll(cpu, device, domain.id);
  }

  private endFlush(call: number, cause: FlushCause): void {
    const { calls, parts } = this;
    const domain = this.domainOf(call);
    this.queueOf(domain).endFlush();
    parts.log.emit(Observed.FLUSH_FINISHED, calls.cpu[call], calls.device[call], domain.id, cause);
  }

  // ---- small questions ---------------------------------------------------------------------------------------

  private stepsOf(call: number): readonly DmaStep[] {
    const device = this.calls.device[call];
    return device < 0 ? FLUSH_TIMER : this.programs[device][this.calls.program[call]];
  }

  /** The step after the one that runs now. */
  private nextButOne(call: number): DmaStep {
    return this.stepsOf(call)[this.calls.position[call] + 1];
  }

  /** Whether a list shares one I/O address range instead of having one per entry. */
  private isOnePiece(call: number): boolean {
    const { policy } = this.parts.devices[this.calls.device[call]];
    return policy.translated && (!policy.mapsSgPerEntry || this.calls.kind[call] === CallKind.ALLOC);
  }

  private domainOf(call: number): DmaDomain {
    const device = this.calls.device[call];
    return device < 0 ? this.parts.domains[this.calls.entry[call]] : this.parts.devices[device].domain!;
  }

  private queueOf(domain: DmaDomain): FlushQueue {
    assert(domain.flushQueue !== null, 'a lazy policy needs a flush queue in its domain');
    return domain.flushQueue;
  }

  private minAlignMask(device: number): number {
    return this.parts.devices[device].parameters.minAlignMask;
  }

  private domainId(device: number): number {
    const { domain } = this.parts.devices[device];
    return domain === null ? -1 : domain.id;
  }

  /** Physical slot address behind a DMA address, -1 when it was not bounced or the device skips syncs. */
  private bouncedPhys(device: number, address: DmaAddr): PhysAddr {
    const { bounce, devices } = this.parts;
    if (bounce === null || devices[device].skipsSync) return -1;
    const { domain } = devices[device];
    let phys: PhysAddr = address as number;
    if (domain !== null) {
      const physPfn = domain.hardware.lookup(Math.floor(address / PAGE_SIZE));
      if (physPfn === NOT_MAPPED) return -1;
      phys = physPfn * PAGE_SIZE + (address % PAGE_SIZE);
    }
    return bounce.pool.contains(phys) ? phys : -1;
  }
}

function rightsOf(direction: number): Rights {
  if (direction === Direction.TO_DEVICE) return Rights.READ;
  return direction === Direction.FROM_DEVICE ? Rights.WRITE : Rights.READ_WRITE;
}

/** Whole pages that a byte range touches. */
function pagesOf(address: number, bytes: number): number {
  return roundUp(bytes + (address % PAGE_SIZE), PAGE_SIZE) / PAGE_SIZE;
}
