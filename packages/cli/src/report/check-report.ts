/** The answer of `dmalab check` as text. */
import type { Cell, CheckResult, Counterexample, PolicyCheck, SearchReport, StopReason } from 'dmalab-lab';
import { counted, countText, NOT_APPLICABLE, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, tableLines } from '../terminal/table.ts';
import { labelled, sectionLines, wrapped } from '../terminal/wrap.ts';

const ANSWER_INDENT = 8;
/** Broken promises named in the answer. */
const NAMED_MAX = 6;
const STOP_WORDS: Readonly<Record<StopReason, string>> = {
  states: 'stopped',
  memory: 'stopped for want of memory',
  interrupt: 'interrupted',
  policy: 'given up',
};
/** Columns of the legend beside the matrix. */
const LEGEND_GAP = 4;

const LEGEND = [
  '',
  'ok  holds within the bound, no more',
  'x   refuted, was not promised',
  '!!  refuted, was promised: exit 1',
  '-   does not apply',
];
const UNDECIDED_LEGEND = '?   NOT DECIDED: a search was stopped';

/** Promises that are broken, as `policy P1`. */
export function brokenPromises(result: CheckResult): string[] {
  return cellsOf(result)
    .filter(([, { verdict, promised }]) => verdict === 'refuted' && promised)
    .map(([{ policy }, { property }]) => `${policy} ${property}`);
}

/** What was searched, first of all: a verdict is worth no more. */
function boundLines(result: CheckResult, columns: number): string[] {
  const { bound, machines } = result;
  const searches = result.policies.flatMap((policy) => policy.searches);
  const states = searches.reduce((sum, search) => sum + search.states, 0);
  const left = searches.reduce((sum, search) => sum + search.frontier, 0);
  const stopped = searches.filter((search) => search.stopped === 'states').length;
  const isWhole = left === 0 && searches.length === result.policies.length * machines.length;
  const size = `${counted(machines.length, 'machine')} (${range(machines.map(({ cpus }) => cpus))} CPUs, ${range(machines.map(({ devices }) => devices))} devices, ${range(machines.map(({ slots }) => slots))} slots, ${range(machines.map(({ buffers }) => buffers))} buffers)`;
  const depth =
    bound.depth === null
      ? `at most ${countText(Math.max(0, ...searches.map((search) => search.depth)))} steps deep`
      : `depth ${bound.depth}`;
  const extent = isWhole
    ? `all ${countText(states)} states, ${depth}`
    : `${countText(states)} states, ${depth}, ${countText(left)} in the frontier left${stopped > 0 ? `, ${counted(stopped, 'search', 'searches')} of ${searches.length} stopped at ${countText(bound.states)} states` : ''}`;
  return wrapped(`BOUND   ${bound.name}: ${size}; ${result.kernel} rules; ${extent}`, columns, ANSWER_INDENT);
}

/** The answer in a sentence or two. */
export function answerText(result: CheckResult): string {
  const broken = brokenPromises(result);
  const undecided = cellsOf(result).filter(([, { verdict, promised }]) => verdict === 'not-decided' && promised);
  const unpromised = result.policies.filter(({ cells }) =>
    cells.some(({ verdict, promised }) => verdict === 'refuted' && !promised),
  ).length;
  const named = broken.slice(0, NAMED_MAX).join(', ') + (broken.length > NAMED_MAX ? ` (${broken.length - NAMED_MAX} more: --json)` : '');
  const first =
    broken.length > 0
      ? `${counted(broken.length, 'promise is', 'promises are')} broken: ${named}.`
      : undecided.length > 0
        ? ''
        : 'every promise holds within this bound.';
  const second = undecided.length > 0 ? `NOT DECIDED: ${counted(undecided.length, 'promise')} of policies whose search was stopped.` : '';
  const third =
    unpromised > 0
      ? `${counted(unpromised, 'policy breaks', 'policies break')} a property that ${unpromised === 1 ? 'it does' : 'they do'} not promise.`
      : '';
  return [first, second, third].filter((text) => text !== '').join(' ');
}

/** How far a check came that was interrupted. */
export function reachedStates(result: CheckResult): string {
  const searches = result.policies.flatMap((policy) => policy.searches);
  const whole = searches.filter(({ stopped }) => stopped === null).length;
  const states = searches.reduce((sum, search) => sum + search.states, 0);
  return `${countText(states)} states, ${whole} of ${result.policies.length * result.machines.length} searches done`;
}

/**
 * All lines of a report.
 *
 * @param stoppedAt  how far the check came when it was interrupted
 */
export function checkLines(result: CheckResult, stoppedAt: string | undefined, columns: number): string[] {
  const interrupted = stoppedAt === undefined ? [] : labelled('INTERRUPTED', `at ${stoppedAt}; verdicts hold for that part`, columns, 13);
  const answer = wrapped(`ANSWER  ${answerText(result)}`, columns, ANSWER_INDENT);
  const single = cellsOf(result);
  const example = single.length === 1 ? single[0]![1].counterexample : undefined;
  return sectionLines([
    [...boundLines(result, columns), ...interrupted, ...answer],
    matrixLines(result, columns),
    example === undefined ? [] : counterexampleLines(example, columns),
    [...undecidedLines(result, columns), ...labelled('next', nextText(result), columns)],
  ]);
}

