import { type Charges, COST_PARTS, type CostPart } from './charges.ts';
import type { ConstantRange, CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';
import { type PriceTerm, priceTerms } from './price-list.ts';

/** What dominates a range: a constant, or the waiting for the invalidation queue. */
export type CostUnknown = CostConstantName | 'waiting';

/** A cost with its range; null where a constant that it needs is missing. */
export interface CostFigure {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: 'ns' | 'ns/pair';
  readonly basis: 'model';
  /** The unknown that makes most of the range; null when the range is a point. */
  readonly dominant: CostUnknown | null;
  /** Constants without a basis that the figure needs. */
  readonly missing: readonly CostConstantName[];
}

/** CPU time of some charges, and its parts, which add up to it. */
export interface CostFigures {
  readonly total: CostFigure;
  readonly split: Readonly<Record<CostPart, CostFigure>>;
}

/** Prices charges with all constants over their ranges. The total adds the parts up in the order of COST_PARTS. */
export function priceCharges(charges: Charges, profile: CostProfile): CostFigures {
  const sums = COST_PARTS.map((part) => partSum(charges, profile, part));
  const split = Object.fromEntries(COST_PARTS.map((part, index) => [part, figureOf(sums[index])]));
  return { total: figureOf(sums.reduce(addSums, emptySum())), split: split as Record<CostPart, CostFigure> };
}

/** The same figures for each of `pairs` map and unmap pairs; null without a pair. */
export function costPerPair(figures: CostFigures, pairs: number): CostFigures {
  const each = (figure: CostFigure): CostFigure => {
    const of = (value: number | null): number | null => (value === null || pairs === 0 ? null : value / pairs);
    return { ...figure, value: of(figure.value), low: of(figure.low), high: of(figure.high), unit: 'ns/pair' };
  };
  const split = Object.fromEntries(COST_PARTS.map((part) => [part, each(figures.split[part])]));
  return { total: each(figures.total), split: split as Record<CostPart, CostFigure> };
}

/** A sum of ranges, and what each unknown adds to its width. */
export interface CostSum extends ConstantRange {
  readonly widths: ReadonlyMap<CostUnknown, number>;
  readonly missing: readonly CostConstantName[];
}

export function emptySum(): CostSum {
  return { low: 0, mid: 0, high: 0, widths: new Map(), missing: [] };
}

export function addSums(a: CostSum, b: CostSum): CostSum {
  const widths = new Map(a.widths);
  for (const [name, width] of b.widths) widths.set(name, (widths.get(name) ?? 0) + width);
  return { low: a.low + b.low, mid: a.mid + b.mid, high: a.high + b.high, widths, missing: [...new Set([...a.missing, ...b.missing])] };
}

/** What one unknown costs. */
export function sumOf(name: CostUnknown, { low, mid, high }: ConstantRange): CostSum {
  return { low, mid, high, widths: new Map([[name, high - low]]), missing: [] };
}

/** The unknown of the widest share, null when nothing is wide. */
export function dominantOf(sum: CostSum): CostUnknown | null {
  let dominant: CostUnknown | null = null;
  let widest = 0;
  for (const [name, width] of sum.widths) {
    if (width <= widest) continue;
    widest = width;
    dominant = name;
  }
  return dominant;
}

/** What a term makes of quantities, at the low, stated and high value of its unknown. */
export function dotProduct({ quantities, prices }: PriceTerm, amounts: Float64Array): ConstantRange {
  let low = 0;
  let mid = 0;
  let high = 0;
  for (let index = 0; index < quantities.length; index++) {
    const amount = amounts[quantities[index]];
    const price = prices![index];
    low += amount * price.low;
    mid += amount * price.mid;
    high += amount * price.high;
  }
  return { low, mid, high };
}

/** Whether a term without a basis would be needed for these quantities. */
export function isNeeded(term: PriceTerm, amounts: Float64Array): boolean {
  return term.quantities.some((quantity) => amounts[quantity] !== 0);
}

function partSum(charges: Charges, profile: CostProfile, part: CostPart): CostSum {
  let sum = emptySum();
  for (const term of priceTerms(profile)) {
    if (term.part !== part) continue;
    if (term.prices !== undefined) sum = addSums(sum, sumOf(term.name, dotProduct(term, charges.quantities)));
    else if (isNeeded(term, charges.quantities)) sum = addSums(sum, { ...emptySum(), missing: [term.name] });
  }
  if (part !== 'lock') return sum;
  const [low, mid, high] = charges.waitNs;
  return addSums(sum, sumOf('waiting', { low, mid, high }));
}

export function figureOf(sum: CostSum): CostFigure {
  const common = { unit: 'ns', basis: 'model', missing: sum.missing } as const;
  if (sum.missing.length > 0) return { value: null, low: null, high: null, dominant: null, ...common };
  return { value: sum.mid, low: sum.low, high: sum.high, dominant: dominantOf(sum), ...common };
}
