import { bounceStrict, lazy, type ObservationLog, Prng, type ProtectionPolicy, policies, strict } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { changedProfile } from '../testing/changed-profile.ts';
import { DrivenMachine } from '../testing/driven-machine.ts';
import { type Charges, COST_PARTS, emptyCharges, QUANTITIES, Quantity } from './charges.ts';
import { COST_CONSTANT_NAMES, type CostConstantName } from './cost-constant.ts';
import { CostMeter } from './cost-meter.ts';
import type { CostProfile } from './cost-profile.ts';
import { pairedDifference } from './paired-difference.ts';
import { costPerPair, priceCharges } from './price-charges.ts';
import { rankRows } from './rank-rows.ts';
import { profileNames, readProfile } from './read-profile.ts';
import { RowByRow } from './row-by-row.oracle.ts';
import { StepPrice } from './step-price.ts';

const vtdBare = readProfile('vtd-bare');
const CALLS = 600;

/** The charges of two devices under a policy, and whoever else looks at the log. */
function chargesOf(policy: ProtectionPolicy, seed: number, observe: (log: ObservationLog) => void = () => {}): Charges {
  const driven = new DrivenMachine([policy, policy], seed);
  const meter = new CostMeter(driven.machine, vtdBare);
  driven.run(CALLS, (log) => {
    meter.observe(log);
    observe(log);
  });
  return meter.charges();
}

/** Without the waiting, which is not linear. */
function linear(charges: Charges): Charges {
  return { quantities: charges.quantities, waitNs: emptyCharges().waitNs };
}

/** Work of one kind only. */
function work(amounts: Partial<Record<keyof typeof Quantity, number>>): Charges {
  const charges = emptyCharges();
  for (const [name, amount] of Object.entries(amounts)) charges.quantities[Quantity[name as keyof typeof Quantity]] = amount;
  return charges;
}

type Values = Record<CostConstantName, number>;

/** A value for each constant: an end or anything inside of its range. */
function sample(profile: CostProfile, prng: Prng): Values {
  return valuesOf(profile, (low, high) =>
    prng.chance(1, 3) ? low : prng.chance(1, 2) ? high : low + ((high - low) * prng.below(1e6)) / 1e6,
  );
}

function valuesOf(profile: CostProfile, choose: (low: number, high: number, name: CostConstantName) => number): Values {
  const entries = COST_CONSTANT_NAMES.map((name) => {
    const constant = profile.constants[name];
    return [name, constant.value === null ? 0 : choose(constant.low, constant.high, name)];
  });
  return Object.fromEntries(entries) as Values;
}

/** A profile in which nothing is uncertain. */
function fixedProfile(profile: CostProfile, values: Values): CostProfile {
  const ranges = COST_CONSTANT_NAMES.filter((name) => profile.constants[name].value !== null).map((name) => {
    const [low, mid, high] = [values[name], values[name], values[name]];
    return [name, { low, mid, high }];
  });
  return changedProfile(profile, Object.fromEntries(ranges));
}

