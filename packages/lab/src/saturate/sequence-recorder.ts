import { RecordedCall } from '../replay/call-records.ts';
import type { CallSequence, SequenceCall } from './call-sequence.ts';

/** Where a mapping of the window stands. */
interface OpenMapping {
  readonly number: number;
  readonly mapCall: number;
  /** Rows of its syncs so far. */
  readonly syncs: number[];
}

/** What a recorder was given and could not use. */
export interface SequenceLosses {
  /** Unmaps and syncs of mappings that were made before the window. */
  readonly endedFromBefore: number;
  /** Mappings that were still open when the window ended; they are left out with their syncs. */
  readonly leftOpen: number;
  /** Maps that failed in the recording. */
  readonly failed: number;
}

/**
 * Records a window of calls as a sequence that can be repeated: only mappings that are made and ended inside the window
 * are kept, with their syncs. What stays mapped for long (descriptor rings, coherent memory) is thereby left out, as in
 * the steady state of a driver.
 */
export class SequenceRecorder {
  private readonly callsMax: number;
  private readonly rows: Row[] = [];
  private readonly phys: number[] = [];
  private readonly lengths: number[] = [];
  private readonly open = new Map<number, OpenMapping>();
  private next = 0;
  private endedFromBefore = 0;
  private failed = 0;

  /** @param callsMax  length of the window; calls after it are not looked at */
  constructor(callsMax: number) {
    this.callsMax = callsMax;
  }

  get isFull(): boolean {
    return this.rows.length >= this.callsMax;
  }

  /** Takes over one call; the object can be reused. A `mapping` of -1 is a map that failed. */
  add(call: SequenceCall): void {
    if (this.isFull) return;
    if (makesMapping(call.kind)) {
      if (call.mapping < 0) {
        this.failed += 1;
        return;
      }
      this.open.set(call.mapping, { number: this.next, mapCall: this.rows.length, syncs: [] });
      this.push(call, this.next++);
      return;
    }
    const open = this.open.get(call.mapping);
    if (open === undefined) {
      this.endedFromBefore += 1;
      return;
    }
    const isSync = call.kind === RecordedCall.SYNC_FOR_CPU || call.kind === RecordedCall.SYNC_FOR_DEVICE;
    if (isSync) open.syncs.push(this.rows.length);
    else this.open.delete(call.mapping);
    this.push(call, open.number);
  }

  get losses(): SequenceLosses {
    return { endedFromBefore: this.endedFromBefore, leftOpen: this.open.size, failed: this.failed };
  }

  /** The calls so far. */
  finish(): CallSequence {
    const dropped = new Set<number>();
    for (const { mapCall, syncs } of this.open.values()) {
      dropped.add(mapCall);
      for (const sync of syncs) dropped.add(sync);
    }
    return sequenceOf(
      this.rows.filter((_, index) => !dropped.has(index)),
      Float64Array.from(this.phys),
      Float64Array.from(this.lengths),
    );
  }

  private push(call: SequenceCall, mapping: number): void {
    const { kind, device, direction, attrs, bytes, offset } = call;
    const ranges = makesMapping(kind) ? call.count : 0;
    this.rows.push({ kind, device, direction, attrs, bytes, offset, mapping, firstRange: this.phys.length, ranges });
    for (let range = 0; range < ranges; range++) {
      this.phys.push(call.phys[range]);
      this.lengths.push(call.lengths[range]);
    }
  }
}

interface Row {
  readonly kind: RecordedCall;
  readonly device: number;
  readonly direction: number;
  readonly attrs: number;
  readonly bytes: number;
  readonly offset: number;
  readonly mapping: number;
  readonly firstRange: number;
  readonly ranges: number;
}

/** Whether the call makes a mapping. */
export function makesMapping(kind: RecordedCall): boolean {
  return (
    kind === RecordedCall.MAP_PAGE || kind === RecordedCall.MAP_SG || kind === RecordedCall.MAP_RESOURCE || kind === RecordedCall.ALLOC
  );
}

function sequenceOf(rows: readonly Row[], phys: Float64Array, lengths: Float64Array): CallSequence {
  const { mapping, mappingRanges } = renumber(rows);
  return {
    calls: rows.length,
    pairs: rows.filter(({ kind }) => makesMapping(kind)).length,
    devices: [...new Set(rows.map(({ device }) => device))].sort((left, right) => left - right),
    kind: Uint8Array.from(rows, (row) => row.kind),
    device: Int32Array.from(rows, (row) => row.device),
    direction: Uint8Array.from(rows, (row) => row.direction),
    attrs: Uint16Array.from(rows, (row) => row.attrs),
    bytes: Float64Array.from(rows, (row) => row.bytes),
    mapping,
    offset: Float64Array.from(rows, (row) => row.offset),
    firstRange: Uint32Array.from(rows, (row) => row.firstRange),
    ranges: Uint32Array.from(rows, (row) => row.ranges),
    phys,
    lengths,
    mappingRanges,
  };
}

/** Gives mappings that are not open at the same time the same number. */
function renumber(rows: readonly Row[]): { readonly mapping: Int32Array; readonly mappingRanges: Uint32Array } {
  const numbers = new Map<number, number>();
  const free: number[] = [];
  const mappingRanges: number[] = [];
  const mapping = new Int32Array(rows.length);
  for (const [index, row] of rows.entries()) {
    let number = numbers.get(row.mapping);
    if (makesMapping(row.kind)) {
      number = free.pop() ?? mappingRanges.push(0) - 1;
      numbers.set(row.mapping, number);
      mappingRanges[number] = Math.max(mappingRanges[number], row.ranges);
    } else if (row.kind !== RecordedCall.SYNC_FOR_CPU && row.kind !== RecordedCall.SYNC_FOR_DEVICE) {
      free.push(number!);
    }
    mapping[index] = number!;
  }
  return { mapping, mappingRanges: Uint32Array.from(mappingRanges) };
}
