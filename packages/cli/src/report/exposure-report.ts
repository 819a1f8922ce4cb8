/** `--exposure`: every class of bytes within reach by policy, read and write apart, and the worst findings with their lines. */
import { AS_RECORDED, type CompareResult, type CompareRow, type ExposureFigures } from 'dmalab-lab';
import { bytesText, countText, lineHandle, NOT_APPLICABLE, significantText, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { wrapped } from '../terminal/wrap.ts';
import { shortDevice } from './trace-lines.ts';

const CLASSES = ['ownLive', 'ownCoherent', 'ownPadding', 'ownSlot', 'neighbour', 'otherDevice', 'stale'] as const;
const TITLES: Readonly<Record<(typeof CLASSES)[number], readonly string[]>> = {
  ownLive: ['own', 'live'],
  ownCoherent: ['own', 'coherent'],
  ownPadding: ['own', 'padding'],
  ownSlot: ['own', 'slot'],
  neighbour: ['neigh-', 'bour'],
  otherDevice: ['other', 'device'],
  stale: ['stale'],
};
/** Findings that a list shows. */
const FINDINGS_MAX = 5;

/** Peak bytes by class, then the findings of each policy that has some. */
export function exposureLines(result: CompareResult, byDevice: boolean, emulatorTime: boolean, columns: number): string[] {
  const lines = [...accessTable(result, 'read', emulatorTime, columns), '', ...accessTable(result, 'write', emulatorTime, columns)];
  if (byDevice) lines.push('', ...deviceTable(result, columns));
  for (const row of result.rows) lines.push(...findingLines(row, columns));
  lines.push(
    ...wrapped(
      'all     peak bytes of the chosen devices together; each byte is in exactly one class; B.s = foreign bytes x seconds',
      columns,
      8,
    ),
    ...wrapped(
      '        whose the neighbour bytes are, and what the device did, no trace tells; memory never mapped is not seen',
      columns,
      8,
    ),
  );
  return lines;
}

function accessTable(result: CompareResult, access: 'read' | 'write', emulatorTime: boolean, columns: number): string[] {
  const tableColumns: TableColumn[] = [
    { title: [`can ${access}`], align: 'left', dropOrder: 0 },
    ...CLASSES.map((name): TableColumn => ({ title: TITLES[name], align: 'right', dropOrder: 0 })),
    { title: ['foreign', 'B.s'], align: 'right', dropOrder: 1 },
  ];
  const rows = result.rows.map((row): string[] => {
    const reach = row.exposure?.total[access] ?? null;
    if (reach === null) return [row.policy, ...CLASSES.map(() => (row.exposure === null ? UNKNOWN : NOT_APPLICABLE)), NOT_APPLICABLE];
    const hidden = row.policy === AS_RECORDED && result.recording.emulated && !emulatorTime;
    const seconds = hidden ? UNKNOWN : significantText(reach.subPage.byteSeconds.value ?? 0);
    return [row.policy, ...CLASSES.map((name) => bytesText(reach[name].peak.value ?? 0)), seconds];
  });
  return tableLines(tableColumns, rows, columns);
}

function deviceTable(result: CompareResult, columns: number): string[] {
  const tableColumns: TableColumn[] = [
    { title: ['can read or write'], align: 'left', dropOrder: 0 },
    ...CLASSES.map((name): TableColumn => ({ title: TITLES[name], align: 'right', dropOrder: 0 })),
    { title: ['reuse'], align: 'right', dropOrder: 0 },
  ];
  const rows: TableRow[] = [];
  for (const { policy, exposure } of result.rows) {
    if (exposure === null) continue;
    rows.push({ across: `-- ${policy} --` });
    for (const device of exposure.devices) {
      const { either, reuse } = device;
      const cells = CLASSES.map((name) => (either === null ? NOT_APPLICABLE : bytesText(either[name].peak.value ?? 0)));
      const reuses = (reuse.sameDevice.value ?? 0) + (reuse.otherDevice.value ?? 0);
      rows.push([shortDevice(device.name), ...cells, either === null ? NOT_APPLICABLE : countText(reuses)]);
    }
  }
  return tableLines(tableColumns, rows, columns);
}

function findingLines({ policy, exposure }: CompareRow, columns: number): string[] {
  if (exposure === null) return [];
  const worst = exposure.coLocations.worst;
  const reuses = exposure.reuses;
  if (worst.length === 0 && reuses.length === 0) return [];
  const lines = ['', `-- ${policy}: findings --`];
  for (const finding of worst.slice(0, FINDINGS_MAX)) {
    const by = finding.throughStale ? 'through a stale entry' : 'on a page it has mapped';
    const text = `${shortDevice(finding.device)} reaches ${bytesText(finding.bytes)} of ${shortDevice(finding.otherDevice)} ${by} (${placeOf(finding.line)}, data ${placeOf(finding.otherLine)})`;
    lines.push(...wrapped(`  ${text}`, columns, 4));
  }
  lines.push(...restLine(worst.length, 'co-locations'));
  for (const reuse of reuses.slice(0, FINDINGS_MAX)) {
    const who = reuse.device === reuse.byDevice ? 'its own next mapping' : `a mapping of ${shortDevice(reuse.byDevice)}`;
    const text = `${shortDevice(reuse.device)}: page 0x${reuse.pageAddress.toString(16)} unmapped at ${placeOf(reuse.unmapLine)}, still cached when ${who} gets it at ${placeOf(reuse.mapLine)}`;
    lines.push(...wrapped(`  ${text}`, columns, 4));
  }
  return [...lines, ...restLine(reusesOf(exposure), 'reuses')];
}

function reusesOf({ devices }: ExposureFigures): number {
  return devices.reduce((sum, { reuse }) => sum + (reuse.sameDevice.value ?? 0) + (reuse.otherDevice.value ?? 0), 0);
}

function restLine(count: number, what: string): string[] {
  return count > FINDINGS_MAX ? [`  (${countText(count - FINDINGS_MAX)} more ${what}: --json)`] : [];
}

function placeOf(line: number | null): string {
  return line === null ? 'line not known' : lineHandle(line);
}
