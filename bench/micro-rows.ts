import { type BenchRow, benchRow } from './bench-row.ts';
import { exposureBenches } from './micro/exposure.bench.ts';
import { iommuBenches } from './micro/iommu.bench.ts';
import { iovaBenches } from './micro/iova.bench.ts';
import type { MicroBench } from './micro/micro-bench.ts';
import { swiotlbBenches } from './micro/swiotlb.bench.ts';
import { Stopwatch } from './stopwatch.ts';

const NS_PER_S = 1e9;
const WARM_UP_BATCHES = 3;
const BATCHES = 9;
const QUICK_ITERATIONS = 1000;

export const microBenches: readonly MicroBench[] = [...iovaBenches, ...swiotlbBenches, ...iommuBenches, ...exposureBenches];

/** @param quick  small batches, enough to see that the code runs */
export function microRow(bench: MicroBench, quick: boolean): BenchRow {
  const iterations = quick ? Math.min(QUICK_ITERATIONS, bench.iterations) : bench.iterations;
  for (let batch = quick ? WARM_UP_BATCHES : 0; batch < WARM_UP_BATCHES; batch++) bench.run(iterations);
  const times: number[] = [];
  for (let batch = 0; batch < (quick ? 1 : BATCHES); batch++) {
    const watch = new Stopwatch();
    bench.run(iterations);
    times.push((watch.seconds * NS_PER_S) / iterations);
  }
  return benchRow(bench.name, bench.unit, times, bench.note);
}
