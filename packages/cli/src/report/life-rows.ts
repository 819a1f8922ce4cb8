/** The life of a page as numbered rows: what happened, when, where that stands. */
import type { ExplainedPage, LifeBasis, LifeEvent, MappingLife } from 'dmalab-lab';
import { counted, countText, durationText, lineHandle, mappingHandle, NOT_APPLICABLE } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { wrapped } from '../terminal/wrap.ts';
import { addressText, momentText, sizeText, whoText } from './explain-words.ts';
import { shortDevice } from './trace-lines.ts';

/** One row before it is laid out; `timeNs` null where nothing tells the moment. */
interface Row {
  readonly mark: string;
  readonly timeNs: number | null;
  readonly where: string;
  readonly what: string;
  readonly basis: LifeBasis;
}

const WAIT = 'invalidated (the wait is never traced)';
const PAGE_BYTES = 4096;
const GAPS_BETWEEN_COLUMNS = 10;
const WHAT_COLUMNS_MIN = 24;
/** Rows of memory that was mapped again: the first tells enough, the rest is counted. */
const REUSES_SHOWN = 1;

/** The table of the chosen life; none without one. */
export function lifeTableLines(page: ExplainedPage, timeBaseSeconds: number, endNs: number, columns: number): string[] {
  const life = page.lives[page.chosen];
  if (life === undefined) return [];
  const rows = numbered(
    [...accessRows(page), ...staleRows(life)].reduceRight(withRow, [...lifeRows(life), ...afterRows(page, life, timeBaseSeconds, endNs)]),
  );
  const gaps = gapTexts(rows);
  const cells = rows.map(({ mark, timeNs, where, what, basis }, index) => [
    mark,
    momentText(timeNs, timeBaseSeconds),
    gaps[index]!,
    where,
    what,
    basis,
  ]);
  const header = [mappingHandle(life.number), 'time, s', 'after prev', 'where', 'what', 'basis'];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => (column === 4 ? 0 : row[column]!.length))));
  const room = Math.max(
    WHAT_COLUMNS_MIN,
    columns - GAPS_BETWEEN_COLUMNS - widths.reduce((sum, width, column) => sum + (column === 4 ? 0 : width), 0),
  );
  const titles: readonly TableColumn[] = header.map((title, column) => ({
    title: [title],
    align: column === 1 || column === 2 ? 'right' : 'left',
    dropOrder: column === 2 ? 1 : 0,
  }));
  return tableLines(
    titles,
    cells.flatMap((row) => brokenRow(row, room)),
    columns,
  );
}

/** Puts a row where its time belongs: before the first later one; without a time behind what is recorded. */
function withRow(rows: readonly Row[], row: Row): Row[] {
  const later = rows.findIndex(
    ({ timeNs, where }) => row.timeNs !== null && timeNs !== null && where !== NOT_APPLICABLE && timeNs > row.timeNs,
  );
  const end = rows.findLastIndex(({ mark }) => mark === '') + 1;
  const index = later < 0 ? Math.max(end, rows.findLastIndex(({ what }) => what === WAIT) + 1) : later;
  return [...rows.slice(0, index), row, ...rows.slice(index)];
}

/** A row whose text is too wide goes on below. */
function brokenRow(row: readonly string[], room: number): TableRow[] {
  const [first, ...rest] = wrapped(row[4]!, room, 2);
  return [row.with(4, first!), ...rest.map((part) => ['', '', '', '', part, ''])];
}

function numbered(rows: readonly Row[]): Row[] {
  let number = 0;
  return rows.map((row) => (row.mark === '' ? { ...row, mark: `  ${++number}` } : row));
}

/** Time since the row before that has one. */
function gapTexts(rows: readonly Row[]): string[] {
  let beforeNs: number | null = null;
  return rows.map(({ timeNs }) => {
    const text =
      timeNs === null || beforeNs === null
        ? NOT_APPLICABLE
        : timeNs < beforeNs
          ? `-${durationText(beforeNs - timeNs)}`
          : durationText(timeNs - beforeNs);
    if (timeNs !== null) beforeNs = timeNs;
    return text;
  });
}

// ---- what the trace has ----------------------------------------------------------------------------------------

function lifeRows(life: MappingLife): Row[] {
  const rows: Row[] = [];
  if (life.mappedNs === null) rows.push(derived('its beginning was not recorded', 'replay'));
  let told = false;
  for (const event of life.events) {
    const isEnd = event.kind === 'tableUnmapped' || event.kind === 'unmapped' || event.kind === 'freed';
    if (isEnd && !told) {
      told = true;
      if (life.endGuessed) rows.push(derived('more than one mapping of this address: the oldest is taken to end', 'inferred'));
      const live = liveRow(life);
      if (live !== null) rows.push(live);
    }
    rows.push({
      mark: '',
      timeNs: event.timeNs,
      where: lineHandle(event.line),
      what: eventText(event, life),
      basis: 'recorded',
    });
    if (event.kind === 'pagesInvalidated' || event.kind === 'domainInvalidated') rows.push(derived(WAIT, 'inferred'));
  }
  return rows;
}

