import { Prng } from 'dmalab-core';
import { expect, it } from 'vitest';
import { InvalidationWait } from './invalidation-wait.ts';

const POINT = { low: 500, mid: 1000, high: 2000 };
const WHOLE = { low: 1, mid: 1, high: 1 };

function waits(submissions: readonly (readonly [cpu: number, timeNs: number])[], service = WHOLE): number[][] {
  const wait = new InvalidationWait(4, { page: POINT, domain: POINT, service });
  return submissions.map(([cpu, timeNs]) => {
    const waited = new Float64Array(3);
    wait.submit(cpu, timeNs, false, waited, 0);
    return [...waited];
  });
}

it('is for what another CPU has in flight, with each latency', () => {
  expect(
    waits([
      [0, 0],
      [1, 600],
      [2, 700],
    ]),
  ).toEqual([
    [0, 0, 0],
    [0, 400, 1400],
    // Behind both: until 1100, 2000 and 4000.
    [400, 1300, 3300],
  ]);
});

it('is not for what the CPU itself has submitted: that time is paid already', () => {
  expect(
    waits([
      [0, 0],
      [0, 0],
      [0, 100],
    ]),
  ).toEqual([
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

it('is shorter when the queue takes the next one before the last has ended', () => {
  expect(
    waits(
      [
        [0, 0],
        [1, 0],
      ],
      { low: 0.5, mid: 0.5, high: 0.5 },
    )[1],
  ).toEqual([250, 500, 1000]);
});

it('on one CPU there is none', () => {
  const prng = new Prng(1);
  const submissions = Array.from({ length: 500 }, () => [0, prng.below(1e5)] as const);
  expect(
    waits(submissions.toSorted((a, b) => a[1] - b[1]))
      .flat()
      .every((ns) => ns === 0),
  ).toBe(true);
});

it('never lets two be served at once', () => {
  const prng = new Prng(2);
  const times = Array.from({ length: 500 }, () => prng.below(200_000)).toSorted((a, b) => a - b);
  const submissions = times.map((timeNs) => [prng.below(4), timeNs] as const);
  const free = new Float64Array(4);
  let busyUntil = 0;
  for (const [index, [, waited]] of waits(submissions).entries()) {
    const [cpu, at] = submissions[index];
    const start = Math.max(at, free[cpu]) + waited;
    expect(start).toBeGreaterThanOrEqual(busyUntil);
    busyUntil = start + POINT.mid;
    free[cpu] = busyUntil;
  }
});
