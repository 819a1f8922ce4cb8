/** Fewer buckets of a series, for plots that are a few hundred pixels wide. */

/** Buckets that a plot shows at most. */
const BUCKETS_MAX = 96;

/** Values of buckets of the same length, from `startNs` on. */
export interface ThinnedSeries {
  readonly startNs: number;
  readonly bucketNs: number;
  readonly mean: readonly number[];
  readonly max: readonly number[];
}

/** Joins neighbours until there are few: the mean of the means, the largest of the peaks, in whole numbers. */
export function thinned(
  buckets: readonly { readonly startNs: number }[],
  bucketNs: number,
  meanOf: (bucket: number) => number,
  maxOf: (bucket: number) => number,
): ThinnedSeries {
  const joined = Math.ceil(buckets.length / BUCKETS_MAX);
  const mean: number[] = [];
  const max: number[] = [];
  for (let first = 0; first < buckets.length; first += joined) {
    const count = Math.min(joined, buckets.length - first);
    let sum = 0;
    let peak = 0;
    for (let bucket = first; bucket < first + count; bucket++) {
      sum += meanOf(bucket);
      peak = Math.max(peak, maxOf(bucket));
    }
    mean.push(Math.round(sum / count));
    max.push(Math.round(peak));
  }
  return { startNs: buckets[0]?.startNs ?? 0, bucketNs: bucketNs * joined, mean, max };
}
