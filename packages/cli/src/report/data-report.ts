/** What stands above the first number: how good the input is, and what was filled in or did not fit. */
import type { DataLevel } from 'dmalab-trace';
import { clipped } from '../terminal/ascii.ts';
import { counted, countText, lineHandle } from '../terminal/format.ts';
import { labelled, wrapped } from '../terminal/wrap.ts';

/** How good the input is; the first key of every result object. The same shape in every verb. */
export interface DataReport {
  readonly level: DataLevel;
  /** The DATA lines of every output. */
  readonly lines: readonly string[];
  readonly events: number;
  readonly lost: number;
  readonly notUnderstood: number;
  readonly inferred: readonly InferredValue[];
  readonly contradictions: readonly Disagreement[];
  readonly assembly: AssemblyReport;
}

/** A value that was not recorded. */
interface InferredValue {
  readonly what: string;
  readonly value: string;
  readonly why: string;
  readonly basis: string;
}

/** Trace and machine description say different things; `trace` is empty where the description contradicts itself. */
interface Disagreement {
  readonly what: string;
  readonly trace: string;
  readonly description: string;
  readonly line: number | null;
}

/** What did not fit while lines were put together into calls. */
export interface AssemblyReport {
  readonly rebuilt: number;
  readonly unknownMappings: number;
  readonly strayLines: number;
  readonly mappingsReplaced: number;
  readonly firstUnknownMappingLine: number;
  readonly firstStrayLine: number;
  readonly callsOfUnknownDevices?: number;
  readonly callsWithoutRanges?: number;
  readonly listsCut?: number;
}

const LABEL_COLUMNS = 6;
const FLAG = '--data';

/** The DATA lines, then at most three lines that name what is behind their counts; `--data` shows it whole. */
export function dataLines(data: DataReport, columns: number): string[] {
  const lines = data.lines.flatMap((line) => wrapped(line, columns, LABEL_COLUMNS));
  const inferred = data.inferred.map(({ what, value }) => `${what} ${value}`);
  const contradictions = data.contradictions.map(({ what, trace, description }) =>
    trace === '' ? description : `${what}: trace ${trace}, description ${description}`,
  );
  for (const [label, items] of [
    ['inferred', inferred],
    ['contradicts', contradictions],
    ['assembly', assemblyItems(data.assembly)],
  ] as const) {
    if (items.length > 0) lines.push(shortList(label, items, columns));
  }
  return lines;
}

/** Everything behind the DATA lines, for `--data`. */
export function dataDetailLines(data: DataReport, columns: number): string[] {
  return dataDetails(data).flatMap(({ label, text }) => labelled(label, text, columns, 13));
}

/** The same, one item each: how a value was filled in, where the inputs disagree, what did not fit. */
export function dataDetails(data: DataReport): { readonly label: string; readonly text: string }[] {
  const inferred = data.inferred.map(({ what, value, why, basis }) => ({ label: basis, text: `${what} = ${value}: ${why}` }));
  const contradictions = data.contradictions.map(({ what, trace, description, line }) => {
    const place = line === null ? '' : ` (${lineHandle(line)})`;
    const text = trace === '' ? description : `${what}: the trace shows ${trace}${place}, the description ${description}`;
    return { label: 'contradicts', text };
  });
  const assembly = assemblyItems(data.assembly).map((text) => ({ label: 'assembly', text }));
  return [...inferred, ...contradictions, ...assembly];
}

/** One line; what does not fit is counted. */
function shortList(label: string, items: readonly string[], columns: number): string {
  const front = `${' '.repeat(LABEL_COLUMNS)}${label}: `;
  for (let shown = items.length; shown > 0; shown--) {
    const more = shown === items.length ? '' : ` (${countText(items.length - shown)} more: ${FLAG})`;
    const line = `${front}${items.slice(0, shown).join('; ')}${more}`;
    if (line.length <= columns) return line;
  }
  const more = ` (${FLAG})`;
  return `${front}${clipped(items[0]!, columns - front.length - more.length)}${more}`;
}

function assemblyItems(assembly: AssemblyReport): string[] {
  const { rebuilt, unknownMappings, strayLines, mappingsReplaced } = assembly;
  const unknownDevices = assembly.callsOfUnknownDevices ?? 0;
  const withoutRanges = assembly.callsWithoutRanges ?? 0;
  const listsCut = assembly.listsCut ?? 0;
  const items: string[] = [];
  if (unknownMappings > 0)
    items.push(`${counted(unknownMappings, 'unmap')} of unknown mappings${firstPlace(assembly.firstUnknownMappingLine)}`);
  if (rebuilt > 0) items.push(`${counted(rebuilt, 'failed call')} rebuilt`);
  if (strayLines > 0) items.push(`${counted(strayLines, 'line')} of no call${firstPlace(assembly.firstStrayLine)}`);
  if (mappingsReplaced > 0) items.push(`${counted(mappingsReplaced, 'mapping')} replaced without unmap`);
  if (unknownDevices > 0) items.push(`${counted(unknownDevices, 'call')} of unknown devices`);
  if (withoutRanges > 0) items.push(`${counted(withoutRanges, 'call')} whose ranges the trace does not tell`);
  if (listsCut > 0) items.push(`${counted(listsCut, 'scatter list')} cut by the kernel`);
  return items;
}

function firstPlace(line: number): string {
  return line > 0 ? ` (first ${lineHandle(line)})` : '';
}
