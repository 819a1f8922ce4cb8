import type { Charges } from '../cost/charges.ts';
import type { CostFigures } from '../cost/price-charges.ts';

/** Time per pair spent waiting for other CPUs, ns, by what they hold. */
export interface WaitSplit {
  /** Descriptors of others in front of the own one. */
  readonly queue: number;
  /** Locks of pool areas. */
  readonly pool: number;
  /** Locks of an address space: its tree and its depots. */
  readonly iova: number;
  /** Ring locks of a flush queue, held by a flush timer. */
  readonly ring: number;
}

/** One policy on one number of CPUs, in the steady state. A pair is a call that maps with the one that unmaps. */
export interface SaturationResult {
  readonly policy: string;
  readonly cpus: number;
  readonly pairsPerCpuPerSecond: number;
  /** CPU time of a pair, ns, at the stated constants: `work` at its value, and `waiting`. */
  readonly nsPerPair: number;
  /**
   * What a pair costs a CPU without waiting, with ranges. An invalidation's own time counts, as its CPU spins it away even when it
   * is alone.
   */
  readonly work: CostFigures;
  /** What all measured pairs consisted of, failed maps included, for other prices and for paired differences. Without waiting. */
  readonly charges: Charges;
  readonly waiting: WaitSplit;
  /** Share of the time in which the invalidation queue was at work, 0 to 1. */
  readonly queueUtilisation: number;
  readonly flushes: {
    /** Because a ring was full. */
    readonly ringFull: number;
    readonly timer: number;
    /** Because the bounce pool was dry. */
    readonly poolDry: number;
  };
  /** Maps that failed; they make no pair. */
  readonly failures: number;
  /** What was simulated: the bound of the run. */
  readonly measured: {
    readonly pairs: number;
    /** Pairs and failed maps of each CPU before measuring began, at least. */
    readonly warmUpPairsPerCpu: number;
    /** Simulated time, ns. */
    readonly ns: number;
  };
}
