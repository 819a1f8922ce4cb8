import { DmaStep, FlushCause } from 'dmalab-core';
import { AddressCheck } from './address-check.ts';
import type { CallContext } from './call-context.ts';
import type { CallRun, CallRuns } from './call-run.ts';
import type { DepotSchedule } from './depot-schedule.ts';
import { DomainOperation, PoolOperation } from './resource-orders.ts';
import { SlotCheck } from './slot-check.ts';

/**
 * Performs the steps of calls, each in its window between two lines of its context. What a step does to a resource that
 * contexts share is noted first, so that another order can be tried later.
 */
export class RunSteps {
  private readonly context: CallContext;
  private readonly runs: CallRuns;
  private readonly depots: DepotSchedule;
  private readonly addresses: AddressCheck;
  private readonly slots: SlotCheck;

  constructor(context: CallContext, runs: CallRuns, depots: DepotSchedule) {
    this.context = context;
    this.runs = runs;
    this.depots = depots;
    this.addresses = new AddressCheck(context, runs);
    this.slots = new SlotCheck(context, runs);
  }

  /** Line `seq` is to be compared: performs steps until one predicts a line. */
  untilLine(run: CallRun, seq: number): void {
    const after = this.context.neighbours.before(seq);
    while (run.predicted.length === 0 && !run.returned && run.frame >= 0) this.stepOnce(run, seq, after, seq);
  }

  /** Line `seq` has been matched: performs what writes no line of its own and does not wait for one. */
  settle(run: CallRun, seq: number): void {
    const { dma, neighbours } = this.context;
    const before = neighbours.after(seq);
    while (run.frame >= 0 && !run.returned && run.predicted.length === 0) {
      if (this.waitsForLine(dma.nextStep(run.frame))) return;
      this.stepOnce(run, seq, seq, before);
    }
  }

  /** Performs what is left of a call; it ends before line `before` of its context. */
  complete(run: CallRun, before: number): void {
    const { assembler, neighbours } = this.context;
    const { lines, calls } = assembler;
    const { call } = run;
    const held = before < lines.tail && before >= lines.head;
    const seq = held ? before : -1;
    // After a call whose API line came first, the next line of an interrupt's context can be one of the next interrupt.
    const after =
      before === calls.apiSeq[call] ? neighbours.before(before) : held ? lines.previous[before & lines.mask] : calls.lastSeq[call];
    while (run.frame >= 0 && !run.returned) this.stepOnce(run, seq, after, before);
  }

  private waitsForLine(step: DmaStep): boolean {
    const { machine, scope } = this.context;
    switch (step) {
      case DmaStep.TAKE_SLOTS:
      case DmaStep.ALLOCATE_IOVA:
      case DmaStep.WRITE_TABLE:
      case DmaStep.CLEAR_TABLE:
      case DmaStep.SUBMIT_FLUSH:
        return true;
      case DmaStep.SUBMIT_INVALIDATION:
        return scope.descriptors || scope.cacheTags;
      case DmaStep.FLUSH_MAP:
        return machine.unit!.capability.cachingMode && (scope.descriptors || scope.cacheTags);
      default:
        return false;
    }
  }

  /**
   * Performs one step between lines `after` and `before` of its context.
   *
   * @param seq  the line being handled, -1 for none
   */
  private stepOnce(run: CallRun, seq: number, after: number, before: number): void {
    const { dma, lines, neighbours, orders, window } = this.context;
    const { calls } = dma;
    const { frame } = run;
    if (seq >= 0) {
      const at = seq & lines.mask;
      calls.cpu[frame] = lines.cpu[at];
      window.context = lines.context[at];
    }
    window.after = after;
    window.before = before;
    window.cpu = calls.cpu[frame];
    window.otherCpu = neighbours.otherCpu(seq, after, before, window.cpu);
    const step = dma.nextStep(frame);
    switch (step) {
      case DmaStep.ALLOCATE_IOVA:
        this.addresses.allocate(run, seq);
        return;
      case DmaStep.TAKE_SLOTS:
        this.slots.takeSlots(run, seq);
        return;
      case DmaStep.FREE_IOVA:
        orders.noteDomain(run.domain, DomainOperation.FREE, window, Number.NaN, calls.iovaPfn[frame], calls.pages[frame], 0);
        break;
      case DmaStep.QUEUE_IOVA:
        this.noteQueue(run);
        break;
      case DmaStep.FREE_SLOTS:
        orders.notePool(PoolOperation.RELEASE, window, Number.NaN, calls.slots[frame], run.device, 0, 0);
        break;
      case DmaStep.SUBMIT_FLUSH:
        this.beginTimedFlush(run, seq);
        return;
      case DmaStep.WAIT_FLUSH:
        orders.noteDomain(run.domain, DomainOperation.END_FLUSH, window, Number.NaN, 0, 0, 0);
        break;
      case DmaStep.DRAIN_RING:
        orders.noteDomain(run.domain, DomainOperation.DRAIN, window, Number.NaN, calls.ring[frame], 0, 0);
        break;
    }
    this.runs.perform(run);
    if (step === DmaStep.FREE_IOVA || step === DmaStep.QUEUE_IOVA || step === DmaStep.DRAIN_RING) this.depots.notice(run.domain, after);
  }

  /** A full ring makes queueing three operations: the flush's two halves and the queueing itself. */
  private noteQueue(run: CallRun): void {
    const { checks, dma, machine, orders, window } = this.context;
    const { calls } = dma;
    const { domain, frame } = run;
    if (calls.flushing[frame] === 1) orders.noteDomain(domain, DomainOperation.END_FLUSH, window, Number.NaN, 0, 0, 0);
    const full = calls.flushing[frame] === 0 && machine.domains[domain].flushQueue!.mustFlush(calls.cpu[frame]);
    orders.noteDomain(domain, DomainOperation.QUEUE, window, full ? 0 : 1, calls.iovaPfn[frame], calls.pages[frame], 0);
    if (!full) return;
    orders.noteDomain(domain, DomainOperation.BEGIN_FLUSH, window, Number.NaN, FlushCause.RING_FULL, 0, 0);
    checks.equal('flush');
  }

  /** A timer has fired, so it was armed: by a range that was queued after the flush before, whichever way the lines were printed. */
  private beginTimedFlush(run: CallRun, seq: number): void {
    const { checks, known, machine, orders, window } = this.context;
    const { domain } = run;
    const { id, flushQueue } = machine.domains[domain];
    const armed = flushQueue!.timerArmed;
    orders.noteDomain(domain, DomainOperation.BEGIN_FLUSH, window, 1, FlushCause.TIMER, 0, 0);
    this.runs.perform(run);
    if (armed) {
      checks.equal('flush');
    } else if (!known.knowsDomain(domain)) {
      checks.notComparable('flush');
      orders.restartDomain(domain);
    } else if (orders.explainDomain(domain, this.context.fileLine(seq))) {
      checks.equal('flush');
    } else {
      const ordersTried = orders.triedDomain(domain);
      this.context.differ('flush', seq, `no flush: nothing waits in domain ${id}`, 'a flush of the whole domain', { ordersTried, domain });
      orders.restartDomain(domain);
    }
  }
}
