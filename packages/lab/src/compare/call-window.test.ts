import { Direction } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { RecordedCall } from '../replay/call-records.ts';
import { CallWindow } from './call-window.ts';

/** Adds pairs, each of a buffer whose size is its number from 1 on. */
function addPairs(window: CallWindow, from: number, to: number): void {
  for (let bytes = from; bytes <= to; bytes++) {
    const call = { device: 0, direction: Direction.TO_DEVICE, attrs: 0, bytes, mapping: 0, offset: 0, phys: [4096], lengths: [bytes] };
    window.add({ ...call, kind: RecordedCall.MAP_PAGE, count: 1 });
    window.add({ ...call, kind: RecordedCall.UNMAP_PAGE, count: 0 });
  }
}

function sizes(window: CallWindow): number[] {
  return [...window.finish().sequence.lengths];
}

describe('CallWindow', () => {
  it('is the beginning of a short recording', () => {
    const window = new CallWindow(8);
    addPairs(window, 1, 3);
    expect(sizes(window)).toEqual([1, 2, 3]);
  });

  it('moves on whenever the calls have doubled', () => {
    const window = new CallWindow(8);
    addPairs(window, 1, 4);
    expect(sizes(window)).toEqual([1, 2, 3, 4]);
    // Calls 8 to 15, then from call 16 on, then from call 32 on.
    addPairs(window, 5, 8);
    expect(sizes(window)).toEqual([5, 6, 7, 8]);
    addPairs(window, 9, 16);
    expect(sizes(window)).toEqual([9, 10, 11, 12]);
    addPairs(window, 17, 19);
    expect(sizes(window)).toEqual([9, 10, 11, 12]);
    addPairs(window, 20, 32);
    expect(sizes(window)).toEqual([17, 18, 19, 20]);
  });
});
