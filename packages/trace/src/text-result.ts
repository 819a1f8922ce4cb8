/** What became of an event's text. */
export const TextResult = {
  OK: 0,
  /** The line ends before the event is complete. */
  CUT: 1,
  UNKNOWN_FORM: 2,
  BAD_NUMBER: 3,
  /** A number that a row keeps is 2^53 or more. */
  BEYOND_2_53: 4,
} as const;
export type TextResult = (typeof TextResult)[keyof typeof TextResult];

/** Bits of `remarks`: the row is good, something beside it is not. */
export const TextRemark = {
  UNKNOWN_ATTRIBUTE: 1,
  UNKNOWN_FIELD: 2,
  UNKNOWN_DIRECTION: 4,
  LIST_CUT_BY_KERNEL: 8,
  DESCRIPTOR_WORDS: 16,
} as const;

/** Why a reader of event texts had to stop, kept by the reader so that its methods can return positions. */
export class TextFailure {
  result: TextResult = TextResult.OK;

  clear(): void {
    this.result = TextResult.OK;
  }

  /** Remembers the first reason; -1, to be returned as a position. */
  fail(result: TextResult): number {
    if (this.result === TextResult.OK) this.result = result;
    return -1;
  }

  /** Bad text at `position`: the line was cut there if nothing follows. */
  failAt(position: number, end: number, result: TextResult): number {
    return this.fail(position >= end ? TextResult.CUT : result);
  }
}
