import { ceilLog2 } from 'dmalab-core';

const NONE = -1;

/**
 * Blocks of DMA segments, so that a mapping of any length keeps its addresses without an object of its own.
 *
 * A block is named by the row of its first segment and holds a power of two of rows; freed blocks are used again.
 */
export class SegmentStore {
  dmaAddr: Float64Array<ArrayBuffer> = new Float64Array(1024);
  bytes: Float64Array<ArrayBuffer> = new Float64Array(1024);
  /** First free block by log2 of its rows; the next one stands in `dmaAddr`. */
  private readonly free: Int32Array = new Int32Array(32).fill(NONE);
  private used = 0;

  /** A block for `count` segments, 1 or more. */
  take(count: number): number {
    const size = ceilLog2(count);
    const block = this.free[size];
    if (block !== NONE) {
      this.free[size] = this.dmaAddr[block];
      return block;
    }
    const rows = 2 ** size;
    while (this.used + rows > this.dmaAddr.length) this.grow();
    const fresh = this.used;
    this.used += rows;
    return fresh;
  }

  /** Gives a block back; `count` as for `take`. */
  release(block: number, count: number): void {
    const size = ceilLog2(count);
    this.dmaAddr[block] = this.free[size];
    this.free[size] = block;
  }

  private grow(): void {
    this.dmaAddr = doubled(this.dmaAddr);
    this.bytes = doubled(this.bytes);
  }
}

function doubled(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(column.length * 2);
  grown.set(column);
  return grown;
}
