import { type DmaStep, LabError, policies } from 'dmalab-core';
import { AS_RECORDED } from '../compare/compare-result.ts';
import { nearestName } from '../compare/nearest-name.ts';
import { printable } from '../compare/printable.ts';
import { checkSteps, LIST_NAMES, type ListName, readSteps } from './step-lists.ts';
import { thrownLine, thrownText } from './thrown.ts';
import { type PolicySource, promiseNames, type UserPolicy } from './user-policy.ts';

const REQUIRED = ['name', 'summary', 'translated', 'lazy', 'mapsSgPerEntry', 'bounces', ...LIST_NAMES] as const;
const OPTIONAL = ['promises', 'status'] as const;
const NAME = /^[a-z][a-z0-9-]{0,29}$/;
const TEXT = /^[\x20-\x7e]{1,100}$/;

type Fields = Readonly<Record<(typeof REQUIRED)[number] | (typeof OPTIONAL)[number], unknown>>;

/**
 * Checks what a policy file exports and copies it.
 *
 * @param taken  names of the other rows
 * @throws LabError POL004 to POL009; what the object's own getters throw
 */
export function readPolicy(exported: unknown, source: PolicySource, taken: readonly string[]): UserPolicy {
  const { file } = source;
  const fields = readFields(exported, file);
  const name = textField(fields, 'name', file, NAME, 'lower case letters, digits and dashes, at most 30, a letter first');
  if (name === AS_RECORDED || taken.includes(name) || policies.some((policy) => policy.name === name)) throw nameTaken(name, file);
  const translated = booleanField(fields, 'translated', file);
  const lazy = booleanField(fields, 'lazy', file);
  if (lazy && !translated) throw wrongField(file, 'lazy', 'false where translated is false', 'true');
  const lists = Object.fromEntries(LIST_NAMES.map((list) => [list, readSteps(list, fields[list], file)])) as Record<
    ListName,
    readonly DmaStep[]
  >;
  checkSteps(lists, translated, lazy, file);
  return {
    name,
    summary: textField(fields, 'summary', file, TEXT, 'one line of ASCII, at most 100 characters'),
    translated,
    lazy,
    mapsSgPerEntry: booleanField(fields, 'mapsSgPerEntry', file),
    bounces: checkedBounces(fields.bounces, exported, source),
    bouncesEdgesOnly: false,
    mapsAlignedDirectWhenDry: false,
    mapNewShadow: [],
    ...lists,
    promises: readPromises(fields.promises, file),
    status: fields.status === undefined ? `user's own, ${file}` : textField(fields, 'status', file, TEXT, 'one line of ASCII'),
    source,
  };
}

function readFields(exported: unknown, file: string): Fields {
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    throw new LabError({
      code: 'POL004',
      message: 'The file exports no policy.',
      file,
      expected: 'an object as the default export, or as the export named policy',
      got: exported === undefined ? 'neither of them' : Array.isArray(exported) ? 'a list' : typeof exported,
      next: 'begin with the example in docs/policies.md',
    });
  }
  const known: readonly string[] = [...REQUIRED, ...OPTIONAL];
  const own = Object.keys(exported);
  const unknown = own.find((field) => !known.includes(field));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, known);
    throw new LabError({
      code: 'POL005',
      message: `A policy has no field ${printable(unknown)}.`,
      file,
      expected: known.join(', '),
      got: printable(unknown),
      next: nearest === undefined ? 'leave it out' : `did you mean ${nearest}?`,
    });
  }
  return Object.fromEntries(known.map((field) => [field, Reflect.get(exported, field)])) as Fields;
}

function textField(fields: Fields, field: keyof Fields, file: string, form: RegExp, expected: string): string {
  const value = fields[field];
  if (typeof value === 'string' && form.test(value)) return value;
  throw wrongField(file, field, expected, value);
}

function booleanField(fields: Fields, field: keyof Fields, file: string): boolean {
  const value = fields[field];
  if (typeof value === 'boolean') return value;
  throw wrongField(file, field, 'true or false', value);
}

function readPromises(value: unknown, file: string): UserPolicy['promises'] {
  if (value === undefined) return [];
  const promised = Array.isArray(value) ? promiseNames.filter((name) => value.includes(name)) : [];
  if (Array.isArray(value) && promised.length === value.length) return promised;
  throw wrongField(
    file,
    'promises',
    `a list of ${promiseNames.join(', ')}, each at most once`,
    Array.isArray(value) ? value.map(kindOf).join(', ') : value,
  );
}

/** The function of the file, held to its word. */
function checkedBounces(value: unknown, exported: unknown, source: PolicySource): UserPolicy['bounces'] {
  if (typeof value !== 'function')
    throw wrongField(source.file, 'bounces', 'a function of address and bytes that says whether to bounce', value);
  return (address, bytes) => {
    let answer: unknown;
    try {
      answer = value.call(exported, address, bytes);
    } catch (error) {
      throw noAnswer(source.file, thrownLine(error, source.path), address, bytes, thrownText(error));
    }
    if (typeof answer !== 'boolean') throw noAnswer(source.file, undefined, address, bytes, kindOf(answer));
    return answer;
  };
}

function noAnswer(file: string, line: number | undefined, address: number, bytes: number, got: string): LabError {
  return new LabError({
    code: 'POL009',
    message: `bounces() has no answer for ${bytes} bytes at 0x${address.toString(16)}.`,
    file,
    line,
    expected: 'true or false',
    got,
    next: 'mend the function; it is asked for any address and any number of bytes from 1 on',
  });
}

function nameTaken(name: string, file: string): LabError {
  return new LabError({
    code: 'POL006',
    message: `The name ${name} is taken.`,
    file,
    expected: 'a name that no other row has',
    got: name,
    next: `give it another name, for example my-${name}`,
  });
}

function wrongField(file: string, field: string, expected: string, value: unknown): LabError {
  return new LabError({
    code: 'POL005',
    message: value === undefined ? `The policy has no ${field}.` : `The policy's ${field} is wrong.`,
    file,
    expected,
    got: kindOf(value),
    next: 'docs/policies.md describes every field',
  });
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol' ? typeof value : printable(String(value));
}
