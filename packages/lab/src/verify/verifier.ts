import {
  AssertionFailure,
  adoptSlots,
  CallKind,
  type Direction,
  DMA_MAPPING_ERROR,
  type DmaApi,
  DmaStep,
  FlushCause,
  IOVA_DEPOT_DELAY_NS,
  Machine,
  NO_IOVA,
  PAGE_SIZE,
} from 'dmalab-core';
import { type EventBatch, EventKind, eventForm, type TraceNames } from 'dmalab-trace';
import { CallAssembler } from '../replay/call-assembler.ts';
import { RecordedCall } from '../replay/call-records.ts';
import { LineState } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { SgEntries } from '../replay/sg-entries.ts';
import { Checks } from './checks.ts';
import { slotResult } from './operations.ts';
import { type ComparableLines, type PredictedLine, PredictedLines } from './predicted-lines.ts';
import { DomainOperation, type OperationWindow, PoolOperation, ResourceOrders } from './resource-orders.ts';
import { type CheckId, checkIds, type DecidedWindow, type VerifyResult } from './verify-result.ts';

/** RecordedCall number of a flush timer, which is no API call. */
const FLUSH_TIMER = 20;

/** Levels of interruption on a CPU, see ContextLevel. */
const LEVELS = 4;

/** Lines read ahead of the one that is compared, so that a call whose line comes late can be seen to have acted early. */
const LOOK_AHEAD = 256;

/** Calls of other contexts that are tried as having taken their address before a map line. */
const EARLY_CALLS_MAX = 8;

/** What of the recording can be compared at all. */
export interface VerifyScope extends ComparableLines {
  /** Devices that bounce but never show a call: they map on a path without `dma:*` events and are not covered. */
  readonly devicesWithoutCalls: ReadonlySet<string>;
  /** `dma:*` events were recorded: the calls themselves, not only their outcomes. */
  readonly apiLines: boolean;
  /** File line from which events are missing, as far as is known by now; Infinity for none. */
  readonly lossLine: () => number;
  /** Whether events before the first line are missing: then nobody knows the allocators' state. */
  readonly startsInMidLife: () => boolean;
}

/** The engine's side of one assembled call. */
class Run {
  /** Row of the engine's call table, -1 when the call cannot be replayed. */
  frame = -1;
  call = -1;
  returned = false;
  kind = 0;
  device = -1;
  domain = -1;
  /** Map lines of the call that were compared so far: where the recorded address of the next entry is. */
  mapsSeen = 0;
  readonly predicted = new PredictedLines();
}

/**
 * Replays the calls of a recording through the engine and compares what it says the kernel did with what the kernel
 * said it did, line by line.
 *
 * A step is performed when its own trace line comes; what the trace does not show (freeing, queueing, copying) follows
 * the line before it. Where contexts overlap, ResourceOrders finds the order. After a difference the recorded value is
 * adopted, so that one cause gives one row.
 */
