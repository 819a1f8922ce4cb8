import { DMA_MAPPING_ERROR, type DmaApi, type DmaDevice, DmaStep, Machine, SlotOutcome } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import { grownColumn } from '../replay/grown-column.ts';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { CandidatePools } from './candidate-pools.ts';
import { Counter, type CounterTable } from './counters.ts';
import { isStreamingMap, type ReplayCall } from './replay-call.ts';
import { Phase, RowCounts } from './row-counts.ts';
import { type MeasureOptions, RowMeasures } from './row-measures.ts';
import { SegmentStore } from './segment-store.ts';

/** What became of a mapping of the recording in this row. */
const MappingState = { NONE: 0, MAPPED: 1, FAILED: 2 } as const;

/** Added to physical addresses that lie in the pool of a row: above all memory of real machines. */
const ELSEWHERE = 2 ** 50;

/**
 * One row of a comparison: a machine under its policies, replaying the calls of the recording.
 *
 * DMA addresses and segments differ from the recorded ones, so they are kept here, by the mapping's row in the
 * recording. What a call does is counted from the observations that it leaves.
 */
export class PolicyRow {
  readonly name: string;
  readonly summary: string;
  readonly machine: Machine;
  readonly counts: RowCounts;
  /** Undefined without a cost profile: then the row only counts. */
  readonly measures: RowMeasures | undefined;
  /** Whoever else follows what the engine does. */
  readonly consumers: ObservationConsumer[] = [];
  /** Pools of other sizes; undefined as long as nothing was bounced. */
  candidates: CandidatePools | undefined;
  /** Flush timers fire when the trace says so instead of in modelled time. */
  private readonly flushesGiven: boolean;
  private readonly dma: DmaApi;
  private readonly segments: SegmentStore = new SegmentStore();
  /** Some slots are kept longer than their mapping: until a flush, or for ever. */
  private readonly keepsSlots: boolean;
  /** By mapping of the recording. */
  private state: Uint8Array = new Uint8Array(0);
  private block: Int32Array = new Int32Array(0);
  private segmentCount: Uint32Array = new Uint32Array(0);
  /** Rows of the block. */
  private rangeCount: Uint32Array = new Uint32Array(0);
  /** Of the call at work: which of its ranges bounce. */
  private bounced: Uint8Array = new Uint8Array(256);

  /** @param measured  what the row measures besides counting, undefined for nothing */
  constructor(name: string, summary: string, recorded: RecordedMachine, flushesGiven: boolean, measured: MeasureOptions | undefined) {
    this.name = name;
    this.summary = summary;
    this.flushesGiven = flushesGiven;
    this.machine = new Machine(recorded.parameters);
    this.dma = this.machine.dma;
    this.measures = measured === undefined ? undefined : new RowMeasures(this.machine, measured, this.segments);
    this.counts = new RowCounts(this.machine);
    this.keepsSlots = this.machine.devices.some(
      ({ hasShadows, policy }) => hasShadows || policy.unmapBounced.includes(DmaStep.QUEUE_IOVA_AND_SLOTS),
    );
  }

  get counters(): CounterTable {
    return this.counts.counters;
  }

  /** Whether some device's domain flushes lazily. */
  get isLazy(): boolean {
    return this.machine.domains.some(({ flushQueue }) => flushQueue !== null);
  }

  // ---- calls -------------------------------------------------------------------------------------------------

  /** Replays one call. @returns whether it flushed a lazy domain because a ring was full */
  replay(call: ReplayCall): boolean {
    const { machine } = this;
    const { observations } = machine;
    if (this.flushesGiven) observations.nowNs = Math.max(observations.nowNs, call.timeNs);
    else machine.advanceTo(Math.max(observations.nowNs, call.timeNs));
    this.counts.begin();
    this.count(Phase.UNMAP);
    this.measures?.callBegins(call.line, observations.nowNs);
    switch (call.kind) {
      case RecordedCall.MAP_PAGE:
      case RecordedCall.MAP_SG:
      case RecordedCall.MAP_RESOURCE:
      case RecordedCall.ALLOC:
        this.map(call);
        break;
      case RecordedCall.SYNC_FOR_CPU:
      case RecordedCall.SYNC_FOR_DEVICE:
        this.sync(call);
        break;
      default:
        this.unmap(call);
    }
    return this.counts.ringFull;
  }

