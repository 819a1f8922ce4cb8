import type { ObservationLog } from 'dmalab-core';

/** What a CPU spends its time on in a call, waiting for others apart. */
export const WorkKind = { CALL: 0, IOVA: 1, PAGE_TABLE: 2, SLOTS: 3, COPY: 4, INVALIDATION: 5, FLUSH_QUEUE: 6 } as const;
export type WorkKind = (typeof WorkKind)[keyof typeof WorkKind];

export const WORK_KINDS: number = Object.keys(WorkKind).length;

/**
 * The constants of a machine, as the simulation asks for them: what each observation of a step takes.
 *
 * An invalidation is priced at its descriptor; the CPU that submits it spins for as long, so the rows of its completion
 * have no price of their own.
 */
export interface StepPricer {
  /** CPU time of what the row stands for, ns, 0 or more; nothing is waited for. */
  workNs(log: ObservationLog, row: number): number;
  /** What that time counts as. */
  workKind(log: ObservationLog, row: number): WorkKind;
  /** From the submission of a descriptor, with the wait behind it, to its completion on an idle queue, ns. */
  latencyNs(log: ObservationLog, row: number): number;
  /** Time for which it keeps the queue from the next one, ns: at most the latency. */
  serviceNs(log: ObservationLog, row: number): number;
  /** Time for which an exchange of magazines holds the lock of a depot, ns. */
  readonly depotHoldNs: number;
}
