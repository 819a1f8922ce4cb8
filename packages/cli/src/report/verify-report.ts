/** The answer of `dmalab verify` as text; numbers come from the lab's result, the words are made here. */
import type { CheckId, CheckRow, DecidedWindow, Difference, VerifyResult } from 'dmalab-lab';
import { counted, countText, lineHandle, shareText } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { labelled } from '../terminal/wrap.ts';
import { timeText } from './trace-lines.ts';

/** First word of the verdict. */
type VerdictWord = 'EQUAL' | 'DIFFERS' | 'NOTHING' | 'INTERRUPTED';

export interface Verdict {
  readonly word: VerdictWord;
  /** At most three lines of at most 100 columns, the same in text and JSON. */
  readonly lines: readonly string[];
}

/** What the verdict needs beside the result. */
export interface VerdictContext {
  readonly rules: string;
  readonly cpus: number;
  readonly events: number;
  readonly timeBaseSeconds: number;
  /** Share of the input that was read before Ctrl-C, as text; undefined when all of it was. */
  readonly interruptedAt: string | undefined;
}

/** Where predictions come from, in the words of the table. */
const HOW: Readonly<Record<CheckId, string>> = {
  address: 'IOVA tree, CPU caches',
  bounce: 'trust, alignment, mask',
  slot: 'slot search, alignment',
  map: 'runs of a call merged',
  unmap: 'range of the mapping',
  descriptor: 'both words, in order',
  flush: 'armed timer, full ring',
  cacheTag: 'domain, range, mask',
};

/** What is taken from the trace to help. */
const GIVEN: Readonly<Record<CheckId, string>> = {
  address: 'allocations of devices without translation',
  bounce: 'buffers whose length only other lines tell',
  slot: 'slots whose place only the trace tells',
  map: 'runs of coherent memory and lengths of scatter-list entries',
  unmap: 'ranges that only the unmap line tells',
  descriptor: 'moment at which a flush timer fired',
  flush: 'moment at which a flush timer fired, and its CPU',
  cacheTag: 'moment at which a flush timer fired',
};

/** Why a recorded line may have nothing to be compared with. */
const NOT_COMPARED = 'no call recorded for them, events lost before, or a list that the kernel cut';

export const checkTableColumns: readonly TableColumn[] = [
  { title: ['predicted'], align: 'left', dropOrder: 0 },
  { title: ['predictions'], align: 'right', dropOrder: 0 },
  { title: ['equal'], align: 'right', dropOrder: 0 },
  { title: ['differ'], align: 'right', dropOrder: 0 },
  { title: ['given'], align: 'right', dropOrder: 2 },
  { title: ['not', 'compared'], align: 'right', dropOrder: 1 },
  { title: ['how'], align: 'left', dropOrder: 3 },
];
const WINDOWS_SHOWN = 2;
const DIFFERENCES_SHOWN = 3;

/** Sums over the rows of the table. */
interface Totals {
  readonly predictions: number;
  readonly equal: number;
  readonly differ: number;
  readonly given: number;
  readonly notComparable: number;
}

/** The verdict, made once for all outputs. `first` is the first difference, undefined without one. */
export function verifyVerdict(
  checks: readonly CheckRow[],
  first: Difference | undefined,
  context: VerdictContext,
  columns: number,
): Verdict {
  const { predictions, equal, differ, notComparable } = totalsOf(checks);
  const rules = `(${context.rules} rules, ${counted(context.cpus, 'CPU')})`;
  if (context.interruptedAt !== undefined) {
    const reached = `at ${context.interruptedAt}: not decided; so far ${countText(equal)} of ${counted(predictions, 'prediction')} equal`;
    return { word: 'INTERRUPTED', lines: labelled('INTERRUPTED', `${reached} ${rules}`, columns, 13) };
  }
  if (predictions === 0) {
    const text = `compared: not one of ${counted(context.events, 'event')} can be predicted from this recording ${rules}`;
    return { word: 'NOTHING', lines: labelled('NOTHING', text, columns, 9) };
  }
  const apart = notComparable === 0 ? '' : `; ${countText(notComparable)} not comparable`;
  if (differ === 0) {
    const text = `${countText(equal)} of ${counted(predictions, 'prediction')} match the recording${apart} ${rules}`;
    return { word: 'EQUAL', lines: labelled('EQUAL', text, columns) };
  }
  const share = `${countText(differ)} of ${counted(predictions, 'prediction')} (${shareText(equal, predictions)} equal)`;
  return { word: 'DIFFERS', lines: labelled('DIFFERS', `${share}${firstPlace(first, context)}${apart} ${rules}`, columns, 9) };
}

