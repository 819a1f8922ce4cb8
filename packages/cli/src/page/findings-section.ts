/** The worst of what devices could reach as recorded, with the lines of the trace that show it. */
import { AS_RECORDED, type CompareResult, type ExposureFigures } from 'dmalab-lab';
import { shortDevice } from '../report/trace-lines.ts';
import { bytesText, countText, lineHandle, UNKNOWN } from '../terminal/format.ts';
import type { TableColumn, TableRow } from '../terminal/table.ts';
import { dataTable } from './data-table.ts';
import { element, type Markup } from './markup.ts';
import { FINDINGS_MAX } from './report-result.ts';

const DATA_COLUMNS: readonly TableColumn[] = [
  { title: ['device'], align: 'left', dropOrder: 0 },
  { title: ['could reach'], align: 'right', dropOrder: 0 },
  { title: ['of'], align: 'left', dropOrder: 0 },
  { title: ['page'], align: 'right', dropOrder: 0 },
  { title: ['mapped at'], align: 'right', dropOrder: 0 },
  { title: ['data at'], align: 'right', dropOrder: 0 },
  { title: ['how'], align: 'left', dropOrder: 0 },
];

const REUSE_COLUMNS: readonly TableColumn[] = [
  { title: ['still reachable by'], align: 'left', dropOrder: 0 },
  { title: ['mapped again for'], align: 'left', dropOrder: 0 },
  { title: ['page'], align: 'right', dropOrder: 0 },
  { title: ['unmapped at'], align: 'right', dropOrder: 0 },
  { title: ['mapped at'], align: 'right', dropOrder: 0 },
];

export function findingsSection(result: CompareResult): Markup {
  const exposure = result.rows.find(({ policy }) => policy === AS_RECORDED)?.exposure ?? null;
  const content = exposure === null ? [element('p', {}, 'Not measured: no cost profile.')] : findingTables(exposure);
  return element('section', {}, element('h2', {}, 'Worst findings as recorded'), content);
}

function findingTables(exposure: ExposureFigures): Markup[] {
  const { coLocations, reuses, devices } = exposure;
  // Devices that share a domain reach each other's data whatever the policy; those are not listed.
  const pairs = coLocations.pairs.reduce((sum, { count, sameDomain }) => sum + (sameDomain ? 0 : count), 0);
  const reused = devices.reduce((sum, { reuse }) => sum + (reuse.sameDevice.value ?? 0) + (reuse.otherDevice.value ?? 0), 0);
  return [
    element('h3', {}, 'Data of another device within reach'),
    pairs === 0
      ? element('p', {}, 'None in this trace.')
      : dataTable(DATA_COLUMNS, coLocations.worst.slice(0, FINDINGS_MAX).map(dataRow), moreText(pairs, 'The worst by bytes and time.')),
    element('h3', {}, 'Mapped again while still reachable'),
    reused === 0
      ? element('p', {}, 'None in this trace; memory that was not mapped again is not seen.')
      : dataTable(REUSE_COLUMNS, reuses.slice(0, FINDINGS_MAX).map(reuseRow), moreText(reused, 'The first ones.')),
  ];
}

function dataRow({
  device,
  bytes,
  otherDevice,
  pageAddress,
  line,
  otherLine,
  throughStale,
}: ExposureFigures['coLocations']['worst'][number]): TableRow {
  const how = throughStale ? 'unmapped, still cached' : 'on a mapped page';
  return [shortDevice(device), bytesText(bytes), shortDevice(otherDevice), hex(pageAddress), handle(line), handle(otherLine), how];
}

function reuseRow({ device, byDevice, pageAddress, unmapLine, mapLine }: ExposureFigures['reuses'][number]): TableRow {
  return [shortDevice(device), shortDevice(byDevice), hex(pageAddress), handle(unmapLine), handle(mapLine)];
}

function moreText(count: number, what: string): string {
  const more = count - FINDINGS_MAX;
  const rest = more > 0 ? ` And ${countText(more)} more: dmalab compare TRACE --json.` : '';
  return `${what} Lines are those of the trace; dmalab explain TRACE --line takes them.${rest}`;
}

function handle(line: number | null): string {
  return line === null ? UNKNOWN : lineHandle(line);
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
