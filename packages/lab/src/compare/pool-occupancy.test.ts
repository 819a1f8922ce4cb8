import { ObservationLog, Observed } from 'dmalab-core';
import { expect, it } from 'vitest';
import { PoolOccupancy } from './pool-occupancy.ts';

function slots(pool: PoolOccupancy, change: number, timeNs: number): void {
  const log = new ObservationLog();
  log.nowNs = timeNs;
  log.emit(change > 0 ? Observed.SLOT_ALLOCATED : Observed.SLOT_RELEASED, 0, 0, 1, 0, Math.abs(change));
  pool.observe(log);
}

it('shows the slots in use, the most and the mean of each bucket', () => {
  const pool = new PoolOccupancy(64);
  slots(pool, 3, 1_000_000);
  slots(pool, 5, 1_000_500);
  slots(pool, -8, 1_000_500);
  slots(pool, 2, 1_002_000);
  pool.finish(1_004_000);
  const series = pool.figures()!;
  expect([series.limit, series.bucketNs]).toEqual([64, 1000]);
  // 8 slots were there for no time at all: a peak of the engine's call, which the plot cannot have.
  expect(series.buckets.map(({ startNs, mean, max }) => [startNs, mean, max])).toEqual([
    [1_000_000, 1.5, 8],
    [1_001_000, 0, 0],
    [1_002_000, 2, 2],
    [1_003_000, 2, 2],
  ]);
});

it('has nothing to show when no slot was taken', () => {
  const pool = new PoolOccupancy(64);
  pool.finish(5000);
  expect(pool.figures()).toBeUndefined();
});
