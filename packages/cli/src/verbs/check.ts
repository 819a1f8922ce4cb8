/** `dmalab check [POLICY] [PROPERTY]`: which properties hold under which policy, by visiting all states of small machines. */
import { readFileSync } from 'node:fs';
import { LabError, policies } from 'dmalab-core';
import { type CheckResult, checkOptionsOf, readCounterexample, replayCounterexample } from 'dmalab-lab';
import { type Checked, checkOnThreads } from 'dmalab-lab/node';
import { machinePathFor } from 'dmalab-trace';
import { ExitCode } from '../exit-code.ts';
import { EXIT_INTERRUPTED, Interrupted, type Interruption } from '../interruption.ts';
import { OutputFile, type OutputRefusal } from '../output-file.ts';
import { answerText, brokenPromises, checkLines, counterexampleLines, reachedStates } from '../report/check-report.ts';
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
  /** File for the counterexample as a trace. */
  readonly export?: string | undefined;
}

/** What `--json` prints. */
interface CheckReport {
  readonly format: 'dmalab-check';
  readonly version: number;
  readonly interrupted?: string;
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
  const words = policy ?? options.policy;
  const chosen = checkOptionsOf({ properties: property ?? options.property, kernel: options.kernel, bound: options.bound });
  const exported = options.export === undefined ? undefined : new ExportFiles(options.export);
  const counter = new StateCounter(terminal.progressStream);
  const checked = await checkOnThreads({
    ...chosen,
    policies: words === undefined || words === 'all' ? undefined : words.split(',').map((name) => name.trim()),
    traces: exported !== undefined,
    onProgress: (progress) => counter.show(progress),
    signal: interruption.signal,
  });
  counter.clear();
  if (checked === undefined) throw new Interrupted('interrupted');
  const { result } = checked;
  const stoppedAt = interruption.requested ? reachedStates(result) : undefined;
  if (options.json === true) {
    const interrupted = stoppedAt === undefined ? {} : { interrupted: stoppedAt };
    const report: CheckReport = { format: 'dmalab-check', version: FORMAT_VERSION, ...interrupted, answer: answerText(result), result };
    terminal.printJson(report);
  } else {
    terminal.print(checkLines(result, stoppedAt, terminal.columns));
  }
  // What is wrong with a policy of the user's own comes after what was found about the others.
  for (const refusal of checked.refusals) throw refusal;
  if (stoppedAt !== undefined) return EXIT_INTERRUPTED;
  exported?.write(checked);
  return brokenPromises(result).length > 0 ? ExitCode.CHECK_FAILED : ExitCode.FINE;
}

const EXPORT_REFUSED: OutputRefusal = {
  code: 'CHK009',
  message: 'The counterexample cannot be written as a trace.',
  next: 'name another file: --export trace.txt',
};

/** The trace of a counterexample with the machine description beside it. */
class ExportFiles {
  private readonly trace: OutputFile;
  private readonly machine: OutputFile;

  /** @throws LabError CHK009 when they cannot be written */
  constructor(file: string) {
    this.trace = new OutputFile(file, [], EXPORT_REFUSED);
    this.machine = new OutputFile(machinePathFor(file), [], EXPORT_REFUSED);
  }

  /** @throws LabError CHK009; CHK010 when there is not exactly one counterexample */
  write({ traces }: Checked): void {
    const [trace] = traces;
    if (trace === undefined || traces.length > 1 || trace.events === 0) {
      throw new LabError({
        code: 'CHK010',
        message: 'There is not one counterexample to export.',
        expected: 'one policy and one property that it breaks by calls',
        got: traces.length === 1 ? 'one that needs no call' : traces.length === 0 ? 'none refuted' : `${traces.length} refuted`,
        next: 'for example dmalab check bounce-lazy-unsafe P3 --export trace.txt',
      });
    }
    this.machine.write(trace.machine);
    this.trace.write(Buffer.from(trace.trace).toString('latin1'));
  }
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
