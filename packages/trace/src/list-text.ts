import { asciiBytes, startsWith } from './byte-text.ts';
import type { EventBatch } from './event-batch.ts';
import { Field } from './event-fields.ts';
import { ALL_ONES } from './event-kind.ts';
import { NumberReader } from './number-reader.ts';
import { type TextFailure, TextResult } from './text-result.ts';

const SPACE = 0x20;
const COMMA = 0x2c;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

const TWO_32 = 2 ** 32;
const ADDRESS_BYTES = 8;
const LENGTH_BYTES = 4;
const RAW_BYTE_DIGITS = 2;
const RAW_LIST_PREFIX = asciiBytes('ARRAY[');

/** Reads the lists of scatter events into the list of a batch. */
export class ListText {
  private readonly failure: TextFailure;
  private readonly number: NumberReader = new NumberReader();

  constructor(failure: TextFailure) {
    this.failure = failure;
  }

  /** `{0x1,0x2}`, or `ARRAY[01, 00, ...]` with the bytes of the items, lowest first. */
  read(field: Field, bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): number {
    const offset = batch.listLength;
    const position = startsWith(bytes, start, end, RAW_LIST_PREFIX)
      ? this.rawItems(field === Field.SIZES ? LENGTH_BYTES : ADDRESS_BYTES, bytes, start + RAW_LIST_PREFIX.length, end, batch)
      : this.items(bytes, start, end, batch);
    if (position < 0) return -1;
    const count = batch.listLength - offset;
    if (field === Field.DMA_ADDRS) {
      batch.dmaAddrsOffset[row] = offset;
      batch.dmaAddrsCount[row] = count;
    } else if (field === Field.SIZES) {
      batch.sizesOffset[row] = offset;
      batch.sizesCount[row] = count;
    } else {
      batch.physAddrsOffset[row] = offset;
      batch.physAddrsCount[row] = count;
    }
    return position;
  }

  private items(bytes: Uint8Array, start: number, end: number, batch: EventBatch): number {
    let position = start;
    if (position >= end || bytes[position] !== BRACE_OPEN) return this.failure.failAt(position, end, TextResult.UNKNOWN_FORM);
    position++;
    if (position < end && bytes[position] === BRACE_CLOSE) return position + 1;
    for (;;) {
      const itemEnd = this.number.hex(bytes, position, end);
      if (itemEnd < 0) return this.failure.failAt(this.number.stop, end, TextResult.BAD_NUMBER);
      if (Number.isNaN(this.number.value)) return this.failure.fail(TextResult.BEYOND_2_53);
      batch.pushListItem(this.number.value);
      if (itemEnd >= end) return this.failure.fail(TextResult.CUT);
      if (bytes[itemEnd] === BRACE_CLOSE) return itemEnd + 1;
      if (bytes[itemEnd] !== COMMA) return this.failure.fail(TextResult.BAD_NUMBER);
      position = itemEnd + 1;
    }
  }

  private rawItems(itemBytes: number, bytes: Uint8Array, start: number, end: number, batch: EventBatch): number {
    let position = start;
    let low = 0;
    let high = 0;
    let filled = 0;
    while (position < end && bytes[position] !== BRACKET_CLOSE) {
      if (bytes[position] === COMMA || bytes[position] === SPACE) {
        position++;
        continue;
      }
      const byteEnd = this.number.hex(bytes, position, Math.min(end, position + RAW_BYTE_DIGITS));
      if (byteEnd < 0) return this.failure.fail(TextResult.BAD_NUMBER);
      position = byteEnd;
      if (filled < 4) low |= this.number.low << (filled * 8);
      else high |= this.number.low << ((filled - 4) * 8);
      filled++;
      if (filled < itemBytes) continue;
      const value = (high & low) === -1 ? ALL_ONES : (high >>> 0) * TWO_32 + (low >>> 0);
      if (value > Number.MAX_SAFE_INTEGER) return this.failure.fail(TextResult.BEYOND_2_53);
      batch.pushListItem(value);
      low = 0;
      high = 0;
      filled = 0;
    }
    if (position >= end) return this.failure.fail(TextResult.CUT);
    if (filled !== 0) return this.failure.fail(TextResult.UNKNOWN_FORM);
    return position + 1;
  }
}
