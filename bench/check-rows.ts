/** The row about the checker: how fast it visits states. */
import { bounceDeferred } from 'dmalab-core';
import { check, checkBounds, checkOptionsOf } from 'dmalab-lab';
import { type BenchRow, benchRow } from './bench-row.ts';
import { Stopwatch } from './stopwatch.ts';

const NAME = 'check: bounce-deferred on the standard machines';
const RUNS = 5;
const STATES = 40_000;
const QUICK_STATES = 500;

export interface CheckBench {
  readonly name: string;
  run(quick: boolean): BenchRow;
}

/** One thread, all properties, searches of so many states each. */
export const checkBenches: readonly CheckBench[] = [
  {
    name: NAME,
    run(quick) {
      const states = quick ? QUICK_STATES : STATES;
      const rates: number[] = [];
      for (let run = 0; run < (quick ? 1 : RUNS); run++) rates.push(rateOf(states));
      return benchRow(NAME, 'states/s', rates, `searches of ${states} states`);
    },
  },
];

function rateOf(states: number): number {
  const bound = { ...checkBounds.standard, depth: Number.POSITIVE_INFINITY, states };
  const options = { ...checkOptionsOf({}), policies: [bounceDeferred], bound };
  const watch = new Stopwatch();
  const search = check(options);
  let step = search.next();
  while (step.done !== true) step = search.next();
  const visited = step.value.policies[0].searches.reduce((sum, { states: own }) => sum + own, 0);
  return visited / watch.seconds;
}
