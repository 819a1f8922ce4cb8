/** What the driver asked for, as far as the trace tells. */
export const RecordedCall = {
  MAP_PAGE: 0,
  UNMAP_PAGE: 1,
  MAP_SG: 2,
  UNMAP_SG: 3,
  MAP_RESOURCE: 4,
  UNMAP_RESOURCE: 5,
  ALLOC: 6,
  FREE: 7,
  SYNC_FOR_CPU: 8,
  SYNC_FOR_DEVICE: 9,
} as const;
export type RecordedCall = (typeof RecordedCall)[keyof typeof RecordedCall];

/**
 * Calls that have been put together from their lines and not yet been used up; a row per call, reused after `release`.
 */
export class CallRecords {
  capacity = 0;
  kind: Uint8Array = new Uint8Array(0);
  /** 1 for a call without an API line of its own, rebuilt from its inner lines (a scatter list that could not be mapped). */
  rebuilt: Uint8Array = new Uint8Array(0);
  /** 1 when the API line stands before the work (dma_unmap_sg, dma_free). */
  apiFirst: Uint8Array = new Uint8Array(0);
  device: Int32Array = new Int32Array(0);
  context: Int32Array = new Int32Array(0);
  /** Sequence numbers of the first line of the call and of its API line (-1 when rebuilt). */
  firstSeq: Float64Array = new Float64Array(0);
  apiSeq: Float64Array = new Float64Array(0);
  /** The last line that is known to belong to it. */
  lastSeq: Float64Array = new Float64Array(0);
  /** Live mapping that it made or ends, -1 when unknown. */
  mapping: Int32Array = new Int32Array(0);
  /** Entries of a rebuilt scatter list. */
  entries: (RebuiltEntries | null)[] = [];
  /** Recorded `map` lines of the call, in order, as sequence numbers; reused arrays. */
  mapLines: number[][] = [];
  private free: number[] = [];

  /** A row for a new call. */
  take(kind: RecordedCall, device: number, context: number, firstSeq: number, apiSeq: number): number {
    if (this.free.length === 0) this.grow();
    const call = this.free.pop()!;
    this.kind[call] = kind;
    this.rebuilt[call] = 0;
    this.apiFirst[call] = 0;
    this.device[call] = device;
    this.context[call] = context;
    this.firstSeq[call] = firstSeq;
    this.apiSeq[call] = apiSeq;
    this.lastSeq[call] = apiSeq;
    this.mapping[call] = -1;
    // Setting the length of an array costs more than all else here.
    if (this.mapLines[call].length > 0) this.mapLines[call].length = 0;
    this.entries[call] = null;
    return call;
  }

  release(call: number): void {
    this.free.push(call);
  }

  private grow(): void {
    const old = this.capacity;
    this.capacity = Math.max(64, old * 2);
    for (const name of ['kind', 'rebuilt', 'apiFirst'] as const) {
      const grown = new Uint8Array(this.capacity);
      grown.set(this[name]);
      this[name] = grown;
    }
    for (const name of ['device', 'context', 'mapping'] as const) {
      const grown = new Int32Array(this.capacity);
      grown.set(this[name]);
      this[name] = grown;
    }
    for (const name of ['firstSeq', 'apiSeq', 'lastSeq'] as const) {
      const grown = new Float64Array(this.capacity);
      grown.set(this[name]);
      this[name] = grown;
    }
    for (let call = this.capacity - 1; call >= old; call--) {
      this.free.push(call);
      this.mapLines[call] = [];
      this.entries[call] = null;
    }
  }
}

/** What the inner lines of a failed scatter list tell of its entries; the last one is the entry that failed. */
export interface RebuiltEntries {
  readonly phys: Float64Array;
  readonly bytes: Float64Array;
}
