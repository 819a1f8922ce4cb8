import { bounceLazyUnsafe, bounceLink, bounceStrict, Direction, lazy, type ProtectionPolicy, policies, strict } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { ALL_REDUCTIONS, type CheckedMachineOptions } from './checked-machine.ts';
import { type Exploration, statesWithin } from './explorer.ts';
import { fewestSteps, searched } from './search.oracle.ts';
import type { SmallMachine } from './small-machine.ts';
import { quickMachines } from './standard-machines.ts';

const NO_REDUCTIONS: CheckedMachineOptions = { cachesEagerly: false, cpusInOrder: false, shedsHistory: false };

/** The least machine on which a slot can go from one device to the other. */
const tiny: SmallMachine = {
  name: 'tiny',
  summary: 'one slot page, two buffers',
  cpus: 1,
  devices: 2,
  slots: 2,
  ringEntries: 2,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 4096, direction: Direction.FROM_DEVICE, uses: 1, reclaimed: true },
    { name: 'b1', device: 1, page: 1, offset: 0, bytes: 1024, direction: Direction.TO_DEVICE, uses: 1 },
  ],
};

describe('the fewest steps', () => {
  test.each([
    [strict, 'P1', 2],
    [lazy, 'P2', 5],
    [lazy, 'P3', 6],
    [bounceLazyUnsafe, 'P1', 11],
    [bounceLazyUnsafe, 'P3', 11],
  ] as const)('of $name to a broken %s are those of a search that knows no shortcut', (policy, property, steps) => {
    const { refutations } = searched(tiny, policy, { properties: [property] });
    const { actions, violation } = refutations.get(property)!;
    expect(actions.length + (violation.needsCached ? 1 : 0)).toBe(steps);
    expect(fewestSteps(tiny, policy, property, NO_REDUCTIONS, steps)).toBe(steps);
  });
});

describe('reductions', () => {
  const each: [string, CheckedMachineOptions][] = [
    ['without eager caching', { ...ALL_REDUCTIONS, cachesEagerly: false }],
    ['with CPUs in any order', { ...ALL_REDUCTIONS, cpusInOrder: false }],
    ['with all history', { ...ALL_REDUCTIONS, shedsHistory: false }],
  ];
  const machines = [tiny, quickMachines[0]!, quickMachines[4]!];
  test.each(each)('%s the same properties break, in as many steps', (_, reductions) => {
    for (const policy of policies) {
      for (const spec of machines) {
        const reduced = searched(spec, policy);
        const full = searched(spec, policy, { reductions, states: 60_000 });
        expect(full.stopped).toBeNull();
        expect(stepsOf(full, reductions)).toEqual(stepsOf(reduced, ALL_REDUCTIONS));
      }
    }
  });
});

/** Property and steps to it, in which the use of a translation counts however it is explored. */
function stepsOf({ refutations }: Exploration, { cachesEagerly }: CheckedMachineOptions): string[] {
  return [...refutations].map(([name, { actions, violation }]) => {
    return `${name} ${actions.length + (violation.needsCached && cachesEagerly ? 1 : 0)}`;
  });
}

test('the same search comes to the same', () => {
  for (const policy of [bounceLink, bounceLazyUnsafe]) {
    expect(searched(quickMachines[2]!, policy)).toEqual(searched(quickMachines[2]!, policy));
  }
});

test('a search that is too large is stopped and says what it has come to', () => {
  const stopped = searched(quickMachines[2]!, bounceStrict, { states: 100 });
  expect(stopped.stopped).toBe('states');
  expect(stopped.states).toBeGreaterThanOrEqual(100);
  expect(stopped.frontier).toBeGreaterThan(0);
  expect(stopped.refutations.size).toBe(0);
  const shallow = searched(quickMachines[2]!, bounceStrict, { depth: 4 });
  expect([shallow.stopped, shallow.depth]).toEqual([null, 4]);
  expect(shallow.frontier).toBeGreaterThan(0);
});

test('a search that has refuted everything it looks for ends', () => {
  const { states, frontier } = searched(quickMachines[0]!, bounceLazyUnsafe, { properties: ['P3'] });
  expect(frontier).toBeGreaterThan(0);
  expect(states).toBeLessThan(searched(quickMachines[0]!, bounceLazyUnsafe).states);
});

test('a search is stopped before it takes more memory than it may', () => {
  const { stopped, states, bytesPerState } = searched(quickMachines[0]!, bounceLazyUnsafe, { bytes: 13 * 2 ** 12 });
  expect(stopped).toBe('memory');
  expect(states).toBeLessThanOrEqual(statesWithin(13 * 2 ** 12));
  expect(states * bytesPerState).toBeLessThanOrEqual(13 * 2 ** 12 * 1.05);
  expect([statesWithin(0), statesWithin(13 * 2 ** 13), statesWithin(2 ** 30)]).toEqual([2730, 5461, 44_739_242]);
});

test.each([
  ['quick-dry-pool', 'early flush of the own domain'],
  ['quick-dry-pool', 'early flush of another domain'],
  ['quick-two-cpus', 'two flushes of one domain at once'],
  ['quick-whole-pages', 'coherent memory freed while slots wait'],
])('on %s some state has seen: %s', (name, what) => {
  const deferred = policies.find((policy) => policy.name === 'bounce-deferred')!;
  expect([...seenIn(quickMachines.find((machine) => machine.name === name)!, deferred)]).toContain(what);
});

function seenIn(spec: SmallMachine, policy: ProtectionPolicy): ReadonlySet<string> {
  let seen: ReadonlySet<string> = new Set();
  searched(spec, policy, {
    spoil: (checked) => {
      seen = checked.seen;
    },
  });
  return seen;
}
