import type { ThreadedCheckProgress } from 'dmalab-lab/node';
import { expect, test } from 'vitest';
import { StateCounter } from './state-counter.ts';

function drawn(moments: readonly (readonly [ms: number, states: number])[]): string[] {
  const texts: string[] = [];
  const stream = { isTTY: true, columns: 100, write: (text: string) => texts.push(text) > 0 };
  let nowMs = 0;
  const counter = new StateCounter(stream, () => nowMs);
  for (const [ms, states] of moments) {
    nowMs = ms;
    counter.show(progressAt(states));
  }
  counter.clear();
  return texts;
}

function progressAt(states: number): ThreadedCheckProgress {
  const figures = { states, transitions: 0, depth: 9, frontier: 1, stopped: null, bytesPerState: 20, seen: [] };
  return { states, done: 1, policies: 11, atWork: [{ policy: 'strict', searches: [{ machine: 'edges', ...figures }] }] };
}

test('states of all threads with their rate, for work of more than a second', () => {
  expect(drawn([[2000, 123_456]])).toEqual([
    '\r\u001b[Kcheck  1 of 11 done; 123,456 states, 61,728 states/s; strict on edges depth 9',
    '\r\u001b[K',
  ]);
});

test('nothing for work that is done at once, and not more than ten lines a second', () => {
  expect(drawn([[500, 10]])).toEqual([]);
  const lines = drawn([
    [2000, 10],
    [2050, 20],
    [2150, 30],
  ]);
  expect(lines).toHaveLength(3);
});
