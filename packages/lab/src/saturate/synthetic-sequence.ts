import { assert, Direction, PAGE_SIZE, roundUp } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import type { CallSequence } from './call-sequence.ts';
import { SequenceRecorder } from './sequence-recorder.ts';

/** A driver that keeps a ring of equal buffers mapped and replaces the oldest, one by one. */
export interface BufferRing {
  /** Bytes of each buffer, 1 or more. */
  readonly bytes: number;
  /** Where in its page each buffer begins, 0 to 4095. */
  readonly offset: number;
  readonly direction: Direction;
  /** Buffers mapped at once, 1 or more. At 1 each is unmapped before the next is mapped. */
  readonly depth: number;
  /** Map and unmap pairs of one round; at least `depth`. */
  readonly pairs: number;
}

/** Physical address of the first buffer: above the space below 4 GiB, where pools lie. */
const FIRST_BUFFER = 2 ** 32;

/** Calls of one device, 0: maps single buffers with dma_map_page, each in pages of its own. */
export function bufferRingSequence({ bytes, offset, direction, depth, pairs }: BufferRing): CallSequence {
  assert(pairs >= depth && depth >= 1, 'a ring is gone round at least once');
  const recorder = new SequenceRecorder(2 * pairs);
  const spacing = roundUp(offset + bytes, PAGE_SIZE);
  const call = { device: 0, direction, attrs: 0, bytes, offset: 0, count: 1 };
  const unmap = (mapping: number): void =>
    recorder.add({ ...call, kind: RecordedCall.UNMAP_PAGE, mapping, phys: [], lengths: [], count: 0 });
  for (let pair = 0; pair < pairs; pair++) {
    if (pair >= depth) unmap(pair - depth);
    const phys = FIRST_BUFFER + (pair % (2 * depth)) * spacing + offset;
    recorder.add({ ...call, kind: RecordedCall.MAP_PAGE, mapping: pair, phys: [phys], lengths: [bytes] });
  }
  for (let pair = pairs - depth; pair < pairs; pair++) unmap(pair);
  return recorder.finish();
}

/** The commonest case: one device reads page-aligned or shifted buffers that it gets and gives back at once. */
export function mapUnmapSequence(bytes: number, offset = 0, direction: Direction = Direction.TO_DEVICE): CallSequence {
  return bufferRingSequence({ bytes, offset, direction, depth: 1, pairs: 64 });
}
