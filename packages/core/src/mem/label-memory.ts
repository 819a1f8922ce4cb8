import { assert, type PhysAddr, type StateArena } from '../base/index.ts';
import type { Memory } from './memory.ts';

/** A window of physical memory that is cut into granules. */
export interface LabelMemoryParameters {
  /** First byte, a multiple of the granule. */
  readonly start: PhysAddr;
  readonly bytes: number;
  /** Bytes that share a label. */
  readonly granuleBytes: number;
}

/**
 * Memory that keeps one label, 0 to 255, for each granule instead of its bytes: enough to know whose data lies where, and
 * small enough to be part of millions of states. Label 0 is what zeroing leaves.
 *
 * Copies, zeroing and writes cover whole granules, and all of them lie in the window.
 */
export class LabelMemory implements Memory {
  readonly start: PhysAddr;
  readonly granuleBytes: number;
  /** Label of granule k, which begins at `start + k * granuleBytes`. */
  labels!: Uint8Array<ArrayBuffer>;

  constructor(arena: StateArena, { start, bytes, granuleBytes }: LabelMemoryParameters) {
    assert(start % granuleBytes === 0 && bytes % granuleBytes === 0, 'a window of labelled memory has whole granules');
    this.start = start;
    this.granuleBytes = granuleBytes;
    arena.table('labelMemory', bytes / granuleBytes, { label: 'u8' }, (columns) => {
      this.labels = columns.label;
    });
  }

  /** Granule that begins at the address. */
  granuleAt(address: PhysAddr): number {
    const granule = (address - this.start) / this.granuleBytes;
    assert(Number.isInteger(granule) && granule >= 0 && granule <= this.labels.length, 'address of labelled memory at a granule');
    return granule;
  }

  copy(destination: PhysAddr, source: PhysAddr, bytes: number): void {
    const from = this.granuleAt(source);
    this.labels.copyWithin(this.granuleAt(destination), from, from + this.granulesIn(bytes));
  }

  zero(address: PhysAddr, bytes: number): void {
    const first = this.granuleAt(address);
    this.labels.fill(0, first, first + this.granulesIn(bytes));
  }

  /** Every byte reads as the label of its granule. */
  read(address: PhysAddr, into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) into[index] = this.labels[this.holding(address + index)];
  }

  /** Each granule gets the byte written at its start as its label. */
  write(address: PhysAddr, from: Uint8Array): void {
    const first = this.granuleAt(address);
    for (let granule = 0; granule < this.granulesIn(from.length); granule++)
      this.labels[first + granule] = from[granule * this.granuleBytes];
  }

  private holding(address: PhysAddr): number {
    return Math.floor((address - this.start) / this.granuleBytes);
  }

  private granulesIn(bytes: number): number {
    assert(bytes % this.granuleBytes === 0, 'labelled memory changes in whole granules');
    return bytes / this.granuleBytes;
  }
}
