/** Buckets of a series at most; when time runs past the last one, pairs are joined and buckets last twice as long. */
const BUCKETS = 1024;
/** Length of the first buckets, ns. */
const FIRST_BUCKET_NS = 1000;

/** One bucket for plots. */
export interface TimeSeriesBucket {
  readonly startNs: number;
  readonly mean: readonly number[];
  readonly max: readonly number[];
}

/**
 * Several quantities over time in at most 1024 buckets, exact in each: the largest value in the bucket's time and the
 * mean over it. Buckets start at multiples of their length, which is a power of two of 1 us.
 */
export class TimeSeries {
  readonly lanes: number;
  bucketNs: number = FIRST_BUCKET_NS;
  private startNs = -1;
  private endNs = 0;
  private readonly sums: Float64Array<ArrayBuffer>;
  private readonly peaks: Float64Array<ArrayBuffer>;

  constructor(lanes: number) {
    this.lanes = lanes;
    this.sums = new Float64Array(lanes * BUCKETS);
    this.peaks = new Float64Array(lanes * BUCKETS);
  }

  /** The quantities in `values[first ...]` held from `fromNs` to `toNs`; intervals come in order and may be empty. */
  hold(fromNs: number, toNs: number, values: Float64Array, first: number): void {
    if (this.startNs < 0) this.startNs = Math.floor(fromNs / this.bucketNs) * this.bucketNs;
    while (Math.max(fromNs + 1, toNs) > this.startNs + BUCKETS * this.bucketNs) this.join();
    this.endNs = Math.max(this.endNs, toNs);
    const { bucketNs, lanes, sums, peaks } = this;
    let bucket = Math.floor((fromNs - this.startNs) / bucketNs);
    let at = fromNs;
    do {
      const end = Math.min(toNs, this.startNs + (bucket + 1) * bucketNs);
      const ns = end - at;
      const row = bucket * lanes;
      for (let lane = 0; lane < lanes; lane++) {
        const value = values[first + lane];
        sums[row + lane] += value * ns;
        if (value > peaks[row + lane]) peaks[row + lane] = value;
      }
      at = end;
      bucket += 1;
    } while (at < toNs);
  }

  /** The buckets up to the last time; the mean of the last one is over the part of it that has passed. */
  buckets(): TimeSeriesBucket[] {
    const { bucketNs, lanes, startNs, endNs, sums, peaks } = this;
    if (startNs < 0) return [];
    const count = Math.max(1, Math.ceil((endNs - startNs) / bucketNs));
    return Array.from({ length: count }, (_, bucket) => {
      const start = startNs + bucket * bucketNs;
      const ns = Math.max(1, Math.min(endNs, start + bucketNs) - start);
      const row = bucket * lanes;
      return {
        startNs: start,
        mean: Array.from(sums.subarray(row, row + lanes), (sum) => sum / ns),
        max: [...peaks.subarray(row, row + lanes)],
      };
    });
  }

  private join(): void {
    const { bucketNs, lanes, sums, peaks } = this;
    const doubled = bucketNs * 2;
    const start = Math.floor(this.startNs / doubled) * doubled;
    const shift = (this.startNs - start) / bucketNs;
    // A bucket's target is never behind it, and what stood there has moved on before.
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const from = bucket * lanes;
      const to = Math.floor((bucket + shift) / 2) * lanes;
      if (from === to) continue;
      for (let lane = 0; lane < lanes; lane++) {
        sums[to + lane] += sums[from + lane];
        peaks[to + lane] = Math.max(peaks[to + lane], peaks[from + lane]);
      }
      sums.fill(0, from, from + lanes);
      peaks.fill(0, from, from + lanes);
    }
    this.startNs = start;
    this.bucketNs = doubled;
  }
}
