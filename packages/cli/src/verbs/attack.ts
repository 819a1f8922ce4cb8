/** `dmalab attack [NAME]`: which known attacks does which policy stop? */
import { type AttackResult, runAttacks } from 'dmalab-lab';
import { ExitCode } from '../exit-code.ts';
import { attackAnswer, attackBound, attackMatrixLines, notModelledLines } from '../report/attack-matrix-report.ts';
import { attackPolicyLines, attackStatementLines, attackStoryLines, attackWhyLines } from '../report/attack-story-report.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX, labelled, sectionLines } from '../terminal/wrap.ts';

export interface AttackVerbOptions {
  /** Names of policies separated by commas. */
  readonly policy?: string | undefined;
  /** Kernel rules. */
  readonly kernel?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Plays the attacks and prints how they went. @returns the exit code */
export function attack(name: string | undefined, options: AttackVerbOptions, terminal: Terminal): number {
  const result = runAttacks({
    attack: name,
    policies: options.policy?.split(',').map((policy) => policy.trim()),
    kernel: options.kernel,
  });
  if (options.json === true) terminal.printJson(jsonReport(result));
  else terminal.print(name === undefined ? matrixLines(result, terminal.columns) : storyLines(result, options, terminal.columns));
  return ExitCode.FINE;
}

/** The lab's object with the sentences that all outputs share. */
function jsonReport(result: AttackResult): object {
  const { format, version, ...rest } = result;
  return { format, version, bound: attackBound(result, COLUMNS_MAX), answer: attackAnswer(result, COLUMNS_MAX), ...rest };
}

function matrixLines(result: AttackResult, columns: number): string[] {
  const head = [...attackBound(result, columns), ...attackAnswer(result, columns)];
  const next = labelled('next', `dmalab attack stale-read | --policy LIST | --kernel ${otherRules(result)} | --json`, columns);
  return sectionLines([head, attackMatrixLines(result, columns), [...notModelledLines(result, columns), ...next]]);
}

function storyLines(result: AttackResult, options: AttackVerbOptions, columns: number): string[] {
  const row = result.attacks[0]!;
  const head = [...attackBound(result, columns), ...attackAnswer(result, columns)];
  const other = options.policy === undefined ? '--policy LIST (the story of its first policy)' : 'dmalab attack';
  const next = labelled('next', `${other} | --kernel ${otherRules(result)} | --json`, columns);
  return sectionLines([
    [...head, ...attackStatementLines(row, columns)],
    attackPolicyLines(row, columns),
    attackWhyLines(row, columns),
    attackStoryLines(row, options.policy !== undefined, columns),
    next,
  ]);
}

function otherRules({ kernelRules }: AttackResult): string {
  return kernelRules === '6.12' ? '6.1' : '6.12';
}
