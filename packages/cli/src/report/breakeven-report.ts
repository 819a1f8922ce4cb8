/** The answer of `dmalab breakeven` as text. */
import { Direction } from 'dmalab-core';
import type {
  BreakevenComparison,
  BreakevenContention,
  BreakevenResult,
  BreakevenRow,
  BreakevenTrace,
  Cheaper,
  CostFigure,
  CostProfile,
  PairedDifference,
  SizeLimits,
} from 'dmalab-lab';
import { bytesText, counted, countText, durationText, NOT_APPLICABLE, shareText, significantText, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { labelled, sectionLines, wrapped } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';
import { breakevenAnswer, contentionSentence, crossingText, limitsSentence } from './breakeven-words.ts';
import { dataLines } from './data-report.ts';
import { shortDevice } from './trace-lines.ts';

/** What was asked for, for the lines that say what to type next. */
export interface BreakevenQuestion {
  readonly policies: readonly string[];
  readonly trace?: string | undefined;
  readonly profile?: string | undefined;
  readonly byDevice?: boolean | undefined;
  readonly stoppedAt?: string | undefined;
}

const UNDECIDED = '~';
const LABEL_COLUMNS = 9;
const NS_PER_US = 1000;
/** Per cent that a sign of a bar stands for. */
const BAR_PERCENT = 2.5;
/** The size by which the speed of copies is named. */
const NAMED_COPY_BYTES = 4096;
const CONTENTION_HINT = 'not in the range: contention. --cpus 16 moves the crossing (the invalidation queue is shared)';
const STATE_NAMES = { hot: 'copies in cache', profile: 'as in the profile', cold: 'copies from memory' } as const;

export function breakevenLines(result: BreakevenResult, profile: CostProfile, question: BreakevenQuestion, columns: number): string[] {
  const { trace, contention } = result;
  const head = trace === null ? [] : dataLines(trace.data, columns);
  if (question.stoppedAt !== undefined)
    head.push(...labelled('INTERRUPTED', `at ${question.stoppedAt}; counts hold for that part`, columns, 13));
  // Without a trace the profile is what the figures stand on; with one, the data line goes first and the answer stays near the top.
  head.push(...labelled('PROFILE', profileText(result, profile), columns, LABEL_COLUMNS), ...breakevenAnswer(result, columns));
  const sections = [head, [...rowTableLines(result, columns), ...traceNoteLines(result, columns)], limitTableLines(result, columns)];
  sections.push(otherComparisons(result).flatMap((comparison) => labelled('also', pairSentence(comparison), columns)));
  if (trace !== null && question.byDevice === true) sections.push(deviceTableLines(result, trace, columns));
  if (contention !== null) sections.push(contentionLines(result, contention, columns));
  const next = labelled('next', nextText(result, question), columns);
  return sectionLines([...sections, [...next, ...(contention === null ? wrapped(CONTENTION_HINT, columns, 0) : [])]]);
}

/** All but the one that the answer is about. */
function otherComparisons({ comparisons: [own, ...others], summary }: BreakevenResult): readonly BreakevenComparison[] {
  return [...others, ...summary.filter(({ first, second }) => first !== own?.first || second !== own.second)];
}

function pairSentence(comparison: BreakevenComparison): string {
  return `${comparison.first} or ${comparison.second}: ${limitsSentence(comparison)}`;
}

/** One line for each profile. */
export function allProfilesLines(results: readonly BreakevenResult[], columns: number): string[] {
  const [{ comparisons, buffers }] = results as [BreakevenResult];
  const [{ first, second }] = comparisons as [BreakevenComparison];
  const rows = results.map(({ profile, comparisons: [comparison] }): TableRow => {
    const fixed = comparison!.byCacheState.filter(({ state }) => state !== 'profile');
    const [hot, cold] = fixed.map(({ limits }) => crossingCell(limits, comparison!));
    return [profile, ...limitCells(comparison!, comparison!.limits), hot!, cold!];
  });
  const table = tableLines(
    [
      { title: ['profile'], align: 'left', dropOrder: 0 },
      { title: ['all constants', 'cheaper to'], align: 'left', dropOrder: 0 },
      { title: ['crossing,', 'stated'], align: 'left', dropOrder: 0 },
      { title: ['all constants', 'cheaper from'], align: 'left', dropOrder: 0 },
      { title: ['crossing,', 'in cache'], align: 'left', dropOrder: 1 },
      { title: ['crossing,', 'memory'], align: 'left', dropOrder: 2 },
    ],
    rows,
    columns,
  );
  const head = `A ${first} against B ${second}, ${buffers.alignment} buffers, ${directionText(buffers.direction)}, 1 CPU`;
  return [...wrapped(head, columns, 0), '', ...table];
}

function profileText({ buffers }: BreakevenResult, profile: CostProfile): string {
  const { pageInvalidation } = profile.constants;
  const invalidation =
    pageInvalidation.value === null
      ? 'no invalidation latency'
      : `invalidation ${rangeText(pageInvalidation.low, pageInvalidation.value, pageInvalidation.high)}`;
  const direction = buffers.direction === Direction.FROM_DEVICE ? ', device writes' : '';
  return `${profile.name}: ${invalidation}, ${copyText(profile)}, 1 CPU, ${buffers.alignment}${direction}`;
}

function copyText({ copy, constants: { copyState } }: CostProfile): string {
  const knot = copy.knots.find(({ bytes }) => bytes === NAMED_COPY_BYTES);
  if (knot === undefined || copyState.value === null) return 'no copy speed';
  const at = (state: number): number => knot.hot + state * (knot.cold - knot.hot);
  return `4 KiB copy ${rangeText(at(copyState.low), at(copyState.value), at(copyState.high))}`;
}

function rangeText(low: number, value: number, high: number): string {
  return `${usText(value)} us (${usText(low)}-${usText(high)})`;
}

function directionText(direction: Direction): string {
  return direction === Direction.FROM_DEVICE ? 'device writes' : 'device reads';
}

function usText(ns: number): string {
  return significantText(ns / NS_PER_US);
}

function costCell(cost: CostFigure | null): string {
  if (cost === null) return NOT_APPLICABLE;
  return cost.value === null ? UNKNOWN : usText(cost.value);
}

function rowTableLines(result: BreakevenResult, columns: number): string[] {
  const { policies, rows, comparisons, trace, buffers } = result;
  const isPair = policies.length === 2;
  const own = trace?.byAlignment[buffers.alignment];
  const shown: TableColumn[] = [
    { title: ['buffer'], align: 'right', dropOrder: 0 },
    ...policies.map((name): TableColumn => ({ title: [name, 'us'], align: 'right', dropOrder: 0 })),
    ...(isPair ? [{ title: [`${policies[1]}`, 'saves, us'], align: 'right', dropOrder: 3 } as const] : []),
    ...(isPair ? [{ title: ['range'], align: 'left', dropOrder: 4 } as const] : []),
    { title: ['cheapest'], align: 'left', dropOrder: 0 },
    ...(trace === null
      ? []
      : ([
          { title: ['this', 'trace'], align: 'right', dropOrder: 1 },
          { title: [''], align: 'left', dropOrder: 2 },
        ] as const)),
  ];
  const cells = rows.map((row, index): TableRow => {
    const share = trace?.rows[index];
    return [
      bytesText(row.bytes),
      ...row.costs.map(costCell),
      ...(isPair ? savesCells(comparisons[0]!.differences[index]!) : []),
      cheapestCell(row),
      ...(share === undefined || trace === null || own === undefined
        ? []
        : [shareText(share.ranges, trace.all.ranges), bar(share.ranges, trace.all.ranges)]),
    ];
  });
  const longest = `- longer than the ${bytesText(buffers.longestBounced)} that bounce slots take`;
  const hasGap = rows.some(({ costs }) => costs.includes(null));
  const undecided = rows.some((row) => cheapestCell(row) === UNDECIDED) ? '~ not decided inside the ranges of the constants' : '';
  const legend = [undecided, hasGap ? longest : ''].filter((text) => text !== '').join('; ');
  return [...tableLines(shown, cells, columns), ...(legend === '' ? [] : wrapped(legend, columns, 0)), ...missingLines(result, columns)];
}

function savesCells(difference: PairedDifference | null): [value: string, range: string] {
  if (difference === null) return [NOT_APPLICABLE, ''];
  const { low, mid, high } = difference;
  if (low === null || mid === null || high === null) return [UNKNOWN, ''];
  return [usText(mid), `(${usText(low)} .. ${usText(high)})`];
}

function cheapestCell({ cheapest, isClear, equals }: BreakevenRow): string {
  if (cheapest === null) return NOT_APPLICABLE;
  if (isClear) return cheapest;
  return equals.length > 0 ? `${[cheapest, ...equals].join(' = ')}` : UNDECIDED;
}

function bar(part: number, whole: number): string {
  return '#'.repeat(Math.round((100 * part) / whole / BAR_PERCENT));
}

function missingLines({ rows }: BreakevenResult, columns: number): string[] {
  const missing = new Set(rows.flatMap(({ costs }) => costs.flatMap((cost) => cost?.missing ?? [])));
  return missing.size === 0 ? [] : labelled('?', `the profile has no basis for ${[...missing].join(', ')}`, columns);
}

/** What of the trace is not in the rows, and what its ranges cost together. */
function traceNoteLines({ trace, buffers }: BreakevenResult, columns: number): string[] {
  if (trace === null || trace.all.ranges === 0) return [];
  const { all, byAlignment, longer, mix } = trace;
  const flags = { unaligned: 'without a flag', 'start-aligned': '--start-aligned', aligned: '--aligned' } as const;
  const others = (Object.keys(flags) as (keyof typeof flags)[]).filter((name) => name !== buffers.alignment);
  const shares = others.map((name) => `${name} ${shareText(byAlignment[name].ranges, all.ranges)} (${flags[name]})`);
  if (longer.ranges > 0) shares.push(`longer than these rows ${shareText(longer.ranges, all.ranges)}`);
  const totals = mix.totals.map(({ policy, cost }) => `${policy} ${cost.value === null ? UNKNOWN : durationText(cost.value)}`).join(', ');
  const decided =
    mix.isClear && mix.cheapest !== null ? `${mix.cheapest} is cheapest for all constants` : 'the order is not decided inside the ranges';
  const left = mix.tooLong.ranges === 0 ? '' : `; ${countText(mix.tooLong.ranges)} too long for slots left out`;
  return [
    ...labelled('trace', `of ${counted(all.ranges, 'streaming range')}, ${bytesText(all.bytes)}: ${shares.join(', ')}`, columns),
    ...labelled('mix', `each range as a pair of its own (compare replays lists as they were): ${totals}; ${decided}${left}`, columns),
  ];
}

function limitTableLines({ comparisons }: BreakevenResult, columns: number): string[] {
  const [comparison] = comparisons as [BreakevenComparison];
  const { limits, byCacheState, first, second } = comparison;
  if (limits === null) return [];
  const rows: TableRow[] = [
    ['all constants over their ranges', ...limitCells(comparison, limits)],
    ...byCacheState.map(({ state, copyState, limits: fixed }): TableRow => {
      const name = `${STATE_NAMES[state]} (copyState ${significantText(copyState)})`;
      return [name, ...limitCells(comparison, fixed)];
    }),
  ];
  return tableLines(
    [
      { title: [`${letterOf('first')} ${first}, ${letterOf('second')} ${second}`], align: 'left', dropOrder: 0 },
      { title: ['cheaper up to'], align: 'left', dropOrder: 0 },
      { title: ['crossing, stated constants'], align: 'left', dropOrder: 0 },
      { title: ['cheaper from'], align: 'left', dropOrder: 0 },
    ],
    rows,
    columns,
  );
}

/** Up to, crossing, from; each with the letter of the cheaper one. */
function limitCells(comparison: BreakevenComparison, limits: SizeLimits | null): [string, string, string] {
  if (limits === null) return [UNKNOWN, UNKNOWN, UNKNOWN];
  const { below, above, atFrom, atTo, to } = limits;
  const low = below === null ? UNDECIDED : below === to ? `${letterOf(atFrom)} always` : `${letterOf(atFrom)} ${bytesText(below)}`;
  const high = above === null ? UNDECIDED : below === to ? NOT_APPLICABLE : `${letterOf(atTo)} ${bytesText(above)}`;
  return [low, crossingCell(limits, comparison), high];
}

function crossingCell(limits: SizeLimits | null, { missing }: BreakevenComparison): string {
  if (limits === null) return missing.length > 0 ? UNKNOWN : NOT_APPLICABLE;
  return limits.crossing === null ? NOT_APPLICABLE : crossingText(limits.crossing);
}

function letterOf(cheaper: Cheaper): string {
  return { first: 'A', second: 'B', equal: '=', depends: UNDECIDED }[cheaper];
}

function deviceTableLines({ buffers, comparisons }: BreakevenResult, { devices }: BreakevenTrace, columns: number): string[] {
  const limits = comparisons[0]!.limits;
  const side = (text: string): readonly string[] => [text, 'ranges / bytes'];
  const rows = devices
    .filter(({ all }) => all.ranges > 0)
    .map(({ device, driver, all, aligned, sides }): TableRow => {
      const share = (part: { ranges: number; bytes: number } | undefined): string =>
        part === undefined ? UNKNOWN : `${shareText(part.ranges, aligned.ranges)} / ${shareText(part.bytes, aligned.bytes)}`;
      const name = driver === null ? shortDevice(device) : `${shortDevice(device)} ${driver}`;
      return [
        name,
        countText(all.ranges),
        shareText(aligned.ranges, all.ranges),
        share(sides?.below),
        share(sides?.between),
        share(sides?.above),
      ];
    });
  return tableLines(
    [
      { title: ['device'], align: 'left', dropOrder: 0 },
      { title: ['ranges'], align: 'right', dropOrder: 0 },
      { title: [buffers.alignment], align: 'right', dropOrder: 0 },
      { title: side(limits?.below == null ? 'below' : `to ${bytesText(limits.below)}`), align: 'right', dropOrder: 0 },
      { title: side('between'), align: 'right', dropOrder: 0 },
      { title: side(limits?.above == null ? 'above' : `from ${bytesText(limits.above)}`), align: 'right', dropOrder: 0 },
    ],
    rows,
    columns,
  );
}

function contentionLines({ policies }: BreakevenResult, { cpus, rows, comparisons }: BreakevenContention, columns: number): string[] {
  const cell = (ns: number | null): string => (ns === null ? NOT_APPLICABLE : usText(ns));
  const table = tableLines(
    [
      { title: ['buffer'], align: 'right', dropOrder: 0 },
      ...policies.flatMap((name): TableColumn[] => [
        { title: [name, 'us'], align: 'right', dropOrder: 0 },
        { title: ['of that', 'waiting'], align: 'right', dropOrder: 1 },
      ]),
      { title: ['cheapest'], align: 'left', dropOrder: 0 },
    ],
    rows.map(({ bytes, nsPerPair, waitingNs, cheapest }): TableRow => {
      const costs = policies.flatMap((_, index) => [cell(nsPerPair[index]!), cell(waitingNs[index]!)]);
      return [bytesText(bytes), ...costs, cheapest ?? NOT_APPLICABLE];
    }),
    columns,
  );
  const dry = policies.filter((_, index) => rows.some(({ poolDryPerPair }) => (poolDryPerPair[index] ?? 0) > 0));
  const flushed =
    dry.length === 0 ? [] : labelled('pool', `runs dry under ${dry.join(', ')} at the larger rows and is flushed early`, columns);
  const head = `${counted(cpus, 'CPU')} that share the invalidation queue and the pool, back to back, at the stated constants`;
  return [
    ...wrapped(head, columns, 0),
    ...table,
    ...flushed,
    ...comparisons.flatMap((each) => labelled('so', contentionSentence(each, cpus), columns)),
  ];
}

function nextText({ buffers, trace, contention }: BreakevenResult, question: BreakevenQuestion): string {
  const flags: string[] = [];
  if (buffers.alignment !== 'aligned') flags.push('--aligned');
  if (question.trace === undefined) flags.push('--trace TRACE');
  if (trace !== null && question.byDevice !== true) flags.push('--by-device');
  if (contention === null) flags.push('--cpus 16');
  flags.push('--all-profiles', '--json');
  const given = [
    ...question.policies,
    ...(question.trace === undefined ? [] : [`--trace ${shellWord(question.trace)}`]),
    ...(question.profile === undefined ? [] : [`--profile ${shellWord(question.profile)}`]),
  ];
  return ['dmalab breakeven', ...given, flags.join(' | ')].join(' ');
}
