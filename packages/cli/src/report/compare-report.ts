/** The answer of `dmalab compare` as text; numbers come from the lab's result, the words are made here. */
import type { CompareDevice, CompareResult, CompareRow, Figure, RowFigures } from 'dmalab-lab';
import { bytesText, counted, countText, secondsText } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { labelled, wrapped } from '../terminal/wrap.ts';
import { alignedCells, columnBasis, figureCell, figureText, legendText } from './figure.ts';
import { shortDevice } from './trace-lines.ts';

/** A column of figures in the main table. */
interface FigureColumn extends TableColumn {
  readonly figure: (row: RowFigures) => Figure;
}

const NS_PER_SECOND = 1e9;
const DEVICES_SHOWN = 3;
/** A verdict has at most so many lines. */
const ANSWER_LINES_MAX = 3;
const ANSWER_INDENT = 8;

const POLICY_COLUMN: TableColumn = { title: ['policy'], align: 'left', dropOrder: 0 };
const FIGURE_COLUMNS: readonly FigureColumn[] = [
  figureColumn(['calls', 'mapped'], 0, (row) => row.mapped),
  figureColumn(['calls', 'failed'], 0, (row) => row.failed),
  figureColumn(['bounce', 'share'], 0, (row) => row.bounced.rangeShare),
  figureColumn(['copied', 'in'], 0, (row) => row.copied.in),
  figureColumn(['copied', 'out'], 0, (row) => row.copied.out),
  figureColumn(['page', 'inval'], 0, (row) => row.invalidations.pageSelective),
  figureColumn(['domain', 'flush'], 0, (row) => row.invalidations.domainSelective),
  figureColumn(['table', 'pages'], 4, (row) => row.pageTable.tablePagesPeak),
  figureColumn(['slots', 'peak'], 1, (row) => row.pool.slotsPeak),
  figureColumn(['least', 'pool'], 2, (row) => row.pool.smallestSlots),
  figureColumn(['IOVA', 'peak'], 3, (row) => row.iova.pagesPeak),
];
const DEVICE_COLUMN: TableColumn = { title: ['device'], align: 'left', dropOrder: 0 };
/** The smallest pool is a figure of the whole machine. */
const DEVICE_FIGURE_COLUMNS: readonly FigureColumn[] = FIGURE_COLUMNS.filter(({ title }) => !title.includes('pool'));

/** The verdict, as many of its sentences as three lines hold. */
export function compareAnswer({ verdict }: CompareResult, columns: number): string[] {
  for (let kept = verdict.length; kept > 0; kept--) {
    const lines = wrapped(`ANSWER  ${verdict.slice(0, kept).join(' ')}`, columns, ANSWER_INDENT);
    if (lines.length <= ANSWER_LINES_MAX) return lines;
  }
  return wrapped(`ANSWER  ${verdict[0] ?? ''}`, columns, ANSWER_INDENT).slice(0, ANSWER_LINES_MAX);
}

/** Calls, devices and to which of them the policies apply. */
export function deviceSummaryLines(result: CompareResult, byDevice: boolean, columns: number): string[] {
  const { devices, recording } = result;
  const busy = [...devices].sort((a, b) => b.mapCalls + b.unmapCalls - a.mapCalls - a.unmapCalls);
  const calls = busy.reduce((sum, device) => sum + device.mapCalls + device.unmapCalls, 0);
  const shown = byDevice ? busy : busy.slice(0, DEVICES_SHOWN);
  const names = shown.map((device) => `${deviceText(device)} ${countText(device.mapCalls + device.unmapCalls)}`).join(', ');
  const more = busy.length > shown.length ? ` (${countText(busy.length - shown.length)} more: --by-device)` : '';
  const head = `${counted(calls, 'map or unmap call')} of ${counted(devices.length, 'device')} in ${secondsText(recording.durationNs / NS_PER_SECOND)}`;
  const lines = wrapped(`      ${head}: ${names}${more}`, columns, 6);
  const chosen = devices.filter((device) => device.chosen);
  if (chosen.length < devices.length) {
    const list = chosen.map((device) => shortDevice(device.name)).join(', ');
    lines.push(...wrapped(`      policies apply to ${list}; the other devices keep their recorded mode`, columns, 6));
  }
  return lines;
}

/** `--counts`: what each policy did. */
export function countTableLines(result: CompareResult, columns: number): string[] {
  const rows = result.rows.map(({ policy, total }) => ({ name: policy, figures: total }));
  return figureTable(POLICY_COLUMN, FIGURE_COLUMNS, [rows], [], columns);
}

/** A row per device under each policy; a device that is not under the row's policy says under which. */
export function deviceTableLines(result: CompareResult, columns: number): string[] {
  const groups = result.rows.map((row) =>
    row.devices.map((figures, index) => {
      const policy = figures.policy === row.policy ? '' : ` (${figures.policy})`;
      return { name: deviceName(result.devices[index]!) + policy, figures };
    }),
  );
  const titles = result.rows.map(({ policy }) => `-- ${policy} --`);
  return figureTable(DEVICE_COLUMN, DEVICE_FIGURE_COLUMNS, groups, titles, columns);
}

/** What stands below the main table: pools, failures, departures from the recording. */
export function compareNoteLines(result: CompareResult, columns: number): string[] {
  return [
    ...poolLines(result, columns),
    ...failureLines(result, columns),
    ...departureLines(result, columns),
    ...flushLines(result, columns),
  ];
}

