import { Direction, PAGE_SIZE, roundUp, SLOT_BYTES, type SwiotlbParameters } from 'dmalab-core';
import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { CallAssembler } from '../replay/call-assembler.ts';
import { RecordedCall } from '../replay/call-records.ts';
import { grownColumn } from '../replay/grown-column.ts';
import { LineState } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { SgEntries } from '../replay/sg-entries.ts';
import { TracedDevices } from '../replay/traced-devices.ts';
import { CallBatch } from './call-batch.ts';
import type { CallWindow } from './call-window.ts';
import { Counter } from './counters.ts';
import { OpenMappings } from './open-mappings.ts';
import { type PolicyRow, unmapKind } from './policy-row.ts';
import { isDomainSelective, RecordedCounts } from './recorded-counts.ts';
import { isStreamingMap, type ReplayCall } from './replay-call.ts';
import { SizeHistogram } from './size-histogram.ts';

/** What the trace has and how the first row uses it. */
export interface ComparerScope {
  /** The first row is as-recorded. Without it the flushes of the recording are counted to no domain. */
  readonly hasRecordedRow: boolean;
  /** Where the recording's slots are, null when it shows none; a row's own pool may lie elsewhere. */
  readonly recordedPool: SwiotlbParameters | null;
  /** `cache_tag_*` events: a flush of a whole domain has a line of its own. */
  readonly cacheTags: boolean;
  /** The row as-recorded flushes when the trace says so. */
  readonly flushesGiven: boolean;
  /** Takes a window of the calls of some devices; undefined when nobody asks for one. */
  readonly window?: { readonly calls: CallWindow; readonly devices: ReadonlySet<number> } | undefined;
}

/** Calls that could not be replayed. */
export interface ComparerProblems {
  callsOfUnknownDevices: number;
  callsWithoutRanges: number;
  listsCut: number;
  unknownSyncs: number;
}

/**
 * Goes over a recording once and replays its calls in every row.
 *
 * A call is replayed as a whole when its first line is reached, in the order of those lines; that is exact for one CPU
 * without nested calls, and near enough for counts otherwise.
 */
export class Comparer {
  readonly rows: readonly PolicyRow[];
  readonly assembler: CallAssembler;
  readonly recorded: RecordedCounts;
  readonly sizes: SizeHistogram;
  readonly problems: ComparerProblems = { callsOfUnknownDevices: 0, callsWithoutRanges: 0, listsCut: 0, unknownSyncs: 0 };
  private readonly machine: RecordedMachine;
  private readonly devices: TracedDevices;
  private readonly scope: ComparerScope;
  private readonly asRecorded: PolicyRow | undefined;
  /** Mappings of the recording that are open where the replay has come to. */
  readonly open: OpenMappings = new OpenMappings();
  /** Waiting for the rows other than as-recorded, whose flushes are needed at once. */
  private readonly waiting: CallBatch = new CallBatch();
  private readonly waitingRows: readonly PolicyRow[];
  /** The call at work. */
  private call: ReplayCall = this.waiting.next;
  private readonly entries: SgEntries = new SgEntries();
  /** Per context a call that may still take lines after it was replayed, -1 for none. */
  private readonly openCall: number[] = [];
  /** By call: 1 once it was replayed, and whether that flushed a full ring. */
  private replayed: Uint8Array = new Uint8Array(64);
  private ringFull: Uint8Array = new Uint8Array(64);
  private readonly cpuLast: number;
  /** Time of the last line. */
  private lastNs = 0;

  constructor(rows: readonly PolicyRow[], machine: RecordedMachine, names: TraceNames, scope: ComparerScope) {
    this.rows = rows;
    this.asRecorded = scope.hasRecordedRow ? rows[0] : undefined;
    this.waitingRows = scope.hasRecordedRow ? rows.slice(1) : rows;
    this.machine = machine;
    this.devices = new TracedDevices(machine, names);
    this.scope = scope;
    this.cpuLast = machine.parameters.possibleCpus - 1;
    this.recorded = new RecordedCounts(rows[0].counters.owners);
    this.sizes = new SizeHistogram(machine.devices.length);
    const { recordedPool } = scope;
    this.assembler = new CallAssembler(
      (device) => {
        const index = this.devices.indexOf(device);
        return index >= 0 && this.isTranslated(index);
      },
      (paddr) => recordedPool === null || (paddr >= recordedPool.start && paddr < recordedPool.start + recordedPool.slots * SLOT_BYTES),
    );
  }