function firstPlace(first: Difference | undefined, context: VerdictContext): string {
  if (first === undefined) return '';
  return `; first at ${lineHandle(first.line)}, ${timeText(first.timeNs, context.timeBaseSeconds)} s, CPU ${first.cpu}`;
}

/** The difference that comes first in the trace. */
export function firstDifference(result: VerifyResult): Difference | undefined {
  return result.differences.reduce<Difference | undefined>(
    (first, next) => (first === undefined || next.line < first.line ? next : first),
    undefined,
  );
}

/** One row per check, and their sum. */
export function checkTableLines(checks: readonly CheckRow[], columns: number): string[] {
  return tableLines(checkTableColumns, checkTableRows(checks), columns);
}

export function checkTableRows(checks: readonly CheckRow[]): TableRow[] {
  const totals = totalsOf(checks);
  const rows: TableRow[] = checks.map(checkCells);
  rows.push('rule', [
    '',
    countText(totals.predictions),
    countText(totals.equal),
    countText(totals.differ),
    countText(totals.given),
    countText(totals.notComparable),
    '',
  ]);
  return rows;
}

/** What was taken from the trace to help, by check. */
export function givenTexts({ checks }: VerifyResult): string[] {
  return checks.filter((check) => check.given > 0).map((check) => `${countText(check.given)} x ${check.label}: ${GIVEN[check.id]}`);
}

/** What the table's `given` and `not compared` columns stand for, and what the recording cannot show. */
export function limitLines(result: VerifyResult, columns: number): string[] {
  const lines: string[] = [];
  const given = givenTexts(result);
  if (given.length > 0) lines.push(...labelled('given', given.join('; '), columns));
  const notComparable = result.checks.filter((check) => check.notComparable > 0);
  if (notComparable.length > 0) {
    const parts = notComparable.map((check) => `${countText(check.notComparable)} x ${check.label}`);
    lines.push(...labelled('apart', `not compared: ${parts.join(', ')} (${NOT_COMPARED})`, columns));
  }
  for (const limit of result.limits) lines.push(...labelled('limit', limit, columns));
  return lines;
}

/** The account of all events; it adds up, and says so when it does not. */
export function ledgerLines(result: VerifyResult, events: number, columns: number): string[] {
  const { calls, outcomes, crossChecks, notModelled, notCompared } = result.ledger;
  const parts = [`${countText(calls)} calls`, `${countText(outcomes)} outcomes`, `${countText(crossChecks)} cross-checks (cache_tag_*)`];
  parts.push(`${countText(notModelled)} not modelled (interrupt remapping, set-up)`);
  if (notCompared > 0) parts.push(`${countText(notCompared)} not compared`);
  const missing = events - (calls + outcomes + crossChecks + notModelled + notCompared);
  if (missing !== 0) parts.push(`${countText(missing)} NOT ACCOUNTED FOR`);
  return labelled('lines', `${countText(events)} = ${parts.join(' + ')}`, columns);
}

