/** `dmalab report TRACE -o out.html`: everything about a trace on one page; `dmalab report out.html --json`: its result back. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { LabError } from 'dmalab-core';
import { breakeven, type CostProfile, createVerifier, type Recording, TraceSizeReader, type TraceSizes } from 'dmalab-lab';
import { isPolicyFile } from 'dmalab-lab/node';
import { type ComparisonWords, chosenProfile, compareTrace } from '../compare-trace.ts';
import { ExitCode } from '../exit-code.ts';
import { Interrupted, type Interruption } from '../interruption.ts';
import { openTraceWithProgress } from '../open-trace.ts';
import { OutputFile } from '../output-file.ts';
import { resultInside } from '../page/embedded-result.ts';
import { reportPage } from '../page/report-page.ts';
import { type ReportResult, type ReportSource, type ReportVerify, reportResult } from '../page/report-result.ts';
import { compareAnswer } from '../report/compare-report.ts';
import { dataLines } from '../report/data-report.ts';
import { firstDifference, verifyVerdict } from '../report/verify-report.ts';
import { asciiText } from '../terminal/ascii.ts';
import { countText } from '../terminal/format.ts';
import { ProgressBar } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX, labelled } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';

export interface ReportOptions extends ComparisonWords {
  readonly output?: string | undefined;
  /** False leaves the check against the recording out. */
  readonly verify: boolean;
  /** Show times of emulator recordings. */
  readonly emulatorTime?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const NOTHING_WRITTEN = 'nothing was written';
const PAGE_BEGINNING = /^\s*<!doctype html/i;
const PAGE_BEGINNING_BYTES = 64;

/** Makes the page of a trace, or prints the result of one. @returns the exit code */
export async function report(
  input: string,
  options: ReportOptions,
  version: string,
  terminal: Terminal,
  interruption: Interruption,
): Promise<number> {
  if (options.json === true && isPage(input)) {
    terminal.printJson(resultInside(readFileSync(input, 'latin1'), input));
    return ExitCode.FINE;
  }
  if (input === '-') throw notFromPipe();
  if (options.output === undefined && options.json !== true) throw noOutput(input);
  const output = options.output === undefined ? undefined : new OutputFile(options.output, inputFiles(input, options));
  const bar = new ProgressBar(terminal.progressStream);
  const result = await makeReport(input, options, version, bar, interruption);
  bar.clear();
  if (options.json === true) terminal.printJson(result);
  if (output === undefined) return ExitCode.FINE;
  const page = reportPage(result, { emulatorTime: options.emulatorTime === true });
  output.write(page);
  if (options.json !== true) {
    terminal.print([
      ...dataLines(result.data, terminal.columns),
      ...compareAnswer(result.compare, terminal.columns),
      ...labelled('wrote', `${output.name} (${countText(page.length)} bytes)`, terminal.columns),
    ]);
  }
  return ExitCode.FINE;
}

async function makeReport(
  trace: string,
  options: ReportOptions,
  version: string,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<ReportResult> {
  const stopHere = (): void => {
    if (interruption.requested) throw new Interrupted(NOTHING_WRITTEN);
  };
  const profile = chosenProfile(options);
  const { result: compare } = await compareTrace(trace, options, { saturated: true, series: true }, profile, bar, interruption);
  stopHere();
  const { recording, verify, sizes } = await secondPass(trace, options, bar, interruption);
  stopHere();
  const breakevenResult = await breakevenOf(profile, sizes, stopHere, bar);
  const source = await sourceOf(trace, recording, interruption);
  stopHere();
  return reportResult(compare, profile, source, breakevenResult, verify, version, commandText(trace, options));
}

/** Reads the trace once more: for the check against the recording, and for the sizes of its buffers. */
async function secondPass(
  trace: string,
  { machine, verify: isVerified }: ReportOptions,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<{ readonly recording: Recording; readonly verify: ReportVerify | null; readonly sizes: TraceSizes }> {
  const recording = await openTraceWithProgress(isVerified ? 'verify' : 'sizes', trace, machine, bar, interruption);
  const verifier = isVerified ? createVerifier(recording) : undefined;
  const sizes = new TraceSizeReader(recording);
  for await (const batch of interruption.until(recording.batches())) {
    verifier?.push(batch);
    sizes.push(batch);
  }
  if (interruption.requested) throw new Interrupted(NOTHING_WRITTEN);
  return { recording, verify: verifier === undefined ? null : verifyOf(recording, verifier.finish()), sizes: sizes.finish() };
}

function verifyOf({ inference, statistics }: Recording, result: ReportVerify['result']): ReportVerify {
  const { events, timeBaseSeconds } = statistics;
  const context = { rules: inference.kernelRules, cpus: inference.cpuCount, events, timeBaseSeconds, interruptedAt: undefined };
  return { verdict: verifyVerdict(result.checks, firstDifference(result), context, COLUMNS_MAX), events, result };
}

async function breakevenOf(
  profile: CostProfile,
  trace: TraceSizes,
  stopHere: () => void,
  bar: ProgressBar,
): Promise<ReportResult['breakeven']> {
  let steps = 0;
  const pause = async (): Promise<void> => {
    steps += 1;
    bar.showSteps('break-even, step', steps, steps);
    await setImmediate();
    stopHere();
  };
  return await breakeven(profile, { trace, pause });
}

async function sourceOf(trace: string, { file, description }: Recording, interruption: Interruption): Promise<ReportSource> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(trace)) {
    hash.update(chunk as Uint8Array);
    bytes += (chunk as Uint8Array).length;
    if (interruption.requested) throw new Interrupted(NOTHING_WRITTEN);
  }
  return {
    file,
    sha256: hash.digest('hex'),
    bytes,
    kernelVersion: description?.kernelVersion ?? null,
    architecture: description?.architecture ?? null,
    recordedOn: description?.recordedOn ?? null,
  };
}

/** The options that decide what stands on the page; where it was written is none of them. */
function commandText(trace: string, options: ReportOptions): string {
  const { machine, device, policy, pool, profile, cpus } = options;
  const words = ['dmalab report', shellWord(trace)];
  for (const [flag, value] of Object.entries({ machine, device, policy, pool, profile, cpus })) {
    if (value !== undefined && !(flag === 'device' && value === 'all')) words.push(`--${flag} ${shellWord(value)}`);
  }
  if (!options.verify) words.push('--no-verify');
  if (options.emulatorTime === true) words.push('--emulator-time');
  return [...words, '-o report.html'].join(' ');
}

function inputFiles(trace: string, { machine, policy, profile }: ReportOptions): string[] {
  const files = (policy ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(isPolicyFile);
  return [trace, ...files, ...[machine, profile].flatMap((file) => file ?? [])];
}

function isPage(path: string): boolean {
  if (path === '-' || statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const beginning = Buffer.alloc(PAGE_BEGINNING_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, beginning, 0, PAGE_BEGINNING_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return PAGE_BEGINNING.test(beginning.toString('latin1'));
}

function notFromPipe(): LabError {
  return new LabError({
    code: 'RPT001',
    message: 'A report reads the trace more than once.',
    expected: 'a file',
    got: 'standard input',
    next: 'store the trace in a file first',
  });
}

function noOutput(trace: string): LabError {
  return new LabError({
    code: 'RPT002',
    message: 'The page has no name.',
    expected: '-o FILE, or --json for the result object alone',
    got: 'neither',
    next: `dmalab report ${asciiText(shellWord(trace))} -o report.html`,
  });
}
