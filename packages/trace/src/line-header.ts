import { skipSpaces } from './byte-text.ts';
import { ContextLevel } from './event-kind.ts';

const SPACE = 0x20;
const PARENTHESIS_OPEN = 0x28;
const PARENTHESIS_CLOSE = 0x29;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const LESS = 0x3c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

const CPU_DIGITS_MAX = 5;
const PID_DIGITS_MAX = 10;
const SECONDS_DIGITS_MAX = 12;
const FRACTION_DIGITS_MAX = 9;
/** 10^(9 - digits): nanoseconds in one unit of the last printed digit. */
const NS_PER_FRACTION: readonly number[] = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1];

/** What the front part of a line turned out to be. */
export const HeaderResult = {
  OK: 0,
  /** No `[cpu]` that is followed by a time: not an event line. */
  NOT_AN_EVENT: 1,
  /** A time without a decimal point: a counter, a cycle count or another clock that is not seconds. */
  OTHER_CLOCK: 2,
  /** The line ends inside the front part. */
  CUT: 3,
  /** An event line of the function tracer or a stack trace, without `name:`. */
  NO_EVENT_NAME: 4,
} as const;
export type HeaderResult = (typeof HeaderResult)[keyof typeof HeaderResult];

/**
 * The front part of an event line, up to the text after `name: `, in any of three spellings:
 *
 *     tftp-424     [000] d.s2.    26.268123: unmap: IOMMU: ...      ftrace, 4, 5 or 7 flags, perhaps a tgid after the pid
 *     tftp-424   [000]    26.268123: unmap:                IOMMU:   trace-cmd report, perhaps with flags
 *     tftp   424 [000]    26.268123:       iommu:unmap: IOMMU:      perf script
 *
 * Found by `[cpu]` and `name:`, not by column, because the task name may hold spaces, dashes, colons and brackets.
 */
export class LineHeader {
  commStart = 0;
  commEnd = 0;
  pid = 0;
  cpu = 0;
  level: ContextLevel = ContextLevel.TASK;
  hasFlags = false;
  seconds = 0;
  /** 0 to 999,999,999. */
  nanoseconds = 0;
  /** The system before the name, in perf lines only; empty otherwise. */
  systemStart = 0;
  systemEnd = 0;
  nameStart = 0;
  nameEnd = 0;
  /** First byte of the event's text, blanks skipped. */
  textStart = 0;
  /** Where `[` stood in the last good line, from its start: tools write columns, so it is tried first. */
  private bracketColumn = 0;

  /** Reads `bytes[start..end)`, one line without its line end. */
  parse(bytes: Uint8Array, start: number, end: number): HeaderResult {
    if (this.parseUsual(bytes, start, end)) return HeaderResult.OK;
    let best: HeaderResult = HeaderResult.NOT_AN_EVENT;
    for (let bracket = start + 1; bracket < end; bracket++) {
      const result = this.parseAt(bytes, start, end, bracket);
      if (result === HeaderResult.NOT_AN_EVENT) continue;
      best = result;
      if (result === HeaderResult.OK || result === HeaderResult.NO_EVENT_NAME) {
        this.bracketColumn = bracket - start;
        break;
      }
    }
    return best;
  }

  /**
   * Tries the column of the last line only. Here `end` may lie in a later line: apart from the task name nothing is read
   * across a line end, so a name that is known from an earlier line shows that the whole front part is of one line.
   */
  parseUsual(bytes: Uint8Array, start: number, end: number): boolean {
    const bracket = start + this.bracketColumn;
    return bracket < end && this.parseAt(bytes, start, end, bracket) === HeaderResult.OK;
  }

  /** Takes the bracket at `bracket`, if there is one, for that of the CPU. */
  private parseAt(bytes: Uint8Array, start: number, end: number, bracket: number): HeaderResult {
    if (bytes[bracket] !== BRACKET_OPEN || bracket === start || bytes[bracket - 1] !== SPACE) return HeaderResult.NOT_AN_EVENT;
    const afterCpu = this.parseCpu(bytes, bracket + 1, end);
    if (afterCpu < 0) return HeaderResult.NOT_AN_EVENT;
    const result = this.parseAfterCpu(bytes, afterCpu, end);
    if (result === HeaderResult.NOT_AN_EVENT || !this.parseTask(bytes, start, bracket)) return HeaderResult.NOT_AN_EVENT;
    return result;
  }

  /** Position after `]`, or -1 when there is no CPU number. */
  private parseCpu(bytes: Uint8Array, start: number, end: number): number {
    let position = start;
    let cpu = 0;
    while (position < end && bytes[position]! >= ZERO && bytes[position]! <= NINE) {
      cpu = cpu * 10 + (bytes[position]! - ZERO);
      position++;
    }
    if (position === start || position - start > CPU_DIGITS_MAX || position === end || bytes[position] !== BRACKET_CLOSE) return -1;
    this.cpu = cpu;
    return position + 1;
  }

