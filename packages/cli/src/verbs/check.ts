/** `dmalab check [POLICY] [PROPERTY]`: which properties hold under which policy, by visiting all states of small machines. */
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { LabError, policies } from 'dmalab-core';
import {
  type CheckProgress,
  type CheckResult,
  check as checkAll,
  checkOptionsOf,
  readCounterexample,
  replayCounterexample,
} from 'dmalab-lab';
import { ExitCode } from '../exit-code.ts';
import type { Interruption } from '../interruption.ts';
import { answerText, brokenPromises, checkLines, counterexampleLines } from '../report/check-report.ts';
import { StateCounter } from '../terminal/state-counter.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { nearest } from '../usage.ts';

/** Version of the object that `--json` prints. */
const FORMAT_VERSION = 1;

export interface CheckVerbOptions {
  readonly policy?: string | undefined;
  readonly property?: string | undefined;
  readonly kernel?: string | undefined;
  readonly bound?: string | undefined;
  readonly json?: boolean | undefined;
  readonly replay?: string | undefined;
}

/** What `--json` prints. */
interface CheckReport {
  readonly format: 'dmalab-check';
  readonly version: number;
  readonly answer: string;
  readonly result: CheckResult;
}

/** Checks, or goes through a counterexample again. @returns the exit code */
export async function check(
  policy: string | undefined,
  property: string | undefined,
  options: CheckVerbOptions,
  terminal: Terminal,
  interruption: Interruption,
): Promise<number> {
  if (options.replay !== undefined) return replay(options.replay, terminal);
  const chosen = checkOptionsOf({
    policies: policy ?? options.policy,
    properties: property ?? options.property,
    kernel: options.kernel,
    bound: options.bound,
  });
  const counter = new StateCounter(terminal.progressStream);
  const result = await ended(checkAll(chosen), counter, interruption);
  counter.clear();
  if (options.json === true) {
    terminal.printJson({ format: 'dmalab-check', version: FORMAT_VERSION, answer: answerText(result), result } satisfies CheckReport);
  } else {
    terminal.print(checkLines(result, terminal.columns));
  }
  return brokenPromises(result).length > 0 ? ExitCode.CHECK_FAILED : ExitCode.FINE;
}

/** Runs a check to its end, with a turn of the event loop now and then. @throws Interrupted */
async function ended(
  search: Generator<CheckProgress, CheckResult>,
  counter: StateCounter,
  interruption: Interruption,
): Promise<CheckResult> {
  let step = search.next();
  while (step.done !== true) {
    counter.show(step.value);
    await setImmediate();
    interruption.check();
    step = search.next();
  }
  return step.value;
}

function replay(file: string, terminal: Terminal): number {
  const example = readCounterexample(textOf(file), file);
  const policy = policies.find(({ name }) => name === example.policy);
  if (policy === undefined) {
    const near = nearest(
      example.policy,
      policies.map(({ name }) => name),
    );
    throw new LabError({
      code: 'CHK007',
      message: 'The counterexample is about a policy that does not exist here.',
      file,
      expected: policies.map(({ name }) => name).join(', '),
      got: example.policy,
      next: near === undefined ? 'take one of this version' : `did you mean ${near}?`,
    });
  }
  const violation = replayCounterexample(example, policy);
  if (violation?.what === example.what) {
    terminal.print([`REPLAYED  ${example.property} broken again after ${example.actions.length} steps: ${violation.what}`]);
    terminal.print(['', ...counterexampleLines(example, terminal.columns)]);
    return ExitCode.FINE;
  }
  terminal.print([
    `DIFFERS  ${example.property} after ${example.actions.length} steps`,
    `  file    ${example.what}`,
    `  replay  ${violation === null ? 'nothing is broken' : violation.what}`,
  ]);
  return ExitCode.CHECK_FAILED;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LabError({
      code: 'CHK008',
      message: 'The counterexample cannot be read.',
      file,
      got: error instanceof Error && 'code' in error ? String(error.code) : 'an error',
      next: 'check the name',
    });
  }
}
