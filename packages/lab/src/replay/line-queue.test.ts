import { Prng } from 'dmalab-core';
import { EventBatch, EventKind, TraceNames } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import { LineQueue, LineState } from './line-queue.ts';

/** What is remembered of a line, the obvious way. */
interface OracleLine {
  readonly seq: number;
  readonly previous: number;
  next: number;
  readonly v0: number;
  readonly lists: readonly number[][];
}

/** A batch of one scatter-gather row. */
function rowOf(line: number, v0: number, lists: readonly number[][]): EventBatch {
  const batch = new EventBatch(new TraceNames(), 1);
  batch.rowCount = 1;
  batch.line[0] = line;
  batch.kind[0] = EventKind.DMA_MAP_SG;
  batch.v0[0] = v0;
  const columns = [
    [batch.dmaAddrsOffset, batch.dmaAddrsCount],
    [batch.sizesOffset, batch.sizesCount],
    [batch.physAddrsOffset, batch.physAddrsCount],
  ] as const;
  lists.forEach((list, index) => {
    columns[index][0][0] = batch.listLength;
    columns[index][1][0] = list.length;
    for (const item of list) batch.pushListItem(item);
  });
  return batch;
}

function expectHeld(queue: LineQueue, held: readonly OracleLine[]): void {
  expect(queue.head).toBe(held.length > 0 ? held[0].seq : queue.tail);
  expect(queue.tail - queue.head).toBe(held.length);
  for (const { seq, previous, next, v0, lists } of held) {
    const at = seq & queue.mask;
    expect([queue.line[at], queue.v0[at], queue.previous[at], queue.next[at]]).toEqual([seq + 1, v0, previous, next]);
    const offsets = [queue.dmaAddrs[at], queue.sizes[at], queue.physAddrs[at]];
    const counts = [queue.dmaAddrsCount[at], queue.sizesCount[at], queue.physAddrsCount[at]];
    lists.forEach((list, index) => {
      expect(counts[index]).toBe(list.length);
      if (list.length === 0) return;
      // A list never wraps, so its items are a plain slice.
      const start = offsets[index] & queue.listMask;
      expect([...queue.list.subarray(start, start + list.length)]).toEqual(list);
    });
  }
}

/** Goal: whatever grows and wraps, a held line keeps its contents, its neighbours and its lists. */
describe('LineQueue', () => {
  it.each([1, 2, 3, 4])('against a plain list, seed %i', (seed) => {
    const random = new Prng(seed);
    const queue = new LineQueue(4);
    const held: OracleLine[] = [];
    const last = [-1, -1, -1];
    for (let step = 0; step < 3000; step++) {
      const filling = Math.floor(step / 250) % 2 === 0;
      if (held.length > 0 && random.chance(filling ? 2 : 4, 6)) {
        queue.pop();
        held.shift();
      } else {
        const context = random.below(3);
        const lists = [0, 1, 2].map(() => (random.chance(1, 3) ? randomList(random) : []));
        const v0 = random.below(1e6);
        const seq = queue.push(rowOf(queue.tail + 1, v0, lists), 0, context, last[context]);
        const before = held.find((line) => line.seq === last[context]);
        if (before !== undefined) before.next = seq;
        held.push({ seq, previous: last[context], next: -1, v0, lists });
        last[context] = seq;
      }
      if (step % 50 === 0) expectHeld(queue, held);
    }
    expectHeld(queue, held);
    expect(queue.mask).toBeGreaterThan(3);
    expect(queue.listMask).toBeGreaterThan((1 << 14) - 1);
  });

  it('a new line is open and belongs to no call', () => {
    const queue = new LineQueue(4);
    for (let line = 1; line <= 9; line++) {
      const at = queue.push(rowOf(line, 0, []), 0, 0, -1) & queue.mask;
      expect([queue.state[at], queue.call[at]]).toEqual([LineState.OPEN, -1]);
      queue.state[at] = LineState.IN_CALL;
      queue.call[at] = line;
      if (line > 3) queue.pop();
    }
    expect([...Array(3).keys()].map((index) => queue.call[(queue.head + index) & queue.mask])).toEqual([7, 8, 9]);
  });

  it('holds a list longer than its first list ring', () => {
    const queue = new LineQueue(4);
    const short = Array.from({ length: 100 }, (_, index) => index);
    const long = Array.from({ length: 40_000 }, (_, index) => index * 3);
    queue.push(rowOf(1, 0, [short]), 0, 0, -1);
    queue.push(rowOf(2, 0, [short, long, short]), 0, 0, 0);
    expectHeld(queue, [
      { seq: 0, previous: -1, next: 1, v0: 0, lists: [short] },
      { seq: 1, previous: 0, next: -1, v0: 0, lists: [short, long, short] },
    ]);
  });
});

function randomList(random: Prng): number[] {
  const count = random.chance(1, 20) ? 1 + random.below(3000) : 1 + random.below(130);
  return Array.from({ length: count }, () => random.next32() * 4096);
}