  /** A recorded flush timer fires. */
  flushTimer(timeNs: number, cpu: number, domain: number): void {
    const { observations } = this.machine;
    observations.nowNs = Math.max(observations.nowNs, timeNs);
    this.counts.begin();
    this.dma.run(this.dma.beginFlushTimer(cpu, domain));
    this.count(Phase.UNMAP);
  }

  /** Room for mapping `row` of the recording; called before a call that makes it. */
  reserve(rows: number): void {
    if (rows <= this.state.length) return;
    this.state = grownColumn(this.state, new Uint8Array(rows));
    this.block = grownColumn(this.block, new Int32Array(rows));
    this.segmentCount = grownColumn(this.segmentCount, new Uint32Array(rows));
    this.rangeCount = grownColumn(this.rangeCount, new Uint32Array(rows));
  }

  private map(call: ReplayCall): void {
    const { counters } = this;
    const { device, mapping, count } = call;
    const parts = this.machine.devices[device];
    const moved = this.moveOutOfPool(call);
    counters.add(device, call.kind as Counter, 1);
    if (call.kind === RecordedCall.MAP_SG) counters.add(device, Counter.MAP_SG_ENTRIES, count);

    const frame = this.begin(call);
    const result = this.dma.run(frame);
    const mapped = result !== DMA_MAPPING_ERROR;
    this.count(Phase.MAP, mapped);
    this.afterCall(device, frame);

    const block = this.segments.take(count);
    const segmentCount = mapped ? this.storeSegments(call, frame, result, block) : 0;
    if (mapped) this.countMapped(call);
    else this.mapFailed(call, parts, block);
    if (moved) this.moveBack(call);
    if (mapping >= 0) {
      this.state[mapping] = mapped ? MappingState.MAPPED : MappingState.FAILED;
      this.block[mapping] = block;
      this.segmentCount[mapping] = segmentCount;
      this.rangeCount[mapping] = count;
      if (mapped) this.measures?.mappingMade(device, mapping, call.kind, block, segmentCount);
      return;
    }
    if (mapped) {
      counters.add(device, Counter.RELEASED_AT_ONCE, 1);
      this.runUnmap(call, unmapKind(call.kind), block, segmentCount, call.bytes);
    }
    if (!mapped) this.candidates?.releaseFailed(parts, block);
    this.segments.release(block, count);
  }

  private unmap(call: ReplayCall): void {
    const { counters } = this;
    const { device, mapping } = call;
    const state = this.state[mapping];
    const block = this.block[mapping];
    if (state === MappingState.NONE) {
      counters.add(device, Counter.SKIPPED_UNMAPS, 1);
      return;
    }
    if (state === MappingState.FAILED) {
      counters.add(device, Counter.SKIPPED_UNMAPS, 1);
      this.candidates?.releaseFailed(this.machine.devices[device], block);
    } else {
      counters.add(device, call.kind as Counter, 1);
      this.measures?.mappingEnds(device, mapping, block, this.segmentCount[mapping]);
      this.runUnmap(call, call.kind, block, this.segmentCount[mapping], call.bytes);
    }
    this.segments.release(block, this.rangeCount[mapping]);
    this.state[mapping] = MappingState.NONE;
  }

  private sync(call: ReplayCall): void {
    const { counters, dma } = this;
    const { device, mapping } = call;
    if (this.state[mapping] !== MappingState.MAPPED) {
      counters.add(device, Counter.SKIPPED_UNMAPS, 1);
      return;
    }
    counters.add(device, Counter.SYNC, 1);
    const block = this.block[mapping];
    const { dmaAddr, bytes } = this.segments;
    const forCpu = call.kind === RecordedCall.SYNC_FOR_CPU;
    const wholeList = call.offset < 0;
    const last = wholeList ? block + this.segmentCount[mapping] : block + 1;
    for (let row = block; row < last; row++) {
      const address = wholeList ? dmaAddr[row] : dmaAddr[row] + call.offset;
      const length = wholeList ? bytes[row] : call.bytes;
      if (forCpu) dma.syncSingleForCpu(call.cpu, device, address, length, call.direction);
      else dma.syncSingleForDevice(call.cpu, device, address, length, call.direction);
    }
    this.count(Phase.SYNC);
  }

  private begin(call: ReplayCall): number {
    const { dma } = this;
    const { cpu, device, direction, attrs, phys, lengths, count } = call;
    switch (call.kind) {
      case RecordedCall.MAP_PAGE:
        return dma.beginMapPage(cpu, device, phys[0], lengths[0], direction, attrs);
      case RecordedCall.MAP_RESOURCE:
        return dma.beginMapResource(cpu, device, phys[0], lengths[0], direction, attrs);
      case RecordedCall.ALLOC:
        return this.beginAlloc(call);
      default:
        return dma.beginMapSg(cpu, device, phys, lengths, 0, count, direction, attrs);
    }
  }

