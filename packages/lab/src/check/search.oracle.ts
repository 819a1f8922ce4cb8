import type { KernelRules, PropertyName, ProtectionPolicy } from 'dmalab-core';
import { ALL_REDUCTIONS, CheckedMachine, type CheckedMachineOptions } from './checked-machine.ts';
import { type Exploration, Explorer } from './explorer.ts';
import { properties } from './properties/properties.ts';
import type { SmallMachine } from './small-machine.ts';

/** What a search is run with, besides machine and policy. */
export interface SearchChoices {
  readonly kernel?: KernelRules;
  readonly reductions?: CheckedMachineOptions;
  readonly properties?: readonly PropertyName[];
  readonly depth?: number;
  readonly states?: number;
  readonly bytes?: number;
  /** Spoils the machine before the search. */
  readonly spoil?: (checked: CheckedMachine) => void;
}

/** Runs one search to its end. */
export function searched(spec: SmallMachine, policy: ProtectionPolicy, choices: SearchChoices = {}): Exploration {
  const checked = new CheckedMachine(spec, policy, choices.kernel ?? '6.12', choices.reductions ?? ALL_REDUCTIONS);
  choices.spoil?.(checked);
  const looked = properties.filter(({ name, appliesTo }) => (choices.properties ?? ALL).includes(name) && appliesTo(policy));
  const search = new Explorer(checked, looked, {
    depth: choices.depth ?? Number.POSITIVE_INFINITY,
    states: choices.states ?? 200_000,
    bytes: choices.bytes ?? 2 ** 30,
  }).run();
  let step = search.next();
  while (step.done !== true) step = search.next();
  return step.value;
}

const ALL = properties.map(({ name }) => name);

/** Properties that a search has refuted, with the number of steps: `P1:5 P3:6+1`, the use of a translation apart. */
export function refutedIn({ refutations }: Exploration): string {
  return [...refutations]
    .map(([name, { actions, violation }]) => `${name}:${actions.length}${violation.needsCached ? '+1' : ''}`)
    .join(' ');
}

/**
 * The fewest steps to a broken property, found without hashes, images or reductions other than those asked for: every
 * sequence of actions is performed from the start, a state being known by all bytes of the machine.
 */
export function fewestSteps(
  spec: SmallMachine,
  policy: ProtectionPolicy,
  name: PropertyName,
  reductions: CheckedMachineOptions,
  depth: number,
): number | null {
  const property = properties.find((candidate) => candidate.name === name)!;
  const seen = new Set<string>();
  let level: number[][] = [[]];
  for (let length = 0; length <= depth; length++) {
    const next: number[][] = [];
    for (const actions of level) {
      const checked = new CheckedMachine(spec, policy, '6.12', reductions);
      for (const action of actions) checked.perform(action);
      if (actions.length === 0) checked.touched = true;
      if (property.find(checked) !== null) return length;
      const state = bytesOf(checked);
      if (seen.has(state)) continue;
      seen.add(state);
      const possible = new Uint8Array(64);
      for (const action of possible.subarray(0, checked.actions(possible))) next.push([...actions, action]);
    }
    level = next;
  }
  return null;
}

function bytesOf(checked: CheckedMachine): string {
  const snapshot = checked.image.newSnapshot();
  checked.image.saveTo(snapshot);
  return `${Buffer.from(snapshot.words.buffer).toString('base64')} ${Buffer.from(checked.machine.frames.words.buffer).toString('base64')}`;
}
