import {
  type Cpu,
  Direction,
  type DmaAddr,
  FlushCause,
  Observed,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
  type StateArena,
} from '../base/index.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { CallKind, DmaCallTable } from './dma-call.ts';
import { domainIdOf } from './dma-device.ts';
import { directReaches, directReachesCoherent } from './dma-direct.ts';
import { DmaPieces } from './dma-pieces.ts';
import { Program } from './dma-program.ts';
import { DmaStep } from './dma-step.ts';
import { DmaSteps } from './dma-steps.ts';
import { syncSgForCpu, syncSgForDevice, syncSingleForCpu, syncSingleForDevice } from './dma-sync.ts';
import { layOutSg } from './sg-layout.ts';
import { NO_SHADOW } from './shadow-buffers.ts';

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
  private readonly pieces: DmaPieces;
  private readonly steps: DmaSteps;

  /**
   * @param callsMax    calls in flight that there is room for at first; grows
   * @param entriesMax  scatter-list entries per call that there is room for at first; grows
   */
  constructor(arena: StateArena, parts: DmaApiParts, callsMax = 16, entriesMax = 64) {
    this.parts = parts;
    this.calls = new DmaCallTable(arena, callsMax, entriesMax);
    this.pieces = new DmaPieces(this.calls, parts);
    this.steps = new DmaSteps(arena, this.calls, parts, this.pieces);
  }

  /** dma_map_page and dma_map_single: result is the DMA address. */
  beginMapPage(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.MAP_PAGE, cpu, device, direction, attrs, phys, bytes);
    this.pieces.beginMap(call, phys, bytes);
    return call;
  }

  /** dma_map_resource: device memory, never bounced. In direct mode it fails when the device cannot reach it. */
  beginMapResource(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.MAP_RESOURCE, cpu, device, direction, attrs, phys, bytes);
    this.pieces.beginDirectMap(call, phys, bytes);
    const target = this.parts.devices[device];
    if (!target.policy.translated && !directReaches(target, phys, bytes)) this.pieces.fail(call);
    return call;
  }

  beginUnmapPage(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.UNMAP_PAGE, cpu, device, direction, attrs, address, bytes);
    this.pieces.beginUnmap(call, address, bytes);
    return call;
  }

  beginUnmapResource(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction, attrs: number): number {
    const call = this.begin(CallKind.UNMAP_RESOURCE, cpu, device, direction, attrs, address, bytes);
    this.pieces.beginUnmapRange(call, address, bytes, Program.UNMAP_COHERENT);
    return call;
  }

  /**
   * dma_map_sg: result is the number of segments, which are then in the call's `entryDmaAddr` and `entryDmaBytes`.
   *
   * @param phys, bytes  columns of the list; entries `offset` to `offset + count - 1` are read
   */
  beginMapSg(
    cpu: Cpu,
    device: number,
    phys: Float64Array,
    bytes: Float64Array,
    offset: number,
    count: number,
    direction: Direction,
    attrs: number,
  ): number {
    const call = this.begin(CallKind.MAP_SG, cpu, device, direction, attrs, phys[offset], bytes[offset]);
    this.calls.setEntries(call, phys, bytes, offset, count);
    if (!this.pieces.isOnePiece(call)) this.pieces.beginMap(call, phys[offset], bytes[offset]);
    else this.pieces.beginListMap(call, layOutSg(this.calls, call, this.parts.devices[device].parameters.segmentBoundaryMask));
    return call;
  }

  /** dma_unmap_sg: takes the segments that map_sg gave. */
  beginUnmapSg(
    cpu: Cpu,
    device: number,
    addresses: Float64Array,
    bytes: Float64Array,
    offset: number,
    count: number,
    direction: Direction,
    attrs: number,
  ): number {
    const call = this.begin(CallKind.UNMAP_SG, cpu, device, direction, attrs, addresses[offset], bytes[offset]);
    this.calls.setSegments(call, addresses, bytes, offset, count);
    if (!this.pieces.isOnePiece(call)) {
      this.pieces.beginUnmap(call, addresses[offset], bytes[offset]);
    } else {
      const last = offset + count - 1;
      this.pieces.beginUnmapRange(call, addresses[offset], addresses[last] + bytes[last] - addresses[offset], Program.UNMAP_DIRECT);
    }
    return call;
  }

  /**
   * dma_alloc_coherent: maps memory that the caller has chosen, as physically contiguous runs of whole pages. In direct
   * mode it is one run, which has to be within reach.
   *
   * @param bytes    size asked for; the runs hold it rounded up to pages
   * @param runPhys  columns of the runs; rows `offset` to `offset + count - 1` are read
   */
  beginAlloc(
    cpu: Cpu,
    device: number,
    bytes: number,
    runPhys: Float64Array,
    runBytes: Float64Array,
    offset: number,
    count: number,
  ): number {
    const call = this.begin(CallKind.ALLOC, cpu, device, Direction.BIDIRECTIONAL, 0, count > 0 ? runPhys[offset] : 0, bytes);
    this.calls.setEntries(call, runPhys, runBytes, offset, count);
    if (this.parts.devices[device].policy.translated) {
      for (let row = call * this.calls.entriesMax, last = row + count; row < last; row++)
        this.calls.entryPadded[row] = this.calls.entryBytes[row];
      this.pieces.beginListMap(call, roundUp(bytes, PAGE_SIZE));
    } else {
      this.calls.result[call] = runPhys[offset];
      if (!directReachesCoherent(this.parts.devices[device], runPhys[offset], bytes)) this.pieces.fail(call);
    }
    return call;
  }

  /** dma_free_coherent; freeing nothing (0 bytes) is allowed and does nothing. */
  beginFree(cpu: Cpu, device: number, address: DmaAddr, bytes: number): number {
    const call = this.begin(CallKind.FREE, cpu, device, Direction.BIDIRECTIONAL, 0, address, bytes);
    if (bytes > 0) this.pieces.beginUnmapRange(call, address, bytes, Program.UNMAP_COHERENT);
    return call;
  }

  /** The domain's flush timer fires on `cpu`. */
  beginFlushTimer(cpu: Cpu, domain: number): number {
    return this.beginFlush(cpu, domain, FlushCause.TIMER);
  }

  /** A flush of a lazy domain and of all its rings. */
  beginFlush(cpu: Cpu, domain: number, cause: FlushCause): number {
    const call = this.calls.begin(CallKind.FLUSH, cpu, -1, this.parts.domains[domain].id);
    this.pieces.beginFlush(call, domain, cause);
    return call;
  }

  /** Unmaps an idle shadow buffer of the device for good; -1 when there is none. */
  beginReleaseShadow(cpu: Cpu, device: number): number {
    const { calls, parts } = this;
    const firstSlot = parts.shadows === null ? NO_SHADOW : parts.shadows.retire(device);
    if (firstSlot === NO_SHADOW) return -1;
    const call = calls.begin(CallKind.RELEASE_SHADOW, cpu, device, domainIdOf(parts.devices[device].domain));
    this.pieces.beginReleaseShadow(call, firstSlot);
    return call;
  }

  /** The step that `step` would run next. */
  nextStep(call: number): DmaStep {
    const steps = this.pieces.stepsOf(call);
    const position = this.calls.position[call];
    return position < steps.length ? steps[position] : DmaStep.RETURN;
  }

  /** Runs one step; true when the call has returned to its driver. */
  step(call: number): boolean {
    const steps = this.pieces.stepsOf(call);
    const position = this.calls.position[call];
    if (position === steps.length) return this.pieces.pieceReturns(call);
    if (this.steps.perform(call, steps[position])) this.calls.position[call] = position + 1;
    return false;
  }

  /** Goes on behind the next step, whose work the caller has done on the machine and in the call's row. */
  skipStep(call: number): void {
    this.calls.position[call] += 1;
  }

  /**
   * Sheds what flush queues still know of times past where nothing depends on it, so that states that behave alike become
   * equal: for who compares states, between two steps.
   */
  rewind(): void {
    for (const { flushQueue } of this.parts.domains) flushQueue?.rewind();
    if (!this.calls.anyLooksForRoom()) this.steps.deferred.rewind();
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
    syncSingleForCpu(this.parts, cpu, device, address, bytes, direction);
  }

  /** dma_sync_single_for_device: the CPU's changes become visible to the device. */
  syncSingleForDevice(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    syncSingleForDevice(this.parts, cpu, device, address, bytes, direction);
  }

  /** dma_sync_sg_for_cpu: as `syncSingleForCpu` for each entry, with its DMA address and its own length. */
  syncSgForCpu(
    cpu: Cpu,
    device: number,
    addresses: Float64Array,
    bytes: Float64Array,
    offset: number,
    count: number,
    direction: Direction,
  ): void {
    syncSgForCpu(this.parts, cpu, device, addresses, bytes, offset, count, direction);
  }

  /** dma_sync_sg_for_device: as `syncSingleForDevice` for each entry. */
  syncSgForDevice(
    cpu: Cpu,
    device: number,
    addresses: Float64Array,
    bytes: Float64Array,
    offset: number,
    count: number,
    direction: Direction,
  ): void {
    syncSgForDevice(this.parts, cpu, device, addresses, bytes, offset, count, direction);
  }

  /**
   * Unmaps of addresses that no table translates.
   *
   * Differs: here they do nothing. So they do in Linux for pages, with a warning; resources, coherent memory and lists
   * that share a range are not looked up there, and their address is freed although it was not in use.
   */
  get unmapsOfNothing(): number {
    return this.pieces.unmapsOfNothing;
  }

  /** Page-table entries that were found set when they were to be written; Linux logs an error and leaves them. */
  get entriesAlreadySet(): number {
    return this.steps.entriesAlreadySet;
  }

  private begin(kind: CallKind, cpu: Cpu, device: number, direction: Direction, attrs: number, address: number, bytes: number): number {
    const { calls, parts } = this;
    const call = calls.begin(kind, cpu, device, domainIdOf(parts.devices[device].domain));
    calls.direction[call] = direction;
    calls.attrs[call] = attrs;
    parts.log.emit(Observed.CALL_BEGUN, cpu, device, calls.domain[call], kind, address, bytes);
    return call;
  }
}
