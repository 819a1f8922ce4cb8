import { bytesText, countText, significantText } from 'dmalab';
import {
  AS_RECORDED,
  COST_PARTS,
  type CompareResult,
  type CompareRow,
  type CostProfile,
  type CostRelation,
  type PairedDifference,
  pairedDifference,
} from 'dmalab-lab';
import { profileNames, readProfile } from 'dmalab-lab/node';
import { costText, markdownTable, pairedText, policyText, relationText, usText } from './markdown-table.ts';
import { atCacheState, type Recordings, rowOf } from './recordings.ts';

/** First and second of the differences that the question asks for. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['bounce-partial', 'bounce-strict'],
  ['bounce-deferred', 'bounce-strict'],
  ['bounce-deferred-mixed', 'bounce-strict'],
  ['shadow', 'bounce-strict'],
  ['bounce-deferred', 'bounce-partial'],
  ['bounce-deferred-mixed', 'bounce-partial'],
];
const SPLIT_POLICIES: readonly string[] = [
  'strict',
  'bounce-strict',
  'bounce-partial',
  'bounce-deferred',
  'bounce-deferred-mixed',
  'shadow',
];
const RELATION_WORDS: ReadonlyMap<CostRelation, string> = new Map([
  ['less', '**less**'],
  ['equal within 1 %', '**equal**'],
  ['more', '**more**'],
  ['undecided', '**undecided**'],
]);
/** Rows that did not map the same buffers have no common measure. */
const OTHER_WORK = 'other mappings';

/** Every policy on one recording. */
export function costTable(result: CompareResult): string {
  const recorded = rowOf(result, AS_RECORDED);
  const strict = rowOf(result, 'bounce-strict');
  const profile = readProfile(result.profile!);
  const titles = ['Policy', 'us/pair', 'beside as-recorded', 'beside `bounce-strict`, us/pair', 'Invalidations', 'Copied'];
  const rows = result.rows.map((row) => {
    const { invalidations, copied } = row.total;
    return [
      policyText(row),
      `${row.cost!.lowerBound ? '>=' : ''}${costText(row.cost!.perPair.total)}`,
      row === recorded ? '-' : besideText(row, recorded, profile, relationText),
      row === strict ? '-' : besideText(row, strict, profile, (difference) => pairedText(difference, strict.work!.pairs)),
      countText(invalidations.pageSelective.value! + invalidations.domainSelective.value!),
      `${copied.in.lowerBound === true ? '>=' : ''}${bytesText(copied.in.value! + copied.out.value!)}`,
    ];
  });
  return markdownTable(titles, rows);
}

/** The differences that the question asks for, a line per recording. */
export async function answerTable(recordings: Recordings, names: readonly string[]): Promise<string> {
  const rows = await Promise.all(
    names.map(async (name) => {
      const result = await recordings.compare(name);
      const profile = readProfile(result.profile!);
      return [
        `\`${name}\``,
        ...PAIRS.map(([first, second]) => besideText(rowOf(result, first), rowOf(result, second), profile, relationText)),
      ];
    }),
  );
  return markdownTable(['Recording', ...PAIRS.map(pairTitle)], rows);
}

/** The same in words: on which recordings each difference is decided, and what decides the others. */
export async function answerList(recordings: Recordings, names: readonly string[]): Promise<string> {
  const lines = await Promise.all(PAIRS.map(async (pair) => `* ${pairTitle(pair)}: ${await relationWords(recordings, names, pair)}.`));
  return lines.join('\n');
}

async function relationWords(
  recordings: Recordings,
  names: readonly string[],
  [first, second]: readonly [string, string],
): Promise<string> {
  const groups = new Map<string, string[]>([...RELATION_WORDS.values(), OTHER_WORK].map((words) => [words, []]));
  for (const name of names) {
    const result = await recordings.compare(name);
    const [a, b] = [rowOf(result, first), rowOf(result, second)];
    const difference = pairedDifference(a.work!.charges, b.work!.charges, readProfile(result.profile!));
    const words = a.work!.pairs === b.work!.pairs ? RELATION_WORDS.get(difference.relation)! : OTHER_WORK;
    const { relation, dominant } = difference;
    const detail =
      relation === 'undecided' ? ` (\`${dominant}\`)` : relation === 'equal within 1 %' ? '' : ` (${relationText(difference)})`;
    groups.get(words)!.push(`\`${name}\`${words === OTHER_WORK ? '' : detail}`);
  }
  return [...groups].flatMap(([words, of]) => (of.length === 0 ? [] : [`${words} on ${of.join(', ')}`])).join('; ');
}

/** The same on one recording, a line per profile. */
export async function profileTable(recordings: Recordings, recording: string): Promise<string> {
  const result = await recordings.compare(recording);
  // Quantities are the same under every profile, but waiting for other CPUs is not.
  if (result.recording.cpus > 1) throw new Error(`${recording} is not of one CPU`);
  const rows = profileNames().map((name) => [
    `\`${name}\``,
    ...PAIRS.map(([first, second]) => besideText(rowOf(result, first), rowOf(result, second), readProfile(name), relationText)),
  ]);
  return markdownTable(['Profile', ...PAIRS.map(pairTitle)], rows);
}

/** How the differences depend on the cache state of the copies. */
export async function cacheStateTable(recordings: Recordings, names: readonly string[]): Promise<string> {
  const rows: string[][] = [];
  for (const name of names) {
    const result = await recordings.compare(name);
    const profile = readProfile(result.profile!);
    for (const [first, second] of PAIRS) {
      const [a, b] = [rowOf(result, first), rowOf(result, second)];
      if (a.work!.pairs !== b.work!.pairs) continue;
      const at = (state: number): PairedDifference => pairedDifference(a.work!.charges, b.work!.charges, atCacheState(profile, state));
      const [hot, stated, cold] = [at(0), at(profile.constants.copyState.value!), at(1)];
      if ([hot, stated, cold].every(({ relation }) => relation === hot.relation && relation !== 'undecided')) continue;
      rows.push([
        `\`${name}\``,
        pairTitle([first, second]),
        ...[hot, stated, cold].map((one) => pairedText(one, b.work!.pairs)),
        balanceText(hot.mid!, cold.mid!),
      ]);
    }
  }
  return markdownTable(['Recording', 'Pair', 'hot (0)', 'as stated (0.2)', 'cold (1)', 'even at'], rows);
}

/** Where the time goes at the stated constants. */
export function splitTable(result: CompareResult): string {
  const rows = SPLIT_POLICIES.map((policy) => {
    const row = rowOf(result, policy);
    const { split, total } = row.cost!.perPair;
    return [policyText(row), ...COST_PARTS.map((part) => usText(split[part].value!)), usText(total.value!)];
  });
  return markdownTable(['Policy, us/pair', ...COST_PARTS, 'total'], rows);
}

function pairTitle([first, second]: readonly [string, string]): string {
  return `\`${first}\` / \`${second}\``;
}

/** The first beside the second, where they mapped the same buffers. */
export function besideText(
  row: CompareRow,
  other: CompareRow,
  profile: CostProfile,
  text: (difference: PairedDifference) => string,
): string {
  if (row.work!.pairs !== other.work!.pairs) return OTHER_WORK;
  return text(pairedDifference(row.work!.charges, other.work!.charges, profile));
}

/** The difference is linear in the cache state. */
function balanceText(hot: number, cold: number): string {
  const state = hot / (hot - cold);
  return state > 0 && state < 1 ? significantText(state) : 'nowhere';
}
