import { ALIGNMENTS, Alignment, type RangeCount, type SizeBucket, type SizeHistogram } from '../compare/size-histogram.ts';
import { type Charges, emptyCharges } from '../cost/charges.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { priceCharges } from '../cost/price-charges.ts';
import { rankRows } from '../cost/rank-rows.ts';
import type { BreakevenMix, BreakevenTrace, LimitShares } from './breakeven-result.ts';
import { type BufferAlignment, isOfAlignment } from './buffer-alignment.ts';
import type { PairCharges } from './pair-charges.ts';
import type { SizeLimits } from './size-limits.ts';
import type { TraceSizes } from './trace-sizes.ts';

const ALIGNMENT_OF: Readonly<Record<BufferAlignment, Alignment>> = {
  unaligned: Alignment.UNALIGNED,
  'start-aligned': Alignment.START_ALIGNED,
  aligned: Alignment.ALIGNED,
};
const CLASS_OF: readonly BufferAlignment[] = ['aligned', 'start-aligned', 'unaligned'];
/** Different sizes of one alignment that are priced one by one. */
const SIZES_MAX = 64;
/** Smallest size that can be priced. */
const LEAST_BYTES = 64;

/** What a recording has of the rows, and what its ranges cost together. */
export function breakevenTrace(
  sizes: TraceSizes,
  alignment: BufferAlignment,
  rows: readonly number[],
  limits: SizeLimits | null,
  profile: CostProfile,
  workOn: (alignment: BufferAlignment) => readonly PairCharges[],
): BreakevenTrace {
  const { histogram, indexes, devices } = sizes;
  const which = ALIGNMENT_OF[alignment];
  const count = (above?: number, upTo?: number): RangeCount => sum(indexes.map((device) => histogram.count(device, which, above, upTo)));
  const allOf = (device: number): RangeCount => sum(ALIGNMENTS.map((each) => histogram.count(device, each)));
  const classCount = (each: BufferAlignment): RangeCount => sum(indexes.map((device) => histogram.count(device, ALIGNMENT_OF[each])));
  return {
    data: sizes.data,
    recording: sizes.recording,
    basis: 'recorded',
    lowerBound: sizes.data.level === 'LOSS',
    all: sum(indexes.map(allOf)),
    byAlignment: { unaligned: classCount('unaligned'), 'start-aligned': classCount('start-aligned'), aligned: classCount('aligned') },
    rows: rows.map((bytes, index) => count(index === 0 ? -1 : rows[index - 1], bytes)),
    longer: count(rows[rows.length - 1]),
    sides: limits === null ? null : sidesOf(limits, count),
    devices: devices.map(({ name, driver }, index) => ({
      device: name,
      driver,
      all: allOf(indexes[index]),
      aligned: histogram.count(indexes[index], which),
      sides: limits === null ? null : sidesOf(limits, (above, upTo) => histogram.count(indexes[index], which, above, upTo)),
    })),
    mix: mixOf(histogram, indexes, profile, workOn),
  };
}

function sidesOf({ below, above }: SizeLimits, count: (above?: number, upTo?: number) => RangeCount): LimitShares {
  const upTo = below ?? -1;
  const from = above === null ? Number.POSITIVE_INFINITY : Math.max(above - 1, upTo);
  return { below: count(-1, upTo), between: count(upTo, from), above: count(from) };
}

/** Prices every range as a pair, whatever its direction was. */
function mixOf(
  histogram: SizeHistogram,
  indexes: readonly number[],
  profile: CostProfile,
  workOn: (alignment: BufferAlignment) => readonly PairCharges[],
): BreakevenMix {
  const names = workOn('unaligned').map(({ policy }) => policy.name);
  const totals = names.map(emptyCharges);
  let tooLong = NONE;
  let sizes = 0;
  for (const alignment of ALIGNMENTS) {
    const work = workOn(CLASS_OF[alignment]);
    for (const { ranges, bytes } of gathered(indexes.flatMap((device) => histogram.buckets(device, alignment)))) {
      const size = sizeOfClass(Math.round(bytes / ranges), CLASS_OF[alignment]);
      const charges = work.map((one) => one.at(size));
      sizes += 1;
      if (charges.some((each) => each === null)) {
        tooLong = sum([tooLong, { ranges, bytes }]);
        continue;
      }
      for (const [index, each] of charges.entries()) addTimes(totals[index], each!, ranges);
    }
  }
  const costed = names.map((name, index) => ({ name, charges: totals[index] }));
  const { cheapest, isClear, equals } = rankRows(costed, profile);
  return {
    unit: 'ns',
    basis: 'model',
    totals: costed.map(({ name, charges }) => ({ policy: name, cost: priceCharges(charges, profile).total })),
    cheapest,
    isClear,
    equals: equals.map(({ name }) => name),
    tooLong,
    sizes,
  };
}

/** Buckets of the same size together, and neighbours too where there are more than SIZES_MAX. */
function gathered(buckets: readonly SizeBucket[]): RangeCount[] {
  const bySize = new Map<number, RangeCount>();
  for (const bucket of buckets.toSorted((a, b) => a.upTo - b.upTo)) bySize.set(bucket.upTo, sum([bySize.get(bucket.upTo) ?? NONE, bucket]));
  const each = [...bySize.values()];
  const together = Math.ceil(each.length / SIZES_MAX);
  return Array.from({ length: Math.ceil(each.length / Math.max(1, together)) }, (_, index) =>
    sum(each.slice(index * together, (index + 1) * together)),
  );
}

/** The nearest size that the class has: buffers below 64 bytes cost what one of 64 does. */
function sizeOfClass(bytes: number, alignment: BufferAlignment): number {
  let size = Math.max(LEAST_BYTES, bytes);
  while (!isOfAlignment(alignment, size)) size += 1;
  return size;
}

function addTimes(into: Charges, each: Charges, times: number): void {
  for (let quantity = 0; quantity < into.quantities.length; quantity++) into.quantities[quantity] += each.quantities[quantity] * times;
}

const NONE: RangeCount = { ranges: 0, bytes: 0 };

function sum(counts: readonly RangeCount[]): RangeCount {
  return counts.reduce((total, { ranges, bytes }) => ({ ranges: total.ranges + ranges, bytes: total.bytes + bytes }), NONE);
}
