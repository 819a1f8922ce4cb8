import { OUT_OF_REACH } from './out-of-reach.ts';
import { errorOf, isMet, type ValidationCheck, type ValidationRow } from './validation-check.ts';

/** The page that shows all checks with their current values, as Markdown. */
export function validationPage(checks: readonly ValidationCheck[]): string {
  const required = checks.filter((check) => isMet(check) !== undefined);
  const lines = [
    '# Validation',
    '',
    'The cost model beside published figures: what it was given, what it computes, and by how much it is off. No figure that is',
    'checked is among its own inputs. Where a bound is required the check is a test; everywhere else the error is shown and',
    'nothing is promised. The page is written from `packages/lab/src/validation/`, and a test keeps it equal to the code.',
    '',
    `Required bounds: ${required.filter(isMet).length} of ${required.length} checks keep theirs. Sources are named by the ids of the cost profiles (K: kernel lists, P: papers).`,
    '',
    '| Check | Largest error | Required |',
    '|---|---|---|',
    ...checks.map(summaryRow),
    ...checks.flatMap(section),
    '',
    '## Out of reach',
    '',
    'Published figures that the model does not give.',
    '',
    '| Source | Figure | Why not |',
    '|---|---|---|',
    ...OUT_OF_REACH.map(({ sourceId, figure, reason }) => `| ${sourceId} | ${figure} | ${reason} |`),
    '',
  ];
  return lines.join('\n');
}

function summaryRow(check: ValidationCheck): string {
  const bounded = check.rows.filter(({ requiredWithin }) => requiredWithin !== undefined);
  const largest = largestError(bounded.length > 0 ? bounded : check.rows);
  const met = isMet(check);
  const required = met === undefined ? '-' : `${boundText(bounded)}: ${met ? 'kept' : 'NOT KEPT'}`;
  return `| [${check.id}](#${check.id}) | ${percent(errorOf(largest))} | ${required} |`;
}

function section(check: ValidationCheck): string[] {
  const { id, statement, sourceId, source, inputs, otherFigureOfSource, rows, remarks } = check;
  return [
    '',
    `## ${id}`,
    '',
    `${statement}.`,
    '',
    `Published: ${sourceId}, ${source}.`,
    '',
    ...(inputs.length === 0 ? [] : ['Given:', '', ...inputs.map(inputLine), '']),
    ...(otherFigureOfSource === undefined ? [] : [`Rests on the same publication in: ${otherFigureOfSource}.`, '']),
    '| Figure | Published | Computed | Range | Error | Required |',
    '|---|---|---|---|---|---|',
    ...rows.map(tableRow),
    ...(remarks.length === 0 ? [] : ['', ...remarks.map((remark) => `* ${remark}`)]),
  ];
}

function inputLine({ name, value, source, restsOn }: ValidationCheck['inputs'][number]): string {
  return `* ${name}: ${value}; ${source}${restsOn.length === 0 ? '' : `; rests on ${restsOn.join(', ')}`}`;
}

function tableRow(row: ValidationRow): string {
  const { label, unit, published, computed, range, requiredWithin } = row;
  const rangeText = range === undefined ? '-' : `${figure(range.low)} to ${figure(range.high)}`;
  const required = requiredWithin === undefined ? '-' : boundText([row]);
  return `| ${label} | ${figure(published)} ${unit} | ${figure(computed)} ${unit} | ${rangeText} | ${percent(errorOf(row))} | ${required} |`;
}

function boundText(rows: readonly ValidationRow[]): string {
  const bound = Math.max(...rows.map(({ requiredWithin }) => requiredWithin!));
  return bound < 0.01 ? 'to rounding' : `within ${Math.round(bound * 100)} %`;
}

function largestError(rows: readonly ValidationRow[]): ValidationRow {
  return rows.reduce((largest, row) => (Math.abs(errorOf(row)) > Math.abs(errorOf(largest)) ? row : largest));
}

/** With its sign; errors beyond 1000 % are as good as any other there. */
function percent(share: number): string {
  const value = Math.abs(share * 100) < 10 ? (share * 100).toFixed(1) : (share * 100).toFixed(0);
  return `${Number(value) > 0 ? '+' : ''}${Number(value) === 0 ? '0' : value} %`;
}

/** Three significant digits, commas between thousands. */
function figure(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return Math.abs(rounded) < 1000 ? trimmed(value) : rounded.toLocaleString('en-US');
}

function trimmed(value: number): string {
  return value === 0 ? '0' : value.toPrecision(3).replace(/e.*/, '');
}