describe('quantities priced at once', () => {
  it.each(policies.map((policy) => [policy.name, policy] as const))('%s: as much as its observations one by one', (_, policy) => {
    const prng = new Prng(11);
    for (let seed = 1; seed <= 4; seed++) {
      const values = sample(vtdBare, prng);
      const oracle = new RowByRow(values, vtdBare.copy.knots);
      const charges = chargesOf(policy, seed, (log) => oracle.add(log));
      const { value, low, high } = priceCharges(linear(charges), fixedProfile(vtdBare, values)).total;
      expect(Math.abs(value! / oracle.ns - 1)).toBeLessThan(1e-9);
      expect(low).toBe(high);
      const range = priceCharges(linear(charges), vtdBare).total;
      expect(oracle.ns).toBeGreaterThanOrEqual(range.low! * (1 - 1e-9));
      expect(oracle.ns).toBeLessThanOrEqual(range.high! * (1 + 1e-9));
    }
  });

  it.each(profileNames())('%s: the parts add up to the total', (name) => {
    const profile = readProfile(name);
    for (const policy of policies) {
      const { total, split } = priceCharges(chargesOf(policy, 5), profile);
      for (const end of ['low', 'value', 'high'] as const) {
        expect(total[end]).toBe(COST_PARTS.reduce((sum, part) => sum + split[part][end]!, 0));
      }
      expect(total.low).toBeLessThanOrEqual(total.value!);
      expect(total.value).toBeLessThanOrEqual(total.high!);
    }
  });

  it('are given per pair, and not for no pair', () => {
    const figures = priceCharges(work({ UNMAP_CALLS: 10 }), vtdBare);
    expect(costPerPair(figures, 10).total).toMatchObject({ value: 20, low: 8, high: 60, unit: 'ns/pair', dominant: 'unmapCall' });
    expect(costPerPair(figures, 0).total.value).toBeNull();
  });

  it('suppress only what needs a missing constant', () => {
    const profile = changedProfile(vtdBare, { flushQueueAdd: null });
    const { total, split } = priceCharges(work({ QUEUE_ADDS: 1, MAP_CALLS: 1 }), profile);
    expect(total).toMatchObject({ value: null, missing: ['flushQueueAdd'] });
    expect([split.flush.value, split.call.value]).toEqual([null, 20]);
    expect(priceCharges(work({ MAP_CALLS: 1 }), profile).total.value).toBe(20);
  });

  it('name what dominates the range', () => {
    expect(priceCharges(work({ PAGE_INVALIDATIONS: 1, MAP_CALLS: 1 }), vtdBare).total.dominant).toBe('pageInvalidation');
    expect(priceCharges(work({ PAGE_INVALIDATIONS: 1, IOVA_TREE_ALLOCS: 1 }), vtdBare).total.dominant).toBe('iovaTreeAlloc');
  });
});

describe('a paired difference', () => {
  it('contains every choice of constants, and its ends are reached', () => {
    const prng = new Prng(23);
    for (let seed = 1; seed <= 3; seed++) {
      for (const [first, second] of [
        [strict, bounceStrict],
        [lazy, strict],
        [bounceStrict, lazy],
      ] as const) {
        const [a, b] = [linear(chargesOf(first, seed)), linear(chargesOf(second, seed))];
        const { low, high } = pairedDifference(a, b, vtdBare);
        const differenceAt = (values: Values): number => {
          const fixed = fixedProfile(vtdBare, values);
          return priceCharges(a, fixed).total.value! - priceCharges(b, fixed).total.value!;
        };
        const slack = (high! - low!) * 1e-9;
        for (let round = 0; round < 50; round++) {
          const difference = differenceAt(sample(vtdBare, prng));
          expect(difference).toBeGreaterThanOrEqual(low! - slack);
          expect(difference).toBeLessThanOrEqual(high! + slack);
        }
        // One constant after the other to the end that makes the difference least.
        const all = valuesOf(vtdBare, (lowEnd) => lowEnd);
        const least = valuesOf(vtdBare, (lowEnd, highEnd, name) =>
          differenceAt({ ...all, [name]: lowEnd }) <= differenceAt({ ...all, [name]: highEnd }) ? lowEnd : highEnd,
        );
        const greatest = valuesOf(vtdBare, (lowEnd, highEnd, name) => (least[name] === lowEnd ? highEnd : lowEnd));
        expect(Math.abs(differenceAt(least) - low!)).toBeLessThan(slack * 10);
        expect(Math.abs(differenceAt(greatest) - high!)).toBeLessThan(slack * 10);
      }
    }
  });

  it('decides between rows whose totals overlap', () => {
    const [first, second] = [chargesOf(strict, 3), chargesOf(bounceStrict, 3)];
    const [a, b] = [priceCharges(first, vtdBare).total, priceCharges(second, vtdBare).total];
    expect(a.high).toBeGreaterThan(b.low!);
    const difference = pairedDifference(first, second, vtdBare);
    expect(difference.relation).toBe('less');
    expect(difference.factor).toBeLessThan(1);
    expect(pairedDifference(second, first, vtdBare)).toMatchObject({ relation: 'more', low: -difference.high!, high: -difference.low! });
  });

  it('is undecided once a range is wide enough', () => {
    const copying = work({ UNMAP_CALLS: 1, MAP_CALLS: 1 });
    copying.quantities[Quantity.COPIES + 3] = 1;
    copying.quantities[Quantity.COPIED_BYTES + 3] = 1500;
    const invalidating = work({ UNMAP_CALLS: 1, MAP_CALLS: 1, PAGE_INVALIDATIONS: 1 });
    const narrow = changedProfile(vtdBare, { copyState: { low: 0, mid: 0.2, high: 0.4 } });
    expect(pairedDifference(copying, invalidating, narrow)).toMatchObject({ relation: 'less', dominant: 'pageInvalidation' });
    expect(pairedDifference(copying, invalidating, vtdBare)).toMatchObject({ relation: 'undecided', dominant: 'copyState' });
  });

  it('sees what is equal', () => {
    const charges = chargesOf(lazy, 3);
    expect(pairedDifference(charges, charges, vtdBare)).toMatchObject({
      relation: 'equal within 1 %',
      low: 0,
      high: 0,
      factor: 1,
      dominant: null,
    });
  });

  it('does not need a constant in which the rows agree', () => {
    const profile = changedProfile(vtdBare, { mapCall: null });
    const [a, b] = [work({ MAP_CALLS: 5, LOCKS: 1 }), work({ MAP_CALLS: 5, LOCKS: 3 })];
    expect(pairedDifference(a, b, profile)).toMatchObject({ relation: 'less', factor: null, missing: [] });
    expect(pairedDifference(a, work({ MAP_CALLS: 4 }), profile)).toMatchObject({ relation: 'undecided', low: null, missing: ['mapCall'] });
  });

  it('takes the waiting at three points', () => {
    const [a, b] = [work({}), work({})];
    a.waitNs.set([10, 30, 20]);
    b.waitNs.set([0, 0, 40]);
    expect(pairedDifference(a, b, vtdBare)).toMatchObject({ low: -20, mid: 30, high: 30, relation: 'undecided', dominant: 'waiting' });
  });
});

