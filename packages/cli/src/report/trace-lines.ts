/** Single lines of a trace, in the trace's own order and words but short enough to be quoted. */
import { ABSENT, ContextLevel, type EventBatch, EventKind, eventForm, NO_DIRECTION, QI_TYPE_NAMES } from 'dmalab-trace';
import { openTrace } from 'dmalab-trace/node';
import { asciiText } from '../terminal/ascii.ts';
import { lineHandle } from '../terminal/format.ts';

/** One event for people. */
export interface TraceLine {
  readonly line: number;
  /** `8.114899`, seconds of the recording's clock. */
  readonly time: string;
  readonly cpu: string;
  readonly task: string;
  readonly event: string;
  readonly text: string;
}

const DIRECTIONS: readonly string[] = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'];
const LEVEL_NAMES: Readonly<Record<number, string>> = {
  [ContextLevel.SOFTIRQ]: '/softirq',
  [ContextLevel.HARDIRQ]: '/irq',
  [ContextLevel.NMI]: '/nmi',
};
const NS_PER_SECOND = 1e9;
const NS_PER_MICROSECOND = 1e3;
/** Values that are counts or sizes and read better in decimal. */
const DECIMAL_VALUES: ReadonlySet<string> = new Set(['size', 'unmappedSize', 'did', 'nents', 'ents', 'pages', 'mask', 'group', 'users']);

/**
 * The events around a line of a trace file: those with a line number from `line - before` to `line + after`.
 *
 * @returns none for standard input, which cannot be read again
 */
export async function traceLinesAround(path: string, line: number, before: number, after: number): Promise<TraceLine[]> {
  const found: TraceLine[] = [];
  if (path === '-') return found;
  const input = await openTrace(path);
  for await (const batch of input.batches()) {
    const { rowCount } = batch;
    if (rowCount === 0 || batch.line[rowCount - 1]! < line - before) continue;
    if (batch.line[0]! > line + after) break;
    for (let row = 0; row < rowCount; row++) {
      const number = batch.line[row]!;
      if (number >= line - before && number <= line + after) found.push(traceLine(batch, row, input.statistics.timeBaseSeconds));
    }
  }
  return found;
}

/** Lines in aligned columns, the one in question marked with `>`. */
export function traceLineTexts(lines: readonly TraceLine[], marked: number): string[] {
  const widthOf = (text: (line: TraceLine) => string): number => Math.max(...lines.map((line) => text(line).length));
  const handleWidth = widthOf(({ line }) => lineHandle(line));
  const timeWidth = widthOf(({ time }) => time);
  const cpuWidth = widthOf(({ cpu }) => cpu);
  const taskWidth = widthOf(({ task }) => task);
  const eventWidth = widthOf(({ event }) => event);
  return lines.map(({ line, time, cpu, task, event, text }) => {
    const place = `${lineHandle(line).padEnd(handleWidth)}  ${time.padStart(timeWidth)}  ${cpu.padEnd(cpuWidth)}`;
    return `${line === marked ? '> ' : '  '}${place}  ${task.padEnd(taskWidth)}  ${event.padEnd(eventWidth)}  ${text}`;
  });
}

/** `8.114899` */
export function timeText(timeNs: number, timeBaseSeconds: number): string {
  const seconds = Math.floor(timeNs / NS_PER_SECOND);
  const microseconds = Math.floor((timeNs - seconds * NS_PER_SECOND) / NS_PER_MICROSECOND);
  return `${seconds + timeBaseSeconds}.${String(microseconds).padStart(6, '0')}`;
}

/** `00:05.0` for `0000:00:05.0`: nearly all machines have one PCI segment. */
export function shortDevice(name: string): string {
  return name.replace(/^0000:(?=[0-9a-f]{2}:)/, '');
}

function traceLine(batch: EventBatch, row: number, timeBaseSeconds: number): TraceLine {
  const level = LEVEL_NAMES[batch.level[row]!] ?? '';
  return {
    line: batch.line[row]!,
    time: timeText(batch.timeNs[row]!, timeBaseSeconds),
    cpu: `cpu${batch.cpu[row]}`,
    task: `${asciiText(batch.names.comms.nameOf(batch.comm[row]!)).slice(0, 16)}-${batch.pid[row]}${level}`,
    event: eventForm(batch.kind[row]!).name,
    text: valuesText(batch, row),
  };
}

function valuesText(batch: EventBatch, row: number): string {
  const kind = batch.kind[row]!;
  const [v0, v1, v2, v3] = batch.values.map((column) => column[row]!);
  switch (kind) {
    case EventKind.MAP:
      return `${hex(v0!)} - ${hex(v1!)} paddr ${hex(v2!)}`;
    case EventKind.UNMAP:
      return v2 === v3 ? `${hex(v0!)} - ${hex(v1!)}` : `${hex(v0!)} - ${hex(v1!)} unmapped ${v3} of ${v2}`;
    case EventKind.QI_SUBMIT:
      return `${QI_TYPE_NAMES[batch.v4[row]!]} 0x${wide(v0!, v1!)} 0x${wide(v2!, v3!)}`;
    case EventKind.CACHE_TAG_FLUSH_RANGE:
    case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
      return `did ${v0} ${hex(v1!)}-${hex(v2!)} mask ${batch.v5[row]}`;
    default:
      return [deviceText(batch, row), ...namedValues(batch, row), directionText(batch, row)].filter((part) => part !== '').join(' ');
  }
}

function namedValues(batch: EventBatch, row: number): string[] {
  const names = eventForm(batch.kind[row]!).values;
  const parts: string[] = [];
  for (const [index, name] of names.slice(0, 6).entries()) {
    const value = batch.values[index]![row]!;
    if (name === 'truncated' || name === 'forced' || name === 'dmaMask' || name === 'physAddr' || value === ABSENT) continue;
    parts.push(name === 'dmaAddr' ? hex(value) : `${name} ${DECIMAL_VALUES.has(name) ? value : hex(value)}`);
  }
  const phys = names.indexOf('physAddr');
  if (phys >= 0 && batch.values[phys]![row] !== ABSENT) parts.push(`phys ${hex(batch.values[phys]![row]!)}`);
  if (batch.dmaAddrsCount[row]! > 0) parts.push(`from ${hex(batch.list[batch.dmaAddrsOffset[row]!]!)}`);
  return parts;
}

function deviceText(batch: EventBatch, row: number): string {
  return batch.device[row]! < 0 ? '' : shortDevice(batch.names.devices.nameOf(batch.device[row]!));
}

function directionText(batch: EventBatch, row: number): string {
  return batch.direction[row] === NO_DIRECTION ? '' : (DIRECTIONS[batch.direction[row]!] ?? '');
}

function hex(value: number): string {
  return value < 0 ? 'all ones' : value.toString(16);
}

function wide(high: number, low: number): string {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}
