import { PAGE_SIZE } from 'dmalab-core';
import type { ReplayCall } from './replay-call.ts';

/** Alignment of a range. */
export const Alignment = { ALIGNED: 0, START_ALIGNED: 1, UNALIGNED: 2 } as const;
export type Alignment = (typeof Alignment)[keyof typeof Alignment];

export const ALIGNMENTS: readonly Alignment[] = Object.values(Alignment);

/** Up to here each size has a bucket of its own; beyond, each doubling has 256 of equal width. */
const EXACT_BYTES = 4096;
const EXACT_BITS = 12;
const BUCKETS_PER_DOUBLING_BITS = 8;
/** Longer ranges are counted as this long. */
const LONGEST_BYTES = 2 ** 32;
const BUCKETS = EXACT_BYTES + 1 + ((32 - EXACT_BITS) << BUCKETS_PER_DOUBLING_BITS);

/** Number and bytes of some ranges. */
export interface RangeCount {
  readonly ranges: number;
  readonly bytes: number;
}

/** Ranges of one bucket. */
export interface SizeBucket extends RangeCount {
  /** Largest size of the bucket, bytes; the size itself up to 4096. */
  readonly upTo: number;
}

/**
 * Streaming ranges that the drivers asked to map, by device, alignment and size.
 *
 * Sizes up to 4 KiB are exact, larger ones to within 1/256 (buckets end at whole pages, so that these are exact in effect up
 * to 1 MiB). 150 KiB for each device and alignment that occurs.
 */
export class SizeHistogram {
  private readonly ranges: (Float64Array | undefined)[];
  private readonly bytes: (Float64Array | undefined)[];

  constructor(devices: number) {
    this.ranges = new Array(devices * ALIGNMENTS.length).fill(undefined);
    this.bytes = [...this.ranges];
  }

  add(call: ReplayCall): void {
    for (let range = 0; range < call.count; range++) this.addRange(call.device, call.phys[range], call.lengths[range]);
  }

  addRange(device: number, address: number, bytes: number): void {
    const table = device * ALIGNMENTS.length + alignmentOf(address, bytes);
    const bucket = bucketOf(bytes);
    let ranges = this.ranges[table];
    if (ranges === undefined) {
      ranges = new Float64Array(BUCKETS);
      this.ranges[table] = ranges;
      this.bytes[table] = new Float64Array(BUCKETS);
    }
    ranges[bucket] += 1;
    this.bytes[table]![bucket] += bytes;
  }

  /** Ranges of more than `above` and at most `upTo` bytes; a bucket counts as its largest size. */
  count(device: number, alignment: Alignment, above = -1, upTo: number = Number.POSITIVE_INFINITY): RangeCount {
    const sum = { ranges: 0, bytes: 0 };
    for (const bucket of this.buckets(device, alignment)) {
      if (bucket.upTo <= above || bucket.upTo > upTo) continue;
      sum.ranges += bucket.ranges;
      sum.bytes += bucket.bytes;
    }
    return sum;
  }

  /** Buckets that hold something, by size. */
  buckets(device: number, alignment: Alignment): SizeBucket[] {
    const table = device * ALIGNMENTS.length + alignment;
    const ranges = this.ranges[table];
    const bytes = this.bytes[table];
    if (ranges === undefined || bytes === undefined) return [];
    const buckets: SizeBucket[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (ranges[bucket] > 0) buckets.push({ upTo: largestOf(bucket), ranges: ranges[bucket], bytes: bytes[bucket] });
    }
    return buckets;
  }
}

function bucketOf(bytes: number): number {
  if (bytes <= EXACT_BYTES) return bytes;
  const last = Math.min(bytes, LONGEST_BYTES) - 1;
  const bits = 31 - Math.clz32(last);
  const within = (last >>> (bits - BUCKETS_PER_DOUBLING_BITS)) - (1 << BUCKETS_PER_DOUBLING_BITS);
  return EXACT_BYTES + 1 + ((bits - EXACT_BITS) << BUCKETS_PER_DOUBLING_BITS) + within;
}

function largestOf(bucket: number): number {
  if (bucket <= EXACT_BYTES) return bucket;
  const beyond = bucket - EXACT_BYTES - 1;
  const bits = (beyond >>> BUCKETS_PER_DOUBLING_BITS) + EXACT_BITS;
  const within = beyond & ((1 << BUCKETS_PER_DOUBLING_BITS) - 1);
  return 2 ** bits + (within + 1) * 2 ** (bits - BUCKETS_PER_DOUBLING_BITS);
}

function alignmentOf(address: number, bytes: number): Alignment {
  if (address % PAGE_SIZE !== 0) return Alignment.UNALIGNED;
  return bytes % PAGE_SIZE === 0 ? Alignment.ALIGNED : Alignment.START_ALIGNED;
}
