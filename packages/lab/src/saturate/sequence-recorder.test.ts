import { Direction } from 'dmalab-core';
import { describe, expect, it, test } from 'vitest';
import { RecordedCall } from '../replay/call-records.ts';
import type { SequenceCall } from './call-sequence.ts';
import { SequenceRecorder } from './sequence-recorder.ts';
import { bufferRingSequence } from './synthetic-sequence.ts';

const { MAP_PAGE, MAP_SG, UNMAP_PAGE, UNMAP_SG, SYNC_FOR_CPU } = RecordedCall;

function call(kind: RecordedCall, mapping: number, ...lengths: number[]): SequenceCall {
  const phys = lengths.map((_, index) => 0x10000 * (index + 1));
  const direction = Direction.FROM_DEVICE;
  return { kind, device: 3, direction, attrs: 0, bytes: lengths[0] ?? 64, mapping, offset: 0, phys, lengths, count: lengths.length };
}

function recorded(calls: readonly SequenceCall[], callsMax = 100): SequenceRecorder {
  const recorder = new SequenceRecorder(callsMax);
  for (const one of calls) recorder.add(one);
  return recorder;
}

describe('a window of a recording', () => {
  it('keeps the mappings that are made and ended in it, with their syncs, in order', () => {
    const recorder = recorded([
      call(UNMAP_PAGE, 70),
      call(MAP_PAGE, 71, 100),
      call(SYNC_FOR_CPU, 70),
      call(MAP_SG, 72, 1, 2, 3),
      call(SYNC_FOR_CPU, 71),
      call(MAP_PAGE, 73, 200),
      call(SYNC_FOR_CPU, 73),
      call(UNMAP_PAGE, 71),
      call(MAP_PAGE, -1, 5),
      call(MAP_PAGE, 74, 300),
      call(UNMAP_SG, 72),
      call(UNMAP_PAGE, 74),
    ]);
    expect(recorder.losses).toEqual({ endedFromBefore: 2, leftOpen: 1, failed: 1 });
    const sequence = recorder.finish();
    expect([...sequence.kind]).toEqual([MAP_PAGE, MAP_SG, SYNC_FOR_CPU, UNMAP_PAGE, MAP_PAGE, UNMAP_SG, UNMAP_PAGE]);
    // The third mapping takes over the number of the first, which has ended.
    expect([...sequence.mapping]).toEqual([0, 1, 0, 0, 0, 1, 0]);
    expect([...sequence.mappingRanges]).toEqual([1, 3]);
    expect({ calls: sequence.calls, pairs: sequence.pairs, devices: sequence.devices }).toEqual({ calls: 7, pairs: 3, devices: [3] });
    const list = sequence.firstRange[1];
    expect([...sequence.lengths.subarray(list, list + sequence.ranges[1])]).toEqual([1, 2, 3]);
    expect([...sequence.ranges]).toEqual([1, 3, 0, 0, 1, 0, 0]);
  });

  it('ends where it is full', () => {
    const recorder = recorded([call(MAP_PAGE, 1, 8), call(UNMAP_PAGE, 1), call(MAP_PAGE, 2, 8), call(UNMAP_PAGE, 2)], 3);
    expect(recorder.isFull).toBe(true);
    expect(recorder.finish().pairs).toBe(1);
    expect(recorder.losses.leftOpen).toBe(1);
  });

  it('does not keep a mapping number that is used again apart from its successor', () => {
    const sequence = recorded([call(MAP_PAGE, 1, 8), call(UNMAP_PAGE, 1), call(MAP_PAGE, 1, 16), call(UNMAP_PAGE, 1)]).finish();
    expect([...sequence.kind]).toEqual([MAP_PAGE, UNMAP_PAGE, MAP_PAGE, UNMAP_PAGE]);
    expect([...sequence.mapping]).toEqual([0, 0, 0, 0]);
  });
});

test('a ring keeps its depth of buffers mapped and ends with none', () => {
  const sequence = bufferRingSequence({ bytes: 5000, offset: 100, direction: Direction.FROM_DEVICE, depth: 4, pairs: 12 });
  expect(sequence.pairs).toBe(12);
  expect(sequence.mappingRanges.length).toBe(4);
  let open = 0;
  let most = 0;
  for (const kind of sequence.kind) {
    open += kind === MAP_PAGE ? 1 : -1;
    most = Math.max(most, open);
  }
  expect({ open, most }).toEqual({ open: 0, most: 4 });
  for (const address of sequence.phys) expect(address % 4096).toBe(100);
});
