import { IOVA_DEPOT_DELAY_NS, IOVA_RANGE_CACHE_MAX_SIZE } from 'dmalab-core';
import { DomainOperation, type OperationWindow } from './resource-orders.ts';
import type { VerifyContext } from './verify-context.ts';

/** The delayed work that trims the address caches' depots: no line shows it, so it runs when its time has come. */
export class DepotSchedule {
  private readonly context: VerifyContext;
  private readonly pending: { domain: number; bin: number; seq: number; dueNs: number }[] = [];
  /** From arming a depot's delayed work to its run. */
  private readonly delayNs: number;

  constructor(context: VerifyContext) {
    this.context = context;
    this.delayNs = timerDelayNs(IOVA_DEPOT_DELAY_NS, context.recorded.parameters.hz);
  }

  /** Looks whether a step after line `seq` armed work of a domain. */
  notice(domain: number, seq: number): void {
    const { domains, observations } = this.context.machine;
    const { iova } = domains[domain];
    for (let bin = 0; bin < IOVA_RANGE_CACHE_MAX_SIZE; bin++) {
      if (!iova.depotWorkArmed(bin)) continue;
      if (this.pending.some((due) => due.domain === domain && due.bin === bin)) continue;
      this.pending.push({ domain, bin, seq, dueNs: observations.nowNs + this.delayNs });
    }
  }

  /** Runs what is due before line `seq`, written at `nowNs`. */
  runDue(seq: number, nowNs: number): void {
    const { machine, orders } = this.context;
    for (let index = this.pending.length - 1; index >= 0; index--) {
      const due = this.pending[index];
      const window: OperationWindow = { context: -2, after: due.seq, before: Number.POSITIVE_INFINITY, cpu: 0, otherCpu: 0 };
      let armed = true;
      for (; armed && due.dueNs <= nowNs; due.dueNs += this.delayNs) {
        orders.noteDomain(due.domain, DomainOperation.DEPOT_WORK, window, Number.NaN, due.bin, 0, 0);
        armed = machine.domains[due.domain].iova.depotWork(due.bin);
        due.seq = seq;
      }
      if (!armed) this.pending.splice(index, 1);
    }
  }
}

/** Longest time from arming a kernel timer to its expiry: whole ticks, and the one that the timer wheel adds. */
function timerDelayNs(timeoutNs: number, hz: number): number {
  const tickNs = 1e9 / hz;
  return (Math.ceil(timeoutNs / tickNs) + 1) * tickNs;
}
