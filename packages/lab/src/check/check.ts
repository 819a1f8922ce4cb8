import type { KernelRules, PropertyName, ProtectionPolicy } from 'dmalab-core';
import type { Cell, CheckResult, PolicyCheck, SearchReport, Verdict } from './check-result.ts';
import { ALL_REDUCTIONS, CheckedMachine, type CheckedMachineOptions } from './checked-machine.ts';
import { counterexampleOf } from './counterexample.ts';
import { type Exploration, Explorer, type Refutation, type SearchProgress } from './explorer.ts';
import { properties } from './properties/properties.ts';
import type { SmallMachine } from './small-machine.ts';
import { quickMachines, standardMachines } from './standard-machines.ts';

/** On which machines the searches run and how far. */
export interface CheckBound {
  readonly name: string;
  readonly machines: readonly SmallMachine[];
  /** Steps on the longest path; Infinity for all. */
  readonly depth: number;
  /** States of one search; one that comes to them is stopped. */
  readonly states: number;
}

/** All states of small machines in seconds; and the standard ones, as deep as a whole matrix takes minutes. */
export const checkBounds: Readonly<Record<'quick' | 'standard', CheckBound>> = {
  quick: { name: 'quick', machines: quickMachines, depth: Number.POSITIVE_INFINITY, states: 100_000 },
  standard: { name: 'standard', machines: standardMachines, depth: 20, states: 2_000_000 },
};

export interface CheckOptions {
  readonly policies: readonly ProtectionPolicy[];
  readonly properties: readonly PropertyName[];
  readonly kernel: KernelRules;
  readonly bound: CheckBound;
  /** What states are taken together; all of it by default. */
  readonly reductions?: CheckedMachineOptions;
}

/** How far a check has come. */
export interface CheckProgress extends SearchProgress {
  readonly policy: string;
  readonly machine: string;
  /** Searches done and in all. */
  readonly done: number;
  readonly searches: number;
}

/** Checks policies against properties, one search per policy and machine; yields now and then, so that it can be shown and stopped. */
export function* check(options: CheckOptions): Generator<CheckProgress, CheckResult> {
  const { bound, kernel } = options;
  const policies: PolicyCheck[] = [];
  for (const [index, policy] of options.policies.entries()) {
    policies.push(yield* checkPolicy(policy, options, index * bound.machines.length));
  }
  return {
    kernel,
    bound: { name: bound.name, depth: Number.isFinite(bound.depth) ? bound.depth : null, states: bound.states },
    machines: bound.machines.map(({ name, summary, cpus, devices, slots, buffers }) => ({
      name,
      summary,
      cpus,
      devices,
      slots,
      buffers: buffers.length,
    })),
    properties: properties
      .filter(({ name }) => options.properties.includes(name))
      .map(({ name, title, statement }) => ({ name, title, statement })),
    policies,
  };
}

function* checkPolicy(policy: ProtectionPolicy, options: CheckOptions, done: number): Generator<CheckProgress, PolicyCheck> {
  const { bound, kernel } = options;
  const wanted = properties.filter(({ name }) => options.properties.includes(name));
  const applying = wanted.filter((property) => property.appliesTo(policy));
  const explorations: Exploration[] = [];
  const searches: SearchReport[] = [];
  for (const [index, spec] of bound.machines.entries()) {
    const checked = new CheckedMachine(spec, policy, kernel, options.reductions ?? ALL_REDUCTIONS);
    const search = new Explorer(checked, applying, bound).run();
    let step = search.next();
    while (step.done !== true) {
      yield {
        ...step.value,
        policy: policy.name,
        machine: spec.name,
        done: done + index,
        searches: options.policies.length * bound.machines.length,
      };
      step = search.next();
    }
    const { refutations: _, ...figures } = step.value;
    explorations.push(step.value);
    searches.push({ machine: spec.name, ...figures, seen: [...checked.seen].sort() });
  }
  const cells = wanted.map((property): Cell => {
    const promised = policy.promises.includes(property.name);
    const applies = applying.includes(property);
    const best = shortest(explorations, property.name);
    if (best < 0) return { property: property.name, promised, verdict: verdictWithout(applies, explorations) };
    const refutation = explorations[best].refutations.get(property.name)!;
    const counterexample = counterexampleOf(bound.machines[best], policy, kernel, refutation);
    return { property: property.name, promised, verdict: 'refuted', counterexample };
  });
  return { policy: policy.name, cells, searches };
}

function verdictWithout(applies: boolean, explorations: readonly Exploration[]): Verdict {
  if (!applies) return 'does-not-apply';
  return explorations.some(({ stopped }) => stopped) ? 'not-decided' : 'holds';
}

/** The search with the shortest refutation, the first of several; -1 when there is none. */
function shortest(explorations: readonly Exploration[], property: PropertyName): number {
  let best = -1;
  for (const [index, { refutations }] of explorations.entries()) {
    const refutation = refutations.get(property);
    if (refutation === undefined) continue;
    if (best < 0 || costOf(refutation) < costOf(explorations[best].refutations.get(property)!)) best = index;
  }
  return best;
}

function costOf({ actions, violation }: Refutation): number {
  return actions.length + (violation.needsCached ? 1 : 0);
}
