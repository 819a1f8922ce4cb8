import { COST_PARTS, type CostPart, PLAIN_QUANTITIES, QUANTITIES, QUANTITY_PRICES, Quantity } from './charges.ts';
import { rangeOf } from './constant-range.ts';
import { COPY_INTERVALS, copyLine } from './copy-table.ts';
import type { ConstantRange, CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';

/**
 * One independent unknown of a cost: a constant, the cache state of all copies, or the waiting. Its share of a cost is a
 * dot product of quantities, linear in the unknown, so that the ends of its range are the ends of the share.
 */
export interface PriceTerm {
  readonly name: CostConstantName;
  readonly part: CostPart;
  /** Quantities that it prices; constants price each with the same amount, copies each with their own. */
  readonly quantities: readonly number[];
  /** Per quantity, at the low, stated and high value; undefined when the profile has no basis. */
  readonly prices: readonly ConstantRange[] | undefined;
}

const priceLists = new WeakMap<CostProfile, readonly PriceTerm[]>();

/** Everything that a profile prices, by part; a constant has one term in each part in which it is used. */
export function priceTerms(profile: CostProfile): readonly PriceTerm[] {
  let terms = priceLists.get(profile);
  if (terms === undefined) {
    terms = COST_PARTS.flatMap((part) => termsOf(profile, part));
    priceLists.set(profile, terms);
  }
  return terms;
}

function termsOf(profile: CostProfile, part: CostPart): PriceTerm[] {
  const quantitiesOf = new Map<CostConstantName, number[]>();
  for (let quantity = 0; quantity < PLAIN_QUANTITIES; quantity++) {
    if (QUANTITY_PRICES[quantity].part !== part) continue;
    for (const name of QUANTITY_PRICES[quantity].constants) {
      const quantities = quantitiesOf.get(name) ?? [];
      quantities.push(quantity);
      quantitiesOf.set(name, quantities);
    }
  }
  const terms = [...quantitiesOf].map(([name, quantities]): PriceTerm => {
    const range = rangeOf(profile, name);
    return { name, part, quantities, prices: range === undefined ? undefined : quantities.map(() => range) };
  });
  if (part === 'copy') terms.push(copyTerm(profile));
  return terms;
}

/** All copies have one cache state, between the hot and the cold end of the table. */
function copyTerm(profile: CostProfile): PriceTerm {
  const quantities = Array.from({ length: QUANTITIES - Quantity.COPIES }, (_, index) => Quantity.COPIES + index);
  const state = rangeOf(profile, 'copyState');
  const prices = quantities.map((_, index): ConstantRange => {
    const interval = index % COPY_INTERVALS;
    const field = index < COPY_INTERVALS ? 'base' : 'perByte';
    const hot = copyLine(profile.copy.knots, 'hot', interval)[field];
    const cold = copyLine(profile.copy.knots, 'cold', interval)[field];
    const between = (at: number): number => hot + at * (cold - hot);
    return state === undefined
      ? { low: 0, mid: 0, high: 0 }
      : { low: between(state.low), mid: between(state.mid), high: between(state.high) };
  });
  return { name: 'copyState', part: 'copy', quantities, prices: state === undefined ? undefined : prices };
}
