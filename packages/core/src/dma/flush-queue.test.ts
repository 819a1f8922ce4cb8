import { beforeEach, expect, test } from 'vitest';
import { StateArena } from '../base/index.ts';
import { FlushQueue } from './flush-queue.ts';

/** What was released: page, pages, tables, to the caches of which CPU. */
let released: [number, number, number, number][] = [];
const sink = {
  releaseQueued(firstPfn: number, pages: number, freedTables: number, _slots: number, _device: number, cpu: number): void {
    released.push([firstPfn, pages, freedTables, cpu]);
  },
};

function flush(queue: FlushQueue): void {
  queue.beginFlush();
  queue.endFlush();
}

beforeEach(() => {
  released = [];
});

test('a ring of 256 holds 255; the 256th range finds it full', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 1 });
  for (let page = 1; page <= 255; page++) {
    expect(queue.isFull(0)).toBe(false);
    queue.append(0, page, 1, -1);
  }
  expect([queue.isFull(0), queue.entriesOn(0), queue.entries, queue.entriesPeak]).toEqual([true, 255, 255, 255]);
  expect(queue.mustFlush(0)).toBe(true);
  queue.drain(0, 0, sink);
  expect(released).toEqual([]);
  flush(queue);
  expect(queue.mustFlush(0)).toBe(false);
  queue.drain(0, 0, sink);
  expect(released.map(([page]) => page)).toEqual(Array.from({ length: 255 }, (_, index) => index + 1));
  expect([queue.entries, queue.entriesPeak, queue.flushesStarted, queue.flushesFinished]).toEqual([0, 255, 1, 1]);
});

test('a range is safe only after a flush that began after it was queued', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 2, ringEntries: 4 });
  queue.append(0, 10, 1, -1);
  queue.beginFlush();
  queue.append(0, 20, 2, 77);
  queue.endFlush();
  queue.drain(0, 1, sink);
  expect(released).toEqual([[10, 1, -1, 1]]);
  queue.drain(0, 1, sink);
  expect(released).toHaveLength(1);
  flush(queue);
  queue.drain(0, 0, sink);
  expect(released[1]).toEqual([20, 2, 77, 0]);
});

test('draining stops at the first range that is not safe, and the ring wraps around', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 1, ringEntries: 3 });
  for (let page = 1; page < 50; page++) {
    queue.append(0, page, 1, -1);
    flush(queue);
    queue.append(0, page + 1000, 1, -1);
    queue.drain(0, 0, sink);
    expect(queue.entriesOn(0)).toBe(1);
    flush(queue);
    queue.drain(0, 0, sink);
  }
  expect(released.map(([page]) => page)).toEqual(Array.from({ length: 49 }, (_, index) => [index + 1, index + 1001]).flat());
});

test('rings of different CPUs are drained each on its own', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 3, ringEntries: 8 });
  queue.append(0, 1, 1, -1);
  queue.append(2, 3, 1, -1);
  flush(queue);
  queue.drain(2, 2, sink);
  expect(released).toEqual([[3, 1, -1, 2]]);
  expect([queue.entriesOn(0), queue.entriesOn(1), queue.entriesOn(2)]).toEqual([1, 0, 0]);
});

test('one timer: the first arming counts until it is disarmed', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 2, ringEntries: 4 });
  expect(queue.timerArmed).toBe(false);
  expect(queue.armTimer(1)).toBe(true);
  expect(queue.armTimer(0)).toBe(false);
  expect([queue.timerArmed, queue.timerCpu]).toEqual([true, 1]);
  queue.disarmTimer();
  expect(queue.armTimer(0)).toBe(true);
  expect(queue.timerCpu).toBe(0);
});

test('slots wait with their range, and the oldest are known by their stamp', () => {
  const slots: [number, number][] = [];
  const slotSink = {
    releaseQueued(_firstPfn: number, _pages: number, _freedTables: number, tlb: number, device: number): void {
      slots.push([tlb, device]);
    },
  };
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 2, ringEntries: 4 });
  expect(queue.oldestSlotStamp()).toBe(Infinity);
  queue.append(0, 1, 1, -1);
  queue.append(0, 2, 1, -1, 0x7000, 3, 12);
  queue.append(1, 3, 1, -1, 0x8000, 4, 11);
  expect([queue.entriesWithSlots, queue.oldestSlotStamp()]).toEqual([2, 11]);
  flush(queue);
  queue.drain(1, 0, slotSink);
  expect([queue.entriesWithSlots, queue.oldestSlotStamp()]).toEqual([1, 12]);
  queue.drain(0, 0, slotSink);
  expect([queue.entriesWithSlots, queue.oldestSlotStamp()]).toEqual([0, Infinity]);
  expect(slots).toEqual([
    [0x8000, 4],
    [-1, 0],
    [0x7000, 3],
  ]);
});

test('appending to a full ring is a bug of the caller', () => {
  const queue = new FlushQueue(new StateArena(), { possibleCpus: 1, ringEntries: 2 });
  queue.append(0, 1, 1, -1);
  expect(() => queue.append(0, 2, 1, -1)).toThrow('full flush-queue ring');
  expect(() => new FlushQueue(new StateArena(), { possibleCpus: 1, ringEntries: 1 })).toThrow('at least two entries');
});

test('a restored queue releases the same', () => {
  const arena = new StateArena();
  const queue = new FlushQueue(arena, { possibleCpus: 2, ringEntries: 4 });
  queue.append(0, 1, 2, 9);
  queue.beginFlush();
  const saved = arena.save();
  const hash = arena.hash();
  const finish = (): void => {
    queue.endFlush();
    queue.drain(0, 1, sink);
  };
  finish();
  expect(arena.hash()).not.toBe(hash);
  arena.restore(saved);
  expect(arena.hash()).toBe(hash);
  finish();
  expect(released).toEqual([
    [1, 2, 9, 1],
    [1, 2, 9, 1],
  ]);
});

test('a queue that sheds its history releases what it would have released', () => {
  const run = (sheds: boolean): number[] => {
    const queue = new FlushQueue(new StateArena(), { possibleCpus: 2, ringEntries: 4 });
    const freed: number[] = [];
    const sink = { releaseQueued: (pfn: number): void => void freed.push(pfn) };
    const rest = (): void => {
      if (sheds) queue.rewind();
    };
    for (let round = 0; round < 5; round++) {
      queue.append(0, 10 * round + 1, 1, -1);
      rest();
      queue.beginFlush();
      rest();
      queue.append(1, 10 * round + 2, 1, -1);
      rest();
      queue.endFlush();
      rest();
      queue.drain(0, 0, sink);
      rest();
      queue.drain(1, 0, sink);
      rest();
      freed.push(queue.entries);
    }
    return freed;
  };
  expect(run(true)).toEqual(run(false));
  expect(run(true).slice(0, 4)).toEqual([1, 1, 11, 2]);
});