  /** Takes the next batch of the trace. */
  push(batch: EventBatch): void {
    const { assembler } = this;
    for (let row = 0; row < batch.rowCount; row++) {
      assembler.push(batch, row);
      if (assembler.ready) this.drain();
    }
  }

  /** No more lines. */
  finish(): void {
    this.assembler.finish();
    this.drain();
    this.waiting.replayIn(this.waitingRows);
    for (const row of this.rows) row.finish(this.open.device, this.lastNs);
  }

  private drain(): void {
    const { assembler } = this;
    const { lines } = assembler;
    while (assembler.ready) {
      this.line(lines.head);
      lines.pop();
    }
  }

  // ---- lines -------------------------------------------------------------------------------------------------

  private line(seq: number): void {
    const { lines, calls } = this.assembler;
    const at = seq & lines.mask;
    this.lastNs = lines.timeNs[at];
    if (lines.state[at] !== LineState.IN_CALL) {
      this.lineAlone(seq);
      return;
    }
    const context = lines.context[at];
    const call = lines.call[at];
    const before = this.openCall[context] ?? -1;
    if (before >= 0 && before !== call) {
      this.openCall[context] = -1;
      this.assembler.detach(before, context, seq);
      this.release(before);
    }
    if (call >= this.replayed.length) this.growCalls(call + 1);
    if (this.replayed[call] === 0) {
      this.replayed[call] = 1;
      this.ringFull[call] = this.replay(seq, call) ? 1 : 0;
    }
    const isApi = calls.apiSeq[call] === seq;
    if (!isApi) this.outcome(seq, call);
    if (calls.apiFirst[call] === 1 || calls.rebuilt[call] === 1) this.openCall[context] = call;
    else if (isApi) this.release(call);
  }

  /** A line inside a call. */
  private outcome(seq: number, call: number): void {
    const { lines, calls } = this.assembler;
    const device = this.devices.indexOf(calls.device[call]);
    const domain = this.flushedDomain(seq);
    if (domain < 0) {
      this.recorded.addLine(lines, seq, device);
      return;
    }
    // After the API line of an unmap, a softirq context may go on with the flush timer.
    const ofCall = calls.apiFirst[call] === 0 || this.ringFull[call] === 1;
    const owner = ofCall ? device : this.ownerOfDomain(domain);
    this.recorded.addLine(lines, seq, owner);
    this.recorded.addFlush(owner, ofCall);
    if (!ofCall) this.flushTimer(seq, domain);
  }

  private lineAlone(seq: number): void {
    const { lines } = this.assembler;
    const domain = this.flushedDomain(seq);
    const owner = this.ownerOfDomain(domain >= 0 ? domain : this.domainOfDescriptor(seq));
    this.recorded.addLine(lines, seq, owner);
    if (domain < 0) return;
    this.recorded.addFlush(owner, false);
    this.flushTimer(seq, domain);
  }

  private flushTimer(seq: number, domain: number): void {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    if (this.scope.flushesGiven) this.asRecorded?.flushTimer(lines.timeNs[at], Math.min(lines.cpu[at], this.cpuLast), domain);
  }

  /** Index of the lazy domain that the line begins to flush as a whole, -1 for any other line. */
  private flushedDomain(seq: number): number {
    const { asRecorded } = this;
    if (asRecorded === undefined) return -1;
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    let domain = -1;
    if (lines.kind[at] === EventKind.CACHE_TAG_FLUSH_ALL) domain = asRecorded.counts.domainOf(lines.v0[at]);
    else if (!this.scope.cacheTags && lines.kind[at] === EventKind.QI_SUBMIT && isDomainSelective(lines.v1[at]))
      domain = this.domainOfDescriptor(seq);
    return domain >= 0 && asRecorded.machine.domains[domain].flushQueue !== null ? domain : -1;
  }

  private domainOfDescriptor(seq: number): number {
    const { asRecorded } = this;
    if (asRecorded === undefined) return -1;
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    return lines.kind[at] === EventKind.QI_SUBMIT ? asRecorded.counts.domainOf(lines.v1[at] >>> 16) : -1;
  }

  /** Whether the recorded machine translates the device's addresses. */
  private isTranslated(device: number): boolean {
    return this.machine.parameters.devices[device].policy.translated;
  }

  private ownerOfDomain(domain: number): number {
    return domain < 0 ? -1 : this.machine.devices.length + domain;
  }

  // ---- calls -------------------------------------------------------------------------------------------------

