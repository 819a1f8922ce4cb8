import { adoptSlots, PAGE_SIZE } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import { RecordedCall } from '../replay/call-records.ts';
import type { CallContext } from './call-context.ts';
import type { CallRun, CallRuns } from './call-run.ts';
import { slotResult } from './operations.ts';
import { PoolOperation } from './resource-orders.ts';

/** Predicts the bounce slots of each mapping, and makes the model follow the recording where that has others. */
export class SlotCheck {
  private readonly context: CallContext;
  private readonly runs: CallRuns;

  constructor(context: CallContext, runs: CallRuns) {
    this.context = context;
    this.runs = runs;
  }

  /** Performs the step TAKE_SLOTS in the context's window; `seq` is the line being handled, -1 for none. */
  takeSlots(run: CallRun, seq: number): void {
    const { checks, dma, known, machine, orders, scope, window } = this.context;
    const { calls } = dma;
    const { device, frame } = run;
    const { translated } = machine.devices[device].policy;
    const recorded = this.recordedSlot(run, seq, translated);
    if (machine.pool === null) {
      this.runs.perform(run);
      return;
    }
    orders.notePool(PoolOperation.TAKE, window, recorded, calls.original[frame], calls.bytes[frame], device, translated ? 1 : 0);
    this.runs.perform(run);
    const taken = slotResult(calls.slots[frame], translated);
    if (taken === recorded) {
      checks.equal('slot');
      return;
    }
    const isKnown = known.knowsPool();
    if (isKnown && orders.explainPool(this.context.fileLine(seq))) {
      checks.equal('slot');
      if (taken < 0 || recorded < 0) this.runs.abandon(run);
      else this.moveSlots(run, translated ? recorded + (calls.slots[frame] % PAGE_SIZE) : recorded);
      return;
    }
    if (isKnown && scope.poolDescribed) this.differ(run, seq, taken, recorded);
    else checks.notComparable('slot');
    if (!scope.poolDescribed) known.poolMisjudged = true;
    this.adoptSlots(run, recorded, translated);
  }

  /** Where the recording shows that this bounce went: its map line comes later in the call, or, in direct mode, the API line tells. */
  private recordedSlot(run: CallRun, seq: number, translated: boolean): number {
    const { assembler, dma } = this.context;
    const { lines, calls } = assembler;
    const { call } = run;
    if (translated) {
      const next = seq < 0 ? -1 : this.lineAfterInCall(seq, call);
      if (next < 0 || lines.kind[next & lines.mask] !== EventKind.MAP) return -1;
      return lines.v2[next & lines.mask];
    }
    const at = calls.apiSeq[call] & lines.mask;
    if (run.kind === RecordedCall.MAP_PAGE) return lines.v0[at];
    const entry = dma.calls.entry[run.frame];
    return entry < lines.dmaAddrsCount[at] ? lines.list[(lines.dmaAddrs[at] + entry) & lines.listMask] : -1;
  }

  /** The next line of the same call in its context, -1 for none. */
  private lineAfterInCall(seq: number, call: number): number {
    const { lines } = this.context;
    const next = lines.next[seq & lines.mask];
    return next >= 0 && lines.call[next & lines.mask] === call ? next : -1;
  }

  private differ(run: CallRun, seq: number, taken: number, recorded: number): void {
    const { dma, machine, orders } = this.context;
    const pool = machine.pool!;
    const area = dma.calls.cpu[run.frame] & (pool.areas - 1);
    const state = `pool: ${pool.used} of ${pool.slots} slots used; area ${area}: ${pool.areaUsed(area)} used, search begins at ${pool.areaIndex(area)}`;
    this.context.differ(
      'slot',
      seq,
      taken < 0 ? 'the pool is full' : taken.toString(16),
      recorded < 0 ? 'the mapping failed' : recorded.toString(16),
      { state: [state], ordersTried: orders.triedPool() },
    );
  }

  /** Makes the model's pool agree with recorded slots that it did not predict; gives the call up where that cannot be. */
  private adoptSlots(run: CallRun, recorded: number, translated: boolean): void {
    const { dma, known, machine, orders } = this.context;
    const { calls } = dma;
    const { frame } = run;
    const { minAlignMask, segmentBoundaryMask } = machine.devices[run.device].parameters;
    orders.undoPool();
    if (recorded < 0) {
      orders.restartPool();
      this.runs.abandon(run);
      return;
    }
    const slots = adoptSlots(
      machine.pool!,
      recorded,
      calls.original[frame],
      calls.bytes[frame],
      translated ? PAGE_SIZE - 1 : 0,
      minAlignMask,
      segmentBoundaryMask,
    );
    orders.restartPool();
    if (slots < 0 || calls.slots[frame] < 0) {
      known.poolAdrift = true;
      this.runs.abandon(run);
    } else {
      this.moveSlots(run, slots);
    }
  }

  /** The engine's call goes on with these slots. */
  private moveSlots(run: CallRun, slots: number): void {
    const { calls } = this.context.dma;
    calls.slots[run.frame] = slots;
    calls.phys[run.frame] = slots;
  }
}