function liveRow(life: MappingLife): Row | null {
  if (life.mappedNs === null || life.unmappedNs === null) return null;
  const syncs = life.syncsForCpu + life.syncsForDevice;
  const text =
    syncs === 0 ? 'no sync recorded' : `${counted(life.syncsForCpu, 'sync')} for the CPU, ${countText(life.syncsForDevice)} for the device`;
  return derived(`live for ${durationText(life.unmappedNs - life.mappedNs)}, ${text}`, 'replay');
}

function derived(what: string, basis: LifeBasis, timeNs: number | null = null, where: string = NOT_APPLICABLE): Row {
  return { mark: '  -', timeNs, where, what, basis };
}

function eventText(event: LifeEvent, life: MappingLife): string {
  const bytes = event.bytes === undefined ? '' : sizeText(event.bytes);
  const phys = event.phys === undefined ? '' : addressText(event.phys);
  switch (event.kind) {
    case 'bounced':
      return `${event.event} ${bytes} of ${phys}`;
    case 'tableMapped':
      return `${event.event}  ${rangeText(event)} -> ${phys}${life.bounced ? ' (bounce slots)' : ''}`;
    case 'mapped': {
      const of = phys === '' ? '' : ` of ${phys}`;
      const list = life.segments > 1 ? `, 1 of ${countText(life.segments)} segments` : '';
      return `${event.event} ${life.direction ?? ''} ${bytes}${of}${list}; ${whoText(event)}`;
    }
    case 'allocated':
      return `${event.event} ${bytes}; ${whoText(event)}`;
    case 'syncForCpu':
    case 'syncForDevice':
      return `${event.event} ${bytes} at ${addressText(event.address ?? 0)}`;
    case 'tableUnmapped':
      return `${event.event} ${event.unmappedBytes === undefined ? '' : `${sizeText(event.unmappedBytes)} of `}${bytes}; ${whoText(event)}`;
    case 'unmapped':
    case 'freed':
      return `${event.event}; ${whoText(event)}`;
    case 'pagesInvalidated':
      return `${event.event} did ${event.domainId}, ${rangeText(event)}`;
    case 'domainInvalidated':
      return `${event.event} did ${event.domainId}, whole domain; ${whoText(event)}`;
    case 'faulted':
      return `${event.event} ${event.isWrite === true ? 'write' : 'read'} at ${addressText(event.address ?? 0)}`;
  }
}

function rangeText({ address, bytes }: LifeEvent): string {
  return address === undefined ? '' : `${addressText(address)}-${addressText(address + (bytes ?? PAGE_BYTES))}`;
}

// ---- the access, and what came after ---------------------------------------------------------------------------

function accessRows({ fault, timeNs, verdict }: ExplainedPage): Row[] {
  if (fault === null || fault.address === null) return [];
  const access = fault.isWrite === null ? 'ACCESS' : fault.isWrite ? 'WRITE' : 'READ';
  const offset = fault.address % PAGE_BYTES;
  const where = offset === 0 ? `page ${addressText(fault.address)}` : addressText(fault.address);
  const unknown = offset === 0 && fault.reporter === 'VT-d' ? ', offset unknown' : '';
  const what = `${access} to ${where} refused${unknown}`;
  return [{ mark: verdict === 'not-mapped-yet' ? '  <' : '  >', timeNs, where: 'log', what, basis: 'log' }];
}

function afterRows(page: ExplainedPage, life: MappingLife, timeBaseSeconds: number, endNs: number): Row[] {
  const rows: Row[] = [];
  if (life.unmappedNs === null) {
    const text = life.endNotRecorded
      ? 'mapped again without an unmap: its end was not recorded'
      : `still mapped when the trace ends at ${momentText(endNs, timeBaseSeconds)} s`;
    return [derived(text, 'replay')];
  }
  if (life.invalidation?.how === 'timer')
    rows.push(derived('invalidated by the flush timer at the latest', 'model', life.invalidation.timeNs));
  else if (life.invalidation?.how === 'unmap') rows.push(derived('invalidated inside the unmap (no descriptors recorded)', 'model'));
  else if (life.invalidation === null) rows.push(derived('no invalidation of it was recorded', 'replay'));
  const next = page.lives.slice(page.chosen + 1).find(({ device, number }) => device === life.device && number > 0);
  if (next === undefined) rows.push(derived('address not mapped again before the trace ends', 'replay', null));
  else
    rows.push(
      derived(
        `address next used by ${mappingHandle(next.number)}`,
        'replay',
        next.mappedNs,
        next.mapLine === null ? NOT_APPLICABLE : lineHandle(next.mapLine),
      ),
    );
  return rows;
}

/** Who got the memory while the IOTLB could still lead to it. */
function staleRows(life: MappingLife): Row[] {
  const hidden = life.reuses.length - REUSES_SHOWN;
  return life.reuses.slice(0, REUSES_SHOWN).map(({ line, timeNs, device, number }, index) => {
    const whose = device === null ? '' : ` for ${shortDevice(device)}`;
    const handle = number > 0 ? ` (${mappingHandle(number)})` : '';
    const more = index === REUSES_SHOWN - 1 && hidden > 0 ? ` (${countText(hidden)} more: --json)` : '';
    return derived(`STALE: its memory mapped again${whose}${handle} before the invalidation${more}`, 'replay', timeNs, lineHandle(line));
  });
}
