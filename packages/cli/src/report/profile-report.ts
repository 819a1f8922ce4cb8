/** Cost profiles as tables. */
import { COST_CONSTANT_NAMES, type CostConstantName, type CostProfile, GRADES } from 'dmalab-lab';
import { countText, NOT_APPLICABLE, significantText } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { labelled, sectionLines } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';

const LIST_COLUMNS: readonly TableColumn[] = [
  { title: ['profile'], align: 'left', dropOrder: 0 },
  { title: ['A-D'], align: 'right', dropOrder: 1 },
  { title: ['own'], align: 'right', dropOrder: 2 },
  { title: ['est.'], align: 'right', dropOrder: 0 },
  { title: ['missing'], align: 'right', dropOrder: 0 },
  { title: ['what for'], align: 'left', dropOrder: 3 },
];

const CONSTANT_COLUMNS: readonly TableColumn[] = [
  { title: ['constant'], align: 'left', dropOrder: 0 },
  { title: ['low'], align: 'right', dropOrder: 0 },
  { title: ['value'], align: 'right', dropOrder: 0 },
  { title: ['high'], align: 'right', dropOrder: 0 },
  { title: ['unit'], align: 'left', dropOrder: 0 },
  { title: ['grade'], align: 'left', dropOrder: 1 },
  { title: ['rests on'], align: 'left', dropOrder: 2 },
];

export const COPY_COLUMNS: readonly TableColumn[] = [
  { title: ['copy of bytes'], align: 'right', dropOrder: 0 },
  { title: ['hot ns'], align: 'right', dropOrder: 0 },
  { title: ['cold ns'], align: 'right', dropOrder: 0 },
];

const WARNING_COLUMNS = 9;

/** One row per profile, then their warnings. */
export function profileListLines(profiles: readonly CostProfile[], columns: number): string[] {
  const rows = profiles.map((profile): TableRow => {
    const grades = Object.values(profile.constants).map((constant) => (constant.value === null ? 'missing' : constant.grade));
    const count = (...wanted: readonly string[]): string => String(grades.filter((grade) => wanted.includes(grade)).length);
    return [profile.name, count('A', 'B', 'C', 'D'), count('own measurement'), count('estimate'), count('missing'), profile.description];
  });
  const warnings = profiles.flatMap(({ name, warnings: [first] }) => (first === undefined ? [] : labelled(name, first, columns, 18)));
  const legend = labelled(
    'A-D',
    `constants with a published source (${GRADES.slice(0, 4).join(', ')}: graded), own measurements, estimates, and missing ones`,
    columns,
  );
  const next = labelled('next', 'dmalab profile show NAME | --json', columns);
  return sectionLines([tableLines(LIST_COLUMNS, rows, columns), ['first warning of each', ...warnings], [...legend, ...next]]);
}

/** Everything of a profile but the sources, which its JSON has. `nameOrFile` is how the user calls it. */
export function profileLines(profile: CostProfile, nameOrFile: string, columns: number): string[] {
  const head = labelled('PROFILE', `${profile.name}: ${profile.description}`, columns, WARNING_COLUMNS);
  const warnings = profile.warnings.flatMap((warning) => labelled('warning', warning, columns, WARNING_COLUMNS));
  const constants = tableLines(
    CONSTANT_COLUMNS,
    COST_CONSTANT_NAMES.map((name) => constantRow(profile, name)),
    columns,
  );
  const reasons = COST_CONSTANT_NAMES.flatMap((name) => {
    const constant = profile.constants[name];
    return constant.value === null ? labelled('missing', `${name}: ${constant.reason}`, columns, WARNING_COLUMNS) : [];
  });
  const copy = [
    ...tableLines(COPY_COLUMNS, copyRows(profile), columns),
    ...labelled('copy', `${profile.copy.grade}; ${profile.copy.source}`, columns),
  ];
  const next = labelled('next', `dmalab profile show ${shellWord(nameOrFile)} --json (the sources)`, columns);
  return sectionLines([[...head, ...warnings], constants, reasons, copy, next]);
}

/** Rows under COPY_COLUMNS. */
export function copyRows({ copy }: CostProfile): TableRow[] {
  return copy.knots.map(({ bytes, hot, cold }) => [countText(bytes), significantText(hot), significantText(cold)]);
}

/** Name, low, value, high, unit and grade of a constant. */
export function constantCells(profile: CostProfile, name: CostConstantName): string[] {
  const constant = profile.constants[name];
  if (constant.value === null) return [name, NOT_APPLICABLE, NOT_APPLICABLE, NOT_APPLICABLE, constant.unit, 'missing'];
  const { low, value, high, unit, grade } = constant;
  return [name, significantText(low), significantText(value), significantText(high), unit, grade];
}

function constantRow(profile: CostProfile, name: CostConstantName): TableRow {
  const constant = profile.constants[name];
  return [...constantCells(profile, name), constant.value === null ? '' : constant.restsOn.join(' ')];
}
