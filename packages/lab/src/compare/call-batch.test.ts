import { describe, expect, it } from 'vitest';
import { CallBatch } from './call-batch.ts';
import type { PolicyRow } from './policy-row.ts';

/** A row that notes the times of the calls it gets. */
function notingRow(seen: number[]): PolicyRow {
  return { replay: ({ timeNs }: { timeNs: number }) => seen.push(timeNs) > 0 } as unknown as PolicyRow;
}

describe('CallBatch', () => {
  it('replays in the order in which calls were taken in, however often it is full', () => {
    const batch = new CallBatch();
    const seen: number[] = [];
    const expected: number[] = [];
    for (let time = 0; time < 3000; time++) {
      batch.next.timeNs = time;
      if (time % 7 === 0) {
        batch.pushBefore().timeNs = -time;
        expected.push(-time);
      }
      expected.push(time);
      if (batch.push()) batch.replayIn([notingRow(seen)]);
    }
    batch.replayIn([notingRow(seen)]);
    expect(seen).toEqual(expected);
  });

  it('gives a call out again that was not taken in', () => {
    const batch = new CallBatch();
    const { next } = batch;
    expect(batch.next).toBe(next);
    batch.push();
    expect(batch.next).not.toBe(next);
  });
});