function matrixLines(result: CheckResult, columns: number): string[] {
  const table: TableColumn[] = [
    { title: ['policy'], align: 'left', dropOrder: 0 },
    ...result.properties.map(({ name }): TableColumn => ({ title: [name], align: 'right', dropOrder: 0 })),
  ];
  const lines = tableLines(
    table,
    result.policies.map(({ policy, cells }) => [policy, ...cells.map(cellText)]),
    columns,
  );
  const hasUndecided = cellsOf(result).some(([, { verdict }]) => verdict === 'not-decided');
  const legend = [
    ...result.properties.map(({ name, title }) => `${name}  ${title}`),
    ...LEGEND,
    ...(hasUndecided ? [UNDECIDED_LEGEND] : []),
  ];
  const width = Math.max(...lines.map((line) => line.length)) + LEGEND_GAP;
  const beside = Math.max(...legend.map((line) => line.length)) + width <= columns;
  if (!beside) return [...lines, '', ...legend.filter((line) => line !== '')];
  const height = Math.max(lines.length, legend.length);
  return Array.from({ length: height }, (_, row) => `${(lines[row] ?? '').padEnd(width)}${legend[row] ?? ''}`.trimEnd());
}

function cellText({ verdict, promised }: Cell): string {
  switch (verdict) {
    case 'holds':
      return 'ok';
    case 'refuted':
      return promised ? '!!' : 'x';
    case 'not-decided':
      return UNKNOWN;
    case 'does-not-apply':
      return NOT_APPLICABLE;
  }
}

/** The steps of a counterexample with what changes in it. */
export function counterexampleLines(example: Counterexample, columns: number): string[] {
  const { steps, property, what, harm, policy, machine, kernel } = example;
  const breaking = steps.findIndex(({ mark }) => mark === '!') + 1;
  const then = harm === '' ? '' : `; then ${harm}`;
  const place = `${policy} on the machine ${machine.name}, ${kernel} rules`;
  const head = wrapped(`REFUTED ${property} at step ${breaking}, fewest possible: ${what}${then} (${place})`, columns, ANSWER_INDENT);
  const device = /^device (\w)/.exec(what)?.[1];
  const columnsOf: TableColumn[] = [
    { title: [''], align: 'left', dropOrder: 0 },
    { title: ['step'], align: 'right', dropOrder: 0 },
    { title: ['who'], align: 'left', dropOrder: 0 },
    { title: ['does'], align: 'left', dropOrder: 0 },
    { title: ['table'], align: 'left', dropOrder: 2 },
    { title: [device === undefined ? 'IOTLB' : `IOTLB ${device}`], align: 'left', dropOrder: 3 },
    { title: ['place'], align: 'left', dropOrder: 1 },
    { title: [''], align: 'left', dropOrder: 0 },
  ];
  const rows = steps.map((step, index) => [
    step.mark,
    String(index + 1),
    step.who,
    step.does,
    step.table,
    step.iotlb,
    step.place,
    step.mark === '>' ? '' : step.remark,
  ]);
  const sibling = steps.find(({ mark }) => mark === '>');
  const better =
    sibling === undefined ? [] : wrapped(`> the first step that differs: here ${sibling.remark.replace(':', ' does:')}`, columns, 2);
  return [...head, '', ...tableLines(columnsOf, rows, columns), ...(better.length > 0 ? ['', ...better] : [])];
}

function undecidedLines(result: CheckResult, columns: number): string[] {
  return result.policies.flatMap(({ policy, cells, searches }) => {
    const open = cells.filter(({ verdict }) => verdict === 'not-decided').map(({ property }) => property);
    if (open.length === 0) return [];
    const where = searches.filter((search) => search.stopped !== null).map(stoppedText);
    const missing = result.machines.length - searches.length;
    if (missing > 0) where.push(`${counted(missing, 'machine')} not begun`);
    return labelled('NOT DECIDED', `${policy} ${open.join(' ')} (${where.join('; ')})`, columns, 13);
  });
}

function stoppedText({ machine, stopped, states, frontier, bytesPerState }: SearchReport): string {
  const why = stopped === null ? '' : STOP_WORDS[stopped];
  const bytes = stopped === 'memory' ? ` of ${bytesPerState} bytes` : '';
  return `${machine} ${why} after ${countText(states)} states${bytes}, ${countText(frontier)} in the frontier left`;
}

function nextText(result: CheckResult): string {
  const refuted = cellsOf(result).filter(([, { verdict }]) => verdict === 'refuted');
  const promised = refuted.find(([, cell]) => cell.promised);
  const shown = promised ?? refuted[0];
  if (cellsOf(result).length === 1) {
    return shown === undefined
      ? `dmalab check --bound standard`
      : `dmalab check ${shown[0].policy} ${shown[1].property} --json > x.json | dmalab check --replay x.json`;
  }
  return shown === undefined
    ? 'dmalab check --bound standard | --json'
    : `dmalab check ${shown[0].policy} ${shown[1].property} | --bound standard | --json`;
}

function cellsOf(result: CheckResult): [PolicyCheck, Cell][] {
  return result.policies.flatMap((policy) => policy.cells.map((cell): [PolicyCheck, Cell] => [policy, cell]));
}

function range(values: readonly number[]): string {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? String(low) : `${low} to ${high}`;
}