  /** Replays the call that begins with line `seq` in every row. @returns whether as-recorded flushed a full ring */
  private replay(seq: number, number: number): boolean {
    const { lines, calls, mappings } = this.assembler;
    const { call, problems } = this;
    const at = seq & lines.mask;
    const device = this.devices.indexOf(calls.device[number]);
    const mapping = calls.mapping[number];
    call.kind = calls.kind[number] as RecordedCall;
    call.device = device;
    call.cpu = Math.min(lines.cpu[at], this.cpuLast);
    call.timeNs = lines.timeNs[at];
    call.line = lines.line[at];
    call.mapping = mapping;
    const known = device >= 0;
    if (!known) problems.callsOfUnknownDevices += 1;
    switch (call.kind) {
      case RecordedCall.MAP_PAGE:
      case RecordedCall.MAP_SG:
      case RecordedCall.MAP_RESOURCE:
      case RecordedCall.ALLOC:
        return known && this.replayMap(number);
      case RecordedCall.SYNC_FOR_CPU:
      case RecordedCall.SYNC_FOR_DEVICE:
        if (known) this.replaySync(seq);
        return false;
      default: {
        if (known) this.recorded.counters.add(device, call.kind, 1);
        const ringFull = known && mapping >= 0 && this.replayUnmap(number);
        if (mapping >= 0) mappings.release(mapping);
        return ringFull;
      }
    }
  }

  private replayMap(number: number): boolean {
    const { calls } = this.assembler;
    const { call } = this;
    const rebuilt = calls.rebuilt[number] === 1;
    const replayable = rebuilt ? this.takeRebuilt(number) : this.takeMap(number);
    this.countRecordedMap(number, rebuilt);
    if (!replayable) {
      this.problems.callsWithoutRanges += 1;
      return false;
    }
    if (isStreamingMap(call.kind)) this.sizes.add(call);
    if (call.mapping >= 0) this.openMapping(number);
    return this.replayInRows();
  }

  private replayUnmap(number: number): boolean {
    const { lines, calls } = this.assembler;
    const { call, open } = this;
    const at = calls.apiSeq[number] & lines.mask;
    if (!open.isOpen(call.mapping)) return false;
    call.direction = directionOf(lines.direction[at]);
    call.attrs = lines.attrs[at];
    call.bytes = open.bytes[call.mapping];
    open.close(call.mapping);
    return this.replayInRows();
  }

  private replaySync(seq: number): void {
    const { lines } = this.assembler;
    const { call, open } = this;
    const at = seq & lines.mask;
    this.recorded.counters.add(call.device, Counter.SYNC, 1);
    const isList = lines.dmaAddrsCount[at] > 0;
    const address = isList ? lines.list[lines.dmaAddrs[at] & lines.listMask] : lines.v0[at];
    call.mapping = open.find(call.device, address);
    if (call.mapping < 0) {
      this.problems.unknownSyncs += 1;
      return;
    }
    call.direction = directionOf(lines.direction[at]);
    call.offset = isList ? -1 : address - open.dmaAddr[call.mapping];
    call.bytes = lines.v1[at];
    this.replayInRows();
  }

  /** Replays the call at work: as-recorded at once, in the other rows soon. @returns whether as-recorded flushed a full ring */
  private replayInRows(): boolean {
    const { waiting } = this;
    this.addToWindow(this.call);
    const ringFull = this.asRecorded?.replay(this.call) ?? false;
    if (waiting.push()) waiting.replayIn(this.waitingRows);
    this.call = waiting.next;
    return ringFull;
  }

  private addToWindow(call: ReplayCall): void {
    const { window } = this.scope;
    if (window?.devices.has(call.device)) window.calls.add(call);
  }

  // ---- what a call maps --------------------------------------------------------------------------------------

  /** Reads a map call's ranges from its lines. @returns whether they tell enough */
  private takeMap(number: number): boolean {
    const { lines, calls } = this.assembler;
    const { call } = this;
    const at = calls.apiSeq[number] & lines.mask;
    call.direction = directionOf(lines.direction[at]);
    call.attrs = lines.attrs[at];
    call.bytes = lines.v1[at];
    switch (call.kind) {
      case RecordedCall.MAP_SG:
        return this.takeList(number);
      case RecordedCall.ALLOC:
        return this.takeRuns(number);
      default:
        call.setRange(lines.v2[at], call.bytes);
        return call.bytes > 0 && lines.v2[at] >= 0;
    }
  }

  private takeList(number: number): boolean {
    const { lines, calls } = this.assembler;
    const { call, entries } = this;
    entries.read(lines, calls.apiSeq[number], calls.mapLines[number]);
    if (entries.truncated) this.problems.listsCut += 1;
    return this.takeEntries(entries.phys, entries.bytes, entries.count) && call.count > 0;
  }

