import { bounceDeferred, bounceStrict, LabError, policies } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { type CheckOptions, check, checkBounds } from './check.ts';
import { checkOptionsOf } from './check-options.ts';
import type { CheckResult } from './check-result.ts';
import { type Counterexample, replayCounterexample } from './counterexample.ts';
import { readCounterexample } from './counterexample-file.ts';
import { REFUTED_PROPERTIES } from './refuted-properties.ts';
import { refutedIn, searched } from './search.oracle.ts';
import { standardMachines } from './standard-machines.ts';

const quick = ended({ ...checkOptionsOf({}), policies });

function ended(options: CheckOptions): CheckResult {
  const search = check(options);
  let step = search.next();
  while (step.done !== true) step = search.next();
  return step.value;
}

test('the matrix of the quick machines', () => {
  const signs = { holds: 'ok', refuted: 'x', 'not-decided': '?', 'does-not-apply': '-' };
  const rows = quick.policies.map(({ policy, cells }) => `${policy}: ${cells.map(({ verdict }) => signs[verdict]).join(' ')}`);
  expect(rows).toEqual([
    'passthrough: x x x - ok ok',
    'strict: x x ok - ok ok',
    'lazy: x x x - ok ok',
    'bounce-strict: ok ok ok ok ok ok',
    'bounce-partial: ok ok ok ok ok ok',
    'bounce-link: x ok x x ok ok',
    'bounce-lazy-unsafe: x ok x x ok ok',
    'bounce-deferred: ok ok ok ok ok ok',
    'bounce-deferred-mixed: ok ok ok ok ok ok',
    'shadow: ok ok ok ok ok ok',
    'swiotlb-force: x x x x ok ok',
  ]);
});

test('what comparisons quote', () => {
  const refuted = quick.policies.map(({ policy, cells }) => [
    policy,
    cells.filter(({ verdict }) => verdict === 'refuted').map((cell) => cell.property),
  ]);
  expect(Object.fromEntries(refuted)).toEqual(REFUTED_PROPERTIES);
});

test('all states of the quick machines are visited', () => {
  for (const { searches } of quick.policies) for (const { frontier, stopped } of searches) expect([frontier, stopped]).toEqual([0, null]);
});

test('the shortest story of the objection of 2019', () => {
  const { steps, harm, what } = exampleOf('bounce-lazy-unsafe', 'P3');
  expect(what).toBe('a slot goes to device B while device A still reaches it');
  expect(harm).toBe("device A reads b1's data");
  expect(steps.map(({ mark, who, does, iotlb, place }) => `${mark.padEnd(1)} ${who}: ${does} | ${iotlb} | ${place}`)).toEqual([
    '  cpu0: map a1, 1024 B from device: take slots | - | A: zeros',
    "  cpu0: map a1: copy in | - | A: a1's data",
    "  cpu0: map a1: zero padding | - | A: a1's data",
    "  cpu0: map a1: allocate iova | - | A: a1's data",
    "  cpu0: map a1: write table, returns | - | A: a1's data",
    "  dev A: uses fffff | fffff | A: a1's data",
    "  cpu0: unmap a1: clear table | fffff | A: a1's data",
    "  cpu0: unmap a1: copy out | fffff | A: a1's data",
    "> cpu0: unmap a1: queue iova | fffff | A: a1's data",
    "  cpu0: unmap a1: free slots, returns | fffff | free: a1's data",
    "! cpu0: map b1, 1024 B to device: take slots | fffff | B: a1's data",
    "  cpu0: map b1: copy in | fffff | B: b1's data",
    "* dev A: reads there | fffff | B: b1's data",
  ]);
  expect(steps.find(({ mark }) => mark === '>')!.remark).toBe('bounce-deferred: queue iova and slots');
});

test('under 6.1 rules the slots of an aligned buffer reach into what others left (min_align_mask)', () => {
  const alignment = standardMachines.find(({ name }) => name === 'alignment')!;
  expect(refutedIn(searched(alignment, bounceStrict, { kernel: '6.1' }))).toBe('P1:16 P4:16');
  expect(refutedIn(searched(alignment, bounceStrict, { kernel: '6.12' }))).toBe('');
});

test('on the standard machines bounce-deferred keeps everything as far as a short search comes', () => {
  for (const spec of standardMachines) expect(refutedIn(searched(spec, bounceDeferred, { depth: 11 }))).toBe('');
});

describe('counterexamples', () => {
  const all = quick.policies.flatMap(({ policy, cells }) =>
    cells.flatMap(({ property, counterexample }) => (counterexample === undefined ? [] : [[policy, property, counterexample] as const])),
  );

  test.each(all)('%s %s breaks again when it is replayed', (policy, _, example) => {
    const read = readCounterexample(JSON.stringify(example), 'x.json');
    expect(replayCounterexample(read, policyOf(policy))?.what).toBe(example.what);
  });

  test.each(all.filter(([, , { actions }]) => actions.length > 0))('%s %s does not break one step earlier', (policy, _, example) => {
    const shorter = { ...example, actions: example.actions.slice(0, -1) };
    expect(replayCounterexample(shorter, policyOf(policy))).toBeNull();
  });

  test('a policy that does better is not refuted by the steps', () => {
    const example = exampleOf('bounce-lazy-unsafe', 'P3');
    expect(() => replayCounterexample(example, bounceDeferred)).toThrow('not possible where it stands');
  });

  test.each([
    ['no JSON', '{'],
    ['no counterexample', '{}'],
    ['two of them', JSON.stringify([exampleOf('lazy', 'P1'), exampleOf('lazy', 'P2')])],
    ['a machine that cannot be', JSON.stringify({ ...exampleOf('lazy', 'P1'), machine: { cpus: 99 } })],
    ['a property that is none', JSON.stringify({ ...exampleOf('lazy', 'P1'), property: 'P9' })],
  ])('%s is refused', (_, text) => {
    expect(() => readCounterexample(text, 'x.json')).toThrow('This is no counterexample.');
  });

  test('a step that no machine knows is refused', () => {
    expect(() => replayCounterexample({ ...exampleOf('lazy', 'P1'), actions: ['fly'] }, policyOf('lazy'))).toThrow(LabError);
  });
});

function exampleOf(policy: string, property: string): Counterexample {
  return quick.policies.find((row) => row.policy === policy)!.cells.find((cell) => cell.property === property)!.counterexample!;
}

function policyOf(policyName: string): (typeof policies)[number] {
  return policies.find(({ name }) => name === policyName)!;
}

describe('choices', () => {
  test('are quick, everything, 6.12 by default', () => {
    const { bound, kernel, properties } = checkOptionsOf({});
    expect([bound, kernel, properties.length]).toEqual([checkBounds.quick, '6.12', 6]);
    expect(checkOptionsOf({ properties: 'p3, P1' }).properties).toEqual(['P1', 'P3']);
    expect(checkOptionsOf({ bound: 'depth=9,states=50' }).bound).toMatchObject({ depth: 9, states: 50, machines: standardMachines });
    expect(checkOptionsOf({ bound: 'depth=9' }).bound).toMatchObject({ depth: 9, states: checkBounds.standard.states });
  });

  test.each([
    [{ properties: 'P7' }, 'CHK001'],
    [{ bound: 'deep' }, 'CHK002'],
    [{ bound: 'depth=0' }, 'CHK002'],
    [{ kernel: '5.4' }, 'CHK006'],
    [{ kernel: '7.2' }, 'CHK006'],
  ])('%o is refused with %s', (choices, code) => {
    expect(() => checkOptionsOf(choices)).toThrow(expect.objectContaining({ code }));
  });
});