/** Windows in which the recording leaves the order open. */
export function orderLines(result: VerifyResult, showAll: boolean, columns: number): string[] {
  const { windows, windowCount } = result;
  if (windowCount === 0) return labelled('order', '0 windows needed a choice of order', columns);
  const { predictions } = totalsOf(result.checks);
  const kinds = new Map<string, number>();
  for (const { moved } of windows) kinds.set(moved, (kinds.get(moved) ?? 0) + 1);
  const byKind = [...kinds].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const kindText = byKind
    .slice(0, WINDOWS_SHOWN)
    .map(([kind, count]) => `${countText(count)} x ${kind}`)
    .join(', ');
  const kindsMore = byKind.length > WINDOWS_SHOWN ? ` (${counted(byKind.length - WINDOWS_SHOWN, 'more kind')}: --windows)` : '';
  const head = `${counted(windowCount, 'window')} needed a choice of order (${shareText(windowCount, predictions)} of predictions)`;
  const lines = labelled('order', `${head}: ${kindText}${kindsMore}`, columns);
  const shown = showAll ? windows : windows.slice(0, WINDOWS_SHOWN);
  for (const window of shown) lines.push(...labelled('', windowText(window), columns));
  const more = windowCount - shown.length;
  if (more > 0 && !showAll) lines.push(...labelled('', `(${countText(more)} more: --windows)`, columns));
  if (more > 0 && showAll) lines.push(...labelled('', `(${countText(more)} more were counted but not kept)`, columns));
  return lines;
}

/** The first difference with the model's state around it. */
export function differenceLines(result: VerifyResult, difference: Difference, columns: number): string[] {
  const label = result.checks.find(({ id }) => id === difference.check)?.label ?? difference.check;
  const device = difference.device === '' ? '' : ` of ${difference.device}`;
  const lines = [
    ...labelled('what', `${label}${device}`, columns, 10),
    ...labelled('expected', difference.expected, columns, 10),
    ...labelled('got', difference.got, columns, 10),
  ];
  for (const [index, state] of difference.state.entries()) lines.push(...labelled(index === 0 ? 'model' : '', state, columns, 10));
  lines.push(...labelled('tried', triedText(difference), columns, 10));
  const later = counted(result.equalAfterFirst, 'later prediction');
  return [...lines, ...labelled('after', `recorded value adopted; ${later} equal`, columns, 10)];
}

/** The differences after the first, one line each. */
export function otherDifferenceLines(result: VerifyResult, first: Difference, showAll: boolean, columns: number): string[] {
  const others = result.differences.filter((difference) => difference !== first);
  const { differ } = totalsOf(result.checks);
  if (others.length === 0) return [];
  const shown = showAll ? others : others.slice(0, DIFFERENCES_SHOWN);
  const lines = shown.flatMap((difference, index) => {
    const text = `${lineHandle(difference.line)} ${difference.check}: expected ${difference.expected}; got ${difference.got}`;
    return labelled(index === 0 ? 'also' : '', text, columns, 10);
  });
  const more = differ - 1 - shown.length;
  if (more <= 0) return lines;
  const described = showAll ? 'counted but not described' : 'more: --differences';
  return [...lines, ...labelled('', `(${countText(more)} ${described})`, columns, 10)];
}

function totalsOf(checks: readonly CheckRow[]): Totals {
  const sum = (figure: (check: CheckRow) => number): number => checks.reduce((total, check) => total + figure(check), 0);
  return {
    predictions: sum((check) => check.predictions),
    equal: sum((check) => check.equal),
    differ: sum((check) => check.differ),
    given: sum((check) => check.given),
    notComparable: sum((check) => check.notComparable),
  };
}

function checkCells(check: CheckRow): string[] {
  const numbers = [check.predictions, check.equal, check.differ, check.given, check.notComparable].map(countText);
  return [check.label, ...numbers, howText(check)];
}

function howText(check: CheckRow): string {
  if (check.predictions > 0) return check.how === '' ? HOW[check.id] : check.how;
  return check.given + check.notComparable > 0 ? 'see below' : 'none in this recording';
}

function windowText(window: DecidedWindow): string {
  return `${lineHandle(window.line)} ${window.resource}: ${window.moved} (${counted(window.tried, 'order')} tried)`;
}

function triedText(difference: Difference): string {
  if (difference.ordersTried === 0) return 'no other order: nothing of another context touched this in between';
  return `${counted(difference.ordersTried, 'order')} of the contexts around it; none fits: not an ordering ambiguity`;
}
