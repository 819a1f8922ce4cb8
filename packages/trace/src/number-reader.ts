import { ALL_ONES } from './event-kind.ts';

const HEX_DIGIT: Int8Array = hexDigits();
const TWO_32 = 2 ** 32;
const TWO_53 = 2 ** 53;
/** High half from which a 64-bit number is 2^53 or more. */
const HIGH_OF_TWO_53 = 2 ** 21;
const HEX_DIGITS_MAX = 16;
const DECIMAL_DIGITS_MAX = 20;
/** What 2^64 - 1 is as a double; its low half tells it from its neighbours. */
const TWO_64 = 2 ** 64;

const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_X = 0x78;

/**
 * Reads one unsigned 64-bit number from text bytes, without making a string.
 *
 * A reader returns the position after the last digit, or -1 when there is no number or it has too many digits. The
 * number then stands in `high` and `low` (hexadecimal only) and in `value`.
 */
export class NumberReader {
  /** Halves as signed 32-bit integers; use `>>> 0`. */
  high = 0;
  low = 0;
  /** Where reading stopped, also when it failed: the end of the text when only more digits could have helped. */
  stop = 0;
  /** The number; ALL_ONES for 64 ones, NaN when it is 2^53 or more and so has no exact double. */
  value = 0;

  /** Hexadecimal digits, with or without `0x`. */
  hex(bytes: Uint8Array, start: number, end: number): number {
    let position = start;
    if (position + 1 < end && bytes[position] === ZERO && bytes[position + 1] === LETTER_X) position += 2;
    const firstDigit = position;
    let high = 0;
    let low = 0;
    // Four digits at a time: one that is none makes the sum negative.
    while (position + 4 <= end) {
      const upper = (HEX_DIGIT[bytes[position]!]! << 12) | (HEX_DIGIT[bytes[position + 1]!]! << 8);
      const quad = upper | (HEX_DIGIT[bytes[position + 2]!]! << 4) | HEX_DIGIT[bytes[position + 3]!]!;
      if (quad < 0) break;
      high = (high << 16) | (low >>> 16);
      low = (low << 16) | quad;
      position += 4;
    }
    while (position < end) {
      const digit = HEX_DIGIT[bytes[position]!]!;
      if (digit < 0) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
      position++;
    }
    this.stop = position;
    if (position === firstDigit || position - firstDigit > HEX_DIGITS_MAX) return -1;
    this.high = high;
    this.low = low;
    if (high === 0) this.value = low >>> 0;
    else if (high >>> 0 < HIGH_OF_TWO_53) this.value = (high >>> 0) * TWO_32 + (low >>> 0);
    else this.value = (high & low) === -1 ? ALL_ONES : Number.NaN;
    return position;
  }

  /** Decimal digits with an optional minus sign. */
  decimal(bytes: Uint8Array, start: number, end: number): number {
    let position = start;
    const negative = position < end && bytes[position] === MINUS;
    if (negative) position++;
    const firstDigit = position;
    let value = 0;
    let low = 0;
    while (position < end) {
      const byte = bytes[position]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
      low = (Math.imul(low, 10) + (byte - ZERO)) | 0;
      position++;
    }
    this.stop = position;
    if (position === firstDigit || position - firstDigit > DECIMAL_DIGITS_MAX) return -1;
    if (value >= TWO_53) value = value === TWO_64 && low === -1 ? ALL_ONES : Number.NaN;
    this.value = negative && value > 0 ? -value : value;
    return position;
  }

  /** As a raw field is printed: hexadecimal after `0x`, else decimal. */
  either(bytes: Uint8Array, start: number, end: number): number {
    const prefixed = start + 1 < end && bytes[start] === ZERO && bytes[start + 1] === LETTER_X;
    return prefixed ? this.hex(bytes, start, end) : this.decimal(bytes, start, end);
  }
}

function hexDigits(): Int8Array {
  const digits = new Int8Array(256).fill(-1);
  for (let value = 0; value < 16; value++) {
    digits[value.toString(16).charCodeAt(0)] = value;
    digits[value.toString(16).toUpperCase().charCodeAt(0)] = value;
  }
  return digits;
}
