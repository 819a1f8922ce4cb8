/** `dmalab compare TRACE`: what would each policy have done with these calls? */
import { type CompareResult, compareGroups, plainCharges } from 'dmalab-lab';
import { type ComparisonWords, chosenProfile, compareTrace } from '../compare-trace.ts';
import { ExitCode } from '../exit-code.ts';
import { EXIT_INTERRUPTED, type Interruption } from '../interruption.ts';
import { allFiguresLines } from '../report/all-figures-report.ts';
import { compareAnswer, compareNoteLines, countTableLines, deviceSummaryLines, deviceTableLines } from '../report/compare-report.ts';
import { costTableLines } from '../report/cost-table.ts';
import { dataDetailLines, dataLines } from '../report/data-report.ts';
import { exposureLines } from '../report/exposure-report.ts';
import { policyTableLines, type SortKey } from '../report/policy-table.ts';
import { reachedText } from '../report/recording-report.ts';
import { saturateTableLines } from '../report/saturate-table.ts';
import { sizeTableLines } from '../report/size-report.ts';
import { ProgressBar } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX, labelled, sectionLines } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';

/** What the calls do: come when they came, or also run back to back on many CPUs. */
export const LOADS = ['replay', 'saturate'] as const;

export interface CompareOptions extends ComparisonWords {
  readonly load?: (typeof LOADS)[number] | undefined;
  readonly json?: boolean | undefined;
  readonly sort?: SortKey | undefined;
  /** Show times of emulator recordings. */
  readonly emulatorTime?: boolean | undefined;
  readonly counts?: boolean | undefined;
  readonly cost?: boolean | undefined;
  readonly exposure?: boolean | undefined;
  readonly byDevice?: boolean | undefined;
  readonly sizes?: boolean | undefined;
  readonly figures?: boolean | undefined;
  readonly data?: boolean | undefined;
}

/** Compares policies on a trace and prints the answer. @returns the exit code */
export async function compare(trace: string, options: CompareOptions, terminal: Terminal, interruption: Interruption): Promise<number> {
  const bar = new ProgressBar(terminal.progressStream);
  const compared = await compareTrace(
    trace,
    options,
    { saturated: options.load === 'saturate', series: false },
    chosenProfile(options),
    bar,
    interruption,
  );
  bar.clear();
  const { result } = compared;
  const stoppedAt = interruption.requested ? reachedText(compared.reached) : undefined;
  if (options.json === true) terminal.printJson(jsonReport(result, stoppedAt));
  else terminal.print(resultLines(trace, result, stoppedAt, options, terminal.columns));
  return stoppedAt === undefined ? ExitCode.FINE : EXIT_INTERRUPTED;
}

/** The lab's object with the sentence that all outputs share; `data` stays the first key. */
function jsonReport(result: CompareResult, stoppedAt: string | undefined): object {
  const { data, format, version, rows, ...rest } = result;
  const plain = rows.map((row) => ({ ...row, work: row.work === null ? null : { ...row.work, charges: plainCharges(row.work.charges) } }));
  const interrupted = stoppedAt === undefined ? {} : { interrupted: stoppedAt };
  return { data, format, version, ...interrupted, answer: compareAnswer(result, COLUMNS_MAX), ...rest, rows: plain };
}

function resultLines(
  trace: string,
  result: CompareResult,
  stoppedAt: string | undefined,
  options: CompareOptions,
  columns: number,
): string[] {
  const byDevice = options.byDevice === true;
  const head = dataLines(result.data, columns);
  if (stoppedAt !== undefined) head.push(...labelled('INTERRUPTED', `at ${stoppedAt}; counts hold for that part`, columns, 13));
  head.push(...compareAnswer(result, columns));
  const table = { sort: options.sort ?? 'cost', emulatorTime: options.emulatorTime === true };
  const sections = [head, deviceSummaryLines(result, byDevice, columns), policyTableLines(result, compareGroups(result), table, columns)];
  if (options.cost === true) sections.push(costTableLines(result, columns));
  if (options.exposure === true) sections.push(exposureLines(result, byDevice, table.emulatorTime, columns));
  sections.push(saturateTableLines(result, columns));
  if (options.counts === true) sections.push(countTableLines(result, columns));
  if (byDevice) sections.push(deviceTableLines(result, columns));
  if (options.sizes === true) sections.push(sizeTableLines(result, byDevice, columns));
  if (options.figures === true) sections.push(allFiguresLines(result, columns));
  if (options.data === true) sections.push(dataDetailLines(result.data, columns));
  const next = labelled('next', nextText(trace, result, options), columns);
  return sectionLines([...sections, [...compareNoteLines(result, columns), ...next]]);
}

/** Questions that this output leaves, each with the flag that answers it. */
function nextText(trace: string, result: CompareResult, options: CompareOptions): string {
  const flags: string[] = [];
  if (options.byDevice !== true) flags.push('--by-device');
  if (options.cost !== true) flags.push('--cost');
  if (options.exposure !== true) flags.push('--exposure');
  if (options.counts !== true) flags.push('--counts');
  if (options.sizes !== true) flags.push('--sizes');
  if (options.figures !== true) flags.push('--figures');
  const least = result.rows.findLast(({ total }) => total.pool.smallestSlots.value !== null)?.total.pool.smallestSlots.value;
  if (options.pool === undefined && least !== undefined && least !== null) flags.push(`--pool ${least}`);
  if (options.device === undefined || options.device === 'all')
    if (result.devices.some(({ untrusted }) => untrusted)) flags.push('--device untrusted');
  return `dmalab compare ${shellWord(trace)} ${[...flags, '--json'].join(' | ')}`;
}
