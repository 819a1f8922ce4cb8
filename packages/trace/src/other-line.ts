import { asciiBytes, escapeBytes, startsWith } from './byte-text.ts';
import type { ImportStatistics } from './import-statistics.ts';
import { NumberReader } from './number-reader.ts';

const TAB = 0x09;
const SPACE = 0x20;
const SLASH = 0x2f;
const PARENTHESIS_CLOSE = 0x29;

const TRACER = asciiBytes('# tracer:');
const ENTRIES = asciiBytes('# entries-in-buffer/entries-written:');
const CPU_COUNT = asciiBytes('#P:');
const CPUS = asciiBytes('cpus=');
const CPU_MARK = asciiBytes('CPU:');
const CPU_WORD = asciiBytes('CPU ');
const LOST = asciiBytes('[LOST ');
const EVENTS_DROPPED = asciiBytes('EVENTS DROPPED]');
const IS_EMPTY = asciiBytes(' is empty');
const PERF_LOST = asciiBytes('PERF_RECORD_LOST');
const LOST_WORD = asciiBytes('lost ');
const STACK_ARROW = asciiBytes('=> ');

/** Lines of a trace that are neither events nor `#` headers. */
export const OtherLine = { UNKNOWN: 0, LOST: 1, CPUS: 2, HEADER: 3, STACK: 4, FUNCTION_GRAPH: 5 } as const;
export type OtherLine = (typeof OtherLine)[keyof typeof OtherLine];

/** Reads headers and the marks that tools put between events. */
export class OtherLines {
  /** CPU of a LOST mark, -1 when the mark has none. */
  cpu = -1;
  /** Events of a LOST mark, -1 when the mark has no number; CPUs of a CPUS line. */
  count = -1;

  private readonly number: NumberReader = new NumberReader();

  /**
   * A line that begins with `#`: takes the tracer, the entry counts and the number of CPUs from it.
   *
   *     # tracer: nop
   *     # entries-in-buffer/entries-written: 108669/108669   #P:1
   */
  readHeader(bytes: Uint8Array, start: number, end: number, statistics: ImportStatistics): void {
    statistics.headerLines++;
    if (startsWith(bytes, start, end, TRACER)) {
      const name = skipBlanks(bytes, start + TRACER.length, end);
      statistics.tracer = escapeBytes(bytes, name, Math.min(end, name + 40)).trimEnd();
    } else if (startsWith(bytes, start, end, ENTRIES)) {
      this.readEntries(bytes, start + ENTRIES.length, end, statistics);
    }
  }

  private readEntries(bytes: Uint8Array, start: number, end: number, statistics: ImportStatistics): void {
    let position = this.number.decimal(bytes, skipBlanks(bytes, start, end), end);
    if (position < 0 || bytes[position] !== SLASH) return;
    const inBuffer = this.number.value;
    position = this.number.decimal(bytes, position + 1, end);
    if (position < 0) return;
    statistics.entriesInBuffer = Math.max(0, statistics.entriesInBuffer) + inBuffer;
    statistics.entriesWritten = Math.max(0, statistics.entriesWritten) + this.number.value;
    const cpus = find(bytes, position, end, CPU_COUNT);
    if (cpus >= 0 && this.number.decimal(bytes, cpus + CPU_COUNT.length, end) >= 0) statistics.headerCpus = this.number.value;
  }

  /** Says what a line is that has no `[cpu] time:`; blanks before it do not matter. */
  read(bytes: Uint8Array, start: number, end: number): OtherLine {
    const text = skipBlanks(bytes, start, end);
    if (startsWith(bytes, text, end, CPU_MARK)) return this.readCpuMark(bytes, text + CPU_MARK.length, end);
    if (startsWith(bytes, text, end, CPUS)) {
      if (this.number.decimal(bytes, text + CPUS.length, end) !== end) return OtherLine.UNKNOWN;
      this.count = this.number.value;
      return OtherLine.CPUS;
    }
    if (startsWith(bytes, text, end, CPU_WORD) && find(bytes, text, end, IS_EMPTY) >= 0) return OtherLine.HEADER;
    if (startsWith(bytes, text, end, STACK_ARROW)) return OtherLine.STACK;
    if (bytes[start] === TAB) return OtherLine.STACK;
    const perfLost = find(bytes, text, end, PERF_LOST);
    if (perfLost >= 0) return this.readPerfLost(bytes, perfLost, end);
    const number = this.number.decimal(bytes, text, end);
    return number > 0 && number < end && bytes[number] === PARENTHESIS_CLOSE ? OtherLine.FUNCTION_GRAPH : OtherLine.UNKNOWN;
  }

  /** `CPU:2 [LOST 123 EVENTS]`, `CPU:2 [123 EVENTS DROPPED]`, `CPU:2 [EVENTS DROPPED]`. */
  private readCpuMark(bytes: Uint8Array, start: number, end: number): OtherLine {
    let position = this.number.decimal(bytes, start, end);
    if (position < 0) return OtherLine.UNKNOWN;
    this.cpu = this.number.value;
    this.count = -1;
    position = skipBlanks(bytes, position, end);
    if (startsWith(bytes, position, end, LOST)) {
      if (this.number.decimal(bytes, position + LOST.length, end) < 0) return OtherLine.UNKNOWN;
      this.count = this.number.value;
      return OtherLine.LOST;
    }
    const afterNumber = this.number.decimal(bytes, position + 1, end);
    if (afterNumber >= 0) this.count = this.number.value;
    return find(bytes, position, end, EVENTS_DROPPED) >= 0 ? OtherLine.LOST : OtherLine.UNKNOWN;
  }

  /** `... PERF_RECORD_LOST lost 5`. */
  private readPerfLost(bytes: Uint8Array, start: number, end: number): OtherLine {
    this.cpu = -1;
    this.count = -1;
    const count = find(bytes, start, end, LOST_WORD);
    if (count >= 0 && this.number.decimal(bytes, count + LOST_WORD.length, end) >= 0) this.count = this.number.value;
    return OtherLine.LOST;
  }
}

function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && (bytes[position] === SPACE || bytes[position] === TAB)) position++;
  return position;
}

/** Position of `word` in `bytes[start..end)`, or -1. */
function find(bytes: Uint8Array, start: number, end: number, word: Uint8Array): number {
  for (let position = start; position + word.length <= end; position++) {
    if (startsWith(bytes, position, end, word)) return position;
  }
  return -1;
}
