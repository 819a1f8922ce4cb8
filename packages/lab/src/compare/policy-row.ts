import { DMA_MAPPING_ERROR, type DmaApi, type DmaDevice, FlushCause, Machine, Observed, PAGE_SIZE, SlotOutcome } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import { grownColumn } from '../replay/grown-column.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { CandidatePools } from './candidate-pools.ts';
import { Counter, CounterTable } from './counters.ts';
import { isStreamingMap, type ReplayCall } from './replay-call.ts';
import { type MeasureOptions, RowMeasures } from './row-measures.ts';
import { SegmentStore } from './segment-store.ts';

/** What became of a mapping of the recording in this row. */
const MappingState = { NONE: 0, MAPPED: 1, FAILED: 2 } as const;

/** What the observations of a call count for. */
const Phase = { MAP: 0, SYNC: 1, UNMAP: 2 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** Granularity field of an IOTLB descriptor, bits 5:4 of its low half. @source VT-d 6.5.2.3 */
const DOMAIN_SELECTIVE = 2;

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
  readonly counters: CounterTable;
  /** Slots in use by device, and page-table pages by domain with their root: now and at most. */
  readonly slotsUsed: Float64Array;
  readonly slotsPeak: Float64Array;
  readonly tablePages: Float64Array;
  readonly tablePagesPeak: Float64Array;
  tablePagesTotal: number;
  tablePagesTotalPeak: number;
  /** Undefined without a cost profile: then the row only counts. */
  readonly measures: RowMeasures | undefined;
  /** Pools of other sizes; undefined as long as nothing was bounced. */
  candidates: CandidatePools | undefined;
  /** Flush timers fire when the trace says so instead of in modelled time. */
  private readonly flushesGiven: boolean;
  private readonly dma: DmaApi;
  private readonly segments: SegmentStore = new SegmentStore();
  private readonly domainOfId: Int32Array;
  private readonly ownerOfNobody: number;
  /** By mapping of the recording. */
  private state: Uint8Array = new Uint8Array(0);
  private block: Int32Array = new Int32Array(0);
  private segmentCount: Uint32Array = new Uint32Array(0);
  /** Rows of the block. */
  private rangeCount: Uint32Array = new Uint32Array(0);
  /** 1 when the candidate pools hold slots for it. */
  private held: Uint8Array = new Uint8Array(0);
  /** Of the call at work: which of its ranges bounce. */
  private bounced: Uint8Array = new Uint8Array(256);
  /** Of the call at work: what its observations told. */
  private callBouncedRanges = 0;
  private callBouncedBytes = 0;
  private callSlotsFailed = false;
  private callAddressesFailed = false;
  private callRingFull = false;

  /** @param measured  what the row measures besides counting, undefined for nothing */
  constructor(name: string, summary: string, recorded: RecordedMachine, flushesGiven: boolean, measured: MeasureOptions | undefined) {
    this.name = name;
    this.summary = summary;
    this.flushesGiven = flushesGiven;
    this.machine = new Machine(recorded.parameters);
    this.dma = this.machine.dma;
    this.measures = measured === undefined ? undefined : new RowMeasures(this.machine, measured, this.segments);
    const devices = this.machine.devices.length;
    const domains = this.machine.domains.length;
    this.counters = new CounterTable(devices + domains + 1);
    this.ownerOfNobody = devices + domains;
    this.slotsUsed = new Float64Array(devices);
    this.slotsPeak = new Float64Array(devices);
    this.tablePages = new Float64Array(domains).fill(1);
    this.tablePagesPeak = this.tablePages.slice();
    this.tablePagesTotal = domains;
    this.tablePagesTotalPeak = domains;
    this.domainOfId = new Int32Array(2 ** 16).fill(-1);
    for (const { id, index } of this.machine.domains) this.domainOfId[id] = index;
  }

  /** Whether some device's domain flushes lazily. */
  get isLazy(): boolean {
    return this.machine.domains.some(({ flushQueue }) => flushQueue !== null);
  }

  /** Index of the domain with this id, -1 for none. */
  domainOf(id: number): number {
    return id >= 0 && id < this.domainOfId.length ? this.domainOfId[id] : -1;
  }

  // ---- calls -------------------------------------------------------------------------------------------------

  /** Replays one call. @returns whether it flushed a lazy domain because a ring was full */
  replay(call: ReplayCall): boolean {
    const { machine } = this;
    const { observations } = machine;
    if (this.flushesGiven) observations.nowNs = Math.max(observations.nowNs, call.timeNs);
    else machine.advanceTo(Math.max(observations.nowNs, call.timeNs));
    this.callRingFull = false;
    this.count(Phase.UNMAP, call.device);
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
    return this.callRingFull;
  }

  /** A recorded flush timer fires. */
  flushTimer(timeNs: number, cpu: number, domain: number): void {
    const { observations } = this.machine;
    observations.nowNs = Math.max(observations.nowNs, timeNs);
    this.dma.run(this.dma.beginFlushTimer(cpu, domain));
    this.count(Phase.UNMAP, -1);
  }

  /** Room for mapping `row` of the recording; called before a call that makes it. */
  reserve(rows: number): void {
    if (rows <= this.state.length) return;
    this.state = grownColumn(this.state, new Uint8Array(rows));
    this.block = grownColumn(this.block, new Int32Array(rows));
    this.segmentCount = grownColumn(this.segmentCount, new Uint32Array(rows));
    this.rangeCount = grownColumn(this.rangeCount, new Uint32Array(rows));
    this.held = grownColumn(this.held, new Uint8Array(rows));
  }

  private map(call: ReplayCall): void {
    const { counters } = this;
    const { device, mapping, count } = call;
    const parts = this.machine.devices[device];
    const moved = this.moveOutOfPool(call);
    const wantsSlots = isStreamingMap(call.kind) && this.markBounced(call, parts);
    counters.add(device, call.kind as Counter, 1);
    if (call.kind === RecordedCall.MAP_SG) counters.add(device, Counter.MAP_SG_ENTRIES, count);

    this.callBouncedRanges = 0;
    this.callBouncedBytes = 0;
    this.callSlotsFailed = false;
    this.callAddressesFailed = false;
    const frame = this.begin(call);
    const result = this.dma.run(frame);
    this.count(Phase.MAP, device);
    this.afterCall(parts);

    const mapped = result !== DMA_MAPPING_ERROR;
    const block = this.segments.take(count);
    const segmentCount = mapped ? this.storeSegments(call, frame, result, block) : 0;
    const holds = wantsSlots && this.holdCandidates(call, parts, block, mapped);
    if (mapped) this.countMapped(call);
    else this.countFailure(device, parts);
    if (moved) this.moveBack(call);
    if (mapping >= 0) {
      this.state[mapping] = mapped ? MappingState.MAPPED : MappingState.FAILED;
      this.block[mapping] = block;
      this.segmentCount[mapping] = segmentCount;
      this.rangeCount[mapping] = count;
      this.held[mapping] = holds ? 1 : 0;
      if (mapped) this.measures?.mappingMade(device, mapping, call.kind, block, segmentCount);
      return;
    }
    if (mapped) {
      counters.add(device, Counter.RELEASED_AT_ONCE, 1);
      this.runUnmap(call, unmapKind(call.kind), block, segmentCount, call.bytes);
    }
    if (holds) this.candidates!.release(parts, block, count);
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
    } else {
      counters.add(device, call.kind as Counter, 1);
      this.measures?.mappingEnds(device, mapping, block, this.segmentCount[mapping]);
      this.runUnmap(call, call.kind, block, this.segmentCount[mapping], call.bytes);
    }
    if (this.held[mapping] === 1) this.candidates!.release(this.machine.devices[device], block, this.rangeCount[mapping]);
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
    this.count(Phase.SYNC, device);
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
    this.count(Phase.UNMAP, device);
    this.afterCall(this.machine.devices[device]);
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

  private afterCall(device: DmaDevice): void {
    if (!this.flushesGiven && device.domain !== null) this.machine.noticeArmedTimers(device.domain.index);
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

  // ---- bouncing ----------------------------------------------------------------------------------------------

  /** Marks the ranges of the call that have to be bounced. @returns whether there is one */
  private markBounced(call: ReplayCall, device: DmaDevice): boolean {
    const { policy } = device;
    const list = call.kind === RecordedCall.MAP_SG;
    if (policy.translated && list && !policy.mapsSgPerEntry) return false;
    const forced = this.machine.parameters.swiotlb?.forced ?? false;
    const reach = device.limitUnder(device.parameters.dmaMask);
    if (call.count > this.bounced.length) this.bounced = new Uint8Array(call.count * 2);
    let any = false;
    for (let range = 0; range < call.count; range++) {
      const address = call.phys[range];
      const bytes = call.lengths[range];
      const bounces = policy.translated ? policy.bounces(address, bytes) : forced || address + bytes - 1 > reach;
      this.bounced[range] = bounces ? 1 : 0;
      any ||= bounces;
    }
    return any;
  }

  /**
   * Lets the other pools take the slots too. A mapping that failed for another reason than a full pool would hold none
   * in any of them.
   *
   * @returns whether they hold slots until the mapping ends
   */
  private holdCandidates(call: ReplayCall, device: DmaDevice, block: number, mapped: boolean): boolean {
    const { pool } = this.machine;
    if (pool === null) return false;
    if (!mapped && !this.callSlotsFailed) return false;
    this.candidates ??= new CandidatePools(pool, this.machine.parameters.kernel, this.machine.parameters.possibleCpus, this.segments);
    this.candidates.take(call, device, this.bounced, block);
    return true;
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
    counters.add(device, Counter.BOUNCED_RANGES, this.callBouncedRanges);
    counters.add(device, Counter.BOUNCED_BYTES, this.callBouncedBytes);
  }

  private countFailure(device: number, parts: DmaDevice): void {
    const { counters } = this;
    const { pool } = this.machine;
    counters.add(device, Counter.FAILED, 1);
    let cause: Counter = Counter.PAGE_TABLE;
    if (this.callSlotsFailed) {
      const outcome = pool!.lastOutcome;
      if (outcome === SlotOutcome.NEVER_FITS) cause = Counter.NEVER_FITS;
      else if (outcome === SlotOutcome.ENDLESS) cause = Counter.ENDLESS_SEARCH;
      else cause = Counter.POOL_FULL;
    } else if (this.callAddressesFailed) {
      cause = Counter.ADDRESS_SPACE;
    } else if (this.callBouncedRanges > 0 && pool === null) {
      cause = Counter.NO_POOL;
    } else if (!parts.policy.translated) {
      cause = Counter.OUT_OF_REACH;
    }
    counters.add(device, cause, 1);
  }

  /** Counts what the observations tell and clears them. `device` is the one whose call made them, -1 for none. */
  private count(phase: Phase, device: number): void {
    const { counters } = this;
    const log = this.machine.observations;
    for (let row = 0; row < log.length; row++) {
      const owner = log.device[row] >= 0 ? log.device[row] : this.ownerOfDomain(log.domain[row]);
      switch (log.kind[row]) {
        case Observed.MAPPED:
          counters.add(owner, Counter.TABLE_MAPS, 1);
          counters.add(owner, Counter.TABLE_MAPPED_PAGES, log.c[row] / PAGE_SIZE);
          break;
        case Observed.UNMAPPED:
          counters.add(owner, Counter.TABLE_UNMAPS, 1);
          counters.add(owner, Counter.TABLE_UNMAPPED_PAGES, log.c[row] / PAGE_SIZE);
          break;
        case Observed.BOUNCED:
          counters.add(owner, Counter.BOUNCE_ATTEMPTS, 1);
          this.callBouncedRanges += 1;
          this.callBouncedBytes += log.b[row];
          break;
        case Observed.SLOT_ALLOCATED:
          this.slotsUsed[device] += log.b[row];
          this.measures?.pool?.change(log.b[row], log.timeNs[row]);
          if (this.slotsUsed[device] > this.slotsPeak[device]) this.slotsPeak[device] = this.slotsUsed[device];
          break;
        case Observed.SLOT_RELEASED:
          this.slotsUsed[device] -= log.b[row];
          this.measures?.pool?.change(-log.b[row], log.timeNs[row]);
          break;
        case Observed.SLOT_FAILED:
          this.callSlotsFailed = true;
          break;
        case Observed.COPIED_IN:
          counters.add(owner, phase === Phase.MAP ? Counter.COPIED_IN_MAP : Counter.COPIED_IN_SYNC, log.b[row]);
          break;
        case Observed.COPIED_OUT:
          counters.add(owner, phase === Phase.SYNC ? Counter.COPIED_OUT_SYNC : Counter.COPIED_OUT_UNMAP, log.b[row]);
          break;
        case Observed.ZEROED:
          counters.add(owner, Counter.ZEROED, log.b[row]);
          break;
        case Observed.IOVA_FAILED:
          this.callAddressesFailed = true;
          break;
        case Observed.DESCRIPTOR_SUBMITTED: {
          const domainWide = ((log.b[row] >>> 4) & 3) === DOMAIN_SELECTIVE;
          counters.add(owner, domainWide ? Counter.DOMAIN_SELECTIVE : Counter.PAGE_SELECTIVE, 1);
          break;
        }
        case Observed.FLUSH_STARTED:
          if (log.a[row] === FlushCause.RING_FULL) this.callRingFull = true;
          counters.add(owner, log.a[row] === FlushCause.RING_FULL ? Counter.FLUSHES_RING_FULL : Counter.FLUSHES_TIMER, 1);
          break;
        case Observed.TABLE_ALLOCATED:
          this.changeTablePages(log.domain[row], 1);
          break;
        case Observed.TABLE_FREED:
          this.changeTablePages(log.domain[row], -1);
          break;
      }
    }
    this.measures?.observe(log);
    log.clear();
  }

  private changeTablePages(domainId: number, change: number): void {
    const domain = this.domainOfId[domainId];
    this.tablePages[domain] += change;
    if (this.tablePages[domain] > this.tablePagesPeak[domain]) this.tablePagesPeak[domain] = this.tablePages[domain];
    this.tablePagesTotal += change;
    if (this.tablePagesTotal > this.tablePagesTotalPeak) this.tablePagesTotalPeak = this.tablePagesTotal;
  }

  private ownerOfDomain(domainId: number): number {
    const domain = this.domainOf(domainId);
    return domain < 0 ? this.ownerOfNobody : this.machine.devices.length + domain;
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
