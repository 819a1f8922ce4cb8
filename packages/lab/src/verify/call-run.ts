import type { Direction } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import { SgEntries } from '../replay/sg-entries.ts';
import type { CallContext } from './call-context.ts';
import { PredictedLines } from './predicted-lines.ts';

/** RecordedCall number of a flush timer, which is no API call. */
const FLUSH_TIMER = 20;

/** The engine's side of one assembled call. */
export class CallRun {
  /** Row of the engine's call table, -1 when the call cannot be replayed. */
  frame = -1;
  /** Row of the assembler's call table. */
  call = -1;
  returned = false;
  kind = 0;
  device = -1;
  domain = -1;
  /** Map lines of the call that were compared so far: where the recorded address of the next entry is. */
  mapsSeen = 0;
  readonly predicted: PredictedLines = new PredictedLines();

  get isFlushTimer(): boolean {
    return this.kind === FLUSH_TIMER;
  }
}

/** The runs of all calls that are under way: each begins with the call's first line and ends with its last. */
export class CallRuns {
  private readonly context: CallContext;
  private readonly runOfCall: (CallRun | null)[] = [];
  private readonly freeRuns: CallRun[] = [];
  private readonly entries = new SgEntries();

  constructor(context: CallContext) {
    this.context = context;
  }

  /** The run of a call of the assembler, null before its first line. */
  of(call: number): CallRun | null {
    return this.runOfCall[call] ?? null;
  }

  /** Begins the engine's call for `call`, whose first line is `seq`. */
  begin(call: number, seq: number): CallRun {
    const { context } = this;
    const { lines, calls } = context.assembler;
    const run = this.take(call);
    const device = context.devices.indexOf(calls.device[call]);
    run.kind = calls.kind[call];
    run.device = device;
    if (device < 0) return run;
    run.domain = context.machine.devices[device].domain?.index ?? -1;
    if (calls.mapping[call] < 0 && endsMapping(run.kind)) this.noticeMidLife(run);
    const cpu = lines.cpu[seq & lines.mask];
    run.frame = calls.rebuilt[call] === 1 ? this.beginRebuilt(call, cpu, device) : this.beginCall(call, cpu, device);
    return run;
  }

  /** Begins the flush of a domain by its timer, whose first line is `seq`. */
  beginFlushTimer(seq: number, domain: number): CallRun {
    const { lines, calls } = this.context.assembler;
    const at = seq & lines.mask;
    const run = this.take(calls.take(FLUSH_TIMER as RecordedCall, -1, lines.context[at], seq, -1));
    run.kind = FLUSH_TIMER;
    run.domain = domain;
    run.frame = this.context.dma.beginFlushTimer(lines.cpu[at], domain);
    return run;
  }

  /** Performs the run's next step, and notes the lines that it predicts. */
  perform(run: CallRun): void {
    const { observations } = this.context.machine;
    const from = observations.length;
    run.returned = this.context.dma.step(run.frame);
    run.predicted.addFrom(observations, from, this.context.scope);
    observations.clear();
  }

  /** The model and the recording went different ways: the rest of the call is not compared. */
  abandon(run: CallRun): void {
    this.context.dma.end(run.frame);
    run.frame = -1;
    run.predicted.clear();
  }

  /** The call's last line was compared. */
  end(run: CallRun): void {
    const { calls, mappings } = this.context.assembler;
    const { call } = run;
    if (run.frame >= 0) this.context.dma.end(run.frame);
    const mapping = calls.mapping[call];
    if (endsMapping(calls.kind[call]) && mapping >= 0) mappings.release(mapping);
    this.runOfCall[call] = null;
    this.freeRuns.push(run);
    calls.release(call);
  }

  /** A sync, which is whole in its one line and writes no other. */
  sync(seq: number, kind: number): void {
    const { lines, devices, dma, machine } = this.context;
    const at = seq & lines.mask;
    const device = devices.indexOf(lines.device[at]);
    if (device < 0 || lines.dmaAddrsCount[at] > 0) return;
    const direction = lines.direction[at] as Direction;
    if (kind === RecordedCall.SYNC_FOR_CPU) dma.syncSingleForCpu(lines.cpu[at], device, lines.v0[at], lines.v1[at], direction);
    else dma.syncSingleForDevice(lines.cpu[at], device, lines.v0[at], lines.v1[at], direction);
    machine.observations.clear();
  }

  private take(call: number): CallRun {
    const run = this.freeRuns.pop() ?? new CallRun();
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

  /** A mapping ends whose beginning was not recorded. */
  private noticeMidLife(run: CallRun): void {
    const { known, machine } = this.context;
    if (run.domain < 0) return;
    known.loseDomain(run.domain);
    if (machine.devices[run.device].policy.mapsSgPerEntry) known.losePool();
  }

  private beginRebuilt(call: number, cpu: number, device: number): number {
    const { phys, bytes } = this.context.assembler.calls.entries[call]!;
    return this.context.dma.beginMapSg(cpu, device, phys, bytes, 0, phys.length, 0 as Direction, 0);
  }

  private beginCall(call: number, cpu: number, device: number): number {
    const { entries } = this;
    const { assembler, checks, dma, machine } = this.context;
    const { lines, calls, mappings } = assembler;
    const at = calls.apiSeq[call] & lines.mask;
    const direction = lines.direction[at] as Direction;
    const attrs = lines.attrs[at];
    const mapping = calls.mapping[call];
    switch (calls.kind[call]) {
      case RecordedCall.MAP_PAGE:
        return dma.beginMapPage(cpu, device, lines.v2[at], lines.v1[at], direction, attrs);
      case RecordedCall.MAP_RESOURCE:
        return dma.beginMapResource(cpu, device, lines.v2[at], lines.v1[at], direction, attrs);
      case RecordedCall.MAP_SG:
        entries.read(lines, calls.apiSeq[call], calls.mapLines[call]);
        if (entries.given) checks.given('map');
        if (entries.count === 0) return -1;
        return dma.beginMapSg(cpu, device, entries.phys, entries.bytes, 0, entries.count, direction, attrs);
      case RecordedCall.ALLOC: {
        entries.readRuns(lines, calls.mapLines[call]);
        for (let index = 0; index < entries.count; index++) checks.given('map');
        if (entries.count === 0 && machine.devices[device].policy.translated) return -1;
        entries.phys[entries.count] = lines.v0[at];
        return dma.beginAlloc(cpu, device, lines.v1[at], entries.phys, entries.bytes, 0, entries.count);
      }
      case RecordedCall.UNMAP_PAGE:
        return mapping < 0 ? -1 : dma.beginUnmapPage(cpu, device, lines.v0[at], lines.v1[at], direction, attrs);
      case RecordedCall.UNMAP_RESOURCE:
        return mapping < 0 ? -1 : dma.beginUnmapResource(cpu, device, lines.v0[at], lines.v1[at], direction, attrs);
      case RecordedCall.FREE:
        return mapping < 0 ? -1 : dma.beginFree(cpu, device, lines.v0[at], lines.v1[at]);
      case RecordedCall.UNMAP_SG: {
        if (mapping < 0) return -1;
        const { dmaAddr, bytes } = mappings.segments[mapping]!;
        return dma.beginUnmapSg(cpu, device, dmaAddr, bytes, 0, dmaAddr.length, direction, attrs);
      }
      default:
        return -1;
    }
  }
}

function endsMapping(kind: number): boolean {
  return (
    kind === RecordedCall.UNMAP_PAGE || kind === RecordedCall.UNMAP_SG || kind === RecordedCall.UNMAP_RESOURCE || kind === RecordedCall.FREE
  );
}