  /** Runs of coherent memory: those of the map lines, or, where addresses are physical, the memory at the address. */
  private takeRuns(number: number): boolean {
    const { lines, calls } = this.assembler;
    const { call, entries } = this;
    const at = calls.apiSeq[number] & lines.mask;
    const bytes = roundUp(call.bytes, PAGE_SIZE);
    if (call.mapping < 0 || bytes === 0) return false;
    if (calls.mapLines[number].length > 0) {
      entries.readRuns(lines, calls.mapLines[number]);
      if (!this.takeEntries(entries.phys, entries.bytes, entries.count)) return false;
      let sum = 0;
      for (let run = 0; run < call.count; run++) sum += call.lengths[run];
      return sum === bytes;
    }
    const phys = this.isTranslated(call.device) ? lines.v2[at] : lines.v0[at];
    call.setRange(phys, bytes);
    return phys >= 0;
  }

  private takeRebuilt(number: number): boolean {
    const { phys, bytes } = this.assembler.calls.entries[number]!;
    const { call } = this;
    call.direction = Direction.BIDIRECTIONAL;
    call.attrs = 0;
    return this.takeEntries(phys, bytes, phys.length) && call.count > 0;
  }

  private takeEntries(phys: Float64Array, bytes: Float64Array, count: number): boolean {
    const { call } = this;
    call.reserve(count);
    call.count = count;
    call.bytes = call.kind === RecordedCall.ALLOC ? call.bytes : 0;
    for (let index = 0; index < count; index++) {
      if (!(bytes[index] > 0) || !(phys[index] >= 0)) return false;
      call.phys[index] = phys[index];
      call.lengths[index] = bytes[index];
      if (call.kind !== RecordedCall.ALLOC) call.bytes += bytes[index];
    }
    return true;
  }

  /** The mapping that the call makes is open from here on. */
  private openMapping(number: number): void {
    const { lines, calls, mappings } = this.assembler;
    const { call, open } = this;
    const { mapping } = call;
    if (mapping >= open.capacity) {
      open.reserve(mappings.capacity);
      for (const row of this.rows) row.reserve(mappings.capacity);
    }
    if (open.isOpen(mapping)) this.endReplaced(mapping);
    const at = calls.apiSeq[number] & lines.mask;
    const dmaAddr = call.kind === RecordedCall.MAP_SG ? lines.list[lines.dmaAddrs[at] & lines.listMask] : lines.v0[at];
    open.open(mapping, call.kind, call.device, dmaAddr, call.bytes, call.line, call.direction);
  }

  /** The recording lost the end of a mapping whose row is taken anew. */
  private endReplaced(mapping: number): void {
    const { open } = this;
    const end = this.waiting.pushBefore();
    end.kind = unmapKind(open.kind[mapping] as RecordedCall);
    end.device = open.device[mapping];
    end.cpu = this.call.cpu;
    end.timeNs = this.call.timeNs;
    end.line = this.call.line;
    end.direction = Direction.BIDIRECTIONAL;
    end.bytes = open.bytes[mapping];
    end.mapping = mapping;
    open.close(mapping);
    this.addToWindow(end);
    this.asRecorded?.replay(end);
  }

  private countRecordedMap(number: number, rebuilt: boolean): void {
    const { lines, calls } = this.assembler;
    const { counters } = this.recorded;
    const { device, kind, mapping, count } = this.call;
    counters.add(device, mapping >= 0 ? Counter.MAPPED : Counter.FAILED, 1);
    counters.add(device, kind, 1);
    if (kind !== RecordedCall.MAP_SG) return;
    counters.add(device, Counter.MAP_SG_ENTRIES, rebuilt ? count : lines.v0[calls.apiSeq[number] & lines.mask]);
  }

  // ---- bookkeeping -------------------------------------------------------------------------------------------

  private release(call: number): void {
    this.replayed[call] = 0;
    this.assembler.calls.release(call);
  }

  private growCalls(count: number): void {
    const size = Math.max(count, this.replayed.length * 2);
    this.replayed = grownColumn(this.replayed, new Uint8Array(size));
    this.ringFull = grownColumn(this.ringFull, new Uint8Array(size));
  }
}

function directionOf(recorded: number): Direction {
  return recorded === Direction.TO_DEVICE || recorded === Direction.FROM_DEVICE ? recorded : Direction.BIDIRECTIONAL;
}
