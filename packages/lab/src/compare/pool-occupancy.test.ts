import { expect, it } from 'vitest';
import { PoolOccupancy } from './pool-occupancy.ts';

it('shows the slots in use, the most and the mean of each bucket', () => {
  const pool = new PoolOccupancy(64);
  pool.change(3, 1_000_000);
  pool.change(5, 1_000_500);
  pool.change(-8, 1_000_500);
  pool.change(2, 1_002_000);
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