export class Verifier {
  readonly machine: Machine;
  readonly assembler: CallAssembler;
  readonly checks: Checks = new Checks();
  private readonly recorded: RecordedMachine;
  private readonly scope: VerifyScope;
  private readonly names: TraceNames;
  private readonly dma: DmaApi;
  private readonly orders: ResourceOrders;
  private readonly runOfCall: (Run | null)[] = [];
  private readonly freeRuns: Run[] = [];
  /** Per context the call whose API line came first and which still takes lines, -1 for none. */
  private readonly tails: number[] = [];
  /** Machine device of a trace device, -1 unknown, -2 not looked up yet. */
  private readonly deviceOf: number[] = [];
  private readonly domainOfDid = new Map<number, number>();
  private readonly entries = new SgEntries();
  private readonly window: OperationWindow = { context: 0, after: 0, before: 0, cpu: 0, otherCpu: 0 };
  private readonly depotDue: { domain: number; bin: number; seq: number; dueNs: number }[] = [];
  private readonly windowLines: number[] = [];
  /** The line that is being handled, for differences that show only once their own lines have left the queue. */
  private lastSeq = 0;
  /** From arming a depot's delayed work to its run. */
  private readonly depotDelayNs: number;
  /** Map lines to come whose address has been taken already (see explainByLaterCalls). */
  private readonly takenEarly = new Set<number>();
  private finished = false;
  /** Domains, and whether the pool, held something when the recording began: their state is unknown, addresses are adopted. */
  private readonly midLifeDomains = new Set<number>();
  private midLifePool = false;
  /** Lazy domains whose flushes were not recorded: when an address becomes free again is unknown. */
  private readonly blindDomains = new Set<number>();
  /** Slots that the recording shows could not be adopted after a difference: where the model's pool is from there on, nobody knows. */
  private poolAdrift = false;
  /** By CPU and interrupt level, the last line so far; rows grow with the CPUs. */
  private readonly lastLineOfLevel: Float64Array[] = [];
  private stopped: string | null = null;
  private lineCalls = 0;
  private lineOutcomes = 0;
  private lineCrossChecks = 0;
  private lineNotModelled = 0;
  private lineNotCompared = 0;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope) {
    this.recorded = recorded;
    this.names = names;
    this.scope = scope;
    this.machine = new Machine(recorded.parameters);
    this.dma = this.machine.dma;
    this.orders = new ResourceOrders(this.machine);
    this.depotDelayNs = timerDelayNs(IOVA_DEPOT_DELAY_NS, recorded.parameters.hz);
    const flushesAreSeen = scope.descriptors || scope.cacheTags;
    for (const domain of this.machine.domains) {
      this.domainOfDid.set(domain.id, domain.index);
      if (domain.flushQueue !== null && !flushesAreSeen) this.blindDomains.add(domain.index);
    }
    const { pool } = this.machine;
    this.assembler = new CallAssembler(
      (device) => {
        const index = this.machineDevice(device);
        return index >= 0 && this.machine.devices[index].policy.translated;
      },
      (paddr) => pool?.contains(paddr) ?? false,
      (device) => !scope.devicesWithoutCalls.has(names.devices.nameOf(device)),
    );
    if (scope.devicesWithoutCalls.size > 0) this.loseSightOfPool();
  }

  /** Takes the next batch of the trace. */
  push(batch: EventBatch): void {
    for (let row = 0; row < batch.rowCount; row++) {
      this.assembler.push(batch, row);
      this.drain();
    }
  }

  /** No more lines. */
  finish(): VerifyResult {
    this.assembler.finish();
    this.finished = true;
    this.drain();
    for (let context = 0; context < this.tails.length; context++) this.closeTail(context, Number.POSITIVE_INFINITY);
    return this.result();
  }

  private drain(): void {
    const { assembler } = this;
    const { lines } = assembler;
    while (assembler.ready && (this.finished || lines.tail - lines.head > LOOK_AHEAD)) {
      if (this.stopped === null) this.guardedLine(lines.head);
      else this.lineNotCompared += 1;
      lines.pop();
    }
  }

  /** After a difference the engine can get into a state that no kernel has; what it then refuses ends the comparison. */
  private guardedLine(seq: number): void {
    try {
      this.line(seq);
    } catch (error) {
      if (!(error instanceof AssertionFailure)) throw error;
      this.stopped = error.message;
      this.differ('address', seq, 'a state that the engine can follow', error.message);
    }
  }

  // ---- one line ----------------------------------------------------------------------------------------------

  private line(seq: number): void {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    const context = lines.context[at];
    this.machine.observations.nowNs = lines.timeNs[at];
    this.lastSeq = seq;
    if (this.depotDue.length > 0) this.runDueDepotWork(seq, lines.timeNs[at]);
    this.orders.close(context, seq);
    this.noteLevel(lines.cpu[at], lines.level[at], seq);
    if (lines.isDeviceTlb(at)) {
      this.lineNotModelled += 1;
      return;
    }
    const tail = this.tails[context] ?? -1;
    if (tail >= 0 && tail !== lines.call[at] && !this.continuesTail(tail, seq)) this.closeTail(context, seq);
    const call = lines.state[at] === LineState.IN_CALL ? lines.call[at] : -1;
    if (call >= 0) this.lineOfCall(seq, call, context);
    else this.lineAlone(seq, context);
  }

  private lineOfCall(seq: number, call: number, context: number): void {
    const { calls } = this.assembler;
    const isApi = calls.apiSeq[call] === seq;
    const kind = calls.kind[call];
    if (isApi) this.lineCalls += 1;
    if (kind === RecordedCall.SYNC_FOR_CPU || kind === RecordedCall.SYNC_FOR_DEVICE) {
      this.sync(seq, kind);
      calls.release(call);
      return;
    }
    const run = this.runOfCall[call] ?? this.beginRun(call, seq);
    if (calls.apiFirst[call] === 1 || calls.rebuilt[call] === 1) this.tails[context] = call;
    if (calls.apiFirst[call] === 1 && isApi) {
      this.settle(run, seq, seq, this.nextLine(seq));
      return;
    }
    if (isApi) {
      this.complete(run, call, seq);
      this.compareResult(run, call, seq);
      this.endRun(run, call);
      return;
    }
    this.outcome(run, seq);
  }

  /** A line inside a call: the engine performs the step that writes it, then what follows unseen. */
  private outcome(run: Run, seq: number): void {
    const { lines } = this.assembler;
    if (run.frame < 0) {
      this.lineNotCompared += 1;
      this.checks.notComparable(this.checkOf(lines.kind[seq & lines.mask]));
      return;
    }
    if (this.differsInBounce(run, seq)) return;
    const previous = this.lineBefore(seq);
    while (run.predicted.length === 0 && !run.returned && run.frame >= 0) this.stepOnce(run, seq, previous, seq);
    if (run.frame < 0) {
      this.lineNotCompared += 1;
      return;
    }
    if (run.predicted.length === 0) {
      if (this.isTimerFlush(seq)) {
        this.beginTimer(seq);
        return;
      }
      this.unexpected(run, seq);
      return;
    }
    this.compareLine(run, seq);
    this.settle(run, seq, seq, this.nextLine(seq));
  }

  /** The recording bounced where the model does not, or the reverse: two ways of mapping, so the rest of the call is not compared. */
  private differsInBounce(run: Run, seq: number): boolean {
    if (run.predicted.length > 0 || run.returned) return false;
    const kind = this.assembler.lines.kind[seq & this.assembler.lines.mask];
    const step = this.dma.nextStep(run.frame);
    const bounced = kind === EventKind.BOUNCED && step === DmaStep.ALLOCATE_IOVA;
    if (!bounced && !(kind === EventKind.MAP && step === DmaStep.TAKE_SLOTS)) return false;
    this.lineOutcomes += 1;
    this.differ('bounce', seq, bounced ? 'mapped as it is' : 'bounced', this.describeLine(seq));
    this.abandon(run);
    return true;
  }

  private lineAlone(seq: number, context: number): void {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    const tail = this.tails[context] ?? -1;
    if (tail >= 0 && this.continuesTail(tail, seq)) {
      this.outcome(this.runOfCall[tail]!, seq);
      return;
    }
    switch (lines.kind[at]) {
      case EventKind.CACHE_TAG_FLUSH_ALL:
      case EventKind.QI_SUBMIT:
        if (this.isTimerFlush(seq)) this.beginTimer(seq);
        else this.lineNotModelled += 1;
        return;
      case EventKind.MAP:
      case EventKind.UNMAP:
      case EventKind.BOUNCED:
      case EventKind.CACHE_TAG_FLUSH_RANGE:
      case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
        this.checks.notComparable(this.checkOf(lines.kind[at]));
        this.lineNotCompared += 1;
        return;
      case EventKind.DMA_FREE:
        this.lineCalls += 1;
        return;
      default:
        this.lineNotModelled += 1;
    }
  }

  // ---- flush timers ------------------------------------------------------------------------------------------

  /** Whether the line begins the flush of a whole lazy domain. */
  private isTimerFlush(seq: number): boolean {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    if (lines.kind[at] === EventKind.CACHE_TAG_FLUSH_ALL) return this.lazyDomain(lines.v0[at]) >= 0;
    if (lines.kind[at] !== EventKind.QI_SUBMIT || this.scope.cacheTags || lines.v4[at] !== 2) return false;
    const qw0 = lines.v1[at];
    return ((qw0 >>> 4) & 3) === 2 && this.lazyDomain(qw0 >>> 16) >= 0;
  }

  private lazyDomain(did: number): number {
    const domain = this.domainOfDid.get(did) ?? -1;
    return domain >= 0 && this.machine.domains[domain].flushQueue !== null ? domain : -1;
  }

  /** The moment and the CPU are given; that this domain's timer is armed is predicted. */
  private beginTimer(seq: number): void {
    const { lines, calls } = this.assembler;
    const at = seq & lines.mask;
    const context = lines.context[at];
    const did = lines.kind[at] === EventKind.QI_SUBMIT ? lines.v1[at] >>> 16 : lines.v0[at];
    const domain = this.lazyDomain(did);
    this.closeTail(context, seq);
    this.checks.given('flush');
    const call = calls.take(FLUSH_TIMER as RecordedCall, -1, context, seq, -1);
    const run = this.takeRun(call);
    run.kind = FLUSH_TIMER;
    run.domain = domain;
    run.frame = this.dma.beginFlushTimer(lines.cpu[at], domain);
    this.tails[context] = call;
    this.outcome(run, seq);
  }

  /** Whether a line by itself goes on with the flush that its context has begun. */
  private continuesTail(tail: number, seq: number): boolean {
    const { lines, calls } = this.assembler;
    const run = this.runOfCall[tail];
    if (run === null || run === undefined || run.predicted.length === 0) return false;
    return (calls.kind[tail] as number) === FLUSH_TIMER && lines.kind[seq & lines.mask] === run.predicted.first.event;
  }

  private closeTail(context: number, seq: number): void {
    const call = this.tails[context] ?? -1;
    if (call < 0) return;
    this.tails[context] = -1;
    const run = this.runOfCall[call]!;
    this.complete(run, call, seq);
    this.assembler.detach(call, context, seq);
    this.endRun(run, call);
  }

  // ---- runs --------------------------------------------------------------------------------------------------

  private takeRun(call: number): Run {
    const run = this.freeRuns.pop() ?? new Run();
    run.frame = -1;
    run.call = call;
    run.returned = false;
    run.device = -1;
    run.domain = -1;
    run.mapsSeen = 0;
    run.predicted.clear();
    while (this.runOfCall.length <= call) this.runOfCall.push(null);
    this.runOfCall[call] = run;
    return run;
  }

  private beginRun(call: number, seq: number): Run {
    const { lines, calls } = this.assembler;
    const run = this.takeRun(call);
    const device = this.machineDevice(calls.device[call]);
    run.kind = calls.kind[call];
    run.device = device;
    if (device < 0) return run;
    run.domain = this.machine.devices[device].domain?.index ?? -1;
    if (calls.mapping[call] < 0 && endsMapping(run.kind)) this.noticeMidLife(run);
    const cpu = lines.cpu[seq & lines.mask];
    run.frame = calls.rebuilt[call] === 1 ? this.beginRebuilt(call, cpu, device) : this.beginCall(call, cpu, device);
    return run;
  }

  /** A mapping ends whose beginning was not recorded: so was that of others, and the allocators were in use. */
  private noticeMidLife(run: Run): void {
    if (run.domain < 0) return;
    this.midLifeDomains.add(run.domain);
    this.checks.forgive('address', run.domain);
    this.checks.forgive('flush', run.domain);
    if (this.machine.devices[run.device].policy.mapsSgPerEntry) this.loseSightOfPool();
  }

  private loseSightOfPool(): void {
    this.midLifePool = true;
    this.checks.forgive('slot', -1);
  }

  private beginRebuilt(call: number, cpu: number, device: number): number {
    const { phys, bytes } = this.assembler.calls.entries[call]!;
    return this.dma.beginMapSg(cpu, device, phys, bytes, 0, phys.length, 0 as Direction, 0);
  }

  private beginCall(call: number, cpu: number, device: number): number {
    const { lines, calls, mappings } = this.assembler;
    const at = calls.apiSeq[call] & lines.mask;
    const direction = lines.direction[at] as Direction;
    const attrs = lines.attrs[at];
    const mapping = calls.mapping[call];
    switch (calls.kind[call]) {
      case RecordedCall.MAP_PAGE:
        return this.dma.beginMapPage(cpu, device, lines.v2[at], lines.v1[at], direction, attrs);
      case RecordedCall.MAP_RESOURCE:
        return this.dma.beginMapResource(cpu, device, lines.v2[at], lines.v1[at], direction, attrs);
      case RecordedCall.MAP_SG:
        this.entries.read(lines, calls.apiSeq[call], calls.mapLines[call]);
        if (this.entries.given) this.checks.given('map');
        if (this.entries.count === 0) return -1;
        return this.dma.beginMapSg(cpu, device, this.entries.phys, this.entries.bytes, 0, this.entries.count, direction, attrs);
      case RecordedCall.ALLOC: {
        this.entries.readRuns(lines, calls.mapLines[call]);
        for (let index = 0; index < this.entries.count; index++) this.checks.given('map');
        if (this.entries.count === 0 && this.machine.devices[device].policy.translated) return -1;
        this.entries.phys[this.entries.count] = lines.v0[at];
        return this.dma.beginAlloc(cpu, device, lines.v1[at], this.entries.phys, this.entries.bytes, 0, this.entries.count);
      }
      case RecordedCall.UNMAP_PAGE:
        return mapping < 0 ? -1 : this.dma.beginUnmapPage(cpu, device, lines.v0[at], lines.v1[at], direction, attrs);
      case RecordedCall.UNMAP_RESOURCE:
        return mapping < 0 ? -1 : this.dma.beginUnmapResource(cpu, device, lines.v0[at], lines.v1[at], direction, attrs);
      case RecordedCall.FREE:
        return mapping < 0 ? -1 : this.dma.beginFree(cpu, device, lines.v0[at], lines.v1[at]);
      case RecordedCall.UNMAP_SG: {
        if (mapping < 0) return -1;
        const { dmaAddr, bytes } = mappings.segments[mapping]!;
        return this.dma.beginUnmapSg(cpu, device, dmaAddr, bytes, 0, dmaAddr.length, direction, attrs);
      }
      default:
        return -1;
    }
  }

  /** Performs what is left of a call; it ends before line `before` of its context. */
  private complete(run: Run, call: number, before: number): void {
    const { lines, calls } = this.assembler;
    const held = before < lines.tail && before >= lines.head;
    const seq = held ? before : -1;
    // After a call whose API line came first, the next line of an interrupt's context can be one of the next interrupt.
    const after =
      before === calls.apiSeq[call] ? this.lineBefore(before) : held ? lines.previous[before & lines.mask] : calls.lastSeq[call];
    while (run.frame >= 0 && !run.returned) this.stepOnce(run, seq, after, before);
    while (run.predicted.length > 0) {
      this.missing(run, call, run.predicted.first);
      run.predicted.shift();
    }
  }

  private endRun(run: Run, call: number): void {
    const { calls, mappings } = this.assembler;
    if (run.frame >= 0) this.dma.end(run.frame);
    const kind = calls.kind[call] as number;
    const mapping = calls.mapping[call];
    if (endsMapping(kind) && mapping >= 0) mappings.release(mapping);
    this.runOfCall[call] = null;
    this.freeRuns.push(run);
    calls.release(call);
  }

  private sync(seq: number, kind: number): void {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    const device = this.machineDevice(lines.device[at]);
    if (device < 0 || lines.dmaAddrsCount[at] > 0) return;
    const direction = lines.direction[at] as Direction;
    if (kind === RecordedCall.SYNC_FOR_CPU) this.dma.syncSingleForCpu(lines.cpu[at], device, lines.v0[at], lines.v1[at], direction);
    else this.dma.syncSingleForDevice(lines.cpu[at], device, lines.v0[at], lines.v1[at], direction);
    this.machine.observations.clear();
  }

  // ---- steps -------------------------------------------------------------------------------------------------

  /** After a line has been matched: performs what writes no line of its own and does not wait for one. */
  private settle(run: Run, seq: number, after: number, before: number): void {
    while (run.frame >= 0 && !run.returned && run.predicted.length === 0) {
      const step = this.dma.nextStep(run.frame);
      if (this.waitsForLine(step)) return;
      this.stepOnce(run, seq, after, before);
    }
  }

  private waitsForLine(step: DmaStep): boolean {
    switch (step) {
      case DmaStep.TAKE_SLOTS:
      case DmaStep.ALLOCATE_IOVA:
      case DmaStep.WRITE_TABLE:
      case DmaStep.CLEAR_TABLE:
      case DmaStep.SUBMIT_FLUSH:
        return true;
      case DmaStep.SUBMIT_INVALIDATION:
        return this.scope.descriptors || this.scope.cacheTags;
      case DmaStep.FLUSH_MAP:
        return this.machine.unit!.capability.cachingMode && (this.scope.descriptors || this.scope.cacheTags);
      default:
        return false;
    }
  }

  /**
   * Performs one step between lines `after` and `before` of its context.
   *
   * @param seq  the line being handled, -1 for none
   */
  private stepOnce(run: Run, seq: number, after: number, before: number): void {
    const { dma } = this;
    const { lines } = this.assembler;
    const { calls } = dma;
    const { frame } = run;
    const window = this.window;
    if (seq >= 0) {
      const at = seq & lines.mask;
      calls.cpu[frame] = lines.cpu[at];
      window.context = lines.context[at];
    }
    window.after = after;
    window.before = before;
    window.cpu = calls.cpu[frame];
    window.otherCpu = this.neighbourCpu(seq, after, before, window.cpu);
    const step = dma.nextStep(frame);
    switch (step) {
      case DmaStep.ALLOCATE_IOVA:
        this.allocate(run, seq);
        return;
      case DmaStep.TAKE_SLOTS:
        this.takeSlots(run, seq);
        return;
      case DmaStep.FREE_IOVA:
        this.orders.noteDomain(run.domain, DomainOperation.FREE, window, Number.NaN, calls.iovaPfn[frame], calls.pages[frame], 0);
        break;
      case DmaStep.QUEUE_IOVA:
        this.noteQueue(run);
        break;
      case DmaStep.FREE_SLOTS:
        this.orders.notePool(PoolOperation.RELEASE, window, Number.NaN, calls.slots[frame], run.device, 0, 0);
        break;
      case DmaStep.SUBMIT_FLUSH:
        this.beginTimedFlush(run, seq);
        return;
      case DmaStep.WAIT_FLUSH:
        this.orders.noteDomain(run.domain, DomainOperation.END_FLUSH, window, Number.NaN, 0, 0, 0);
        break;
      case DmaStep.DRAIN_RING:
        this.orders.noteDomain(run.domain, DomainOperation.DRAIN, window, Number.NaN, calls.ring[frame], 0, 0);
        break;
    }
    this.perform(run);
    if (step === DmaStep.FREE_IOVA || step === DmaStep.QUEUE_IOVA || step === DmaStep.DRAIN_RING) this.noticeDepot(run.domain, after);
  }

  private perform(run: Run): void {
    const { observations } = this.machine;
    const from = observations.length;
    run.returned = this.dma.step(run.frame);
    run.predicted.addFrom(observations, from, this.scope);
    observations.clear();
  }

  /** A full ring makes queueing three operations: the flush's two halves and the queueing itself. */
  private noteQueue(run: Run): void {
    const { calls } = this.dma;
    const { frame } = run;
    const window = this.window;
    if (calls.flushing[frame] === 1) this.orders.noteDomain(run.domain, DomainOperation.END_FLUSH, window, Number.NaN, 0, 0, 0);
    const full = calls.flushing[frame] === 0 && this.machine.domains[run.domain].flushQueue!.mustFlush(calls.cpu[frame]);
    this.orders.noteDomain(run.domain, DomainOperation.QUEUE, window, full ? 0 : 1, calls.iovaPfn[frame], calls.pages[frame], 0);
    if (!full) return;
    this.orders.noteDomain(run.domain, DomainOperation.BEGIN_FLUSH, window, Number.NaN, FlushCause.RING_FULL, 0, 0);
    this.checks.equal('flush');
  }

  /** A timer has fired, so it was armed: by a range that was queued after the flush before, whichever way the lines were printed. */
  private beginTimedFlush(run: Run, seq: number): void {
    const { lines } = this.assembler;
    const { id, flushQueue } = this.machine.domains[run.domain];
    const armed = flushQueue!.timerArmed;
    this.orders.noteDomain(run.domain, DomainOperation.BEGIN_FLUSH, this.window, 1, FlushCause.TIMER, 0, 0);
    this.perform(run);
    if (armed) {
      this.checks.equal('flush');
    } else if (this.isMidLife(run.domain)) {
      this.checks.notComparable('flush');
      this.orders.restartDomain(run.domain);
    } else if (this.orders.explainDomain(run.domain) !== null) {
      this.windowLines.push(lines.line[seq & lines.mask]);
      this.checks.equal('flush');
    } else {
      const tried = this.orders.triedDomain(run.domain);
      this.differ('flush', seq, `no flush: nothing waits in domain ${id}`, 'a flush of the whole domain', [], tried, run.domain);
      this.orders.restartDomain(run.domain);
    }
  }

  private allocate(run: Run, seq: number): void {
    const { calls } = this.dma;
    const { lines } = this.assembler;
    const { frame } = run;
    const device = this.machine.devices[run.device];
    const isMap = seq >= 0 && lines.kind[seq & lines.mask] === EventKind.MAP;
    const recorded = isMap ? lines.v0[seq & lines.mask] / PAGE_SIZE : NO_IOVA;
    if (this.takenEarly.delete(seq)) {
      calls.iovaPfn[frame] = recorded;
      this.dma.skipStep(frame);
      return;
    }
    const mask = calls.kind[frame] === CallKind.ALLOC ? device.parameters.coherentDmaMask : device.parameters.dmaMask;
    this.orders.noteDomain(run.domain, DomainOperation.ALLOCATE, this.window, recorded, run.device, calls.pages[frame], mask);
    this.perform(run);
    const predicted = calls.result[frame] === DMA_MAPPING_ERROR ? NO_IOVA : calls.iovaPfn[frame];
    if (predicted === recorded) return;
    if (this.isMidLife(run.domain)) {
      this.checks.notComparable('address');
      this.adoptAddress(run, recorded);
      if (predicted === NO_IOVA || recorded === NO_IOVA) this.abandon(run);
      return;
    }
    if (this.orders.explainDomain(run.domain) !== null || this.explainByLaterCalls(run, seq, recorded, mask)) {
      this.windowLines.push(seq >= 0 ? lines.line[seq & lines.mask] : 0);
      if (predicted !== NO_IOVA && recorded !== NO_IOVA) {
        calls.iovaPfn[frame] = recorded;
        return;
      }
    } else {
      this.differ(
        'address',
        seq,
        predicted === NO_IOVA ? 'no address left' : `page ${predicted.toString(16)}`,
        recorded === NO_IOVA ? 'no map line' : `page ${recorded.toString(16)}`,
        this.domainState(run, calls.cpu[frame]),
        this.orders.triedDomain(run.domain),
        run.domain,
      );
      this.adoptAddress(run, recorded);
      if (predicted !== NO_IOVA && recorded !== NO_IOVA) return;
    }
    this.abandon(run);
  }

  /**
   * Tries whether a call of another context, whose map line is still to come, took its address before this one. Leaves
   * the domain in the state that fits, or as it was.
   */
  private explainByLaterCalls(run: Run, seq: number, recorded: number, mask: number): boolean {
    if (seq < 0 || recorded === NO_IOVA) return false;
    const { orders, window } = this;
    const { lines } = this.assembler;
    const pages = this.dma.calls.pages[run.frame];
    const own = { ...window };
    let tried = 0;
    for (let later = seq + 1; later < lines.tail && tried < EARLY_CALLS_MAX; later++) {
      if (!this.mayHaveTakenEarly(later, seq, run.domain)) continue;
      tried += 1;
      orders.undoDomain(run.domain);
      this.noteLaterCall(later, run.domain);
      const early = orders.performDomain(run.domain);
      if (early) {
        orders.noteDomain(run.domain, DomainOperation.ALLOCATE, own, recorded, run.device, pages, mask);
        if (orders.performDomain(run.domain)) {
          orders.book(run.domain, 'allocate an address of a later line earlier', tried);
          this.takenEarly.add(later);
          return true;
        }
        orders.undoDomain(run.domain);
      }
      orders.undoDomain(run.domain);
      orders.noteDomain(run.domain, DomainOperation.ALLOCATE, own, recorded, run.device, pages, mask);
      orders.performDomain(run.domain);
    }
    return false;
  }

  /** Whether `later` is the first map line to come of a call in the domain that was under way when line `seq` was written. */
  private mayHaveTakenEarly(later: number, seq: number, domain: number): boolean {
    const { lines, calls } = this.assembler;
    const at = later & lines.mask;
    if (lines.kind[at] !== EventKind.MAP || lines.state[at] !== LineState.IN_CALL || lines.previous[at] >= seq) return false;
    if (lines.context[at] === lines.context[seq & lines.mask] || this.takenEarly.has(later)) return false;
    const device = this.machineDevice(calls.device[lines.call[at]]);
    return device >= 0 && this.machine.devices[device].domain?.index === domain;
  }

  private noteLaterCall(later: number, domain: number): void {
    const { lines, calls } = this.assembler;
    const at = later & lines.mask;
    const call = lines.call[at];
    const device = this.machineDevice(calls.device[call]);
    const { parameters, policy } = this.machine.devices[device];
    const isAlloc = calls.kind[call] === RecordedCall.ALLOC;
    let bytes = lines.v3[at];
    if (isAlloc || (calls.kind[call] === RecordedCall.MAP_SG && !policy.mapsSgPerEntry)) {
      bytes = 0;
      for (const line of calls.mapLines[call]) bytes += lines.v3[line & lines.mask];
    }
    const window: OperationWindow = {
      context: lines.context[at],
      after: lines.previous[at],
      before: later,
      cpu: lines.cpu[at],
      otherCpu: lines.cpu[at],
    };
    const mask = isAlloc ? parameters.coherentDmaMask : parameters.dmaMask;
    this.orders.noteDomain(domain, DomainOperation.ALLOCATE, window, lines.v0[at] / PAGE_SIZE, device, bytes / PAGE_SIZE, mask);
  }

  /** Makes the model's address space agree with a recorded address that it did not predict. */
  private adoptAddress(run: Run, recorded: number): void {
    const { calls } = this.dma;
    const { frame } = run;
    const domain = this.machine.domains[run.domain];
    this.orders.undoDomain(run.domain);
    if (recorded !== NO_IOVA) {
      domain.adoptIova(recorded, calls.pages[frame]);
      calls.iovaPfn[frame] = recorded;
    }
    this.orders.restartDomain(run.domain);
  }

  private takeSlots(run: Run, seq: number): void {
    const { calls } = this.dma;
    const { lines } = this.assembler;
    const { frame } = run;
    const device = this.machine.devices[run.device];
    const { translated } = device.policy;
    const recorded = this.recordedSlot(run, seq, translated);
    if (this.machine.pool === null) {
      this.perform(run);
      return;
    }
    this.orders.notePool(
      PoolOperation.TAKE,
      this.window,
      recorded,
      calls.original[frame],
      calls.bytes[frame],
      run.device,
      translated ? 1 : 0,
    );
    this.perform(run);
    const taken = slotResult(calls.slots[frame], translated);
    if (taken === recorded) {
      this.checks.equal('slot');
      return;
    }
    const known = !this.poolAdrift && !this.midLifePool && !this.scope.startsInMidLife();
    if (known && this.orders.explainPool() !== null) {
      this.windowLines.push(seq >= 0 ? lines.line[seq & lines.mask] : 0);
      this.checks.equal('slot');
      if (taken < 0 || recorded < 0) this.abandon(run);
      else this.moveSlots(run, translated ? recorded + (calls.slots[frame] % PAGE_SIZE) : recorded);
      return;
    }
    if (!known) {
      this.checks.notComparable('slot');
    } else {
      this.differ(
        'slot',
        seq,
        taken < 0 ? 'the pool is full' : taken.toString(16),
        recorded < 0 ? 'the mapping failed' : recorded.toString(16),
        this.poolState(calls.cpu[frame]),
        this.orders.triedPool(),
      );
    }
    this.adoptSlots(run, recorded, translated);
  }

  /** Makes the model's pool agree with recorded slots that it did not predict; gives the call up where that cannot be. */
  private adoptSlots(run: Run, recorded: number, translated: boolean): void {
    const { calls } = this.dma;
    const { frame } = run;
    const { minAlignMask, segmentBoundaryMask } = this.machine.devices[run.device].parameters;
    this.orders.undoPool();
    if (recorded < 0) {
      this.orders.restartPool();
      this.abandon(run);
      return;
    }
    const slots = adoptSlots(
      this.machine.pool!,
      recorded,
      calls.original[frame],
      calls.bytes[frame],
      translated ? PAGE_SIZE - 1 : 0,
      minAlignMask,
      segmentBoundaryMask,
    );
    this.orders.restartPool();
    if (slots < 0 || calls.slots[frame] < 0) {
      this.poolAdrift = true;
      this.abandon(run);
    } else {
      this.moveSlots(run, slots);
    }
  }

  /** The engine's call goes on with these slots. */
  private moveSlots(run: Run, slots: number): void {
    const { calls } = this.dma;
    calls.slots[run.frame] = slots;
    calls.phys[run.frame] = slots;
  }

  /** Where the recording shows that this bounce went: its map line comes later in the call, or, in direct mode, the API line tells. */
  private recordedSlot(run: Run, seq: number, translated: boolean): number {
    const { lines, calls } = this.assembler;
    const { call } = run;
    if (translated) {
      const next = seq < 0 ? -1 : this.lineAfterInCall(seq, call);
      if (next < 0 || lines.kind[next & lines.mask] !== EventKind.MAP) return -1;
      return lines.v2[next & lines.mask];
    }
    const at = calls.apiSeq[call] & lines.mask;
    if (run.kind === RecordedCall.MAP_PAGE) return lines.v0[at];
    const entry = this.dma.calls.entry[run.frame];
    return entry < lines.dmaAddrsCount[at] ? lines.list[(lines.dmaAddrs[at] + entry) & lines.listMask] : -1;
  }

  /** The next line of the same call in its context, -1 for none. */
  private lineAfterInCall(seq: number, call: number): number {
    const { lines } = this.assembler;
    const next = lines.next[seq & lines.mask];
    return next >= 0 && lines.call[next & lines.mask] === call ? next : -1;
  }

  /** The model and the recording went different ways: the rest of the call is not compared. */
  private abandon(run: Run): void {
    this.dma.end(run.frame);
    run.frame = -1;
    run.predicted.clear();
  }

  // ---- depot work --------------------------------------------------------------------------------------------

  private noticeDepot(domain: number, seq: number): void {
    const { iova } = this.machine.domains[domain];
    for (let bin = 0; bin < 6; bin++) {
      if (!iova.depotWorkArmed(bin)) continue;
      if (this.depotDue.some((due) => due.domain === domain && due.bin === bin)) continue;
      this.depotDue.push({ domain, bin, seq, dueNs: this.machine.observations.nowNs + this.depotDelayNs });
    }
  }

  private runDueDepotWork(seq: number, nowNs: number): void {
    for (let index = this.depotDue.length - 1; index >= 0; index--) {
      const due = this.depotDue[index];
      const window: OperationWindow = { context: -2, after: due.seq, before: Number.POSITIVE_INFINITY, cpu: 0, otherCpu: 0 };
      let armed = true;
      for (; armed && due.dueNs <= nowNs; due.dueNs += this.depotDelayNs) {
        this.orders.noteDomain(due.domain, DomainOperation.DEPOT_WORK, window, Number.NaN, due.bin, 0, 0);
        armed = this.machine.domains[due.domain].iova.depotWork(due.bin);
        due.seq = seq;
      }
      if (!armed) this.depotDue.splice(index, 1);
    }
  }

  // ---- comparing ---------------------------------------------------------------------------------------------

  private compareLine(run: Run, seq: number): void {
    const { lines } = this.assembler;
    const kind = lines.kind[seq & lines.mask];
    const { first } = run.predicted;
    if (kind === EventKind.CACHE_TAG_FLUSH_ALL || kind === EventKind.CACHE_TAG_FLUSH_RANGE || kind === EventKind.CACHE_TAG_FLUSH_RANGE_NP) {
      this.lineCrossChecks += 1;
    } else {
      this.lineOutcomes += 1;
    }
    if (first.event !== kind) {
      this.differ(this.checkOf(kind), seq, describePrediction(first), this.describeLine(seq));
      if (run.predicted.length > 1) run.predicted.shift();
      return;
    }
    if (kind === EventKind.BOUNCED || kind === EventKind.MAP) this.countBounce(run, kind);
    if (kind !== EventKind.BOUNCED) {
      if (this.sameLine(first, seq)) this.checks.equal(this.checkOf(kind));
      else this.differ(this.checkOf(kind), seq, describePrediction(first), this.describeLine(seq));
    }
    run.predicted.shift();
  }

  /** One decision per mapped range: bounced (the bounce line) or not (a map line without one). */
  private countBounce(run: Run, kind: number): void {
    const bounced = this.dma.calls.slots[run.frame] >= 0;
    if (kind === EventKind.BOUNCED) this.checks.equal('bounce');
    else if (!bounced && run.mapsSeen === 0 && run.kind !== RecordedCall.ALLOC) this.checks.equal('bounce');
    if (kind === EventKind.MAP) run.mapsSeen += this.machine.devices[run.device].policy.mapsSgPerEntry ? 0 : 1;
  }

  private sameLine(predicted: PredictedLine, seq: number): boolean {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    switch (predicted.event) {
      case EventKind.MAP:
        return (
          predicted.a === lines.v0[at] &&
          predicted.a + predicted.c === lines.v1[at] &&
          predicted.b === lines.v2[at] &&
          predicted.c === lines.v3[at]
        );
      case EventKind.UNMAP:
        return (
          predicted.a === lines.v0[at] &&
          predicted.a + predicted.b === lines.v1[at] &&
          predicted.b === lines.v2[at] &&
          predicted.c === lines.v3[at]
        );
      case EventKind.QI_SUBMIT:
        return predicted.a === lines.v0[at] && predicted.b === lines.v1[at] && predicted.c === lines.v2[at] && predicted.d === lines.v3[at];
      case EventKind.CACHE_TAG_FLUSH_ALL:
        return predicted.domain === lines.v0[at];
      default:
        return (
          predicted.domain === lines.v0[at] &&
          predicted.a === lines.v1[at] &&
          predicted.b === lines.v2[at] &&
          predicted.c === lines.v3[at] &&
          (lines.v4[at] < 0 || predicted.d === lines.v4[at]) &&
          predicted.e === lines.v5[at]
        );
    }
  }

  private compareResult(run: Run, call: number, seq: number): void {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    const kind = run.kind;
    const isMap = kind === RecordedCall.MAP_PAGE || kind === RecordedCall.MAP_RESOURCE || kind === RecordedCall.ALLOC;
    if (!isMap && kind !== RecordedCall.MAP_SG) return;
    if (run.frame < 0) {
      this.checks.notComparable('address');
      return;
    }
    const result = this.dma.calls.result[run.frame];
    if (kind === RecordedCall.ALLOC) this.compareRuns(run, seq);
    if (isMap) {
      const direct = this.machine.devices[run.device].domain === null;
      if (direct && kind === RecordedCall.ALLOC) this.checks.given('address');
      else if (result === lines.v0[at]) this.checks.equal('address');
      else this.differ('address', seq, formatAddress(result), formatAddress(lines.v0[at]));
      if (direct && kind !== RecordedCall.ALLOC && this.dma.calls.slots[run.frame] < 0) this.checks.equal('bounce');
      return;
    }
    if (this.entriesTruncated(call)) {
      const predicted = this.dma.calls.entryDmaAddr[run.frame * this.dma.calls.entriesMax];
      const recorded = lines.list[lines.dmaAddrs[at] & lines.listMask];
      if (predicted === recorded) this.checks.equal('address');
      else this.differ('address', seq, formatAddress(predicted), formatAddress(recorded));
      return;
    }
    this.compareSegments(run, seq, result);
  }

  /** The kernel prints 128 entries of a list at most: of a longer one only the first address is compared. */
  private entriesTruncated(call: number): boolean {
    const { lines, calls } = this.assembler;
    const at = calls.apiSeq[call] & lines.mask;
    return lines.physAddrsCount[at] < lines.v0[at] || lines.dmaAddrsCount[at] < lines.v1[at];
  }

  /** The runs of coherent memory are given, but together they are as long as what was asked for. */
  private compareRuns(run: Run, seq: number): void {
    const { bytes, mappedBytes, result } = this.dma.calls;
    if (run.domain < 0 || result[run.frame] === DMA_MAPPING_ERROR || mappedBytes[run.frame] === bytes[run.frame]) return;
    this.differ('map', seq, `${bytes[run.frame]} bytes mapped`, `${mappedBytes[run.frame]} bytes in the map lines`);
  }

  private compareSegments(run: Run, seq: number, result: number): void {
    const { lines } = this.assembler;
    const { calls } = this.dma;
    const at = seq & lines.mask;
    const count = lines.dmaAddrsCount[at];
    const first = run.frame * calls.entriesMax;
    let same = result === count;
    for (let index = 0; same && index < count; index++) {
      same =
        calls.entryDmaAddr[first + index] === lines.list[(lines.dmaAddrs[at] + index) & lines.listMask] &&
        calls.entryDmaBytes[first + index] === lines.list[(lines.sizes[at] + index) & lines.listMask];
    }
    if (same) this.checks.equal('address');
    else this.differ('address', seq, `${result} segments from ${formatAddress(calls.entryDmaAddr[first])}`, this.describeLine(seq));
  }

  /** A line that the model does not write here. */
  private unexpected(run: Run, seq: number): void {
    const { lines } = this.assembler;
    this.lineOutcomes += 1;
    this.differ(this.checkOf(lines.kind[seq & lines.mask]), seq, `nothing more from this ${callName(run.kind)}`, this.describeLine(seq));
  }

  /** A line that the model writes and the recording does not have. */
  private missing(run: Run, call: number, predicted: PredictedLine): void {
    const { calls } = this.assembler;
    const seq = calls.apiSeq[call] >= 0 ? calls.apiSeq[call] : calls.lastSeq[call];
    this.differ(
      this.checkOf(predicted.event),
      seq,
      describePrediction(predicted),
      `no such line before the end of the ${callName(run.kind)}`,
    );
  }

  private differ(
    check: CheckId,
    seq: number,
    expected: string,
    got: string,
    state: readonly string[] = [],
    ordersTried = 0,
    domain = -1,
  ): void {
    const { lines } = this.assembler;
    const at = (seq >= lines.head && seq < lines.tail ? seq : this.lastSeq) & lines.mask;
    if (lines.line[at] >= this.scope.lossLine()) {
      this.checks.notComparable(check);
      return;
    }
    const device = lines.device[at] >= 0 ? this.names.devices.nameOf(lines.device[at]) : '';
    this.checks.differ({
      domain,
      check,
      line: lines.line[at],
      timeNs: lines.timeNs[at],
      cpu: lines.cpu[at],
      device,
      expected,
      got,
      state,
      ordersTried,
    });
  }

  // ---- small questions ---------------------------------------------------------------------------------------

  private isMidLife(domain: number): boolean {
    return this.midLifeDomains.has(domain) || this.blindDomains.has(domain) || this.scope.startsInMidLife();
  }

  private machineDevice(device: number): number {
    if (device < 0) return -1;
    while (this.deviceOf.length <= device) this.deviceOf.push(-2);
    if (this.deviceOf[device] === -2) this.deviceOf[device] = this.recorded.deviceByName.get(this.names.devices.nameOf(device)) ?? -1;
    return this.deviceOf[device];
  }

  private noteLevel(cpu: number, level: number, seq: number): void {
    while (this.lastLineOfLevel.length <= cpu) this.lastLineOfLevel.push(new Float64Array(LEVELS).fill(-1));
    this.lastLineOfLevel[cpu][level] = seq;
  }

  /**
   * The line after which what happens before line `seq` in its context can have begun, -1 for the start of the recording:
   * the line before it there, or, as an interrupt runs to its end, the last line of what it interrupted.
   */
  private lineBefore(seq: number): number {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    let before = lines.previous[at];
    const levels = this.lastLineOfLevel[lines.cpu[at]];
    for (let level = 0; level < lines.level[at]; level++) before = Math.max(before, levels[level]);
    return before;
  }

  /** Sequence number of the next line of the line's context, Infinity while it is not known. */
  private nextLine(seq: number): number {
    const { lines } = this.assembler;
    const next = lines.next[seq & lines.mask];
    return next < 0 ? Number.POSITIVE_INFINITY : next;
  }

  /** CPU of the neighbouring line of the context that is not `seq`, where a task may have been instead. */
  private neighbourCpu(seq: number, after: number, before: number, cpu: number): number {
    const { lines } = this.assembler;
    const other = seq === after ? before : after;
    return other >= lines.head && other < lines.tail ? lines.cpu[other & lines.mask] : cpu;
  }

  private checkOf(event: number): CheckId {
    switch (event) {
      case EventKind.BOUNCED:
        return 'bounce';
      case EventKind.MAP:
        return 'map';
      case EventKind.UNMAP:
        return 'unmap';
      case EventKind.QI_SUBMIT:
        return 'descriptor';
      default:
        return 'cacheTag';
    }
  }

  private describeLine(seq: number): string {
    const { lines } = this.assembler;
    const at = seq & lines.mask;
    const values = [lines.v0[at], lines.v1[at], lines.v2[at], lines.v3[at], lines.v4[at], lines.v5[at]];
    const form = eventForm(lines.kind[at]);
    const parts = form.values.slice(0, 6).map((name, index) => `${name} ${formatAddress(values[index])}`);
    return `${form.name} ${parts.join(' ')}`.trim();
  }

  private domainState(run: Run, cpu: number): string[] {
    const { iova, id } = this.machine.domains[run.domain];
    const pages = this.dma.calls.pages[run.frame];
    const bin = Math.ceil(Math.log2(pages));
    if (bin >= 6) return [`domain ${id}: ${pages} pages, beyond the CPU caches; tree has ${iova.nodeCount} nodes`];
    const top = iova.loadedEntries(cpu, bin, 4).map((pfn) => pfn.toString(16));
    return [
      `domain ${id}, CPU ${cpu} cache of order ${bin}: ${iova.cachedEntries(cpu, bin)} entries, top ${top.join(' ') || 'none'}; depot ${iova.depotSize(bin)} magazines`,
    ];
  }

  private poolState(cpu: number): string[] {
    const pool = this.machine.pool!;
    const area = cpu & (pool.areas - 1);
    return [
      `pool: ${pool.used} of ${pool.slots} slots used; area ${area}: ${pool.areaUsed(area)} used, search begins at ${pool.areaIndex(area)}`,
    ];
  }

  private limits(): string[] {
    const limits: string[] = [];
    if (!this.scope.descriptors) limits.push('no qi_submit events: invalidations and flushes were not recorded and cannot be compared');
    if (this.scope.startsInMidLife())
      limits.push('events before the first line are missing: addresses depend on them and are adopted, not predicted');
    else if (this.midLifeDomains.size > 0) {
      const names = [...this.midLifeDomains].map((domain) => this.machine.domains[domain].id).sort((a, b) => a - b);
      limits.push(`mappings older than the recording end in it (domain ${names.join(', ')}): addresses there are adopted, not predicted`);
    }
    if (this.blindDomains.size > 0)
      limits.push('flushes of lazy domains were not recorded: when an address is free again is unknown, addresses there are adopted');
    for (const name of this.scope.devicesWithoutCalls) {
      limits.push(
        `${name} is not covered: it maps on a path without dma:* events (dma_iova_link of later kernels); later slots are not predicted`,
      );
    }
    const { strayLines, firstStrayLine } = this.assembler.counters;
    if (strayLines > 0) {
      limits.push(
        `${strayLines} table lines belong to no recorded call (first L${firstStrayLine}): made with a domain, cut off, or by a path without dma:* events such as dma_iova_link of later kernels; not covered`,
      );
    }
    if (this.midLifePool) limits.push('the bounce pool was in use before the recording began: slots are adopted, not predicted');
    else if (this.poolAdrift)
      limits.push('the bounce pool could not be made to agree with a slot that was recorded: later slots are not compared');
    if (this.stopped !== null) limits.push(`comparison stopped where the engine could not follow: ${this.stopped}`);
    return limits;
  }

  private result(): VerifyResult {
    const { counters } = this.assembler;
    const { checks } = this;
    return {
      limits: this.limits(),
      kernel: this.recorded.parameters.kernel,
      cpus: this.recorded.parameters.possibleCpus,
      checks: checkIds.map((id) => checks.rows[id]),
      differences: checks.differences,
      equalAfterFirst: checks.equalAfterFirst,
      windows: this.orders.decisions.map((decision, index): DecidedWindow => ({ ...decision, line: this.windowLines[index] })),
      windowCount: this.orders.decisionCount,
      ledger: {
        calls: this.lineCalls,
        outcomes: this.lineOutcomes,
        crossChecks: this.lineCrossChecks,
        notModelled: this.lineNotModelled,
        notCompared: this.lineNotCompared,
      },
      rebuiltCalls: counters.rebuilt,
      unknownMappings: counters.unknownMapping,
      strayLines: counters.strayLines,
    };
  }
}

