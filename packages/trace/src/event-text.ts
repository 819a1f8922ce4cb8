import { Direction } from 'dmalab-core';
import { asciiBytes, endOfWord, skipSpaces, startsWith } from './byte-text.ts';
import type { EventBatch } from './event-batch.ts';
import {
  bit,
  FAILED_TO_PARSE,
  FIELD_OF_COLUMN,
  Field,
  findField,
  NUMBER_FIELD_COUNT,
  REQUIRED_FIELDS,
  VALUE_COLUMNS,
} from './event-fields.ts';
import { ABSENT, ALL_ONES, ATTRIBUTE_NAMES, BounceForce, EventKind, NO_DIRECTION } from './event-kind.ts';
import { EVENT_TEMPLATES, hasLiteral, Notation, type TemplateStep } from './event-template.ts';
import { ListText } from './list-text.ts';
import { NumberReader } from './number-reader.ts';
import { TextFailure, TextRemark, TextResult } from './text-result.ts';
import { isUnitEvent, UnitText } from './unit-text.ts';
import { WordTable } from './word-table.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const PIPE = 0x7c;

const TWO_32 = 2 ** 32;
const TWO_64 = 2 ** 64;
const ATTRS_MAX = 0xffff;

const IOMMU_PREFIX = asciiBytes('IOMMU:');
const DEVICE_NAME_PREFIX = asciiBytes('dev_name:');
const DEVICE_FIELD_PREFIX = asciiBytes('device=');
const TRUNCATED_WORD = asciiBytes('[TRUNCATED]');
const TWO_DASHES = asciiBytes('- ');

const directions = new WordTable(['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE']);
const attributes = new WordTable(ATTRIBUTE_NAMES);
const forceWords = new WordTable(['NORMAL', 'FORCE', 'NO_FORCE']);
forceWords.add('swiotlb_force', BounceForce.FORCE);

/**
 * Turns the text after `name: ` into the columns of one row.
 *
 * Fields are found by name, so that events which gained, lost or moved fields between kernels need no forms of their
 * own; only the events without `name=value` fields have a reader each.
 */
export class EventText {
  /** TextRemark bits of the last row. */
  remarks = 0;

