import type { Direction } from 'dmalab-core';
import type { RecordedCall } from '../replay/call-records.ts';

/**
 * Calls of the DMA API in the order of one CPU, without times: what a saturated CPU runs over and over.
 *
 * Every mapping is made and ended inside the sequence, so that it can begin anew where it ends. Mappings are numbered
 * from 0; a number is used again once its mapping has ended, so there are as many as mappings are open at once.
 */
export interface CallSequence {
  readonly calls: number;
  /** Calls that make a mapping, each with one that ends it. */
  readonly pairs: number;
  /** Indices of the devices that it uses, ascending. */
  readonly devices: readonly number[];
  /** By call: a RecordedCall. */
  readonly kind: Uint8Array;
  readonly device: Int32Array;
  readonly direction: Uint8Array;
  readonly attrs: Uint16Array;
  /** Bytes that the call names: of the buffer, the allocation or the synced part. */
  readonly bytes: Float64Array;
  /** Mapping that it makes, ends or syncs. */
  readonly mapping: Int32Array;
  /** Syncs: where the synced part begins inside the mapping; -1 for the segments of a whole list. */
  readonly offset: Float64Array;
  /** Calls that map: rows of `phys` and `lengths` from `firstRange` on. */
  readonly firstRange: Uint32Array;
  readonly ranges: Uint32Array;
  readonly phys: Float64Array;
  readonly lengths: Float64Array;
  /** Most ranges that each mapping number ever has. */
  readonly mappingRanges: Uint32Array;
}

/** One call as a sequence is built of it. */
export interface SequenceCall {
  readonly kind: RecordedCall;
  readonly device: number;
  readonly direction: Direction;
  readonly attrs: number;
  readonly bytes: number;
  readonly mapping: number;
  readonly offset: number;
  /** Ranges to map, the first `count` rows; of no meaning in other calls. */
  readonly phys: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
  readonly count: number;
}