  private parseAfterCpu(bytes: Uint8Array, start: number, end: number): HeaderResult {
    let position = skipSpaces(bytes, start, end);
    if (position === end) return HeaderResult.CUT;
    this.level = ContextLevel.TASK;
    this.hasFlags = !isDigit(bytes[position]!);
    if (this.hasFlags) {
      const flags = position;
      while (position < end && bytes[position]! > SPACE) position++;
      this.level = levelOf(bytes, flags, position);
      position = skipSpaces(bytes, position, end);
      if (position === end) return HeaderResult.CUT;
    }
    const secondsStart = position;
    let seconds = 0;
    while (position < end && isDigit(bytes[position]!)) seconds = seconds * 10 + (bytes[position++]! - ZERO);
    if (position === secondsStart || position - secondsStart > SECONDS_DIGITS_MAX) return HeaderResult.NOT_AN_EVENT;
    if (position === end) return HeaderResult.CUT;
    if (bytes[position] === COLON) return HeaderResult.OTHER_CLOCK;
    if (bytes[position] !== DOT) return HeaderResult.NOT_AN_EVENT;
    const fractionStart = ++position;
    let fraction = 0;
    while (position < end && isDigit(bytes[position]!)) fraction = fraction * 10 + (bytes[position++]! - ZERO);
    const digits = position - fractionStart;
    if (position === end) return HeaderResult.CUT;
    if (digits === 0 || digits > FRACTION_DIGITS_MAX || bytes[position] !== COLON) return HeaderResult.NOT_AN_EVENT;
    this.seconds = seconds;
    this.nanoseconds = fraction * NS_PER_FRACTION[digits]!;
    return this.parseName(bytes, position + 1, end);
  }

  private parseName(bytes: Uint8Array, start: number, end: number): HeaderResult {
    let position = skipSpaces(bytes, start, end);
    this.systemStart = position;
    this.systemEnd = position;
    this.nameStart = position;
    if (position === end) return HeaderResult.CUT;
    if (bytes[position] === LESS) return HeaderResult.NO_EVENT_NAME;
    position = endOfName(bytes, position, end);
    if (position + 1 < end && bytes[position] === COLON && bytes[position + 1] !== SPACE) {
      this.systemEnd = position;
      this.nameStart = position + 1;
      position = endOfName(bytes, position + 1, end);
    }
    if (position === end) return HeaderResult.CUT;
    if (bytes[position] !== COLON) return HeaderResult.NO_EVENT_NAME;
    this.nameEnd = position;
    this.textStart = skipSpaces(bytes, position + 1, end);
    return HeaderResult.OK;
  }

  /** Reads the task backwards from the bracket: `comm-pid`, `comm-pid (tgid)`, `comm pid`, `comm pid/tid`. */
  private parseTask(bytes: Uint8Array, start: number, bracket: number): boolean {
    let position = skipSpacesBack(bytes, start, bracket);
    if (position > start && bytes[position - 1] === PARENTHESIS_CLOSE) {
      while (position > start && bytes[position - 1] !== PARENTHESIS_OPEN) position--;
      if (position === start) return false;
      position = skipSpacesBack(bytes, start, position - 1);
    }
    const pidEnd = position;
    let pid = 0;
    let weight = 1;
    while (position > start && isDigit(bytes[position - 1]!)) {
      pid += (bytes[--position]! - ZERO) * weight;
      weight *= 10;
    }
    if (position === pidEnd || pidEnd - position > PID_DIGITS_MAX || position === start) return false;
    const before = bytes[--position]!;
    if (before === SLASH) {
      while (position > start && isDigit(bytes[position - 1]!)) position--;
    } else if (before === MINUS && this.systemEnd > this.systemStart && position > start && bytes[position - 1] === SPACE) {
      pid = -pid;
    } else if (before !== MINUS && before !== SPACE) {
      return false;
    }
    this.pid = pid;
    this.commStart = skipSpaces(bytes, start, position);
    this.commEnd = before === MINUS && pid >= 0 ? position : skipSpacesBack(bytes, this.commStart, position);
    return true;
  }
}

/** The interrupt letter stands third in four and five flags and fourth in seven; no other flag there uses these letters. */
function levelOf(bytes: Uint8Array, start: number, end: number): ContextLevel {
  for (let position = start + 2; position < end && position < start + 4; position++) {
    switch (bytes[position]) {
      case 0x5a: // Z: NMI inside a hard interrupt
      case 0x7a: // z: NMI
        return ContextLevel.NMI;
      case 0x48: // H: hard interrupt inside a soft interrupt
      case 0x68: // h
        return ContextLevel.HARDIRQ;
      case 0x73: // s
        return ContextLevel.SOFTIRQ;
    }
  }
  return ContextLevel.TASK;
}

function endOfName(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && bytes[position] !== COLON && bytes[position]! > SPACE) position++;
  return position;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** End of the text before `end` without trailing blanks. */
function skipSpacesBack(bytes: Uint8Array, start: number, end: number): number {
  let position = end;
  while (position > start && bytes[position - 1] === SPACE) position--;
  return position;
}
