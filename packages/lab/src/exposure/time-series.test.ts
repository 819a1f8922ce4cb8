import { Prng } from 'dmalab-core';
import { expect, it } from 'vitest';
import { TimeSeries } from './time-series.ts';

it('keeps means and largest values exactly, however often its buckets were joined', () => {
  const random = new Prng(5);
  const series = new TimeSeries(2);
  const held: { readonly from: number; readonly to: number; readonly values: Float64Array }[] = [];
  let at = 123_456;
  for (let step = 0; step < 500; step++) {
    const to = at + (random.chance(1, 5) ? 0 : random.below(random.chance(1, 10) ? 300_000 : 3_000));
    const values = Float64Array.of(0, random.below(1000), random.below(1000));
    series.hold(at, to, values, 1);
    held.push({ from: at, to, values });
    at = to;
  }
  const buckets = series.buckets();
  const { bucketNs } = series;
  expect(bucketNs).toBe(8000 * Math.round(bucketNs / 8000));
  expect(buckets.length).toBeGreaterThan(400);
  expect(buckets.length).toBeLessThanOrEqual(1024);
  for (const { startNs, mean, max } of buckets) {
    expect(startNs % bucketNs).toBe(0);
    const endNs = Math.min(startNs + bucketNs, at);
    for (const lane of [0, 1]) {
      let sum = 0;
      let peak = 0;
      for (const { from, to, values } of held) {
        const ns = Math.min(to, endNs) - Math.max(from, startNs);
        if (ns > 0) sum += ns * values[lane + 1];
        if (ns > 0 || (from === to && from >= startNs && from < startNs + bucketNs)) peak = Math.max(peak, values[lane + 1]);
      }
      expect(mean[lane]).toBeCloseTo(sum / (endNs - startNs), 6);
      expect(max[lane]).toBe(peak);
    }
  }
});

it('has no buckets before the first value', () => {
  expect(new TimeSeries(1).buckets()).toEqual([]);
});