  /** Under direct mapping Linux takes coherent memory from where the device reaches, which need not be where it was. */
  private beginAlloc(call: ReplayCall): number {
    const device = this.machine.devices[call.device];
    const { phys, bytes } = call;
    const recorded = phys[0];
    const reach = device.limitUnder(device.parameters.coherentDmaMask);
    if (!device.policy.translated && recorded + bytes - 1 > reach) phys[0] = 0;
    const frame = this.dma.beginAlloc(call.cpu, call.device, bytes, phys, call.lengths, 0, call.count);
    phys[0] = recorded;
    return frame;
  }

  private runUnmap(call: ReplayCall, kind: RecordedCall, block: number, segmentCount: number, bytes: number): void {
    const { dma, segments } = this;
    const { cpu, device, direction, attrs } = call;
    const address = segments.dmaAddr[block];
    let frame: number;
    switch (kind) {
      case RecordedCall.UNMAP_PAGE:
        frame = dma.beginUnmapPage(cpu, device, address, bytes, direction, attrs);
        break;
      case RecordedCall.UNMAP_RESOURCE:
        frame = dma.beginUnmapResource(cpu, device, address, bytes, direction, attrs);
        break;
      case RecordedCall.FREE:
        frame = dma.beginFree(cpu, device, address, bytes);
        break;
      default:
        frame = dma.beginUnmapSg(cpu, device, segments.dmaAddr, segments.bytes, block, segmentCount, direction, attrs);
    }
    dma.run(frame);
    this.count(Phase.UNMAP);
    this.afterCall(device, frame);
  }

  /** Copies the addresses that the call has returned. @returns their number */
  private storeSegments(call: ReplayCall, frame: number, result: number, block: number): number {
    const { segments } = this;
    if (call.kind !== RecordedCall.MAP_SG) {
      segments.dmaAddr[block] = result;
      segments.bytes[block] = call.bytes;
      return 1;
    }
    const { calls } = this.dma;
    const first = frame * calls.entriesMax;
    for (let index = 0; index < result; index++) {
      segments.dmaAddr[block + index] = calls.entryDmaAddr[first + index];
      segments.bytes[block + index] = calls.entryDmaBytes[first + index];
    }
    return result;
  }

  private afterCall(device: number, frame: number): void {
    if (!this.flushesGiven) this.machine.noticeTimersAfter(device, frame);
  }

  /**
   * A buffer whose memory the model has given to its pool (which it places itself when the recording does not say where
   * it is) counts as lying elsewhere; else its unmap would be taken for that of a bounced one.
   */
  private moveOutOfPool(call: ReplayCall): boolean {
    const { pool } = this.machine;
    if (pool === null) return false;
    const end = pool.start + pool.slots * pool.slotBytes;
    let moved = false;
    for (let range = 0; range < call.count; range++) {
      if (call.phys[range] >= end || call.phys[range] + call.lengths[range] <= pool.start) continue;
      call.phys[range] += ELSEWHERE;
      moved = true;
    }
    return moved;
  }

  private moveBack(call: ReplayCall): void {
    for (let range = 0; range < call.count; range++) {
      if (call.phys[range] >= ELSEWHERE) call.phys[range] -= ELSEWHERE;
    }
  }

  // ---- pools of other sizes ----------------------------------------------------------------------------------

  /** Lets the other pools follow what the calls since the last time have taken and given back. */
  private followInCandidates(mapped: boolean): void {
    const { counts, machine } = this;
    if (counts.slotsMoved) {
      this.candidates ??= new CandidatePools(machine, machine.pool!);
      this.candidates.observe(machine.observations, mapped || !this.failedForRoom);
      counts.slotsMoved = false;
    }
    if (counts.wasDry) this.candidates?.giveUp();
  }

  /** The call at work would have gone on in a larger pool. */
  private get failedForRoom(): boolean {
    return this.counts.slotsFailed && this.machine.pool!.lastOutcome !== SlotOutcome.NEVER_FITS;
  }

  private tryInCandidates(call: ReplayCall, device: DmaDevice, block: number): void {
    const { machine } = this;
    this.candidates ??= new CandidatePools(machine, machine.pool!);
    if (this.keepsSlots) this.candidates.giveUp();
    else this.candidates.takeFailed(call, this.markBounced(call, device), block);
  }

