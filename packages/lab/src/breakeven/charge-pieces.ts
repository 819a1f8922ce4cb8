import { PAGE_SIZE, type ProtectionPolicy, SLOT_BYTES } from 'dmalab-core';
import { COPY_KNOTS } from '../cost/copy-table.ts';
import { type BufferAlignment, isOfAlignment, offsetOf } from './buffer-alignment.ts';

/**
 * Pieces of sizes on which the work of a pair is linear in the size: the pages, the slots and the interval of the copy
 * table stay the same, and only copied and cleared bytes grow.
 */
export class ChargePieces {
  private readonly alignment: BufferAlignment;
  private readonly offset: number;
  private readonly copies: 'nothing' | 'edges' | 'everything';

  constructor(policy: ProtectionPolicy, alignment: BufferAlignment) {
    this.alignment = alignment;
    this.offset = offsetOf(alignment);
    // A buffer of whole pages at an odd place is as unaligned as they come.
    const bounces = policy.bounces(this.offset, alignment === 'aligned' ? PAGE_SIZE : 1);
    if (!bounces) this.copies = 'nothing';
    else this.copies = policy.bouncesEdgesOnly ? 'edges' : 'everything';
  }

  /** First and last size of the piece that `bytes` is in. */
  around(bytes: number): readonly [first: number, last: number] {
    let first = bytes;
    while (!this.begins(first)) first -= 1;
    return [first, this.next(bytes) - 1];
  }

  /** First size of the next piece; of sizes that are not of the alignment each is a piece of its own. */
  next(bytes: number): number {
    let next = bytes + 1;
    while (!this.begins(next)) next += 1;
    return next;
  }

  private begins(bytes: number): boolean {
    const end = this.offset + bytes;
    if (!isOfAlignment(this.alignment, bytes) || !isOfAlignment(this.alignment, bytes - 1) || end % PAGE_SIZE === 1) return true;
    switch (this.copies) {
      case 'nothing':
        return false;
      case 'edges':
        return end % SLOT_BYTES === 1 || COPY_KNOTS.includes(end < PAGE_SIZE ? bytes : end % PAGE_SIZE);
      case 'everything':
        return bytes % SLOT_BYTES === 1 || end % SLOT_BYTES === 1 || COPY_KNOTS.includes(bytes);
    }
  }
}
