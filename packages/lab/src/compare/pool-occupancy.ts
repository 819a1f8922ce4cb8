import { type ObservationLog, Observed } from 'dmalab-core';
import { TimeSeries } from '../exposure/time-series.ts';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import type { PoolSeries } from './compare-result.ts';

/** Slots of the bounce pool in use over the time of a recording, all devices together. */
export class PoolOccupancy implements ObservationConsumer {
  private readonly limit: number;
  private readonly series: TimeSeries = new TimeSeries(1);
  private readonly used: Float64Array = new Float64Array(1);
  private sinceNs = 0;

  /** @param limit  slots of the pool */
  constructor(limit: number) {
    this.limit = limit;
  }

  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      if (log.kind[row] === Observed.SLOT_ALLOCATED) this.change(log.b[row], log.timeNs[row]);
      else if (log.kind[row] === Observed.SLOT_RELEASED) this.change(-log.b[row], log.timeNs[row]);
    }
  }

  private change(slots: number, timeNs: number): void {
    this.holdUntil(timeNs);
    this.used[0] += slots;
  }

  /** The recording has ended. */
  finish(timeNs: number): void {
    this.holdUntil(timeNs);
  }

  /** Undefined when no slot was ever taken. */
  figures(): PoolSeries | undefined {
    const buckets = this.series.buckets();
    if (buckets.length === 0) return undefined;
    return {
      limit: this.limit,
      bucketNs: this.series.bucketNs,
      buckets: buckets.map(({ startNs, mean, max }) => ({ startNs, mean: mean[0], max: max[0] })),
    };
  }

  /** Before the first change there is nothing to hold. */
  private holdUntil(timeNs: number): void {
    if (this.sinceNs > 0 && timeNs >= this.sinceNs) this.series.hold(this.sinceNs, timeNs, this.used, 0);
    this.sinceNs = Math.max(this.sinceNs, timeNs);
  }
}
