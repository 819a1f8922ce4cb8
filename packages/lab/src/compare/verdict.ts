/**
 * The verdict of a comparison in words, made once for all outputs: what the cheapest policy without a gap costs beside the
 * machine as recorded, against whom that is not decided, and what cheaper policies give up.
 */
import type { PropertyName } from 'dmalab-core';
import { REFUTED_PROPERTIES } from '../check/refuted-properties.ts';
import { chargesPer } from '../cost/charges.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { PairedDifference } from '../cost/paired-difference.ts';
import { type CostRanking, rankRows } from '../cost/rank-rows.ts';
import { promiseNames } from '../user-policy/user-policy.ts';
import { AS_RECORDED, type CompareResult, type CompareRow } from './compare-result.ts';

const NS_PER_US = 1000;
/** Names of exceptions that a sentence lists. */
const NAMED_MAX = 2;

/** Policies by what they promise, each group cheapest first at the stated constants. */
export interface CompareGroups {
  /** Give nothing up that the checker has found. */
  readonly complete: readonly CompareRow[];
  /** Give something up. */
  readonly partial: readonly CompareRow[];
  /** Policies of the user's own, which nobody has checked; what they give up is what they do not promise. */
  readonly unchecked: readonly CompareRow[];
}

/**
 * Properties that a row's policy gives up: those that the checker refutes within its quick bound, for a policy of the user's
 * own those that it does not promise; empty for as-recorded. Says nothing about this trace.
 */
export function givenUp({ policy, promises }: CompareRow): readonly PropertyName[] {
  if (promises === null) return [];
  return REFUTED_PROPERTIES[policy] ?? promiseNames.filter((property) => !promises.includes(property));
}

/** Groups the what-if rows. */
export function compareGroups({ rows }: CompareResult): CompareGroups {
  const whatIf = rows.filter(({ policy }) => policy !== AS_RECORDED);
  const ordered = whatIf.toSorted((a, b) => costOf(a) - costOf(b));
  return {
    complete: ordered.filter((row) => isChecked(row) && givenUp(row).length === 0),
    partial: ordered.filter((row) => isChecked(row) && givenUp(row).length > 0),
    unchecked: ordered.filter((row) => !isChecked(row)),
  };
}

/** Ranks the rows that promise everything, in pairs; null when none of them has a price. */
export function compareRanking({ complete }: CompareGroups, profile: CostProfile): CostRanking | null {
  const costed = complete.flatMap(({ policy, work }) =>
    work === null ? [] : [{ name: policy, charges: chargesPer(work.charges, work.pairs) }],
  );
  return costed.length === 0 ? null : rankRows(costed, profile);
}

/** The verdict in sentences, the most important one first. */
export function compareVerdict(groups: CompareGroups, ranking: CostRanking | null): string[] {
  const best = groups.complete.find(({ policy }) => policy === ranking?.cheapest);
  if (best === undefined || ranking === null) return ['No policy of this comparison keeps P1 to P6 and has a price.'];
  const reach = best.exposure?.total.either?.subPage.peak.value;
  const name = `${best.policy} (${best.status?.startsWith('Linux') === true ? 'in Linux' : 'not in Linux'})`;
  const subject = reach === 0 ? `${name} leaves nothing foreign reachable here and takes` : `${name} takes`;
  const sentences = [`${subject} ${differenceText(best)}.`, rivalsText(ranking)];
  const trade = tradeText(groups);
  return trade === '' ? sentences : [...sentences, trade];
}

/** How a row compares with the machine as recorded, per pair and over all constants. */
function differenceText(row: CompareRow): string {
  const versus = row.cost?.versusRecorded;
  if (versus === undefined || versus === null || versus.low === null || versus.high === null) return 'a time that is not known';
  switch (versus.relation) {
    case 'equal within 1 %':
      return 'as much CPU time as recorded, within 1 %';
    case 'less':
      return `${usRange(-versus.high, -versus.low)} less CPU time per pair than as recorded`;
    case 'more':
      return `${usRange(versus.low, versus.high)} more CPU time per pair than as recorded`;
    case 'undecided':
      return `from ${us(-versus.low)} us less to ${us(versus.high)} us more CPU time per pair than as recorded: not decided, ${dominantText(versus)} decides`;
  }
}

function dominantText({ dominant }: PairedDifference): string {
  if (dominant === 'copyState') return 'the cache state of the copies';
  return dominant === null ? 'no constant' : `the constant ${dominant}`;
}

/** Rows of the same group that the cheapest one does not beat for all constants. */
function rivalsText(ranking: CostRanking): string {
  const equals = ranking.equals.map(({ name }) => name);
  const undecided = ranking.exceptions.map(({ name }) => name);
  const parts: string[] = [];
  if (equals.length > 0) parts.push(`${named(equals)} cost${equals.length === 1 ? 's' : ''} the same`);
  if (undecided.length > 0) parts.push(`against ${named(undecided)} it depends on the constants`);
  if (parts.length === 0) return 'Cheapest of its group for all constants.';
  return `Cheapest of its group at the stated constants; ${parts.join(', ')}.`;
}

/** What the cheapest of the others takes and gives up; one that lets the device reach all memory is no alternative. */
function tradeText({ partial }: CompareGroups): string {
  const cheapest = partial.find(({ exposure }) => exposure?.total.reach === 'limited');
  if (cheapest === undefined) return '';
  return `${cheapest.policy} takes ${differenceText(cheapest)} and gives up ${givenUp(cheapest).join(' ')}.`;
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_MAX).join(' and ');
  return names.length > NAMED_MAX ? `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more` : shown;
}

function usRange(lowNs: number, highNs: number): string {
  return `${us(lowNs)}-${us(highNs)} us`;
}

function us(ns: number): string {
  return (ns / NS_PER_US).toPrecision(3);
}

function isChecked({ policy }: CompareRow): boolean {
  return policy in REFUTED_PROPERTIES;
}

/** Rows without a price come last. */
function costOf(row: CompareRow): number {
  return row.cost?.perPair.total.value ?? Number.POSITIVE_INFINITY;
}
