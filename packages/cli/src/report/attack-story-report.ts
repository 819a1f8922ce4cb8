/** One attack of `dmalab attack NAME` as text: how it went under each policy, and its story step by step. */
import type { AttackOutcome, AttackRow, CaseOutcome } from 'dmalab-lab';
import { countText, NOT_APPLICABLE, significantText } from '../terminal/format.ts';
import { type TableColumn, tableLines } from '../terminal/table.ts';
import { labelled, wrapped } from '../terminal/wrap.ts';

const NS_PER_US = 1000;
const NS_PER_MS = 1e6;
/** Where the text of a step begins, behind its number, time and actor. */
const STEP_INDENT = 32;

const COLUMNS: readonly TableColumn[] = [
  { title: ['policy'], align: 'left', dropOrder: 0 },
  { title: ['verdict'], align: 'left', dropOrder: 0 },
  { title: ['bytes', 'read'], align: 'right', dropOrder: 0 },
  { title: ['bytes', 'changed'], align: 'right', dropOrder: 0 },
  { title: ['first gain', 'after unmap'], align: 'right', dropOrder: 2 },
  { title: ['last access', 'after unmap'], align: 'right', dropOrder: 3 },
  { title: ['translation', 'at first gain'], align: 'left', dropOrder: 1 },
];

/** What it is, what it needs, where it is described. */
export function attackStatementLines({ statement, needs, source }: AttackRow, columns: number): string[] {
  return [...labelled('', statement, columns, 8), ...labelled('needs', needs, columns, 8), ...labelled('source', source, columns, 8)];
}

/** A row per policy. */
export function attackPolicyLines({ outcomes }: AttackRow, columns: number): string[] {
  return tableLines(COLUMNS, outcomes.map(policyCells), columns);
}

/** What stopped it or let it through, each reason once with the policies and cases that it holds for. */
export function attackWhyLines({ outcomes }: AttackRow, columns: number): string[] {
  const holdersOf = new Map<string, string[]>();
  for (const { policy, cases, verdict } of outcomes) {
    if (verdict === 'does not apply') continue;
    const reasons = new Map<string, string[]>();
    for (const one of cases) {
      if (one.verdict === 'does not apply') continue;
      const text = `${one.verdict === 'stopped' ? 'stopped' : 'NOT stopped'}: ${one.why}`;
      reasons.set(text, [...(reasons.get(text) ?? []), one.name]);
    }
    for (const [text, names] of reasons) {
      const key = names.length === cases.length ? text : `${text} (case ${names.join('; ')})`;
      holdersOf.set(key, [...(holdersOf.get(key) ?? []), policy]);
    }
  }
  return [...holdersOf].flatMap(([text, names]) => labelled('why', `${names.join(', ')}: ${text}`, columns));
}

/** The steps of one case under one policy, chosen so that there is something to see. */
export function attackStoryLines(row: AttackRow, firstPolicy: boolean, columns: number): string[] {
  const outcome = chosenOutcome(row, firstPolicy);
  const one = outcome.cases.find(({ verdict }) => verdict === 'not stopped') ?? outcome.cases.find(({ steps }) => steps.length > 0);
  if (one === undefined) return [];
  const title = labelled('story', `under ${outcome.policy}, case ${one.name}; a step takes 1 us of simulated time`, columns);
  return [...title, ...one.steps.flatMap((step, index) => stepLines(step, index, columns)), ...caseRemark(row, outcome, one, columns)];
}

function policyCells({ policy, verdict, bytesRead, bytesChanged, cases }: AttackOutcome): string[] {
  const word = verdict === 'not stopped' ? 'NOT stopped' : verdict;
  const [gain] = cases.flatMap(({ gains }) => gains);
  const reached = Math.max(0, ...cases.map(({ reachedAfterUnmapNs }) => reachedAfterUnmapNs));
  const isPlayed = verdict !== 'does not apply';
  return [
    policy,
    word,
    isPlayed ? countText(bytesRead) : NOT_APPLICABLE,
    isPlayed ? countText(bytesChanged) : NOT_APPLICABLE,
    gain === undefined || gain.afterUnmapNs < 0 ? NOT_APPLICABLE : timeText(gain.afterUnmapNs),
    reached === 0 ? NOT_APPLICABLE : timeText(reached),
    gain === undefined ? NOT_APPLICABLE : gain.phase,
  ];
}

function chosenOutcome({ outcomes }: AttackRow, firstPolicy: boolean): AttackOutcome {
  const telling = outcomes.filter(({ bytesRead, bytesChanged }) => bytesRead + bytesChanged > 0);
  const translated = telling.find(({ cases }) => cases.some(({ gains }) => gains.some(({ phase }) => phase !== 'not translated')));
  const chosen = firstPolicy ? outcomes[0] : (translated ?? telling[0]);
  return chosen ?? outcomes.find(({ verdict }) => verdict !== 'does not apply') ?? outcomes[0]!;
}

function stepLines({ timeNs, who, text, bytesRead, bytesChanged }: CaseOutcome['steps'][number], index: number, columns: number): string[] {
  const mark = bytesRead + bytesChanged > 0 ? '*' : ' ';
  const head = `${mark}${String(index + 1).padStart(3)}  ${timeText(timeNs).padStart(9)}  ${who}`;
  return wrapped(`${head.padEnd(STEP_INDENT)}${text}`, columns, STEP_INDENT);
}

/** What the same script meets where it is stopped: the last that the device does there. */
function caseRemark(row: AttackRow, outcome: AttackOutcome, one: CaseOutcome, columns: number): string[] {
  if (one.verdict !== 'not stopped') return [];
  for (const other of row.outcomes) {
    if (other.policy === outcome.policy) continue;
    const same = other.cases.find(({ name, verdict }) => name === one.name && verdict === 'stopped');
    const last = same?.steps.findLast(({ who }) => who === 'device');
    if (last !== undefined) return labelled('beside', `under ${other.policy} the device ${last.text}`, columns);
  }
  return [];
}

function timeText(ns: number): string {
  return ns < NS_PER_MS ? `${significantText(ns / NS_PER_US)} us` : `${significantText(ns / NS_PER_MS)} ms`;
}
