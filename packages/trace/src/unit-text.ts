import { endOfWord } from './byte-text.ts';
import type { EventBatch } from './event-batch.ts';
import { VALUE_COLUMNS } from './event-fields.ts';
import { ABSENT, ALL_ONES, CACHE_TAG_TYPE_NAMES, EventKind, QI_TYPE_NAMES } from './event-kind.ts';
import { NumberReader } from './number-reader.ts';
import { type TextFailure, TextRemark, TextResult } from './text-result.ts';
import { WordTable } from './word-table.ts';

const SPACE = 0x20;
const MINUS = 0x2d;
const SLASH = 0x2f;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const UNKNOWN_TAG_TYPE = 255;

const descriptorTypes = new WordTable(QI_TYPE_NAMES);
const tagTypes = new WordTable(CACHE_TAG_TYPE_NAMES);
const tagWords = new WordTable(['type', 'did', 'pasid', 'ref', 'addr', 'pages', 'mask']);
/** Number of `type` in `tagWords`; the others are numbers and need no names. */
const TYPE_WORD = 0;
/** Value column of each word of `tagWords`, in the flush events and in the others; -1 where it has none. */
const FLUSH_COLUMN: readonly number[] = [6, 0, 7, -1, 3, 4, 5];
const TAG_COLUMN: readonly number[] = [3, 0, 1, 2, -1, -1, -1];

/** True for the events of remapping units, whose texts have no `name=value` fields. */
export function isUnitEvent(kind: EventKind): boolean {
  return kind >= EventKind.QI_SUBMIT && kind <= EventKind.CACHE_TAG_FLUSH_RANGE_NP;
}

/** Reads the texts of qi_submit, prq_report and the cache_tag events into the columns of a row. */
export class UnitText {
  /** TextRemark bits of the last row. */
  remarks = 0;

  private readonly failure: TextFailure;
  private readonly number: NumberReader = new NumberReader();

  constructor(failure: TextFailure) {
    this.failure = failure;
  }

  /** Fills `unit`, `device` and v0 to v7. Position after the text, or -1. */
  read(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    this.remarks = 0;
    if (kind === EventKind.QI_SUBMIT) return this.qiSubmit(bytes, start, end, batch, row);
    if (kind === EventKind.PRQ_REPORT) return this.prqReport(bytes, start, end, batch, row);
    return this.cacheTag(kind, bytes, start, end, batch, row);
  }

  /** `iotlb_inv dmar0: 0x200f2 0xfffff000 0x0 0x0`. */
  private qiSubmit(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const typeEnd = endOfWord(bytes, start, end);
    const unitEnd = endOfWord(bytes, typeEnd + 1, end);
    if (unitEnd >= end) return this.failure.fail(TextResult.CUT);
    if (bytes[unitEnd - 1] !== COLON) return this.failure.fail(TextResult.UNKNOWN_FORM);
    batch.v4[row] = Math.max(0, descriptorTypes.find(bytes, start, typeEnd));
    let position = this.descriptorWord(bytes, unitEnd + 1, end);
    if (position < 0) return -1;
    batch.v0[row] = this.number.high >>> 0;
    batch.v1[row] = this.number.low >>> 0;
    position = this.descriptorWord(bytes, position + 1, end);
    if (position < 0) return -1;
    batch.v2[row] = this.number.high >>> 0;
    batch.v3[row] = this.number.low >>> 0;
    for (let word = 2; word < 4; word++) {
      position = this.descriptorWord(bytes, position + 1, end);
      if (position < 0) return -1;
      if (this.number.value !== 0) this.remarks |= TextRemark.DESCRIPTOR_WORDS;
    }
    batch.unit[row] = batch.names.units.intern(bytes, typeEnd + 1, unitEnd - 1);
    batch.v5[row] = ABSENT;
    batch.v6[row] = ABSENT;
    batch.v7[row] = ABSENT;
    return position;
  }

  private descriptorWord(bytes: Uint8Array, start: number, end: number): number {
    const position = this.number.hex(bytes, start, end);
    if (position < 0) return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
    if (position < end && bytes[position] !== SPACE) return this.failure.fail(TextResult.BAD_NUMBER);
    return position;
  }

