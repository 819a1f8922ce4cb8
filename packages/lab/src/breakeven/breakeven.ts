import type { ProtectionPolicy } from 'dmalab-core';
import { choosePolicies } from '../compare/compare-options.ts';
import { rangeOf } from '../cost/constant-range.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { priceCharges } from '../cost/price-charges.ts';
import { type CostedRow, rankRows } from '../cost/rank-rows.ts';
import { withConstants } from '../cost/with-constants.ts';
import { type BreakevenChoice, type BreakevenOptions, chooseBreakeven } from './breakeven-options.ts';
import {
  BREAKEVEN_RESULT_VERSION,
  type BreakevenComparison,
  type BreakevenResult,
  type BreakevenRow,
  type CacheStateLimits,
} from './breakeven-result.ts';
import { type BufferAlignment, offsetOf, rowSizes } from './buffer-alignment.ts';
import { contentionOf } from './contention.ts';
import { PairCharges } from './pair-charges.ts';
import { SizeComparison } from './size-limits.ts';
import { breakevenTrace } from './trace-shares.ts';

/** Who the deferred release is held against when nobody asks for policies in particular. */
const SUMMARY_SECOND = 'bounce-deferred';
const SUMMARY_FIRSTS: readonly string[] = ['bounce-strict', 'bounce-partial', 'strict'];

/**
 * Which of some policies is cheapest by the size of a buffer, and from which size on another one is.
 *
 * The work of a pair comes from the engine in its steady state (PairCharges), its price from the profile, and who is cheaper
 * from the paired difference alone.
 *
 * @throws LabError CMP001, BRK001 to BRK003 for choices that do not fit
 */
export async function breakeven(profile: CostProfile, options: BreakevenOptions = {}): Promise<BreakevenResult> {
  const choice = chooseBreakeven(options);
  const bench = new Bench(profile, choice, options.pause ?? (async () => {}));
  const { alignment, direction, minAlignMask, longestBounced, policies, cpus } = choice;
  const names = policies.map(({ name }) => name);
  const sizes = rowSizes(alignment, longestBounced);
  const rows = await bench.rows(sizes, names);
  const [first, ...others] = names;
  const comparisons = await bench.compare([first], others, sizes, true);
  const isDefault = options.policies === undefined || options.policies.length === 0;
  const summary = isDefault ? await bench.compare(SUMMARY_FIRSTS, [SUMMARY_SECOND], sizes, false) : [];
  const work = (which: BufferAlignment): PairCharges[] => names.map((name) => bench.charges(name, which));
  return {
    format: 'dmalab-breakeven',
    version: BREAKEVEN_RESULT_VERSION,
    profile: profile.name,
    buffers: { alignment, offset: offsetOf(alignment), direction, minAlignMask, longestBounced },
    policies: names,
    rows,
    comparisons,
    summary,
    contention: cpus === 1 ? null : contentionOf(work(alignment), sizes, alignment, cpus, profile),
    trace: options.trace === undefined ? null : breakevenTrace(options.trace, alignment, sizes, comparisons[0].limits, profile, work),
  };
}

/** Policies at work on one kind of buffers, each measured once. */
class Bench {
  private readonly profile: CostProfile;
  private readonly choice: BreakevenChoice;
  private readonly pause: () => Promise<void>;
  private readonly measured = new Map<string, PairCharges>();

  constructor(profile: CostProfile, choice: BreakevenChoice, pause: () => Promise<void>) {
    this.profile = profile;
    this.choice = choice;
    this.pause = pause;
  }

  charges(name: string, alignment: BufferAlignment = this.choice.alignment): PairCharges {
    const key = `${name} ${alignment}`;
    let charges = this.measured.get(key);
    if (charges === undefined) {
      const { direction, minAlignMask } = this.choice;
      charges = new PairCharges(policyNamed(name), { alignment, direction, minAlignMask }, this.profile);
      this.measured.set(key, charges);
    }
    return charges;
  }

  async rows(sizes: readonly number[], names: readonly string[]): Promise<BreakevenRow[]> {
    const rows: BreakevenRow[] = [];
    for (const bytes of sizes) {
      await this.pause();
      rows.push(this.row(bytes, names));
    }
    return rows;
  }

  private row(bytes: number, names: readonly string[]): BreakevenRow {
    const { profile } = this;
    const charges = names.map((name) => this.charges(name).at(bytes));
    const costed = names.flatMap((name, index): CostedRow[] => {
      const each = charges[index];
      return each === null ? [] : [{ name, charges: each }];
    });
    const { cheapest, isClear, equals } = rankRows(costed, profile);
    return {
      bytes,
      costs: charges.map((each) => (each === null ? null : { ...priceCharges(each, profile).total, unit: 'ns/pair' })),
      cheapest,
      isClear,
      equals: equals.map(({ name }) => name),
    };
  }

  /** Each of the first against each of the second. */
  async compare(
    firsts: readonly string[],
    seconds: readonly string[],
    sizes: readonly number[],
    withStates: boolean,
  ): Promise<BreakevenComparison[]> {
    const { profile } = this;
    const { alignment } = this.choice;
    const comparisons: BreakevenComparison[] = [];
    for (const first of firsts) {
      for (const second of seconds) {
        const comparison = new SizeComparison(this.charges(first), this.charges(second), alignment, sizes);
        const differences = sizes.map((bytes) => comparison.difference(bytes, profile));
        await this.pause();
        const limits = comparison.limits(profile);
        const byCacheState: CacheStateLimits[] = [];
        for (const state of withStates ? cacheStates(profile) : []) {
          await this.pause();
          byCacheState.push(this.atState(comparison, state));
        }
        const missing = [...new Set(differences.flatMap((difference) => difference?.missing ?? []))];
        comparisons.push({ first, second, differences, limits, byCacheState, missing });
      }
    }
    return comparisons;
  }

  private atState(comparison: SizeComparison, state: Omit<CacheStateLimits, 'limits'>): CacheStateLimits {
    return { ...state, limits: comparison.limits(withConstants(this.profile, { copyState: state.copyState })) };
  }
}

function cacheStates(profile: CostProfile): Omit<CacheStateLimits, 'limits'>[] {
  const own = rangeOf(profile, 'copyState')?.mid;
  return [
    { state: 'hot', copyState: 0 },
    ...(own === undefined ? [] : [{ state: 'profile' as const, copyState: own }]),
    { state: 'cold', copyState: 1 },
  ];
}

function policyNamed(name: string): ProtectionPolicy {
  return choosePolicies([name])[0];
}
