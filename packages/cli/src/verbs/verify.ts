/** `dmalab verify TRACE`: does the model decide as the kernel did? */
import { type CheckRow, checkIds, createVerifier, type Recording, type RecordingFacts, reachedOf, type VerifyResult } from 'dmalab-lab';
import { ExitCode } from '../exit-code.ts';
import { EXIT_INTERRUPTED, type Interruption } from '../interruption.ts';
import { openTraceWithProgress } from '../open-trace.ts';
import { type AssemblyReport, type DataReport, dataDetailLines, dataLines } from '../report/data-report.ts';
import { reachedText, recordingReport } from '../report/recording-report.ts';
import { traceLinesAround, traceLineTexts } from '../report/trace-lines.ts';
import {
  checkTableLines,
  differenceLines,
  firstDifference,
  ledgerLines,
  limitLines,
  orderLines,
  otherDifferenceLines,
  type Verdict,
  type VerdictContext,
  verifyVerdict,
} from '../report/verify-report.ts';
import { lineHandle } from '../terminal/format.ts';
import { ProgressBar } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX, clippedLines, labelled, sectionLines } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';

/** Version of the object that `--json` prints. */
const FORMAT_VERSION = 1;
const LINES_BEFORE = 3;
const LINES_AFTER = 2;

export interface VerifyOptions {
  readonly machine?: string | undefined;
  readonly json?: boolean | undefined;
  /** List every window, every difference, everything behind the DATA lines. */
  readonly windows?: boolean | undefined;
  readonly differences?: boolean | undefined;
  readonly data?: boolean | undefined;
  /** Also show the trace around this line. */
  readonly at?: number | undefined;
}

/** What `--json` prints; after an interruption `result` has only the counts of the checks. */
interface VerifyReport {
  readonly data: DataReport;
  readonly format: 'dmalab-verify';
  readonly version: number;
  readonly verdict: Verdict;
  readonly recording: RecordingFacts;
  readonly result: VerifyResult | { readonly checks: readonly CheckRow[] };
}

/** Verifies a trace and prints the answer. @returns the exit code */
export async function verify(trace: string, options: VerifyOptions, terminal: Terminal, interruption: Interruption): Promise<number> {
  const bar = new ProgressBar(terminal.progressStream);
  const recording = await openTraceWithProgress('verify', trace, options.machine, bar, interruption);
  const { statistics } = recording;
  const verifier = createVerifier(recording);
  for await (const batch of interruption.until(recording.batches())) verifier.push(batch);
  bar.clear();
  const counters = 'assembler' in verifier ? verifier.assembler.counters : undefined;
  const context: VerdictContext = {
    rules: recording.inference.kernelRules,
    cpus: recording.inference.cpuCount,
    events: statistics.events,
    timeBaseSeconds: statistics.timeBaseSeconds,
    interruptedAt: interruption.requested ? reachedText(reachedOf(recording)) : undefined,
  };
  if (interruption.requested) {
    // Calls are open whose lines were not read: finishing would call them different.
    const checks = checkIds.map((id) => verifier.checks.rows[id]);
    const data = recordingReport(recording, assemblyReport(undefined, counters));
    const verdict = verifyVerdict(checks, undefined, context, COLUMNS_MAX);
    const report: VerifyReport = { ...head(data, verdict), result: { checks } };
    if (options.json === true) terminal.printJson(report);
    else terminal.print([...dataLines(report.data, terminal.columns), ...verdict.lines, '', ...checkTableLines(checks, terminal.columns)]);
    return EXIT_INTERRUPTED;
  }
  const result = verifier.finish();
  const data = recordingReport(recording, assemblyReport(result, counters));
  const verdict = verifyVerdict(result.checks, firstDifference(result), context, COLUMNS_MAX);
  if (options.json === true) terminal.printJson({ ...head(data, verdict), result } satisfies VerifyReport);
  else terminal.print(await resultLines(trace, recording, data.data, result, context, options, terminal.columns));
  return verdict.word === 'DIFFERS' ? ExitCode.CHECK_FAILED : ExitCode.FINE;
}

function head({ data, recording }: ReturnType<typeof recordingReport>, verdict: Verdict): Omit<VerifyReport, 'result'> {
  return { data, format: 'dmalab-verify', version: FORMAT_VERSION, verdict, recording };
}

function assemblyReport(result: VerifyResult | undefined, counters: Partial<AssemblyReport> | undefined): AssemblyReport {
  return {
    rebuilt: result?.rebuiltCalls ?? counters?.rebuilt ?? 0,
    unknownMappings: result?.unknownMappings ?? 0,
    strayLines: result?.strayLines ?? counters?.strayLines ?? 0,
    mappingsReplaced: counters?.mappingsReplaced ?? 0,
    firstUnknownMappingLine: counters?.firstUnknownMappingLine ?? 0,
    firstStrayLine: counters?.firstStrayLine ?? 0,
  };
}

async function resultLines(
  trace: string,
  recording: Recording,
  data: DataReport,
  result: VerifyResult,
  context: VerdictContext,
  options: VerifyOptions,
  columns: number,
): Promise<string[]> {
  const first = firstDifference(result);
  const sections = [[...dataLines(data, columns), ...verifyVerdict(result.checks, first, context, columns).lines]];
  if (first !== undefined) {
    sections.push(await traceText(trace, first.line, columns));
    const others = otherDifferenceLines(result, first, options.differences === true, columns);
    sections.push([...differenceLines(result, first, columns), ...others]);
  }
  sections.push(checkTableLines(result.checks, columns));
  if (options.at !== undefined) sections.push(await placeLines(trace, options.at, result, columns));
  if (options.data === true) sections.push(dataDetailLines(data, columns));
  sections.push([
    ...limitLines(result, columns),
    ...ledgerLines(result, recording.statistics.events, columns),
    ...orderLines(result, options.windows === true, columns),
    ...labelled('next', nextText(trace, first?.line), columns),
  ]);
  return sectionLines(sections);
}

/** The trace around a line, and what `verify` found there. */
async function placeLines(trace: string, line: number, result: VerifyResult, columns: number): Promise<string[]> {
  const lines = await traceText(trace, line, columns);
  if (lines.length === 0)
    lines.push(`${lineHandle(line)}: ${trace === '-' ? 'standard input cannot be read again' : 'no event near this line'}`);
  for (const found of result.differences.filter((difference) => difference.line === line)) {
    lines.push(...labelled('differs', `${found.check}: expected ${found.expected}; got ${found.got}`, columns, 9));
  }
  for (const window of result.windows.filter((decided) => decided.line === line)) {
    lines.push(...labelled('window', `${window.resource}: ${window.moved}`, columns, 9));
  }
  return lines;
}

async function traceText(trace: string, line: number, columns: number): Promise<string[]> {
  return clippedLines(traceLineTexts(await traceLinesAround(trace, line, LINES_BEFORE, LINES_AFTER), line), columns);
}

function nextText(trace: string, differenceLine: number | undefined): string {
  const file = shellWord(trace);
  if (differenceLine === undefined) return `dmalab compare ${file}`;
  return `dmalab verify ${file} --differences | --at ${lineHandle(differenceLine)} | --windows | --json`;
}
