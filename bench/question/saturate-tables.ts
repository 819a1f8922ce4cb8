import { significantText } from 'dmalab';
import { pcMachine, policies } from 'dmalab-core';
import { type CostConstantName, type CostProfile, mapUnmapSequence, type SaturationResult, saturate } from 'dmalab-lab';
import { readProfile } from 'dmalab-lab/node';
import { markdownTable, policyText, usText } from './markdown-table.ts';
import { atCacheState, type Recordings } from './recordings.ts';

const CPUS: readonly number[] = [1, 4, 16];
const POLICIES: readonly string[] = ['strict', 'bounce-strict', 'bounce-partial', 'bounce-deferred', 'shadow'];
const RECORDED_POLICIES: readonly string[] = [
  'strict',
  'bounce-strict',
  'bounce-partial',
  'bounce-deferred',
  'bounce-deferred-mixed',
  'shadow',
];
const PAIRS: readonly (readonly [string, string])[] = [
  ['bounce-partial', 'bounce-strict'],
  ['bounce-deferred', 'bounce-strict'],
  ['bounce-deferred', 'bounce-partial'],
];
/** Buffers that begin a little behind a page boundary: both ends are partial pages. */
const OFFSET = 64;
const INVALIDATIONS: readonly CostConstantName[] = ['pageInvalidation', 'domainInvalidation'];

/** A policy by number of CPUs, first at the stated constants, then at each corner of the two unknowns that matter most. */
type Runs = readonly (readonly SaturationResult[])[];

/** What a pair costs when each of N CPUs makes them back to back, over one invalidation queue and one pool. */
export function saturateTable(profileName: string, bytes: number): string {
  const profiles = [readProfile(profileName), ...cornersOf(readProfile(profileName))];
  const runs = new Map(POLICIES.map((name) => [name, profiles.map((profile) => run(name, bytes, profile))]));
  const columns = CPUS.map((_, column) => column);
  const costs = POLICIES.map((name) => [`\`${name}\``, ...columns.map((column) => cellText(runs.get(name)!, column))]);
  const pairs = PAIRS.map(([first, second]) => [
    `\`${first}\` / \`${second}\``,
    ...columns.map((column) => relation(runs.get(first)!, runs.get(second)!, column)),
  ]);
  return markdownTable(['Policy, us/pair', ...CPUS.map(cpusText)], [...costs, ...pairs]);
}

/** The same with the calls of a recording, at the stated constants. */
export async function saturatedRecordingTable(recordings: Recordings, name: string): Promise<string> {
  const { rows } = await recordings.compare(name, { policies: RECORDED_POLICIES, cpus: CPUS });
  const cells = rows.map((row) => [
    policyText(row),
    ...row.saturation!.map(({ nsPerPair, waiting }) => `${usText(nsPerPair)}, waits ${Math.round((100 * waiting.queue) / nsPerPair)} %`),
  ]);
  return markdownTable(['Policy, us/pair', ...CPUS.map(cpusText)], cells);
}

function cpusText(cpus: number): string {
  return `${cpus} CPU${cpus === 1 ? '' : 's'}`;
}

function run(name: string, bytes: number, profile: CostProfile): SaturationResult[] {
  const machine = pcMachine([policies.find((policy) => policy.name === name)!]);
  return saturate(machine, name, mapUnmapSequence(bytes, OFFSET), profile, { cpus: CPUS });
}

/** Copies hot and cold, invalidations quick and slow. */
function cornersOf(profile: CostProfile): CostProfile[] {
  return [0, 1].flatMap((state) => (['low', 'high'] as const).map((end) => withInvalidations(atCacheState(profile, state), end)));
}

function withInvalidations(profile: CostProfile, end: 'low' | 'high'): CostProfile {
  const constants = { ...profile.constants };
  for (const name of INVALIDATIONS) {
    const constant = constants[name];
    if (constant.value !== null) constants[name] = { ...constant, value: constant[end] };
  }
  return { ...profile, constants };
}

function cellText(runs: Runs, column: number): string {
  const [stated, ...corners] = runs.map((results) => results[column]!);
  const ends = corners.map(({ nsPerPair }) => nsPerPair);
  const busy = `queue ${Math.round(stated!.queueUtilisation * 100)} %`;
  const dry = stated!.flushes.poolDry > 0 ? ', pool dry' : '';
  return `${usText(stated!.nsPerPair)} (${usText(Math.min(...ends))}-${usText(Math.max(...ends))}), ${busy}${dry}`;
}

/** The factor at the stated constants, where all corners agree who is cheaper. */
function relation(first: Runs, second: Runs, column: number): string {
  const factors = first.map((results, at) => results[column]!.nsPerPair / second[at]![column]!.nsPerPair);
  if (factors.every((factor) => Math.abs(factor - 1) <= 0.01)) return '=';
  const [stated] = factors;
  return factors.every((factor) => factor < 1) || factors.every((factor) => factor > 1) ? `x${significantText(stated!)}` : '~';
}
