import { WAIT_POINTS } from './charges.ts';
import type { ConstantRange } from './cost-constant.ts';

/** Latencies of a queue, and how much of it keeps the queue busy. */
export interface QueueTimes {
  readonly page: ConstantRange;
  readonly domain: ConstantRange;
  /** Share of the latency, a QueueService constant. */
  readonly service: ConstantRange;
}

/**
 * Waiting for the one invalidation queue in replay load: a submission waits for those of other CPUs that are still at
 * work when it is made at its recorded time.
 *
 * Not linear in the latencies, so that it is followed three times: with all of them low, as stated, and high.
 */
export class InvalidationWait {
  private readonly latency: readonly Float64Array[];
  private readonly share: Float64Array;
  private readonly busyUntil: Float64Array = new Float64Array(WAIT_POINTS);
  /** End of the CPU's own last invalidation, by CPU and point. */
  private readonly cpuFree: Float64Array;
  private lastCpu = -1;

  constructor(cpus: number, times: QueueTimes) {
    this.latency = [points(times.page), points(times.domain)];
    this.share = points(times.service);
    this.cpuFree = new Float64Array(cpus * WAIT_POINTS);
  }

  /** A submission of `cpu` at `timeNs`. Adds how long it waits, by point, to the columns that begin at `at`. */
  submit(cpu: number, timeNs: number, domainWide: boolean, into: Float64Array, at: number): void {
    const latency = this.latency[domainWide ? 1 : 0];
    for (let point = 0; point < WAIT_POINTS; point++) {
      const own = cpu * WAIT_POINTS + point;
      const arrival = Math.max(timeNs, this.cpuFree[own]);
      const start = this.lastCpu === cpu ? arrival : Math.max(arrival, this.busyUntil[point]);
      into[at + point] += start - arrival;
      this.busyUntil[point] = start + latency[point] * this.share[point];
      this.cpuFree[own] = start + latency[point];
    }
    this.lastCpu = cpu;
  }
}

function points({ low, mid, high }: ConstantRange): Float64Array {
  return Float64Array.of(low, mid, high);
}
