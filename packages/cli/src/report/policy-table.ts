/** The main table of `compare`: what each policy costs beside what it leaves reachable, in two groups. */
import {
  AS_RECORDED,
  type CompareGroups,
  type CompareResult,
  type CompareRow,
  givenUp,
  type PairedDifference,
  REFUTED_WITHIN,
} from 'dmalab-lab';
import { atLeast, bytesText, countText, NOT_APPLICABLE, significantText, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { wrapped } from '../terminal/wrap.ts';

export const POLICY_COLUMNS: readonly TableColumn[] = [
  { title: ['policy'], align: 'left', dropOrder: 0 },
  { title: ['us/pair'], align: 'right', dropOrder: 0 },
  { title: ['range'], align: 'right', dropOrder: 3 },
  { title: ['vs rec'], align: 'right', dropOrder: 0 },
  { title: ['inval'], align: 'right', dropOrder: 2 },
  { title: ['copied'], align: 'right', dropOrder: 2 },
  { title: ['foreign'], align: 'right', dropOrder: 0 },
  { title: ['stale max'], align: 'right', dropOrder: 0 },
  { title: ['reuse'], align: 'right', dropOrder: 0 },
  { title: ['gives up'], align: 'right', dropOrder: 1 },
];

const NS_PER_US = 1e3;
const NS_PER_MS = 1e6;
/** Own retired slots stay reachable: harmless, but not hidden. */
const OWN_MARK = 'o';
const OWN_CELL = /^o[\d.]+ [mu]s/;
const ALL_MEMORY = 'all mem';

/** How rows are put in order inside their group. */
export const sortKeys = ['cost', 'name', 'inval', 'copied', 'foreign', 'stale'] as const;
export type SortKey = (typeof sortKeys)[number];

export interface PolicyTableOptions {
  readonly sort: SortKey;
  /** Times of a recording made on an emulator are shown although they mean little. */
  readonly emulatorTime: boolean;
}

/** A row per policy: those that promise everything first, then those that give something up. */
export function policyTableLines(result: CompareResult, groups: CompareGroups, options: PolicyTableOptions, columns: number): string[] {
  const rows = policyTableRows(result, groups, options);
  const legend = policyLegend(result, rows).flatMap((line) => wrapped(line, columns, 10));
  return [...tableLines(POLICY_COLUMNS, rows, columns), ...legend];
}

/** The cells, the same in every output: the basis first, then a row per policy in the order of POLICY_COLUMNS. */
export function policyTableRows(result: CompareResult, groups: CompareGroups, options: PolicyTableOptions): TableRow[] {
  const recorded = result.rows.find(({ policy }) => policy === AS_RECORDED);
  const cells = (row: CompareRow): string[] => rowCells(row, result, options);
  const basis = ['basis', 'model', 'model', 'model', 'replay', 'replay', 'replay', 'model', 'replay', 'checker'];
  const rows: TableRow[] = [basis];
  if (recorded !== undefined) rows.push(cells(recorded));
  for (const [title, group] of [
    [`-- P1 to P6 hold in the checker (${REFUTED_WITHIN}) --`, groups.complete],
    ['-- give something up --', groups.partial],
  ] as const) {
    if (group.length > 0) rows.push({ across: title }, ...sorted(group, options.sort).map(cells));
  }
  return rows;
}

function rowCells(row: CompareRow, result: CompareResult, options: PolicyTableOptions): string[] {
  return [
    row.policy,
    costCell(row),
    rangeCell(row),
    row.policy === AS_RECORDED ? NOT_APPLICABLE : versusCell(row.cost?.versusRecorded ?? null),
    invalidationCell(row),
    copiedCell(row),
    foreignCell(row),
    staleCell(row, result, options.emulatorTime),
    reuseCell(row),
    row.policy === AS_RECORDED ? NOT_APPLICABLE : propertiesText(givenUp(row)),
  ];
}

function costCell({ cost }: CompareRow): string {
  const value = cost?.perPair.total.value ?? null;
  if (cost === null || value === null) return UNKNOWN;
  const text = usText(value);
  return cost.lowerBound ? atLeast(text) : text;
}

function rangeCell({ cost }: CompareRow): string {
  const { low, high } = cost?.perPair.total ?? { low: null, high: null };
  if (low === null || high === null) return UNKNOWN;
  return `${usText(low)}-${usText(high)}`;
}

/** A factor only where the sign of the paired difference holds for all constants. */
export function versusCell(versus: PairedDifference | null): string {
  if (versus === null) return UNKNOWN;
  if (versus.relation === 'equal within 1 %') return '=';
  if (versus.relation === 'undecided') return '~';
  return versus.factor === null ? UNKNOWN : `x${shortText(versus.factor)}`;
}

function usText(ns: number): string {
  return shortText(ns / NS_PER_US);
}

/** Three significant digits, but not more than three behind the point. */
function shortText(value: number): string {
  return value > 0 && value < 0.1 ? value.toFixed(3) : significantText(value);
}

function invalidationCell({ total }: CompareRow): string {
  return countText(invalidationsOf(total));
}

function invalidationsOf(total: CompareRow['total']): number {
  return (total.invalidations.pageSelective.value ?? 0) + (total.invalidations.domainSelective.value ?? 0);
}

function copiedCell({ total }: CompareRow): string {
  const text = bytesText(copiedOf(total));
  return total.copied.in.lowerBound === true ? atLeast(text) : text;
}

function copiedOf({ copied }: CompareRow['total']): number {
  return (copied.in.value ?? 0) + (copied.out.value ?? 0);
}

function foreignCell({ exposure }: CompareRow): string {
  if (exposure === null) return UNKNOWN;
  const { either } = exposure.total;
  return either === null ? ALL_MEMORY : bytesText(either.subPage.peak.value ?? 0);
}

/** The longest window onto anything but retired slots of the device itself; those have a mark of their own. */
function staleCell(row: CompareRow, result: CompareResult, emulatorTime: boolean): string {
  const { exposure } = row;
  if (exposure === null) return UNKNOWN;
  if (exposure.total.reach === 'all memory') return NOT_APPLICABLE;
  const windows = exposure.devices.map(({ stale }) => stale);
  const sum = (of: (stale: (typeof windows)[number]) => number | null): number =>
    windows.reduce((total, stale) => total + (of(stale) ?? 0), 0);
  const mark = sum(({ ownSlots }) => ownSlots.windows.value) > 0 ? OWN_MARK : '';
  const longest = Math.max(0, ...windows.map(({ other }) => other.longest.value ?? 0));
  if (longest > 0) {
    const recorded = row.policy === AS_RECORDED && result.recording.flushMoments === 'recorded';
    if (recorded && result.recording.emulated && !emulatorTime) return UNKNOWN;
    return `${mark}${significantText(longest / NS_PER_MS)} ms${recorded ? 'R' : ''}`;
  }
  if (sum(({ other }) => other.windowsInsideCall.value) === 0) return mark === '' ? NOT_APPLICABLE : `${mark}0 us`;
  const latency = result.invalidationNs;
  return latency === null ? UNKNOWN : `${mark}${significantText(latency / NS_PER_US)} us`;
}

function reuseCell({ exposure }: CompareRow): string {
  if (exposure === null) return UNKNOWN;
  if (exposure.total.reach === 'all memory') return NOT_APPLICABLE;
  const reuses = reusesOf(exposure);
  return reuses === 0 ? '0' : atLeast(countText(reuses));
}

function reusesOf({ devices }: NonNullable<CompareRow['exposure']>): number {
  return devices.reduce((total, { reuse }) => total + (reuse.sameDevice.value ?? 0) + (reuse.otherDevice.value ?? 0), 0);
}

/** `P1-P4`, `P1 P3 P4`, or nothing. */
function propertiesText(properties: readonly string[]): string {
  const numbers = properties.map((property) => Number(property.slice(1)));
  const parts: string[] = [];
  for (let first = 0; first < numbers.length; ) {
    let last = first;
    while (numbers[last + 1] === numbers[last]! + 1) last += 1;
    if (last - first >= 2) parts.push(`P${numbers[first]}-P${numbers[last]}`);
    else parts.push(...properties.slice(first, last + 1));
    first = last + 1;
  }
  return parts.join(' ');
}

function sorted(rows: readonly CompareRow[], key: SortKey): readonly CompareRow[] {
  const by = (of: (row: CompareRow) => number): CompareRow[] => rows.toSorted((a, b) => of(a) - of(b));
  switch (key) {
    case 'cost':
      return rows;
    case 'name':
      return rows.toSorted((a, b) => (a.policy < b.policy ? -1 : 1));
    case 'inval':
      return by(({ total }) => invalidationsOf(total));
    case 'copied':
      return by(({ total }) => copiedOf(total));
    case 'foreign':
      return by(({ exposure }) => exposure?.total.either?.subPage.peak.value ?? Number.POSITIVE_INFINITY);
    case 'stale':
      return by(({ exposure }) => Math.max(0, ...(exposure?.devices.map(({ stale }) => stale.other.longest.value ?? 0) ?? [])));
  }
}

/** What the signs in these rows mean, a line each. */
export function policyLegend(result: CompareResult, rows: readonly TableRow[]): string[] {
  const cells = rows.flatMap((row) => (Array.isArray(row) ? (row as readonly string[]) : []));
  const has = (test: (cell: string) => boolean): boolean => cells.some(test);
  const own = Math.max(
    0,
    ...result.rows.flatMap(({ exposure }) => exposure?.devices.map(({ stale }) => stale.ownSlots.longest.value ?? 0) ?? []),
  );
  const lines = ['foreign = peak bytes of neighbours and of other devices within reach'];
  if (has((cell) => OWN_CELL.test(cell))) lines[0] += `; o = own retired slots stay up to ${significantText(own / NS_PER_MS)} ms`;
  lines.push('vs rec  = same constants in both rows; = within 1 %, ~ the sign changes inside their ranges');
  if (has((cell) => cell.endsWith(' us')))
    lines.push('stale   = of us: one invalidation of the profile, since a replayed call takes no time');
  if (has((cell) => cell === UNKNOWN)) lines.push('?       = emulator time means nothing (--emulator-time), or a constant is missing');
  lines.push('reuse   = later mappings inside a stale window; memory that is not mapped again is not seen');
  if (has((cell) => cell.startsWith('>=') && / [KMG]?i?B$/.test(cell)))
    lines.push('>=      = sync calls of devices that did not bounce left no lines; their copies come on top');
  return lines;
}
