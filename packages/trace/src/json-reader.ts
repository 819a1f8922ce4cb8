import { LabError } from 'dmalab-core';
import { escapeText } from './byte-text.ts';

const HEX_TEXT = /^0x[0-9a-f]{1,16}$/i;
const HEX_DIGITS_OF_HALF = 8;
const CPUS_MAX = 65_536;
const SHOWN_CHARACTERS = 60;

/** A 64-bit register as two unsigned 32-bit halves. */
export interface RegisterHalves {
  readonly high: number;
  readonly low: number;
}

/** What kind of document is read: how errors call it, their codes, and what its author does next. */
export interface JsonDocument {
  readonly noun: string;
  readonly file: string | undefined;
  /** A field is missing or has another type. */
  readonly wrongType: string;
  readonly outOfRange: string;
  readonly next: string;
  /** Line of a path's value, when the text is at hand. */
  readonly lineOf?: ((path: string) => number | undefined) | undefined;
}

/** Reads typed fields of a parsed JSON object, remembers which were read, and names the path of whatever is wrong. */
export class JsonReader {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly document: JsonDocument;
  private readonly path: string;
  private readonly read: Set<string> = new Set();
  private readonly children: JsonReader[] = [];

  /** @throws LabError of the document's `wrongType` when `value` is no object */
  constructor(value: unknown, document: JsonDocument, path: string = '') {
    this.document = document;
    this.path = path;
    if (!isObject(value)) throw this.wrong(document.wrongType, '', 'an object', value);
    this.fields = value;
  }

  /** Paths of the fields, here and below, that nobody asked for. */
  unknownFields(): string[] {
    const own = Object.keys(this.fields).filter((name) => !this.read.has(name));
    return [...own.map((name) => escapeText(this.join(name))), ...this.children.flatMap((child) => child.unknownFields())];
  }

  /** The error for a value of this object; `name` is a field or empty for the object itself. */
  wrong(code: string, name: string, expected: string, got: unknown): LabError {
    const path = name === '' ? this.path : this.join(name);
    const { noun, file, next, lineOf } = this.document;
    const text = escapeText(typeof got === 'string' ? got : (JSON.stringify(got) ?? 'nothing')).slice(0, SHOWN_CHARACTERS);
    return new LabError({
      code,
      message: `The ${noun} is wrong at ${escapeText(path || 'the file')}.`,
      file,
      line: lineOf?.(path),
      expected,
      got: text,
      next,
    });
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw this.wrong(this.document.wrongType, name, 'a text', this.fields[name]);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== 'string') throw this.wrong(this.document.wrongType, name, 'a text or null', value);
    return value;
  }

  optionalWord<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.wrong(this.document.wrongType, name, `${words.join(', ')} or null`, value);
    return word;
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== 'boolean') throw this.wrong(this.document.wrongType, name, 'true, false or null', value);
    return value;
  }

  integer(name: string, low: number, high: number): number {
    const value = this.optionalInteger(name, low, high);
    if (value === undefined) throw this.wrong(this.document.wrongType, name, `a whole number, ${low} to ${high}`, this.fields[name]);
    return value;
  }

  /** A number of any kind from 0 up; undefined when the field is missing or null. */
  optionalAmount(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrong(this.document.wrongType, name, 'a number from 0 up', value);
    if (!Number.isFinite(value) || value < 0) throw this.wrong(this.document.outOfRange, name, 'a number from 0 up', String(value));
    return value;
  }

  amount(name: string): number {
    const value = this.optionalAmount(name);
    if (value === undefined) throw this.wrong(this.document.wrongType, name, 'a number from 0 up', this.fields[name]);
    return value;
  }

  optionalInteger(name: string, low: number, high: number): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number') throw this.wrong(this.document.wrongType, name, `a whole number, ${low} to ${high}, or null`, value);
    if (!Number.isInteger(value) || value < low || value > high)
      throw this.wrong(this.document.outOfRange, name, `a whole number, ${low} to ${high}`, value);
    return value;
  }

  /** A text `0x...` below 2^53. */
  address(name: string): number {
    const value = this.optionalAddress(name);
    if (value === undefined) throw this.wrong(this.document.wrongType, name, 'a text 0x...', this.fields[name]);
    return value;
  }

  optionalAddress(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.wrong(this.document.wrongType, name, 'a text 0x... or null', value);
    const number = HEX_TEXT.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw this.wrong(this.document.outOfRange, name, 'a text 0x... below 2^53', value);
    return number;
  }

  /** A text `0x...` of up to 64 bits. */
  register(name: string): RegisterHalves {
    const value = this.text(name);
    if (!HEX_TEXT.test(value)) throw this.wrong(this.document.outOfRange, name, 'a text 0x... of at most 16 digits', value);
    const digits = value.slice(2).padStart(2 * HEX_DIGITS_OF_HALF, '0');
    return { high: Number.parseInt(digits.slice(0, HEX_DIGITS_OF_HALF), 16), low: Number.parseInt(digits.slice(HEX_DIGITS_OF_HALF), 16) };
  }

  /** `0-3,8` as the numbers 0, 1, 2, 3, 8; empty when the field is missing. */
  cpuList(name: string): number[] {
    const value = this.optionalText(name);
    if (value === undefined || value.trim() === '') return [];
    const cpus = new Set<number>();
    for (const part of value.trim().split(',')) {
      const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
      const first = Number(match?.[1]);
      const last = Number(match?.[2] ?? match?.[1]);
      if (match === null || last < first || last >= CPUS_MAX) throw this.wrong('MCH004', name, 'CPU numbers such as 0-3 or 0,2', value);
      for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
    }
    return [...cpus].sort((a, b) => a - b);
  }

  optionalObject<Value>(name: string, parse: (reader: JsonReader) => Value): Value | undefined {
    const value = this.take(name);
    return value === undefined ? undefined : parse(this.child(value, name));
  }

  object<Value>(name: string, parse: (reader: JsonReader) => Value): Value {
    const value = this.optionalObject(name, parse);
    if (value === undefined) throw this.wrong(this.document.wrongType, name, 'an object', this.fields[name]);
    return value;
  }

  /** The objects of a list; empty when the field is missing. */
  objects<Value>(name: string, parse: (reader: JsonReader) => Value): Value[] {
    return this.list(name).map((value, index) => parse(this.child(value, `${name}[${index}]`)));
  }

  /** The texts of a list; empty when the field is missing. */
  texts(name: string): string[] {
    return this.list(name).map((value, index) => {
      if (typeof value !== 'string') throw this.wrong(this.document.wrongType, `${name}[${index}]`, 'a text', value);
      return value;
    });
  }

  private list(name: string): unknown[] {
    const value = this.take(name);
    if (value !== undefined && !Array.isArray(value)) throw this.wrong(this.document.wrongType, name, 'a list or null', value);
    return value ?? [];
  }

  private child(value: unknown, name: string): JsonReader {
    const reader = new JsonReader(value, this.document, this.join(name));
    this.children.push(reader);
    return reader;
  }

  /** The field's value; undefined when it is missing or null. */
  private take(name: string): unknown {
    this.read.add(name);
    return Object.hasOwn(this.fields, name) ? (this.fields[name] ?? undefined) : undefined;
  }

  private join(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
