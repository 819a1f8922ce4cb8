import { AssertionFailure } from 'dmalab-core';
import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { CallAssembler } from '../replay/call-assembler.ts';
import { RecordedCall } from '../replay/call-records.ts';
import { LineState } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { CallContext } from './call-context.ts';
import { type CallRun, CallRuns } from './call-run.ts';
import { type Checks, checkOfLine } from './checks.ts';
import { DepotSchedule } from './depot-schedule.ts';
import { FlushTimerLines } from './flush-timer-lines.ts';
import { LineComparison } from './line-comparison.ts';
import { compareResult } from './result-comparison.ts';
import { RunSteps } from './run-steps.ts';
import { callLimits } from './verify-limits.ts';
import type { VerifyResult } from './verify-result.ts';
import type { VerifyScope } from './verify-scope.ts';

/** Lines read ahead of the one that is compared, so that a call whose line comes late can be seen to have acted early. */
const LOOK_AHEAD = 256;

/**
 * Replays the calls of a recording through the engine and compares what it says the kernel did with what the kernel
 * said it did, line by line.
 *
 * A step is performed when its own trace line comes; what the trace does not show (freeing, queueing, copying) follows
 * the line before it. Where contexts overlap, ResourceOrders finds the order. After a difference the recorded value is
 * adopted, so that one cause gives one row.
 */
