import { LabError } from 'dmalab-core';
import { type JsonDocument, JsonReader, jsonLines, lineAt } from 'dmalab-trace';
import { COPY_KNOTS, type CopyKnot } from './copy-table.ts';
import { COST_CONSTANT_NAMES, COST_UNITS, type CostConstantName } from './cost-constant.ts';

/**
 * How far a figure can be trusted: A peer-reviewed with raw data, or a careful micro-benchmark; B a measurement told on a
 * mailing list with its hardware; C one traced, on a shared or unnamed machine; D derived from other figures.
 */
export const GRADES = ['A', 'B', 'C', 'D', 'own measurement', 'estimate'] as const;
export type Grade = (typeof GRADES)[number];

export const PROFILE_FORMAT = 'dmalab-cost-profile';
export const PROFILE_VERSION = 1;

/** Where a number comes from. */
export interface Provenance {
  readonly source: string;
  readonly grade: Grade;
  /** Ids of the published results behind it (K1, P7). A check against one of these proves nothing about this profile. */
  readonly restsOn: readonly string[];
}

/** A constant of the profile. */
export interface CostConstant extends Provenance {
  readonly unit: string;
  readonly low: number;
  /** The value that totals are made with. */
  readonly value: number;
  readonly high: number;
}

/** A constant that has no basis; every figure that needs it is suppressed. */
export interface MissingConstant {
  readonly unit: string;
  readonly value: null;
  readonly reason: string;
}

/** Cost of a copy by its size; which cache state is the constant `copyState`. */
export interface CopyTable extends Provenance {
  readonly unit: 'ns';
  readonly knots: readonly CopyKnot[];
}

/** What the operations of a machine cost. */
export interface CostProfile {
  readonly name: string;
  readonly description: string;
  /** What a reader of its figures has to know first. */
  readonly warnings: readonly string[];
  readonly constants: Readonly<Record<CostConstantName, CostConstant | MissingConstant>>;
  readonly copy: CopyTable;
}

/**
 * A profile from the text of its file.
 *
 * @throws LabError PRF001 not JSON, and those of `parseProfile`, with the line
 */
export function parseProfileText(text: string, file?: string): CostProfile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notJson(text, file, error);
  }
  const lines = jsonLines(text);
  return parse(value, file, (path) => lineOf(lines, path));
}

/**
 * A profile from a parsed object, as a browser imports it.
 *
 * @throws LabError PRF002 a field is missing or has a wrong type, PRF003 a number is negative or none, PRF004 a wrong
 *   unit, PRF005 low <= value <= high does not hold, PRF006 an unknown field or wrong knots; each names the path
 */
export function parseProfile(value: unknown, file?: string): CostProfile {
  return parse(value, file, undefined);
}

function parse(value: unknown, file: string | undefined, lineOf: JsonDocument['lineOf']): CostProfile {
  const next = 'correct the field; a constant without a basis is {"unit": ..., "value": null, "reason": ...}';
  const reader = new JsonReader(value, { noun: 'cost profile', file, wrongType: 'PRF002', outOfRange: 'PRF003', next, lineOf });
  if (reader.text('format') !== PROFILE_FORMAT) throw reader.wrong('PRF002', 'format', PROFILE_FORMAT, reader.text('format'));
  reader.integer('version', PROFILE_VERSION, PROFILE_VERSION);
  const profile: CostProfile = {
    name: requiredText(reader, 'name'),
    description: requiredText(reader, 'description'),
    warnings: reader.texts('warnings'),
    constants: reader.object('constants', readConstants),
    copy: reader.object('copy', readCopyTable),
  };
  const [unknown] = reader.unknownFields();
  if (unknown !== undefined) throw reader.wrong('PRF006', unknown, 'no such field', 'a field that profiles do not have');
  return profile;
}

function readConstants(reader: JsonReader): CostProfile['constants'] {
  const entries = COST_CONSTANT_NAMES.map((name) => [name, reader.object(name, (constant) => readConstant(constant, COST_UNITS[name]))]);
  return Object.fromEntries(entries);
}

function readConstant(reader: JsonReader, wantedUnit: string): CostConstant | MissingConstant {
  const unit = readUnit(reader, wantedUnit);
  const value = reader.optionalAmount('value');
  if (value === undefined) {
    if (reader.optionalText('reason') === undefined)
      throw reader.wrong('PRF002', 'value', `a number in ${unit}, or null and a reason`, undefined);
    return { unit, value: null, reason: requiredText(reader, 'reason') };
  }
  const low = reader.amount('low');
  const high = reader.amount('high');
  if (low > value) throw reader.wrong('PRF005', 'low', `at most the value, ${value}`, low);
  if (high < value) throw reader.wrong('PRF005', 'high', `at least the value, ${value}`, high);
  if ((unit === 'entries' || unit === 'ways') && !(Number.isInteger(value) && value > 0))
    throw reader.wrong('PRF003', 'value', 'a whole number from 1 up', value);
  return { unit, low, value, high, ...readProvenance(reader) };
}

function readCopyTable(reader: JsonReader): CopyTable {
  readUnit(reader, 'ns');
  const knots = reader.objects('knots', readKnot);
  const sizes = knots.map(({ bytes }) => bytes);
  if (sizes.join() !== COPY_KNOTS.join()) throw reader.wrong('PRF006', 'knots', `knots at ${COPY_KNOTS.join(', ')} bytes`, sizes);
  return { unit: 'ns', knots, ...readProvenance(reader) };
}

function readKnot(reader: JsonReader): CopyKnot {
  const knot = { bytes: reader.amount('bytes'), hot: reader.amount('hot'), cold: reader.amount('cold') };
  if (knot.cold < knot.hot) throw reader.wrong('PRF005', 'cold', `at least the hot cost, ${knot.hot}`, knot.cold);
  return knot;
}

function readProvenance(reader: JsonReader): Provenance {
  const source = requiredText(reader, 'source');
  const grade = reader.optionalWord('grade', GRADES);
  if (grade === undefined) throw reader.wrong('PRF002', 'grade', GRADES.join(', '), undefined);
  return { source, grade, restsOn: reader.texts('restsOn') };
}

function readUnit(reader: JsonReader, wanted: string): string {
  const unit = reader.text('unit');
  if (unit !== wanted) throw reader.wrong('PRF004', 'unit', wanted, unit);
  return unit;
}

function requiredText(reader: JsonReader, name: string): string {
  const text = reader.text(name);
  if (text.trim() === '') throw reader.wrong('PRF002', name, 'a text', text);
  return text;
}

/** Line of a path, or of what surrounds it when the path itself is missing. */
function lineOf(lines: ReadonlyMap<string, number>, path: string): number | undefined {
  for (let at = path; at !== ''; at = at.replace(/(?:^|\.)[^.]*$/, '')) {
    const line = lines.get(at);
    if (line !== undefined) return line;
  }
  return lines.get('');
}

function notJson(text: string, file: string | undefined, error: unknown): LabError {
  const reason = error instanceof Error ? error.message.split('\n')[0] : 'unreadable text';
  const position = /position (\d+)/.exec(reason)?.[1];
  return new LabError({
    code: 'PRF001',
    message: 'The cost profile is not JSON.',
    file,
    line: position === undefined ? undefined : lineAt(text, Number(position)),
    expected: 'a JSON object, as docs/formats.md describes it',
    got: reason.replace(/[^\x20-\x7e]/g, '?'),
    next: 'correct the file; dmalab profile show vtd-bare --json prints one that is right',
  });
}
