import { LabError, PAGE_SIZE, roundDown } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import type { RecordedDevice } from '../replay/recorded-machine.ts';
import { type FaultLine, type FaultLog, parseFaultLine, parseFaultLog } from './fault-line.ts';

/** What a user may ask, as on the command line; exactly one of the first five. */
export interface ExplainOptions {
  /** An address of the device's space, hexadecimal with or without `0x`. */
  readonly iova?: string | undefined;
  /** A fault line of a kernel log. */
  readonly fault?: string | undefined;
  /** A whole kernel log. */
  readonly faultLog?: string | undefined;
  /** `m-1207`: a mapping, by the number that an output printed. */
  readonly mapping?: string | undefined;
  /** `L41,207`: a line of the trace that touches a mapping. */
  readonly line?: string | undefined;
  /** PCI address. */
  readonly device?: string | undefined;
  /** Seconds on the recording's clock. */
  readonly time?: string | undefined;
}

/** A printed handle; the trace tells which page it stands for. */
export type Handle = { readonly mapping: number } | { readonly line: number };

/** A page and what is asked about it. */
export interface PageQuestion {
  /** First address of the page, null for an interrupt. */
  readonly page: number | null;
  readonly fault: FaultLine | null;
  /** Name as in the recording, null for all devices. */
  readonly device: string | null;
  /** Seconds of the recording's clock, null for the last mapping of the page. */
  readonly seconds: number | null;
  /** The mapping or line that was asked for, null without one. */
  readonly handle: Handle | null;
}

/** Questions to one pass over a trace. */
export interface ExplainQuestion {
  readonly pages: readonly PageQuestion[];
  /** The log that was given, null for other questions. */
  readonly log: FaultLog | null;
}

const ADDRESS = /^(?:0x)?[0-9a-f]{1,16}$/i;
const ASKED = ['--iova', '--fault', '--mapping', '--line'];

/**
 * Reads what is asked; a handle is found with HandleSearch first.
 *
 * @throws LabError EXP001 for none or several questions, EXP002 for no address, EXP003 for no fault line, EXP004 for no
 *   device, EXP005 for no time
 */
export function readQuestion(options: ExplainOptions, devices: readonly RecordedDevice[]): ExplainQuestion {
  checkOneQuestion(options);
  const device = options.device === undefined ? null : deviceName(options.device, devices);
  const seconds = options.time === undefined ? null : readSeconds(options.time);
  if (options.iova !== undefined) {
    return {
      pages: [{ page: roundDown(readAddress(options.iova), PAGE_SIZE), fault: null, device, seconds, handle: null }],
      log: null,
    };
  }
  const log = options.fault === undefined ? parseFaultLog(options.faultLog ?? '') : null;
  const faults = log?.faults ?? [parseFaultLine(options.fault ?? '')];
  const pages = faults.map(
    (fault): PageQuestion => ({
      page: fault.address === null ? null : roundDown(fault.address, PAGE_SIZE),
      fault,
      device: device ?? fault.device,
      seconds: seconds ?? fault.seconds,
      handle: null,
    }),
  );
  return { pages, log };
}

/**
 * The handle that is asked for, undefined when the question is another one.
 *
 * @throws LabError EXP001 as readQuestion, EXP006 for a text that is no handle
 */
export function readHandle(options: ExplainOptions): Handle | undefined {
  checkOneQuestion(options);
  if (options.mapping !== undefined) return { mapping: handleNumber(options.mapping, /^m-(\d[\d,]*)$/i, 'a mapping like m-1207') };
  if (options.line !== undefined)
    return { line: handleNumber(options.line, /^L?(\d[\d,]*)$/i, 'a line of the trace like L41,207 or 41207') };
  return undefined;
}

function checkOneQuestion(options: ExplainOptions): void {
  const given = [options.iova, options.fault ?? options.faultLog, options.mapping, options.line];
  const names = ASKED.filter((_, index) => given[index] !== undefined);
  if (names.length === 1) return;
  throw new LabError({
    code: 'EXP001',
    message: names.length === 0 ? 'Nothing is asked.' : 'Only one thing can be asked at a time.',
    expected: `one of ${ASKED.join(', ')}`,
    got: names.length === 0 ? 'none of them' : names.join(' and '),
    next: "for example --iova 0xffef6000, or --fault 'DMAR: [DMA Write] Request device [02:00.0] fault addr ...'",
  });
}

function readAddress(text: string): number {
  const digits = text.trim().replaceAll('_', '');
  if (ADDRESS.test(digits)) return Number.parseInt(digits.replace(/^0x/i, ''), 16);
  throw new LabError({
    code: 'EXP002',
    message: 'This is no I/O address.',
    expected: 'hexadecimal digits, with or without 0x: 0xffef6000',
    got: printable(text),
    next: 'take the address of a fault line or of a trace line',
  });
}

function readSeconds(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*s?\s*$/.exec(text);
  if (match !== null) return Number(match[1]);
  throw new LabError({
    code: 'EXP005',
    message: 'This is no time.',
    expected: "seconds on the trace's clock: 327.753902",
    got: printable(text),
    next: 'take the time of a line of the trace',
  });
}

/** @throws LabError EXP004 when the recording has no such device */
function deviceName(name: string, devices: readonly RecordedDevice[]): string {
  const wanted = name.trim().toLowerCase();
  const device = devices.find((candidate) => candidate.name === wanted || candidate.name === `0000:${wanted}`);
  if (device !== undefined) return device.name;
  const known = devices.map((candidate) => candidate.name);
  const nearest = nearestName(wanted, [...known, ...known.map((full) => full.replace(/^0000:/, ''))]);
  throw new LabError({
    code: 'EXP004',
    message: `There is no device ${printable(name)} in this recording.`,
    expected: known.join(', '),
    got: printable(name),
    next: nearest === undefined ? 'choose one of these, or leave --device out' : `did you mean ${nearest}?`,
  });
}

function handleNumber(text: string, form: RegExp, expected: string): number {
  const number = Number(form.exec(text.trim())?.[1].replaceAll(',', ''));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new LabError({
    code: 'EXP006',
    message: 'This is no handle.',
    expected,
    got: printable(text),
    next: 'take one that explain or verify printed',
  });
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 60) || '(nothing)';
}