  /** `dmar0/0000:00:02.0 type iotlb did 2 ...` or `dmar0 0000:00:02.0[0] type iotlb did 2 [start-end] ...`. */
  private cacheTag(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const flush = kind >= EventKind.CACHE_TAG_FLUSH_RANGE;
    let unitEnd = start;
    while (unitEnd < end && bytes[unitEnd] !== (flush ? SPACE : SLASH)) unitEnd++;
    const device = unitEnd + 1;
    const word = endOfWord(bytes, device, end);
    if (word >= end) return this.failure.fail(TextResult.CUT);
    let deviceEnd = word;
    batch.v0[row] = ABSENT;
    batch.v7[row] = ABSENT;
    if (flush) {
      while (deviceEnd > device && bytes[deviceEnd] !== BRACKET_OPEN) deviceEnd--;
      if (deviceEnd === device || this.number.decimal(bytes, deviceEnd + 1, word) !== word - 1)
        return this.failure.fail(TextResult.UNKNOWN_FORM);
      batch.v7[row] = this.number.value;
    }
    batch.unit[row] = batch.names.units.intern(bytes, start, unitEnd);
    if (!sameBytes(bytes, start, unitEnd, device, deviceEnd)) batch.device[row] = batch.names.devices.intern(bytes, device, deviceEnd);
    for (let column = 1; column < 7; column++) batch.values[column]![row] = ABSENT;
    let position = word;
    while (position >= 0 && position < end) {
      if (bytes[position] === SPACE) position++;
      else if (bytes[position] === BRACKET_OPEN && flush) position = this.tagRange(bytes, position + 1, end, batch, row);
      else position = this.tagField(flush, bytes, position, end, batch, row);
    }
    if (position < 0) return -1;
    const last = flush ? batch.v5[row] : batch.v2[row];
    if (last === ABSENT || batch.v0[row] === ABSENT || batch.v1[row] === ABSENT) return this.failure.fail(TextResult.CUT);
    return position;
  }

  /** `[0xfffff000-0xffffffff]`. */
  private tagRange(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const startEnd = this.number.hex(bytes, start, end);
    if (startEnd < 0) return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
    if (startEnd < end && bytes[startEnd] !== MINUS) return this.failure.fail(TextResult.BAD_NUMBER);
    if (Number.isNaN(this.number.value)) return this.failure.fail(TextResult.BEYOND_2_53);
    batch.v1[row] = this.number.value;
    const endEnd = this.number.hex(bytes, startEnd + 1, end);
    if (endEnd < 0) return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
    if (endEnd >= end) return this.failure.fail(TextResult.CUT);
    if (bytes[endEnd] !== BRACKET_CLOSE) return this.failure.fail(TextResult.BAD_NUMBER);
    batch.v2[row] = Number.isNaN(this.number.value) ? ALL_ONES : this.number.value;
    return endEnd + 1;
  }

  /** A word and its value, separated by one blank. */
  private tagField(flush: boolean, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const wordEnd = endOfWord(bytes, start, end);
    const word = tagWords.find(bytes, start, wordEnd);
    const valueEnd = endOfWord(bytes, wordEnd + 1, end);
    if (word < 0) return this.failure.failAt(wordEnd, end, TextResult.UNKNOWN_FORM);
    if (wordEnd >= end) return this.failure.fail(TextResult.CUT);
    const column = flush ? FLUSH_COLUMN[word]! : TAG_COLUMN[word]!;
    if (column < 0) return this.failure.fail(TextResult.UNKNOWN_FORM);
    if (word === TYPE_WORD) {
      const type = tagTypes.find(bytes, wordEnd + 1, valueEnd);
      batch.values[column]![row] = type < 0 ? UNKNOWN_TAG_TYPE : type;
      return valueEnd;
    }
    const position = this.number.either(bytes, wordEnd + 1, valueEnd);
    if (position !== valueEnd) return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
    if (Number.isNaN(this.number.value)) return this.failure.fail(TextResult.BEYOND_2_53);
    batch.values[column]![row] = this.number.value;
    return position;
  }

  /** `dmar0/0000:00:02.0 seq# 12: text`; the text is a page request in words, of which nothing is kept. */
  private prqReport(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    let unitEnd = start;
    while (unitEnd < end && bytes[unitEnd] !== SLASH) unitEnd++;
    const deviceEnd = endOfWord(bytes, unitEnd + 1, end);
    const label = endOfWord(bytes, deviceEnd + 1, end);
    if (label >= end) return this.failure.fail(TextResult.CUT);
    const position = this.number.decimal(bytes, label + 1, end);
    if (position < 0 || bytes[position] !== COLON) return this.failure.failAt(Math.max(position, label + 1), end, TextResult.UNKNOWN_FORM);
    batch.unit[row] = batch.names.units.intern(bytes, start, unitEnd);
    batch.device[row] = batch.names.devices.intern(bytes, unitEnd + 1, deviceEnd);
    for (let column = 1; column < VALUE_COLUMNS; column++) batch.values[column]![row] = ABSENT;
    batch.v0[row] = this.number.value;
    return end;
  }
}

function sameBytes(bytes: Uint8Array, start: number, end: number, other: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - other) return false;
  for (let offset = 0; offset < end - start; offset++) {
    if (bytes[start + offset] !== bytes[other + offset]) return false;
  }
  return true;
}