function figureColumn(title: readonly string[], dropOrder: number, figure: (row: RowFigures) => Figure): FigureColumn {
  return { title, align: 'right', dropOrder, figure };
}

/** Groups of rows with a title each, one basis row for all of them, and the legend of what stands in the cells. */
function figureTable(
  nameColumn: TableColumn,
  figureColumns: readonly FigureColumn[],
  groups: readonly (readonly { readonly name: string; readonly figures: RowFigures }[])[],
  titles: readonly string[],
  columns: number,
): string[] {
  const all = groups.flat();
  const bases = figureColumns.map(({ figure }) => columnBasis(all.map(({ figures }) => figure(figures))));
  const cells = figureColumns.map(({ figure }, column) =>
    alignedCells(all.map(({ figures }) => figureCell(figure(figures), bases[column]))),
  );
  const rows: TableRow[] = [['basis', ...bases.map((basis) => basis ?? '-')]];
  let line = 0;
  for (const [index, group] of groups.entries()) {
    if (titles.length > 0) rows.push({ across: titles[index]! });
    for (const { name } of group) {
      const at = line;
      rows.push([name, ...cells.map((column) => column[at]!)]);
      line += 1;
    }
  }
  const legend = legendText(cells.flat());
  return [...tableLines([nameColumn, ...figureColumns], rows, columns), ...(legend === '' ? [] : wrapped(legend, columns, 0))];
}

function deviceName(device: CompareDevice): string {
  return device.driver === null ? shortDevice(device.name) : `${shortDevice(device.name)} ${device.driver}`;
}

function deviceText(device: CompareDevice): string {
  return device.untrusted ? `${deviceName(device)} (untrusted)` : deviceName(device);
}

function poolLines({ recording, rows }: CompareResult, columns: number): string[] {
  const { pool, whatIfPool } = recording;
  if (pool === null && whatIfPool === null) return labelled('pool', 'none in this recording', columns);
  const own = pool === null ? 'none recorded' : poolText(pool.slots, pool.areas, pool.bytes);
  const changed = whatIfPool !== null && (pool === null || pool.slots !== whatIfPool.slots || pool.areas !== whatIfPool.areas);
  const other = changed ? `; what-if rows: ${poolText(whatIfPool.slots, whatIfPool.areas, whatIfPool.bytes)}` : '';
  const least = rows.some(({ total }) => total.pool.smallestSlots.value !== null);
  const tried = least ? '; least pool: tried in powers of two, as a kernel makes them' : '';
  const dry = grouped('pool', rows, columns, ({ bounced }) => [
    [bounced.directWhenDry, 'page-aligned ranges mapped directly, no slots left'],
  ]);
  return [...labelled('pool', `${own}${other}${tried}`, columns), ...dry];
}

function poolText(slots: number, areas: number, bytes: number): string {
  return `${countText(slots)} slots (${bytesText(bytes)}) in ${counted(areas, 'area')}`;
}

function failureLines({ rows }: CompareResult, columns: number): string[] {
  return grouped('failed', rows, columns, ({ failures }) => [
    [failures.poolFull, 'pool full'],
    [failures.neverFits, 'longer than a pool segment, fits no pool'],
    [failures.endlessSearch, 'Linux 6.1 would search for ever'],
    [failures.noPool, 'no pool'],
    [failures.addressSpaceExhausted, 'address space exhausted'],
    [failures.outOfReach, 'device cannot reach the memory'],
    [failures.pageTable, 'page tables refused the range'],
  ]);
}

function departureLines({ rows }: CompareResult, columns: number): string[] {
  return grouped('left', rows, columns, ({ departures }) => [
    [departures.releasedAtOnce, 'failed in the recording, map here, are released at once'],
    [departures.skippedUnmaps, 'unmaps skipped, their mapping failed'],
    [departures.leftOpen, 'still mapped at the end'],
  ]);
}

function flushLines({ rows }: CompareResult, columns: number): string[] {
  return grouped('flush', rows, columns, ({ flushes, pool }) => [
    [flushes.timer, flushes.timer.basis === 'model' ? 'by modelled timer' : 'by timer'],
    [flushes.ringFull, 'by full ring'],
    [flushes.earlyOwn, 'early, pool dry'],
    [flushes.earlyForeign, "early of another device's domain, pool dry"],
    [flushes.queuePeak, 'ranges waiting at most'],
    [pool.waitingPeak, 'slots waiting at most'],
  ]);
}

/** Counts of the rows, those that are not 0, one line for all policies that have the same. */
function grouped(
  label: string,
  rows: readonly CompareRow[],
  columns: number,
  counts: (figures: RowFigures) => readonly (readonly [Figure, string])[],
): string[] {
  const policiesOf = new Map<string, string[]>();
  for (const { policy, total } of rows) {
    const text = countTexts(counts(total));
    if (text !== '') policiesOf.set(text, [...(policiesOf.get(text) ?? []), policy]);
  }
  return [...policiesOf].flatMap(([text, names]) => {
    const who = names.length === rows.length && rows.length > 1 ? 'all rows' : names.join(', ');
    return labelled(label, `${who}: ${text}`, columns);
  });
}

function countTexts(counts: readonly (readonly [Figure, string])[]): string {
  return counts
    .filter(([figure]) => (figure.value ?? 0) > 0)
    .map(([figure, what]) => `${figureText(figure)} ${what}`)
    .join(', ');
}
