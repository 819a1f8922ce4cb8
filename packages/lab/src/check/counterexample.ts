import { type KernelRules, LabError, type PropertyName, type ProtectionPolicy, policies } from 'dmalab-core';
import { ActionKind } from './action.ts';
import { actionText, readAction } from './action-text.ts';
import { ALL_REDUCTIONS, CheckedMachine } from './checked-machine.ts';
import type { Refutation } from './explorer.ts';
import { type NarratedStep, Narrator } from './narration.ts';
import { properties } from './properties/properties.ts';
import type { Violation } from './properties/property.ts';
import type { SmallMachine } from './small-machine.ts';

/** A broken property as a list of steps that anybody can go through again. */
export interface Counterexample {
  readonly format: 'dmalab-counterexample';
  readonly version: 1;
  readonly policy: string;
  readonly kernel: KernelRules;
  readonly property: PropertyName;
  /** The whole machine, so that the file stands for itself. */
  readonly machine: SmallMachine;
  /** What happens, in order, as `--replay` reads it. */
  readonly actions: readonly string[];
  /** What breaks the property. */
  readonly what: string;
  /** The same in words; the last of them break the property or show the harm. */
  readonly steps: readonly NarratedStep[];
  /** The harm in one clause: what the device then reads or changes. */
  readonly harm: string;
}

/** Steps with caching by hand: what a device must have used stands in the list. */
const STEP_BY_STEP = { ...ALL_REDUCTIONS, cachesEagerly: false };

/** Makes a counterexample of what a search has found. */
export function counterexampleOf(
  spec: SmallMachine,
  policy: ProtectionPolicy,
  kernel: KernelRules,
  refutation: Refutation,
): Counterexample {
  const { violation } = refutation;
  const actions = withUse(spec, policy, kernel, refutation);
  const { steps, harm } = new Narrator(spec, policy, kernel, violation, policies).tell(actions);
  return {
    format: 'dmalab-counterexample',
    version: 1,
    policy: policy.name,
    kernel,
    property: violation.property,
    machine: spec,
    actions: actions.map((action) => actionText(spec, action)),
    what: violation.what,
    steps,
    harm,
  };
}

/**
 * Goes through a counterexample again.
 *
 * @returns what breaks the property at its end; null when nothing does
 * @throws LabError CHK003 or CHK004 when a step is unknown or not possible where it stands
 */
export function replayCounterexample(example: Counterexample, policy: ProtectionPolicy): Violation | null {
  const spec = example.machine;
  const checked = new CheckedMachine(spec, policy, example.kernel, STEP_BY_STEP);
  for (const [index, text] of example.actions.entries()) performPossible(checked, readAction(spec, text), text, index);
  if (example.actions.length === 0) checked.touched = true;
  return propertyOf(example.property).find(checked);
}

function propertyOf(name: PropertyName): (typeof properties)[number] {
  return properties.find((property) => property.name === name)!;
}

function performPossible(checked: CheckedMachine, action: number, text: string, index: number): void {
  const possible = new Uint8Array(64);
  const now = [...possible.subarray(0, checked.actions(possible))];
  if (now.includes(action)) {
    checked.perform(action);
    return;
  }
  throw new LabError({
    code: 'CHK004',
    message: `Step ${index + 1} of the counterexample is not possible where it stands.`,
    expected: now.map((code) => actionText(checked.spec, code)).join(', '),
    got: text,
    next: 'check that policy and kernel rules are those of the file',
  });
}

/**
 * The actions with the one use of a translation that the device needs: as early as the entry stays in the IOTLB until the
 * end. A search in which everything is cached at once leaves it out.
 */
function withUse(spec: SmallMachine, policy: ProtectionPolicy, kernel: KernelRules, { violation, actions }: Refutation): readonly number[] {
  if (!violation.needsCached) return actions;
  for (let at = 1; at <= actions.length; at++) {
    const tried = tryUse(spec, policy, kernel, violation, actions, at);
    if (tried !== null) return tried;
  }
  return actions;
}

/** The actions with a use after `at` of them, when the device can use what it needs there and the property still breaks. */
function tryUse(
  spec: SmallMachine,
  policy: ProtectionPolicy,
  kernel: KernelRules,
  violation: Violation,
  actions: readonly number[],
  at: number,
): readonly number[] | null {
  const property = propertyOf(violation.property);
  const possible = new Uint8Array(64);
  const start = new CheckedMachine(spec, policy, kernel, STEP_BY_STEP);
  for (const action of actions.slice(0, at)) start.perform(action);
  for (let row = 0; row < start.reach.count; row++) {
    const use = ActionKind.CACHE + row;
    if (start.reach.device[row] !== violation.device || !possible.subarray(0, start.actions(possible)).includes(use)) continue;
    const tried = [...actions.slice(0, at), use, ...actions.slice(at)];
    const checked = new CheckedMachine(spec, policy, kernel, STEP_BY_STEP);
    for (const action of tried) checked.perform(action);
    if (property.find(checked) !== null) return tried;
  }
  return null;
}
