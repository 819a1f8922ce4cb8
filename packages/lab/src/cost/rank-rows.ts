import type { Charges } from './charges.ts';
import type { CostProfile } from './cost-profile.ts';
import { type PairedDifference, pairedDifference } from './paired-difference.ts';
import { priceCharges } from './price-charges.ts';

/** A row of a comparison with what it has done. */
export interface CostedRow {
  readonly name: string;
  readonly charges: Charges;
}

/** Another row beside the cheapest one. */
export interface RankedAgainst {
  readonly name: string;
  /** The cheapest row's cost minus this one's. */
  readonly difference: PairedDifference;
}

/** Which row of a group is cheapest, and against whom that does not hold for all constants. */
export interface CostRanking {
  /** All rows with a total, cheapest first at the stated constants. */
  readonly order: readonly string[];
  /** The first of them; null when no row has a total. */
  readonly cheapest: string | null;
  /** It is cheaper than each other row for all constants in range. */
  readonly isClear: boolean;
  /** Rows that cost the same within 1 % for all constants. */
  readonly equals: readonly RankedAgainst[];
  /** Rows that are cheaper for some constants. */
  readonly exceptions: readonly RankedAgainst[];
  /** Rows without a total, because a constant is missing. */
  readonly unpriced: readonly string[];
}

/** Ranks rows in pairs; totals are used for the order of a list only. */
export function rankRows(rows: readonly CostedRow[], profile: CostProfile): CostRanking {
  const totals = rows.map(({ charges }) => priceCharges(charges, profile).total.value);
  const priced = rows.map((row, index) => ({ row, total: totals[index] })).filter(({ total }) => total !== null);
  const ordered = priced.sort((a, b) => a.total! - b.total!).map(({ row }) => row);
  const unpriced = rows.filter((_, index) => totals[index] === null).map(({ name }) => name);
  const [cheapest, ...others] = ordered;
  const against = others.map(({ name, charges }) => ({ name, difference: pairedDifference(cheapest.charges, charges, profile) }));
  const equals = against.filter(({ difference }) => difference.relation === 'equal within 1 %');
  const exceptions = against.filter(({ difference }) => difference.relation === 'undecided');
  return {
    order: ordered.map(({ name }) => name),
    cheapest: cheapest?.name ?? null,
    isClear: cheapest !== undefined && equals.length === 0 && exceptions.length === 0,
    equals,
    exceptions,
    unpriced,
  };
}
