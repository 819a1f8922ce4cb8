/** How good a trace is as input, and the DATA lines that say so above the first number of every output. */
import type { ImportProblem, ImportStatistics } from './import-statistics.ts';

export type DataLevel = 'clean' | 'usable' | 'LOSS';

/** What is known beside the import statistics. */
export interface DataGradeInput {
  readonly statistics: ImportStatistics;
  /** Values that a rule filled in; left out of the text when undefined. */
  readonly inferred?: number | undefined;
  /** Contradictions between trace and machine description. */
  readonly contradictions?: number | undefined;
  /** Name of the machine description file in use. */
  readonly machine?: string | undefined;
}

/** Grade and text; `lines` are ASCII, at most 100 columns, the first begins with `DATA`. */
export interface DataGrade {
  readonly level: DataLevel;
  readonly lines: readonly string[];
  readonly events: number;
  readonly lost: number;
  readonly notUnderstood: number;
}

const COLUMNS = 100;
const INDENT = '      ';
const NS_PER_SECOND = 1e9;
const RECORD_AGAIN = 'Record again with a larger buffer: trace-cmd record -b 65536';

/**
 * Grades a trace: LOSS when events are missing, usable when something was not understood, inferred or contradictory,
 * clean otherwise.
 */
export function dataGrade(input: DataGradeInput): DataGrade {
  const statistics = input.statistics;
  const losses = lossSentences(statistics);
  const facts = { events: statistics.events, lost: statistics.lost, notUnderstood: statistics.notUnderstood };
  if (losses.length > 0) {
    const devices = `Counts are lower bounds (>=) from there on. ${RECORD_AGAIN}`;
    return { level: 'LOSS', lines: wrap(`DATA  LOSS: ${losses.join(' ')} ${devices}`), ...facts };
  }
  const doubts = [...statistics.problems.values()].filter((problem) => problem.severity === 'error' && !problem.lineLost);
  const contradictions = input.contradictions ?? 0;
  const usable = facts.notUnderstood > 0 || doubts.length > 0 || (input.inferred ?? 0) > 0 || contradictions > 0;
  const parts = [counted(facts.events, 'event'), `${thousands(facts.lost)} lost`, notUnderstoodText(statistics)];
  for (const doubt of doubts) parts.push(`${thousands(doubt.count)} ${doubt.cause} (first L${thousands(doubt.firstLine)})`);
  if (contradictions > 0) parts.push(`${counted(contradictions, 'contradiction')} with the machine description`);
  if (input.inferred !== undefined)
    parts.push(usable ? `${counted(input.inferred, 'value')} inferred` : `${thousands(input.inferred)} inferred`);
  const machine = input.machine === undefined ? '' : `; machine: ${input.machine}`;
  const level = usable ? 'usable' : 'clean';
  return { level, lines: wrap(`DATA  ${level}: ${parts.join(', ')}${machine}`), ...facts };
}

/** One sentence for each way in which events went missing; none when nothing did. */
function lossSentences(statistics: ImportStatistics): string[] {
  const sentences: string[] = [];
  if (statistics.overwritten > 0) sentences.push(`the ring buffer overwrote the first ${counted(statistics.overwritten, 'event')}.`);
  const first = statistics.losses[0];
  if (first !== undefined) {
    const cpu = first.cpu < 0 ? 'a CPU' : `CPU ${first.cpu}`;
    const count = first.count < 0 ? 'events' : counted(first.count, 'event');
    const time = first.timeNs < 0 ? 'before the first event' : `at ${seconds(first.timeNs, statistics)} s`;
    sentences.push(`${cpu} lost ${count} ${time}.`);
    const more = statistics.lostMarkLines - 1;
    if (more > 0) sentences.push(`${counted(more, 'more mark')} of lost events, ${thousands(statistics.lostEvents)} in all.`);
  }
  for (const problem of statistics.problems.values()) {
    if (problem.severity === 'dataLoss') sentences.push(lossOfProblem(problem));
  }
  return sentences;
}

function lossOfProblem(problem: ImportProblem): string {
  if (!problem.lineLost) return `${problem.cause}: ${problem.sample}.`;
  const more = problem.count > 1 ? `, ${counted(problem.count, 'line')} in all` : '';
  return `L${thousands(problem.firstLine)} is a ${problem.cause}${more}.`;
}

function notUnderstoodText(statistics: ImportStatistics): string {
  const problems = [...statistics.problems.values()].filter((problem) => problem.lineLost);
  const count = statistics.notUnderstood;
  if (count === 0) return '0 not understood';
  const first = Math.min(...problems.map((problem) => problem.firstLine));
  return `${thousands(count)} not understood (${counted(problems.length, 'form')}, first L${thousands(first)})`;
}

function seconds(timeNs: number, statistics: ImportStatistics): string {
  return (timeNs / NS_PER_SECOND + statistics.timeBaseSeconds).toFixed(3);
}

function counted(count: number, noun: string): string {
  return `${thousands(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Integer with commas, the same in every locale. */
function thousands(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Breaks at blanks so that no line is longer than 100 columns; continuation lines are indented. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<! ) /)) {
    if (line !== '' && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = INDENT + word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
