import { expect, test } from 'vitest';
import { Direction, StateArena } from '../base/index.ts';
import { CallKind, DmaCallTable } from './dma-call.ts';

function numbers(count: number, from: number): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => from + index);
}

test('calls get rows of their own, lowest first, and a row given back is the next one taken', () => {
  const calls = new DmaCallTable(new StateArena(), 4, 4);
  expect([0, 1, 2].map(() => calls.begin(CallKind.MAP_PAGE, 1, 2, 3))).toEqual([0, 1, 2]);
  expect(calls.inFlight).toBe(3);
  calls.end(1);
  expect(calls.begin(CallKind.FREE, 0, 0, -1)).toBe(1);
  expect([calls.kind[1], calls.cpu[1], calls.device[1], calls.domain[1], calls.direction[1], calls.slots[1]]).toEqual([
    CallKind.FREE,
    0,
    0,
    -1,
    Direction.NONE,
    -1,
  ]);
});

test('a used row starts clean', () => {
  const calls = new DmaCallTable(new StateArena(), 1, 4);
  const call = calls.begin(CallKind.MAP_SG, 1, 2, 3);
  const fresh = new DmaCallTable(new StateArena(), 1, 4);
  fresh.begin(CallKind.MAP_PAGE, 0, 0, 0);
  for (const column of ['position', 'unwinding', 'flushing', 'ring', 'mappedBytes', 'result', 'entry', 'freedTables', 'attrs'] as const)
    calls[column][call] = 9;
  calls.end(call);
  calls.begin(CallKind.MAP_PAGE, 0, 0, 0);
  for (const column of ['position', 'unwinding', 'flushing', 'ring', 'mappedBytes', 'result', 'entry', 'freedTables', 'attrs'] as const) {
    expect([column, calls[column][call]]).toEqual([column, fresh[column][0]]);
  }
});

test('more calls and longer lists than there was room for keep what the others hold', () => {
  const arena = new StateArena();
  const calls = new DmaCallTable(arena, 1, 2);
  const held: number[] = [];
  for (let index = 0; index < 9; index++) {
    const call = calls.begin(CallKind.MAP_SG, 0, index, -1);
    held.push(call);
    calls.setEntries(call, numbers(index + 3, index * 100), numbers(index + 3, index * 1000), 1, index + 2);
    calls.setSegments(call, numbers(index + 2, index * 10), numbers(index + 2, 5), 0, index + 2);
  }
  expect(new Set(held).size).toBe(9);
  const otherArena = new StateArena();
  const restored = new DmaCallTable(otherArena, 1, 2);
  otherArena.restore(arena.save());
  expect(otherArena.hash()).toBe(arena.hash());
  for (const table of [calls, restored]) {
    for (const [index, call] of held.entries()) {
      const first = call * table.entriesMax;
      expect([...table.entryPhys.slice(first, first + index + 2)]).toEqual([...numbers(index + 2, index * 100 + 1)]);
      expect([...table.entryBytes.slice(first, first + index + 2)]).toEqual([...numbers(index + 2, index * 1000 + 1)]);
      expect([...table.entryDmaAddr.slice(first, first + index + 2)]).toEqual([...numbers(index + 2, index * 10)]);
      expect([table.device[call], table.entries[call]]).toEqual([index, index + 2]);
    }
    expect(table.inFlight).toBe(9);
  }
});
