import { DmaStep } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import { RecordedCall } from '../replay/call-records.ts';
import type { LineQueue } from '../replay/line-queue.ts';
import type { CallContext } from './call-context.ts';
import type { CallRun, CallRuns } from './call-run.ts';
import { checkOfLine } from './checks.ts';
import { callName, describeLine, describePrediction } from './line-text.ts';
import type { PredictedLine } from './predicted-lines.ts';

/** Compares the lines inside calls with those that the model predicts. */
export class LineComparison {
  private readonly context: CallContext;
  private readonly runs: CallRuns;

  constructor(context: CallContext, runs: CallRuns) {
    this.context = context;
    this.runs = runs;
  }

  /** Compares line `seq` with the first that the run predicts, which is there. */
  compare(run: CallRun, seq: number): void {
    const { checks, ledger, lines } = this.context;
    const kind = lines.kind[seq & lines.mask];
    const { first } = run.predicted;
    if (kind === EventKind.CACHE_TAG_FLUSH_ALL || kind === EventKind.CACHE_TAG_FLUSH_RANGE || kind === EventKind.CACHE_TAG_FLUSH_RANGE_NP) {
      ledger.crossChecks += 1;
    } else {
      ledger.outcomes += 1;
    }
    if (first.event !== kind) {
      this.context.differ(checkOfLine(kind), seq, describePrediction(first), describeLine(lines, seq));
      if (run.predicted.length > 1) run.predicted.shift();
      return;
    }
    if (kind === EventKind.BOUNCED || kind === EventKind.MAP) this.countBounce(run, kind);
    if (kind !== EventKind.BOUNCED) {
      if (sameLine(first, lines, seq)) checks.equal(checkOfLine(kind));
      else this.context.differ(checkOfLine(kind), seq, describePrediction(first), describeLine(lines, seq));
    }
    run.predicted.shift();
  }

  /** The recording bounced where the model does not, or the reverse: two ways of mapping, so the rest of the call is not compared. */
  differsInBounce(run: CallRun, seq: number): boolean {
    if (run.predicted.length > 0 || run.returned) return false;
    const { dma, ledger, lines } = this.context;
    const kind = lines.kind[seq & lines.mask];
    const step = dma.nextStep(run.frame);
    const bounced = kind === EventKind.BOUNCED && step === DmaStep.ALLOCATE_IOVA;
    if (!bounced && !(kind === EventKind.MAP && step === DmaStep.TAKE_SLOTS)) return false;
    ledger.outcomes += 1;
    this.context.differ('bounce', seq, bounced ? 'mapped as it is' : 'bounced', describeLine(lines, seq));
    this.runs.abandon(run);
    return true;
  }

  /** A line that the model does not write here. */
  unexpected(run: CallRun, seq: number): void {
    const { ledger, lines } = this.context;
    ledger.outcomes += 1;
    const check = checkOfLine(lines.kind[seq & lines.mask]);
    this.context.differ(check, seq, `nothing more from this ${callName(run.kind)}`, describeLine(lines, seq));
  }

  /** The call is over: lines that the model writes and the recording does not have. */
  missing(run: CallRun): void {
    const { calls } = this.context.assembler;
    const { call, predicted } = run;
    for (; predicted.length > 0; predicted.shift()) {
      const { first } = predicted;
      const seq = calls.apiSeq[call] >= 0 ? calls.apiSeq[call] : calls.lastSeq[call];
      const got = `no such line before the end of the ${callName(run.kind)}`;
      this.context.differ(checkOfLine(first.event), seq, describePrediction(first), got);
    }
  }

  /** One decision per mapped range: bounced (the bounce line) or not (a map line without one). */
  private countBounce(run: CallRun, kind: number): void {
    const { checks, dma, machine } = this.context;
    const bounced = dma.calls.slots[run.frame] >= 0;
    if (kind === EventKind.BOUNCED) checks.equal('bounce');
    else if (!bounced && run.mapsSeen === 0 && run.kind !== RecordedCall.ALLOC) checks.equal('bounce');
    if (kind === EventKind.MAP) run.mapsSeen += machine.devices[run.device].policy.mapsSgPerEntry ? 0 : 1;
  }
}

function sameLine(predicted: PredictedLine, lines: LineQueue, seq: number): boolean {
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