describe('a ranking', () => {
  it('names who may be cheaper than the cheapest', () => {
    const rows = [
      { name: 'direct', charges: work({ PAGE_INVALIDATIONS: 10, MAPPED_RANGES: 1 }) },
      { name: 'flushes', charges: work({ TIMER_FLUSHES: 10 }) },
      { name: 'dear', charges: work({ PAGE_INVALIDATIONS: 20, MAPPED_RANGES: 1 }) },
    ];
    const ranking = rankRows(rows, vtdBare);
    expect(ranking).toMatchObject({ order: ['flushes', 'direct', 'dear'], cheapest: 'flushes', isClear: false, equals: [] });
    // Two different constants, even with the same value, decide nothing.
    expect(ranking.exceptions.map(({ name }) => name)).toEqual(['direct', 'dear']);
    expect(rankRows(rows.slice(1, 2), vtdBare).isClear).toBe(true);
    expect(rankRows([rows[0], rows[2]], vtdBare)).toMatchObject({ cheapest: 'direct', isClear: true });
  });

  it('leaves out rows without a total', () => {
    const profile = changedProfile(vtdBare, { pageInvalidation: null });
    const rows = [
      { name: 'a', charges: work({ PAGE_INVALIDATIONS: 1 }) },
      { name: 'b', charges: work({ MAP_CALLS: 1 }) },
    ];
    expect(rankRows(rows, profile)).toMatchObject({ cheapest: 'b', isClear: true, unpriced: ['a'] });
    expect(rankRows([], profile)).toMatchObject({ cheapest: null, isClear: false });
  });
});

describe('prices of steps', () => {
  it.each(policies.map((policy) => [policy.name, policy] as const))('%s: add up to the total', (_, policy) => {
    const step = StepPrice.of(vtdBare, 2)!;
    let ns = 0;
    const charges = chargesOf(policy, 9, (log) => {
      step.price(log, 0, log.length);
      ns += step.tailNs;
      for (let use = 0; use < step.length; use++) ns += step.localNs[use] + step.usedNs[use];
    });
    expect(Math.abs(ns / priceCharges(linear(charges), vtdBare).total.value! - 1)).toBeLessThan(1e-9);
  });

  it('needs every constant', () => {
    expect(StepPrice.of(changedProfile(vtdBare, { lock: null }), 2)).toBeNull();
  });
});

it('has a column for each quantity', () => {
  expect(new Set(Object.values(Quantity)).size).toBe(Object.keys(Quantity).length);
  expect(Math.max(...Object.values(Quantity))).toBeLessThan(QUANTITIES);
});
