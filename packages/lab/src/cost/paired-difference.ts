import { type Charges, QUANTITIES } from './charges.ts';
import type { ConstantRange, CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';
import {
  addSums,
  type CostSum,
  type CostUnknown,
  dominantOf,
  dotProduct,
  emptySum,
  isNeeded,
  priceCharges,
  sumOf,
} from './price-charges.ts';
import { priceTerms } from './price-list.ts';

/** Share of the second cost up to which a difference counts as none. */
const EQUAL_SHARE = 0.01;

/** How the first of two costs relates to the second, for all constants in their ranges. */
export type CostRelation = 'less' | 'more' | 'equal within 1 %' | 'undecided';

/** First cost minus second, both with the same constants, ns. */
export interface PairedDifference {
  /** Null when a constant is missing in which the two differ. */
  readonly low: number | null;
  readonly mid: number | null;
  readonly high: number | null;
  readonly relation: CostRelation;
  /** First over second at the stated constants; null when one of them has no figure, or the second costs nothing. */
  readonly factor: number | null;
  /** The unknown that makes most of the range. */
  readonly dominant: CostUnknown | null;
  readonly missing: readonly CostConstantName[];
}

/**
 * Compares two costs constant by constant.
 *
 * The range is exact in everything linear: each constant stands at the end of its range that makes the difference least or
 * greatest. All copies share one cache state. The waiting is known at three points only; its range there is taken as
 * independent of the latencies, which can make the range wider than it is, never narrower than at those points.
 */
export function pairedDifference(a: Charges, b: Charges, profile: CostProfile): PairedDifference {
  const amounts = new Float64Array(QUANTITIES);
  for (let quantity = 0; quantity < QUANTITIES; quantity++) amounts[quantity] = a.quantities[quantity] - b.quantities[quantity];
  const sum = addSums(linearDifference(amounts, profile), waitDifference(a, b));
  const [first, second] = [priceCharges(a, profile).total.value, priceCharges(b, profile).total.value];
  const factor = first === null || second === null || second === 0 ? null : first / second;
  if (sum.missing.length > 0)
    return { low: null, mid: null, high: null, relation: 'undecided', factor, dominant: null, missing: sum.missing };
  const { low, mid, high } = sum;
  return { low, mid, high, relation: relationOf(sum, second), factor, dominant: dominantOf(sum), missing: [] };
}

/** Shares of a constant in several parts are added up before its range is taken. */
function linearDifference(amounts: Float64Array, profile: CostProfile): CostSum {
  const shares = new Map<CostConstantName, ConstantRange>();
  let sum = emptySum();
  for (const term of priceTerms(profile)) {
    if (term.prices === undefined) {
      if (isNeeded(term, amounts)) sum = addSums(sum, { ...emptySum(), missing: [term.name] });
      continue;
    }
    const more = dotProduct(term, amounts);
    const share = shares.get(term.name);
    shares.set(
      term.name,
      share === undefined ? more : { low: share.low + more.low, mid: share.mid + more.mid, high: share.high + more.high },
    );
  }
  for (const [name, share] of shares) sum = addSums(sum, sumOf(name, ordered(share.low, share.mid, share.high)));
  return sum;
}

function waitDifference(a: Charges, b: Charges): CostSum {
  const [low, mid, high] = a.waitNs.map((waitNs, point) => waitNs - b.waitNs[point]);
  return sumOf('waiting', ordered(low, mid, high));
}

/** The range of values at the low, stated and high constant: a difference can fall where the constant rises. */
function ordered(low: number, mid: number, high: number): ConstantRange {
  return { low: Math.min(low, mid, high), mid, high: Math.max(low, mid, high) };
}

function relationOf({ low, high }: ConstantRange, second: number | null): CostRelation {
  const least = second === null ? 0 : second * EQUAL_SHARE;
  if (low >= -least && high <= least) return 'equal within 1 %';
  if (high < 0) return 'less';
  return low > 0 ? 'more' : 'undecided';
}