  /** Marks the ranges of the call that have to be bounced. */
  private markBounced(call: ReplayCall, device: DmaDevice): Uint8Array {
    const { policy } = device;
    const forced = this.machine.parameters.swiotlb?.forced ?? false;
    const reach = device.limitUnder(device.parameters.dmaMask);
    if (call.count > this.bounced.length) this.bounced = new Uint8Array(call.count * 2);
    for (let range = 0; range < call.count; range++) {
      const address = call.phys[range];
      const bytes = call.lengths[range];
      const bounces = policy.bounces(address, bytes) || (!policy.translated && (forced || address + bytes - 1 > reach));
      this.bounced[range] = bounces ? 1 : 0;
    }
    return this.bounced;
  }

  // ---- counting ----------------------------------------------------------------------------------------------

  private countMapped(call: ReplayCall): void {
    const { counters } = this;
    const { device } = call;
    counters.add(device, Counter.MAPPED, 1);
    if (!isStreamingMap(call.kind)) return;
    let bytes = 0;
    for (let range = 0; range < call.count; range++) bytes += call.lengths[range];
    counters.add(device, Counter.RANGES, call.count);
    counters.add(device, Counter.RANGE_BYTES, bytes);
    counters.add(device, Counter.BOUNCED_RANGES, this.counts.bouncedRanges);
    counters.add(device, Counter.BOUNCED_BYTES, this.counts.bouncedBytes);
  }

  private mapFailed(call: ReplayCall, device: DmaDevice, block: number): void {
    this.counters.add(call.device, Counter.FAILED, 1);
    this.counters.add(call.device, this.failureCause(device), 1);
    if (this.failedForRoom) this.tryInCandidates(call, device, block);
  }

  private failureCause(device: DmaDevice): Counter {
    const { counts } = this;
    const { pool } = this.machine;
    if (counts.slotsFailed) {
      const outcome = pool!.lastOutcome;
      if (outcome === SlotOutcome.NEVER_FITS) return Counter.NEVER_FITS;
      return outcome === SlotOutcome.ENDLESS ? Counter.ENDLESS_SEARCH : Counter.POOL_FULL;
    }
    if (counts.addressesFailed) return Counter.ADDRESS_SPACE;
    if (counts.bouncedRanges > 0 && pool === null) return Counter.NO_POOL;
    return device.policy.translated ? Counter.PAGE_TABLE : Counter.OUT_OF_REACH;
  }

  /**
   * Counts what the observations tell and clears them.
   *
   * @param mapped  false for a call that failed to map
   */
  private count(phase: Phase, mapped = true): void {
    const log = this.machine.observations;
    if (log.length === 0) return;
    this.counts.count(log, phase);
    this.followInCandidates(mapped);
    this.measures?.observe(log);
    for (const consumer of this.consumers) consumer.observe(log);
    log.clear();
  }

  /** All devices are removed, once nothing is mapped any more. The row replays nothing after that. */
  removeDevices(): void {
    this.counts.begin();
    this.machine.removeDevices();
    this.count(Phase.UNMAP);
  }

  /** The trace has ended at `timeNs`: counts the mappings that are still there. `deviceOf` tells the device of a mapping's row. */
  finish(deviceOf: Int32Array, timeNs: number): void {
    for (let mapping = 0; mapping < this.state.length; mapping++) {
      if (this.state[mapping] === MappingState.MAPPED) this.counters.add(deviceOf[mapping], Counter.LEFT_OPEN, 1);
    }
    this.measures?.finish(timeNs);
  }
}

/** Owners of what some devices did: they themselves, then their domains. */
export function chosenOwners(row: PolicyRow, devices: ReadonlySet<number>): number[] {
  const { machine } = row;
  const chosen = machine.devices.filter(({ index }) => devices.has(index));
  const domains = new Set(chosen.flatMap(({ domain }) => domain?.index ?? []));
  return [...chosen.map(({ index }) => index), ...[...domains].map((domain) => machine.devices.length + domain)];
}

/** Kind of the call that ends a mapping made by `kind`. */
export function unmapKind(kind: RecordedCall): RecordedCall {
  switch (kind) {
    case RecordedCall.MAP_PAGE:
      return RecordedCall.UNMAP_PAGE;
    case RecordedCall.MAP_SG:
      return RecordedCall.UNMAP_SG;
    case RecordedCall.MAP_RESOURCE:
      return RecordedCall.UNMAP_RESOURCE;
    default:
      return RecordedCall.FREE;
  }
}