/** Longest time from arming a kernel timer to its expiry: whole ticks, and the one that the timer wheel adds. */
function timerDelayNs(timeoutNs: number, hz: number): number {
  const tickNs = 1e9 / hz;
  return (Math.ceil(timeoutNs / tickNs) + 1) * tickNs;
}

function endsMapping(kind: number): boolean {
  return (
    kind === RecordedCall.UNMAP_PAGE || kind === RecordedCall.UNMAP_SG || kind === RecordedCall.UNMAP_RESOURCE || kind === RecordedCall.FREE
  );
}

function describePrediction(line: PredictedLine): string {
  const name = eventForm(line.event).name;
  switch (line.event) {
    case EventKind.MAP:
      return `${name} iova ${formatAddress(line.a)} paddr ${formatAddress(line.b)} size ${line.c}`;
    case EventKind.UNMAP:
      return `${name} iova ${formatAddress(line.a)} size ${line.b} unmapped ${line.c}`;
    case EventKind.BOUNCED:
      return `${name} dev_addr ${formatAddress(line.a)} size ${line.b}`;
    case EventKind.QI_SUBMIT:
      return `${name} ${halves(line.a, line.b)} ${halves(line.c, line.d)}`;
    default:
      return `${name} did ${line.domain} [${formatAddress(line.a)}-${formatAddress(line.b)}] addr ${formatAddress(line.c)} mask ${line.e}`;
  }
}

function halves(high: number, low: number): string {
  return `0x${(high * 2 ** 32 + low).toString(16)}`;
}

function formatAddress(address: number): string {
  return address < 0 ? 'none' : address.toString(16);
}

const callNames: readonly string[] = [
  'dma_map_page',
  'dma_unmap_page',
  'dma_map_sg',
  'dma_unmap_sg',
  'dma_map_resource',
  'dma_unmap_resource',
  'dma_alloc',
  'dma_free',
  'sync for the CPU',
  'sync for the device',
];

function callName(kind: number): string {
  return callNames[kind] ?? 'flush timer';
}
