import { CallKind, DMA_MAPPING_ERROR, IOVA_RANGE_CACHE_MAX_SIZE, NO_IOVA, PAGE_SIZE } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import { RecordedCall } from '../replay/call-records.ts';
import { LineState } from '../replay/line-queue.ts';
import type { CallContext } from './call-context.ts';
import type { CallRun, CallRuns } from './call-run.ts';
import { DomainOperation, type OperationWindow } from './resource-orders.ts';

/** Calls of other contexts that are tried as having taken their address before a map line. */
const EARLY_CALLS_MAX = 8;

/** Predicts the I/O address of each mapping, and makes the model follow the recording where that has another. */
export class AddressCheck {
  private readonly context: CallContext;
  private readonly runs: CallRuns;
  /** Map lines to come whose address has been taken already (see explainByLaterCalls). */
  private readonly takenEarly = new Set<number>();

  constructor(context: CallContext, runs: CallRuns) {
    this.context = context;
    this.runs = runs;
  }

  /** Performs the step ALLOCATE_IOVA in the context's window; `seq` is the line being handled, -1 for none. */
  allocate(run: CallRun, seq: number): void {
    const { checks, dma, known, lines, machine, orders, window } = this.context;
    const { calls } = dma;
    const { domain, frame } = run;
    const isMap = seq >= 0 && lines.kind[seq & lines.mask] === EventKind.MAP;
    const recorded = isMap ? lines.v0[seq & lines.mask] / PAGE_SIZE : NO_IOVA;
    if (this.takenEarly.delete(seq)) {
      calls.iovaPfn[frame] = recorded;
      dma.skipStep(frame);
      return;
    }
    const { parameters } = machine.devices[run.device];
    const mask = calls.kind[frame] === CallKind.ALLOC ? parameters.coherentDmaMask : parameters.dmaMask;
    orders.noteDomain(domain, DomainOperation.ALLOCATE, window, recorded, run.device, calls.pages[frame], mask);
    this.runs.perform(run);
    const predicted = calls.result[frame] === DMA_MAPPING_ERROR ? NO_IOVA : calls.iovaPfn[frame];
    if (predicted === recorded) return;
    if (!known.knowsDomain(domain)) {
      checks.notComparable('address');
      this.adoptAddress(run, recorded);
    } else if (orders.explainDomain(domain, this.context.fileLine(seq)) || this.explainByLaterCalls(run, seq, recorded, mask)) {
      if (predicted !== NO_IOVA && recorded !== NO_IOVA) calls.iovaPfn[frame] = recorded;
    } else {
      this.differ(run, seq, predicted, recorded);
      this.adoptAddress(run, recorded);
    }
    if (predicted === NO_IOVA || recorded === NO_IOVA) this.runs.abandon(run);
  }

  private differ(run: CallRun, seq: number, predicted: number, recorded: number): void {
    const { dma, orders } = this.context;
    this.context.differ(
      'address',
      seq,
      predicted === NO_IOVA ? 'no address left' : `page ${predicted.toString(16)}`,
      recorded === NO_IOVA ? 'no map line' : `page ${recorded.toString(16)}`,
      {
        state: this.domainState(run, dma.calls.cpu[run.frame]),
        ordersTried: orders.triedDomain(run.domain),
        domain: run.domain,
      },
    );
  }

  private domainState(run: CallRun, cpu: number): string[] {
    const { dma, machine } = this.context;
    const { iova, id } = machine.domains[run.domain];
    const pages = dma.calls.pages[run.frame];
    const bin = Math.ceil(Math.log2(pages));
    if (bin >= IOVA_RANGE_CACHE_MAX_SIZE) return [`domain ${id}: ${pages} pages, beyond the CPU caches; tree has ${iova.nodeCount} nodes`];
    const top = iova.loadedEntries(cpu, bin, 4).map((pfn) => pfn.toString(16));
    return [
      `domain ${id}, CPU ${cpu} cache of order ${bin}: ${iova.cachedEntries(cpu, bin)} entries, top ${top.join(' ') || 'none'}; depot ${iova.depotSize(bin)} magazines`,
    ];
  }

  /**
   * Tries whether a call of another context, whose map line is still to come, took its address before this one. Leaves
   * the domain in the state that fits, or as it was.
   */
  private explainByLaterCalls(run: CallRun, seq: number, recorded: number, mask: number): boolean {
    if (seq < 0 || recorded === NO_IOVA) return false;
    const { dma, lines, orders, window } = this.context;
    const { domain, device } = run;
    const pages = dma.calls.pages[run.frame];
    const own = { ...window };
    let tried = 0;
    for (let later = seq + 1; later < lines.tail && tried < EARLY_CALLS_MAX; later++) {
      if (!this.mayHaveTakenEarly(later, seq, domain)) continue;
      tried += 1;
      orders.undoDomain(domain);
      this.noteLaterCall(later, domain);
      const early = orders.performDomain(domain);
      if (early) {
        orders.noteDomain(domain, DomainOperation.ALLOCATE, own, recorded, device, pages, mask);
        if (orders.performDomain(domain)) {
          orders.bookDomain(domain, 'allocate an address of a later line earlier', tried, this.context.fileLine(seq));
          this.takenEarly.add(later);
          return true;
        }
        orders.undoDomain(domain);
      }
      orders.undoDomain(domain);
      orders.noteDomain(domain, DomainOperation.ALLOCATE, own, recorded, device, pages, mask);
      orders.performDomain(domain);
    }
    return false;
  }

  /** Whether `later` is the first map line to come of a call in the domain that was under way when line `seq` was written. */
  private mayHaveTakenEarly(later: number, seq: number, domain: number): boolean {
    const { assembler, devices, machine } = this.context;
    const { lines, calls } = assembler;
    const at = later & lines.mask;
    if (lines.kind[at] !== EventKind.MAP || lines.state[at] !== LineState.IN_CALL || lines.previous[at] >= seq) return false;
    if (lines.context[at] === lines.context[seq & lines.mask] || this.takenEarly.has(later)) return false;
    const device = devices.indexOf(calls.device[lines.call[at]]);
    return device >= 0 && machine.devices[device].domain?.index === domain;
  }

  private noteLaterCall(later: number, domain: number): void {
    const { assembler, devices, machine, orders } = this.context;
    const { lines, calls } = assembler;
    const at = later & lines.mask;
    const call = lines.call[at];
    const device = devices.indexOf(calls.device[call]);
    const { parameters, policy } = machine.devices[device];
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
    orders.noteDomain(domain, DomainOperation.ALLOCATE, window, lines.v0[at] / PAGE_SIZE, device, bytes / PAGE_SIZE, mask);
  }

  /** Makes the model's address space agree with a recorded address that it did not predict. */
  private adoptAddress(run: CallRun, recorded: number): void {
    const { dma, machine, orders } = this.context;
    const { domain, frame } = run;
    orders.undoDomain(domain);
    if (recorded !== NO_IOVA) {
      machine.domains[domain].adoptIova(recorded, dma.calls.pages[frame]);
      dma.calls.iovaPfn[frame] = recorded;
    }
    orders.restartDomain(domain);
  }
}
