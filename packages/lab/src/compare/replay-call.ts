import { Direction } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';

/** Ranges that there is room for at first: most calls have one. */
const RANGES = 4;

/** One call of the recording as every row replays it; the object and its arrays are reused. */
export class ReplayCall {
  kind: RecordedCall = RecordedCall.MAP_PAGE;
  cpu = 0;
  timeNs = 0;
  /** Line of the file that the call begins with. */
  line = 0;
  /** Device of the machine. */
  device = 0;
  direction: Direction = Direction.NONE;
  attrs = 0;
  /** Bytes that the call names: of the buffer, the allocation or the synced part. */
  bytes = 0;
  /** Ranges to map: the buffer, the entries of the list, or the physical runs of an allocation. */
  phys: Float64Array<ArrayBuffer> = new Float64Array(RANGES);
  lengths: Float64Array<ArrayBuffer> = new Float64Array(RANGES);
  count = 0;
  /** Row of the mapping that the call makes, ends or syncs; -1 for a map that failed in the recording. */
  mapping = -1;
  /** Syncs: where the synced part begins inside the mapping; -1 for the segments of a whole list. */
  offset = 0;

  /** Room for so many ranges; what was there is lost. */
  reserve(count: number): void {
    if (count <= this.phys.length) return;
    this.phys = new Float64Array(count * 2);
    this.lengths = new Float64Array(count * 2);
  }

  setRange(phys: number, bytes: number): void {
    this.phys[0] = phys;
    this.lengths[0] = bytes;
    this.count = 1;
  }
}

/** Whether the call makes streaming mappings, the only ones that can be bounced. */
export function isStreamingMap(kind: RecordedCall): boolean {
  return kind === RecordedCall.MAP_PAGE || kind === RecordedCall.MAP_SG;
}
