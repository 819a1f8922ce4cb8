/** `dmalab breakeven [POLICY POLICY ...]`: over the size of a buffer, which policy is cheapest and by how much? */
import { setImmediate } from 'node:timers/promises';
import { Direction } from 'dmalab-core';
import {
  type BreakevenResult,
  type BufferAlignment,
  breakeven,
  DEFAULT_POLICIES,
  type BreakevenOptions as LabOptions,
  TraceSizeReader,
  type TraceSizes,
} from 'dmalab-lab';
import { profileNames, readProfile } from 'dmalab-lab/node';
import { ExitCode } from '../exit-code.ts';
import { EXIT_INTERRUPTED, type Interruption } from '../interruption.ts';
import { openTraceWithProgress } from '../open-trace.ts';
import { allProfilesLines, breakevenLines } from '../report/breakeven-report.ts';
import { breakevenAnswer } from '../report/breakeven-words.ts';
import { reachedText } from '../report/recording-report.ts';
import { ProgressBar } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX } from '../terminal/wrap.ts';

export interface BreakevenOptions {
  readonly trace?: string | undefined;
  readonly machine?: string | undefined;
  /** Name of a cost profile, or a file. */
  readonly profile?: string | undefined;
  readonly aligned?: boolean | undefined;
  readonly startAligned?: boolean | undefined;
  readonly fromDevice?: boolean | undefined;
  readonly minAlignMask?: number | undefined;
  readonly cpus?: number | undefined;
  readonly byDevice?: boolean | undefined;
  readonly allProfiles?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const DEFAULT_PROFILE = 'vtd-bare';

/** Compares policies over buffer sizes and prints the answer. @returns the exit code */
export async function breakevenVerb(
  policies: readonly string[],
  options: BreakevenOptions,
  terminal: Terminal,
  interruption: Interruption,
): Promise<number> {
  const pause = async (): Promise<void> => {
    await setImmediate();
    interruption.check();
  };
  const choices = { ...labOptions(options), policies, pause };
  if (options.allProfiles === true) return await printAllProfiles(choices, options.json === true, terminal);
  const profile = readProfile(options.profile ?? DEFAULT_PROFILE);
  const bar = new ProgressBar(terminal.progressStream);
  const read = options.trace === undefined ? undefined : await readSizes(options.trace, options.machine, bar, interruption);
  bar.clear();
  const stoppedAt = read?.stoppedAt;
  const given = { ...choices, trace: read?.sizes };
  // Who has interrupted the reading wants to see what was read.
  const result = await breakeven(profile, stoppedAt === undefined ? given : { ...given, pause: undefined });
  if (options.json === true) terminal.printJson(jsonReport(result, stoppedAt));
  else terminal.print(breakevenLines(result, profile, { ...options, stoppedAt, policies }, terminal.columns));
  return stoppedAt === undefined ? ExitCode.FINE : EXIT_INTERRUPTED;
}

function labOptions({ aligned, startAligned, fromDevice, minAlignMask, cpus }: BreakevenOptions): LabOptions {
  let alignment: BufferAlignment = 'unaligned';
  if (startAligned === true) alignment = 'start-aligned';
  if (aligned === true) alignment = 'aligned';
  return { alignment, direction: fromDevice === true ? Direction.FROM_DEVICE : Direction.TO_DEVICE, minAlignMask, cpus };
}

async function readSizes(
  trace: string,
  machine: string | undefined,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<{ readonly sizes: TraceSizes; readonly stoppedAt: string | undefined }> {
  const recording = await openTraceWithProgress('breakeven', trace, machine, bar, interruption);
  const reader = new TraceSizeReader(recording);
  for await (const batch of interruption.until(recording.batches())) reader.push(batch);
  return { sizes: reader.finish(), stoppedAt: interruption.requested ? reachedText(reader.reached) : undefined };
}

async function printAllProfiles(choices: LabOptions, json: boolean, terminal: Terminal): Promise<number> {
  // Named, they come without the summary, which has no line here.
  const policies = choices.policies === undefined || choices.policies.length === 0 ? DEFAULT_POLICIES : choices.policies;
  const results: BreakevenResult[] = [];
  for (const name of profileNames()) results.push(await breakeven(readProfile(name), { ...choices, policies }));
  if (json) terminal.printJson(results.map((result) => jsonReport(result, undefined)));
  else terminal.print(allProfilesLines(results, terminal.columns));
  return ExitCode.FINE;
}

/** The lab's object with the sentence that all outputs share. With a trace `data` is the first key. */
function jsonReport(result: BreakevenResult, stoppedAt: string | undefined): object {
  const { format, version, trace, ...rest } = result;
  const answer = breakevenAnswer(result, COLUMNS_MAX);
  if (trace === null) return { format, version, answer, ...rest, trace };
  const { data, ...shares } = trace;
  const interrupted = stoppedAt === undefined ? {} : { interrupted: stoppedAt };
  return { data, format, version, ...interrupted, answer, ...rest, trace: shares };
}
