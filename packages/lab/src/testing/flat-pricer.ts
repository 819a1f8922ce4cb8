import { type ObservationLog, Observed } from 'dmalab-core';
import { type StepPricer, WorkKind } from '../saturate/step-pricer.ts';

/** Kinds of work by observation. */
const KINDS: Partial<Record<Observed, WorkKind>> = {
  [Observed.CALL_BEGUN]: WorkKind.CALL,
  [Observed.IOVA_ALLOCATED]: WorkKind.IOVA,
  [Observed.IOVA_FREED]: WorkKind.IOVA,
  [Observed.MAPPED]: WorkKind.PAGE_TABLE,
  [Observed.UNMAPPED]: WorkKind.PAGE_TABLE,
  [Observed.SLOT_ALLOCATED]: WorkKind.SLOTS,
  [Observed.SLOT_RELEASED]: WorkKind.SLOTS,
  [Observed.COPIED_IN]: WorkKind.COPY,
  [Observed.COPIED_OUT]: WorkKind.COPY,
  [Observed.FLUSH_QUEUED]: WorkKind.FLUSH_QUEUE,
};

/** For tests: every observation of a kind costs the same, whatever it is about. */
export class FlatPricer implements StepPricer {
  readonly depotHoldNs: number;
  private readonly prices: Partial<Record<Observed, number>>;
  private readonly service: number;
  private readonly latency: number;

  constructor(prices: Partial<Record<Observed, number>>, service: number, depotHoldNs = 0, latency = service) {
    this.prices = prices;
    this.service = service;
    this.latency = latency;
    this.depotHoldNs = depotHoldNs;
  }

  workNs(log: ObservationLog, row: number): number {
    return this.prices[log.kind[row] as Observed] ?? 0;
  }

  workKind(log: ObservationLog, row: number): WorkKind {
    return KINDS[log.kind[row] as Observed] ?? WorkKind.CALL;
  }

  latencyNs(): number {
    return this.latency;
  }

  serviceNs(): number {
    return this.service;
  }
}
