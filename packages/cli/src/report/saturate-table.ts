/** `--load saturate`: what a pair costs when N CPUs make pairs back to back, and how much of that is waiting. */
import type { CompareResult, CompareSaturation, SaturatedPoint } from 'dmalab-lab';
import { counted, countText, NOT_APPLICABLE, shareText, significantText, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { labelled } from '../terminal/wrap.ts';
import { shortDevice } from './trace-lines.ts';

const NS_PER_US = 1e3;
/** Behind a time to which maps that failed do not count. */
const FAILED_MARK = ' F';
/** Sums of times in ns are not exact to the last digit: less than this per pair is no wait. */
const ROUNDING_NS = 1e-3;

/** The same policies and CPUs twice: time per pair, and the part of it that is waiting for the invalidation queue. */
export function saturateTableLines(result: CompareResult, columns: number): string[] {
  const { saturation, rows } = result;
  if (saturation === null) return [];
  const note = labelled('load', saturateNote(saturation), columns);
  if (saturation.obstacle !== null) return note;
  const counts = saturation.cpus;
  const tableColumns: TableColumn[] = [
    { title: ['CPUs'], align: 'left', dropOrder: 0 },
    ...counts.map((count, index): TableColumn => ({ title: [countText(count)], align: 'right', dropOrder: counts.length - index })),
  ];
  const cellsOf = (cell: (point: SaturatedPoint) => string): TableRow[] =>
    rows.map(({ policy, saturation: points }) => [policy, ...counts.map((_, index) => pointCell(points?.[index], cell))]);
  const table: TableRow[] = [
    ['basis', ...counts.map(() => 'model')],
    { across: '-- us of CPU time per pair --' },
    ...cellsOf(pairCostText),
    { across: '-- of it waiting for the invalidation queue --' },
    ...cellsOf(queueWaitText),
  ];
  return [...tableLines(tableColumns, table, columns), ...note, ...failureTexts(rows).flatMap((text) => labelled('F', text, columns))];
}

/** What ran, in one sentence. */
export function saturateNote({ sharing, window, obstacle }: CompareSaturation): string {
  if (obstacle !== null) return `saturate did not run: ${obstacle}`;
  const shared = sharing === 'device' ? 'queue, pool and devices' : 'queue and pool';
  const left = `${counted(window.leftOpen, 'mapping')} still there behind it left out`;
  return `saturate: each CPU repeats the ${counted(window.pairs, 'pair')} (${counted(window.calls, 'call')}) of a window of the recording back to back, on copies of ${window.devices.map(shortDevice).join(', ')}; they share the ${shared}; ${left}; devices take no time`;
}

/** Time per pair; a run in which every map failed has none. */
export function pairCostText({ nsPerPair, measured, failures }: SaturatedPoint): string {
  if (measured.pairs === 0) return UNKNOWN;
  return significantText(Number((nsPerPair / NS_PER_US).toPrecision(3))) + (failures > 0 ? FAILED_MARK : '');
}

function queueWaitText({ nsPerPair, waiting, measured }: SaturatedPoint): string {
  return measured.pairs === 0 ? UNKNOWN : shareText(waiting.queue < ROUNDING_NS ? 0 : waiting.queue, nsPerPair);
}

function pointCell(point: SaturatedPoint | undefined, cell: (point: SaturatedPoint) => string): string {
  return point === undefined ? NOT_APPLICABLE : cell(point);
}

/** Rows in which maps failed for want of slots: their times are those of the maps that worked. */
export function failureTexts(rows: CompareResult['rows']): string[] {
  return rows.flatMap(({ policy, saturation }) => {
    const failed = (saturation ?? []).filter(({ failures }) => failures > 0);
    if (failed.length === 0) return [];
    const texts = failed.map(({ cpus, failures, measured }) => `${shareText(failures, failures + measured.pairs)} at ${cpus}`);
    return `${policy}: maps that failed, by CPUs: ${texts.join(', ')}`;
  });
}