export class Verifier {
  readonly assembler: CallAssembler;
  readonly checks: Checks;
  private readonly context: CallContext;
  private readonly runs: CallRuns;
  private readonly steps: RunSteps;
  private readonly comparison: LineComparison;
  private readonly depots: DepotSchedule;
  private readonly timers: FlushTimerLines;
  /** Per context the call whose API line came first and which still takes lines, -1 for none. */
  private readonly tails: number[] = [];
  private finished = false;
  private stopped: string | null = null;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope) {
    this.assembler = new CallAssembler(
      (device) => this.isTranslated(device),
      (paddr) => this.context.machine.pool?.contains(paddr) ?? false,
      (device) => !scope.devicesWithoutCalls.has(this.context.devices.nameOf(device)),
    );
    this.context = new CallContext(recorded, names, scope, this.assembler);
    this.checks = this.context.checks;
    this.runs = new CallRuns(this.context);
    this.depots = new DepotSchedule(this.context);
    this.steps = new RunSteps(this.context, this.runs, this.depots);
    this.comparison = new LineComparison(this.context, this.runs);
    this.timers = new FlushTimerLines(this.context);
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
    for (let context = 0; context < this.tails.length && this.stopped === null; context++) {
      this.guard(() => this.closeTail(context, Number.POSITIVE_INFINITY));
    }
    const { rebuilt, unknownMapping, strayLines } = this.assembler.counters;
    const assembly = { rebuiltCalls: rebuilt, unknownMappings: unknownMapping, strayLines };
    return this.context.result(callLimits(this.context, this.stopped), assembly);
  }

  private isTranslated(device: number): boolean {
    const { devices, machine } = this.context;
    const index = devices.indexOf(device);
    return index >= 0 && machine.devices[index].policy.translated;
  }

  private readonly handleHead = (): void => this.line(this.context.lines.head);

  private drain(): void {
    const { assembler, context } = this;
    const { lines } = assembler;
    while (assembler.ready && (this.finished || lines.tail - lines.head > LOOK_AHEAD)) {
      if (this.stopped === null) this.guard(this.handleHead);
      else context.ledger.notCompared += 1;
      lines.pop();
    }
  }

  /**
   * After a difference, or after a guess that proved wrong, the engine can get into a state that no kernel has; what it
   * then refuses ends the comparison.
   */
  private guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof AssertionFailure)) throw error;
      this.stopped = error.message;
      const { known } = this.context;
      if (known.knowsAll()) this.context.differ('address', this.context.lines.head, 'a state that the engine can follow', error.message);
    }
  }

  // ---- one line ----------------------------------------------------------------------------------------------

  private line(seq: number): void {
    const { ledger, lines, neighbours, orders } = this.context;
    const at = seq & lines.mask;
    const context = lines.context[at];
    this.context.beginLine(seq);
    this.depots.runDue(seq, lines.timeNs[at]);
    orders.close(context, seq);
    neighbours.note(seq);
    if (lines.isDeviceTlb(at)) {
      ledger.notModelled += 1;
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
    if (isApi) this.context.ledger.calls += 1;
    if (kind === RecordedCall.SYNC_FOR_CPU || kind === RecordedCall.SYNC_FOR_DEVICE) {
      this.runs.sync(seq, kind);
      calls.release(call);
      return;
    }
    const run = this.runs.of(call) ?? this.runs.begin(call, seq);
    if (calls.apiFirst[call] === 1 || calls.rebuilt[call] === 1) this.tails[context] = call;
    if (calls.apiFirst[call] === 1 && isApi) {
      this.steps.settle(run, seq);
    } else if (isApi) {
      this.complete(run, seq);
      compareResult(this.context, run, seq);
      this.runs.end(run);
    } else {
      this.outcome(run, seq);
    }
  }

  /** A line inside a call: the engine performs the step that writes it, then what follows unseen. */
  private outcome(run: CallRun, seq: number): void {
    const { checks, ledger, lines } = this.context;
    if (run.frame < 0) {
      ledger.notCompared += 1;
      checks.notComparable(checkOfLine(lines.kind[seq & lines.mask]));
      return;
    }
    if (this.comparison.differsInBounce(run, seq)) return;
    this.steps.untilLine(run, seq);
    if (run.frame < 0) {
      ledger.notCompared += 1;
      return;
    }
    if (run.predicted.length === 0) {
      const domain = this.timers.domainOf(seq);
      if (domain >= 0) this.beginFlushTimer(seq, domain);
      else this.comparison.unexpected(run, seq);
      return;
    }
    this.comparison.compare(run, seq);
    this.steps.settle(run, seq);
  }

  private lineAlone(seq: number, context: number): void {
    const { checks, ledger, lines } = this.context;
    const kind = lines.kind[seq & lines.mask];
    const tail = this.tails[context] ?? -1;
    if (tail >= 0 && this.continuesTail(tail, seq)) {
      this.outcome(this.runs.of(tail)!, seq);
      return;
    }
    switch (kind) {
      case EventKind.CACHE_TAG_FLUSH_ALL:
      case EventKind.QI_SUBMIT: {
        const domain = this.timers.domainOf(seq);
        if (domain >= 0) this.beginFlushTimer(seq, domain);
        else ledger.notModelled += 1;
        return;
      }
      case EventKind.MAP:
      case EventKind.UNMAP:
      case EventKind.BOUNCED:
      case EventKind.CACHE_TAG_FLUSH_RANGE:
      case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
        checks.notComparable(checkOfLine(kind));
        ledger.notCompared += 1;
        return;
      case EventKind.DMA_FREE:
        ledger.calls += 1;
        return;
      default:
        ledger.notModelled += 1;
    }
  }

  // ---- runs whose end no line shows --------------------------------------------------------------------------

  /** The moment and the CPU are given; that this domain's timer is armed is predicted. */
  private beginFlushTimer(seq: number, domain: number): void {
    const { checks, lines } = this.context;
    const context = lines.context[seq & lines.mask];
    this.closeTail(context, seq);
    checks.given('flush');
    const run = this.runs.beginFlushTimer(seq, domain);
    this.tails[context] = run.call;
    this.outcome(run, seq);
  }

  /** Whether a line by itself goes on with the flush that its context has begun. */
  private continuesTail(tail: number, seq: number): boolean {
    const { lines } = this.context;
    const run = this.runs.of(tail);
    if (run === null || run.predicted.length === 0) return false;
    return run.isFlushTimer && lines.kind[seq & lines.mask] === run.predicted.first.event;
  }

  private closeTail(context: number, seq: number): void {
    const call = this.tails[context] ?? -1;
    if (call < 0) return;
    this.tails[context] = -1;
    const run = this.runs.of(call)!;
    this.complete(run, seq);
    this.assembler.detach(call, context, seq);
    this.runs.end(run);
  }

  /** The call ends before line `before` of its context. */
  private complete(run: CallRun, before: number): void {
    this.steps.complete(run, before);
    this.comparison.missing(run);
  }
}