  private readonly number: NumberReader = new NumberReader();
  /** Numbers of the line by Field; only those whose bit is in `found` are of this line. */
  private readonly numbers: Float64Array = new Float64Array(NUMBER_FIELD_COUNT);
  /** Bits of the fields found in the line. */
  private found = 0;
  private raw = false;
  private readonly failure: TextFailure = new TextFailure();
  private readonly lists: ListText = new ListText(this.failure);
  private readonly units: UnitText = new UnitText(this.failure);
  private lastDevice = 0;
  /** The bytes of the line and their view by words, made anew for each chunk. */
  private viewed: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));

  /**
   * Fills columns `device` to `v7` and the lists of `row`. On any result but OK the row is not usable, and items that
   * were added to the list are taken back.
   */
  parse(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): TextResult {
    const listLength = batch.listLength;
    this.begin(batch, row);
    let position: number;
    if (isUnitEvent(kind)) {
      position = this.units.read(kind, bytes, start, end, batch, row);
      this.remarks = this.units.remarks;
    } else {
      position = this.fieldEvent(kind, bytes, start, end, batch, row);
    }
    if (position >= 0) return TextResult.OK;
    batch.listLength = listLength;
    return this.failure.result;
  }

  /**
   * Reads a text that is spelled as the template of its kind; `end` may lie beyond the line.
   *
   * @returns position of the line end, or -1 when the text is not spelled so and must be read by `parse`
   */
  parseUsual(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const template = EVENT_TEMPLATES[kind];
    if (template === undefined) return -1;
    this.begin(batch, row);
    const view = this.viewOf(bytes);
    const steps = template.steps;
    let position = start;
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index]!;
      if (!hasLiteral(view, position, end, step)) return -1;
      position = this.templateField(step, bytes, position + step.literalLength, end, batch, row);
      if (position < 0) return -1;
    }
    this.found = template.found;
    if (!isLineEnd(bytes, position, end) || this.remarks !== 0 || !this.complete(kind, batch, row)) return -1;
    this.writeValues(kind, batch, row);
    return position;
  }

  private templateField(step: TemplateStep, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    let position = start;
    switch (step.notation) {
      case Notation.HEX:
        position = this.number.hex(bytes, start, end);
        break;
      case Notation.DECIMAL:
        position = this.number.decimal(bytes, start, end);
        break;
      case Notation.DEVICE:
        return this.templateDevice(bytes, start, end, batch, row);
      case Notation.DIRECTION:
        return this.direction(bytes, start, end, batch, row);
      case Notation.ATTRIBUTES:
        return this.attributes(bytes, start, end, batch, row);
      default:
        this.numbers[step.field] = BounceForce.NORMAL;
        return start;
    }
    if (position < 0) return -1;
    const value = step.field === Field.DMA_MASK ? this.mask() : this.number.value;
    if (Number.isNaN(value)) return -1;
    this.numbers[step.field] = value;
    return position;
  }

  /** The device of the last line is tried first. */
  private templateDevice(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const devices = batch.names.devices;
    const guess = this.lastDevice < devices.count ? start + devices.lengthOf(this.lastDevice) : end;
    if (guess < end && bytes[guess] === SPACE && devices.equals(this.lastDevice, bytes, start, guess)) {
      batch.device[row] = this.lastDevice;
      return guess;
    }
    const wordEnd = endOfWord(bytes, start, end);
    const device = devices.find(bytes, start, wordEnd);
    if (device < 0) return -1;
    this.lastDevice = device;
    batch.device[row] = device;
    return wordEnd;
  }

  private begin(batch: EventBatch, row: number): void {
    this.remarks = 0;
    this.failure.clear();
    this.raw = false;
    batch.device[row] = -1;
    batch.unit[row] = -1;
    batch.direction[row] = NO_DIRECTION;
    batch.attrs[row] = 0;
    batch.dmaAddrsCount[row] = 0;
    batch.sizesCount[row] = 0;
    batch.physAddrsCount[row] = 0;
  }

  private viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.viewed) {
      this.viewed = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.view;
  }

  /** The number reader refused: the line was cut if it had read all there is. */
  private badNumber(end: number): number {
    return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
  }

  private fieldEvent(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    this.found = 0;
    let position = start;
    this.raw = startsWith(bytes, position, end, FAILED_TO_PARSE);
    if (this.raw) position += FAILED_TO_PARSE.length;
    else if (kind <= EventKind.IO_PAGE_FAULT) position = this.iommuPrefix(kind, bytes, start, end, batch, row);
    else if (kind === EventKind.BOUNCED) position = this.bouncedPrefix(bytes, start, end, batch, row);
    else if (kind < EventKind.INTEL_MAP_SINGLE) this.raw = startsWith(bytes, start, end, DEVICE_FIELD_PREFIX);
    while (position >= 0 && position < end) {
      if (bytes[position] === SPACE) position++;
      else position = this.oneField(kind, bytes, position, end, batch, row);
    }
    if (position < 0) return -1;
    if (!this.complete(kind, batch, row)) return -1;
    this.writeValues(kind, batch, row);
    return position;
  }

  private iommuPrefix(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    if (!startsWith(bytes, start, end, IOMMU_PREFIX)) return this.failure.failAt(start, end, TextResult.UNKNOWN_FORM);
    const position = start + IOMMU_PREFIX.length;
    if (kind !== EventKind.IO_PAGE_FAULT) return position;
    const driverEnd = endOfWord(bytes, position, end);
    const device = driverEnd + 1;
    const deviceEnd = endOfWord(bytes, device, end);
    if (deviceEnd >= end) return this.failure.fail(TextResult.CUT);
    batch.unit[row] = batch.names.units.intern(bytes, position, driverEnd);
    this.setDevice(bytes, device, deviceEnd, batch, row);
    return deviceEnd;
  }

  private bouncedPrefix(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    if (!startsWith(bytes, start, end, DEVICE_NAME_PREFIX)) return this.failure.failAt(start, end, TextResult.UNKNOWN_FORM);
    const device = skipSpaces(bytes, start + DEVICE_NAME_PREFIX.length, end);
    const deviceEnd = endOfWord(bytes, device, end);
    if (deviceEnd >= end) return this.failure.fail(TextResult.CUT);
    this.setDevice(bytes, device, deviceEnd, batch, row);
    return deviceEnd;
  }

  private setDevice(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): void {
    batch.device[row] = batch.names.devices.intern(bytes, start, end);
    this.found |= bit(Field.DEVICE);
  }

  /** One `name=value` or one word without `=`, at a byte that is no blank. */
  private oneField(kind: EventKind, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    let position = start;
    while (position < end && bytes[position] !== EQUALS && bytes[position] !== SPACE) position++;
    if (position === end || bytes[position] === SPACE) return this.word(kind, bytes, start, position, end, batch, row);
    const field = findField(bytes, start, position);
    position++;
    switch (field) {
      case Field.DIR:
        return this.direction(bytes, position, end, batch, row);
      case Field.ATTRS:
        return this.attributes(bytes, position, end, batch, row);
      case Field.DEVICE: {
        const deviceEnd = endOfWord(bytes, position, end);
        this.setDevice(bytes, position, deviceEnd, batch, row);
        return deviceEnd;
      }
      case Field.DMA_ADDRS:
        if (kind === EventKind.DMA_MAP_SG_ERR) return this.list(Field.PHYS_ADDRS, bytes, position, end, batch, row);
        return this.list(field, bytes, position, end, batch, row);
      case Field.SIZES:
      case Field.PHYS_ADDRS:
        return this.list(field, bytes, position, end, batch, row);
      case Field.FLAGS:
        if (kind !== EventKind.IO_PAGE_FAULT) return endOfWord(bytes, position, end);
        return this.numberField(field, bytes, position, end);
      case Field.SKIPPED:
        return endOfWord(bytes, position, end);
      case Field.IOVA:
        return this.iova(bytes, position, end);
      case -1:
        this.remarks |= TextRemark.UNKNOWN_FIELD;
        return endOfWord(bytes, position, end);
      default:
        return this.numberField(field as Field, bytes, position, end);
    }
  }

  /** A word without `=`: the device at the start, `FORCE`, `[TRUNCATED]`, `[1/2]` of the 5.4 events. */
  private word(kind: EventKind, bytes: Uint8Array, start: number, wordEnd: number, end: number, batch: EventBatch, row: number): number {
    if ((this.found & bit(Field.DEVICE)) === 0 && kind >= EventKind.DMA_MAP_PAGE && kind < EventKind.INTEL_MAP_SINGLE && !this.raw) {
      this.setDevice(bytes, start, wordEnd, batch, row);
      return wordEnd;
    }
    if (kind === EventKind.BOUNCED) {
      const forced = forceWords.find(bytes, start, wordEnd);
      if (forced >= 0) {
        this.setNumber(Field.FORCED, forced);
        return wordEnd;
      }
    }
    if (startsWith(bytes, start, wordEnd, TRUNCATED_WORD)) {
      this.setNumber(Field.TRUNCATED, 1);
      return wordEnd;
    }
    if ((kind === EventKind.INTEL_MAP_SG || kind === EventKind.INTEL_BOUNCE_MAP_SG) && bytes[start] === BRACKET_OPEN) {
      return this.indexOfTotal(bytes, start + 1, wordEnd);
    }
    return this.failure.failAt(wordEnd, end, TextResult.UNKNOWN_FORM);
  }

  private indexOfTotal(bytes: Uint8Array, start: number, end: number): number {
    let position = this.number.decimal(bytes, start, end);
    if (position < 0 || bytes[position] !== SLASH) return this.failure.fail(TextResult.BAD_NUMBER);
    this.setNumber(Field.INDEX, this.number.value);
    position = this.number.decimal(bytes, position + 1, end);
    if (position < 0 || bytes[position] !== BRACKET_CLOSE) return this.failure.fail(TextResult.BAD_NUMBER);
    this.setNumber(Field.TOTAL, this.number.value);
    return position + 1;
  }

  private setNumber(field: Field, value: number): void {
    this.numbers[field] = value;
    this.found |= bit(field);
  }

  private setDefault(field: Field, value: number): void {
    if ((this.found & bit(field)) === 0) this.setNumber(field, value);
  }

  private numberOf(field: number): number {
    return (this.found & (1 << field)) === 0 ? ABSENT : this.numbers[field]!;
  }

  /** A number up to the next blank, in the notation that the formats use for the field. */
  private numberField(field: Field, bytes: Uint8Array, start: number, end: number): number {
    let position: number;
    if (this.raw) position = this.number.either(bytes, start, end);
    else if (isDecimal(field)) position = this.number.decimal(bytes, start, end);
    else position = this.number.hex(bytes, start, end);
    if (position < 0) return this.badNumber(end);
    let value = this.number.value;
    if (field === Field.DMA_MASK) value = this.mask();
    if (position < end && bytes[position] === SLASH && (field === Field.NENTS || field === Field.ENTS)) {
      position = this.number.decimal(bytes, position + 1, end);
      if (position < 0) return this.badNumber(end);
      value = this.number.value;
    }
    if (position < end && bytes[position] !== SPACE) return this.failure.fail(TextResult.BAD_NUMBER);
    if (Number.isNaN(value)) return this.failure.fail(TextResult.BEYOND_2_53);
    this.setNumber(field, value);
    return position;
  }

  /** The mask just read, as a number at or above every address that it lets through. */
  private mask(): number {
    if (this.number.value === ALL_ONES) return TWO_64;
    if (Number.isNaN(this.number.value) && !this.raw) return (this.number.high >>> 0) * TWO_32 + (this.number.low >>> 0);
    return this.number.value;
  }

  /** `iova=A` or `iova=A - B`. */
  private iova(bytes: Uint8Array, start: number, end: number): number {
    let position = this.numberField(Field.IOVA, bytes, start, end);
    if (position < 0 || !startsWith(bytes, position + 1, end, TWO_DASHES)) return position;
    position += 3;
    return this.numberField(Field.END, bytes, position, end);
  }

  private direction(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const wordEnd = endOfWord(bytes, start, end);
    let direction = directions.find(bytes, start, wordEnd);
    if (direction < 0 && this.number.either(bytes, start, wordEnd) === wordEnd) direction = this.number.value;
    if (direction < 0 || direction > Direction.NONE) {
      if (wordEnd === end) return this.failure.fail(TextResult.CUT);
      this.remarks |= TextRemark.UNKNOWN_DIRECTION;
      direction = NO_DIRECTION;
    }
    batch.direction[row] = direction;
    return wordEnd;
  }

  /** Names or numbers joined by `|`, perhaps none. */
  private attributes(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const wordEnd = endOfWord(bytes, start, end);
    let attrs = 0;
    let position = start;
    while (position < wordEnd) {
      let nameEnd = position;
      while (nameEnd < wordEnd && bytes[nameEnd] !== PIPE) nameEnd++;
      const attribute = attributes.find(bytes, position, nameEnd);
      if (attribute >= 0) attrs |= 1 << attribute;
      else if (this.number.either(bytes, position, nameEnd) === nameEnd && this.number.value >= 0 && this.number.value <= ATTRS_MAX)
        attrs |= this.number.value;
      else this.remarks |= TextRemark.UNKNOWN_ATTRIBUTE;
      position = nameEnd + 1;
    }
    batch.attrs[row] = attrs;
    this.found |= bit(Field.ATTRS);
    return wordEnd;
  }

  private list(field: Field, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    this.found |= bit(field);
    return this.lists.read(field, bytes, start, end, batch, row);
  }

  /** Checks that the line had all fields of its kind, and derives those that older forms do not print. */
  private complete(kind: EventKind, batch: EventBatch, row: number): boolean {
    const missing = REQUIRED_FIELDS[kind]! & ~this.found;
    if (missing !== 0) {
      const otherForm = (this.remarks & TextRemark.UNKNOWN_FIELD) !== 0 && missing !== bit(Field.ATTRS);
      this.failure.fail(otherForm ? TextResult.UNKNOWN_FORM : TextResult.CUT);
      return false;
    }
    if (kind === EventKind.MAP || kind === EventKind.UNMAP) return this.completeRange();
    if (kind === EventKind.BOUNCED) this.setDefault(Field.FORCED, BounceForce.NORMAL);
    if (kind >= EventKind.DMA_MAP_SG && kind <= EventKind.DMA_UNMAP_SG) this.completeCounts(batch, row);
    if (kind === EventKind.DMA_SYNC_SG_FOR_CPU || kind === EventKind.DMA_SYNC_SG_FOR_DEVICE) this.completeCounts(batch, row);
    return true;
  }

  private completeRange(): boolean {
    const end = this.numbers[Field.IOVA]! + this.numbers[Field.SIZE]!;
    this.setDefault(Field.END, end);
    if (this.numbers[Field.END] === end) return true;
    // The last digits of the size are missing: the one way in which both numbers are good and do not fit.
    this.failure.fail(TextResult.CUT);
    return false;
  }

  private completeCounts(batch: EventBatch, row: number): void {
    this.setDefault(Field.NENTS, Math.max(batch.physAddrsCount[row]!, batch.dmaAddrsCount[row]!));
    this.setDefault(Field.ENTS, batch.dmaAddrsCount[row]!);
    this.setDefault(Field.TRUNCATED, 0);
    if (this.numbers[Field.TRUNCATED] !== 0) this.remarks |= TextRemark.LIST_CUT_BY_KERNEL;
  }

  private writeValues(kind: EventKind, batch: EventBatch, row: number): void {
    const column = kind * VALUE_COLUMNS;
    batch.v0[row] = this.numberOf(FIELD_OF_COLUMN[column]!);
    batch.v1[row] = this.numberOf(FIELD_OF_COLUMN[column + 1]!);
    batch.v2[row] = this.numberOf(FIELD_OF_COLUMN[column + 2]!);
    batch.v3[row] = this.numberOf(FIELD_OF_COLUMN[column + 3]!);
    batch.v4[row] = this.numberOf(FIELD_OF_COLUMN[column + 4]!);
    batch.v5[row] = ABSENT;
    batch.v6[row] = ABSENT;
    batch.v7[row] = ABSENT;
  }
}

function isDecimal(field: Field): boolean {
  switch (field) {
    case Field.SIZE:
    case Field.UNMAPPED_SIZE:
    case Field.NENTS:
    case Field.ENTS:
    case Field.ERR:
    case Field.GROUP:
    case Field.TRUNCATED:
    case Field.FORCED:
      return true;
    default:
      return false;
  }
}

/** True for a line feed, alone or after a carriage return. */
function isLineEnd(bytes: Uint8Array, position: number, end: number): boolean {
  const feed = position < end && bytes[position] === CARRIAGE_RETURN ? position + 1 : position;
  return feed < end && bytes[feed] === LINE_FEED;
}
