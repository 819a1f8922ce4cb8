import type { KernelRules, PropertyName, ProtectionPolicy } from 'dmalab-core';
import type { Cell, CheckResult, PolicyCheck, SearchReport, Verdict } from './check-result.ts';
import { ALL_REDUCTIONS, CheckedMachine, type CheckedMachineOptions } from './checked-machine.ts';
import { counterexampleOf } from './counterexample.ts';
import { type Exploration, Explorer, type Refutation, type SearchBound } from './explorer.ts';
import { properties } from './properties/properties.ts';
import type { Property } from './properties/property.ts';
import type { SmallMachine } from './small-machine.ts';
import { quickMachines, standardMachines } from './standard-machines.ts';

/** On which machines the searches run and how far. */
export interface CheckBound extends SearchBound {
  readonly name: string;
  readonly machines: readonly SmallMachine[];
}

/** Some 45 million states. Two searches at once leave room on a machine of 4 GiB. */
const BYTES_MAX = 2 ** 30;

/** All states of small machines in seconds; and the standard ones, as deep as a whole matrix takes minutes. */
export const checkBounds: Readonly<Record<'quick' | 'standard', CheckBound>> = {
  quick: { name: 'quick', machines: quickMachines, depth: Number.POSITIVE_INFINITY, states: 100_000, bytes: BYTES_MAX },
  standard: { name: 'standard', machines: standardMachines, depth: 20, states: 2_000_000, bytes: BYTES_MAX },
};

export interface CheckOptions {
  readonly policies: readonly ProtectionPolicy[];
  readonly properties: readonly PropertyName[];
  readonly kernel: KernelRules;
  readonly bound: CheckBound;
  /** What states are taken together; all of it by default. */
  readonly reductions?: CheckedMachineOptions;
}

/** How far the check of a policy has come. */
export interface CheckProgress {
  readonly policy: string;
  /** Searches so far, the one under way last. */
  readonly searches: readonly SearchReport[];
}

/** Checks policies against properties, one search per policy and machine; yields now and then, so that it can be shown. */
export function* check(options: CheckOptions): Generator<CheckProgress, CheckResult> {
  const policies: PolicyCheck[] = [];
  for (const policy of options.policies) policies.push(yield* new PolicyChecker(policy, options).run());
  return checkResultOf(options, policies);
}

/** The checks of policies with what they were made with. */
export function checkResultOf(
  { bound, kernel, properties: names }: Omit<CheckOptions, 'policies'>,
  policies: readonly PolicyCheck[],
): CheckResult {
  return {
    kernel,
    bound: { name: bound.name, depth: Number.isFinite(bound.depth) ? bound.depth : null, states: bound.states, bytes: bound.bytes },
    machines: bound.machines.map(({ name, summary, cpus, devices, slots, buffers }) => ({
      name,
      summary,
      cpus,
      devices,
      slots,
      buffers: buffers.length,
    })),
    properties: propertiesNamed(names).map(({ name, title, statement }) => ({ name, title, statement })),
    policies,
  };
}

/** What a policy promises and what there is to check of it. */
export interface PolicyFacts {
  readonly name: string;
  readonly promises: readonly PropertyName[];
  readonly applying: readonly PropertyName[];
}

export function policyFactsOf(policy: ProtectionPolicy): PolicyFacts {
  const applying = properties.filter((property) => property.appliesTo(policy)).map(({ name }) => name);
  return { name: policy.name, promises: policy.promises, applying };
}

/** A policy whose check did not come to its end, and gave no verdict. */
export function undecidedPolicy(
  { name, promises, applying }: PolicyFacts,
  names: readonly PropertyName[],
  searches: readonly SearchReport[],
): PolicyCheck {
  const cells = propertiesNamed(names).map(
    (property): Cell => ({
      property: property.name,
      promised: promises.includes(property.name),
      verdict: applying.includes(property.name) ? 'not-decided' : 'does-not-apply',
    }),
  );
  return { policy: name, cells, searches };
}

function propertiesNamed(names: readonly PropertyName[]): readonly Property[] {
  return properties.filter(({ name }) => names.includes(name));
}

/** Searches the machines of a bound one after the other. */
export class PolicyChecker {
  private readonly policy: ProtectionPolicy;
  private readonly options: Omit<CheckOptions, 'policies'>;
  private readonly explorations: Exploration[] = [];
  private readonly searches: SearchReport[] = [];
  private explorer: Explorer | undefined;
  private interrupted = false;

  constructor(policy: ProtectionPolicy, options: Omit<CheckOptions, 'policies'>) {
    this.policy = policy;
    this.options = options;
  }

  /** Yields at the start of each search and now and then. */
  *run(): Generator<CheckProgress, PolicyCheck> {
    const { policy } = this;
    const { bound, kernel, reductions } = this.options;
    const applying = this.wanted.filter((property) => property.appliesTo(policy));
    for (const spec of bound.machines) {
      const { name: machine } = spec;
      if (this.interrupted) break;
      const checked = new CheckedMachine(spec, policy, kernel, reductions ?? ALL_REDUCTIONS);
      this.explorer = new Explorer(checked, applying, bound);
      const search = this.explorer.run();
      let step = search.next();
      while (step.done !== true) {
        yield { policy: policy.name, searches: [...this.searches, { machine, ...step.value, seen: [...checked.seen].sort() }] };
        step = search.next();
      }
      const { refutations: _, ...figures } = step.value;
      this.explorations.push(step.value);
      this.searches.push({ machine, ...figures, seen: [...checked.seen].sort() });
    }
    return { policy: policy.name, cells: this.wanted.map((property) => this.cellOf(property)), searches: this.searches };
  }

  /** Ends the search under way and makes no further ones; `run` then gives what was found. */
  interrupt(): void {
    this.interrupted = true;
    this.explorer?.stop('interrupt');
  }

  private get wanted(): readonly Property[] {
    return propertiesNamed(this.options.properties);
  }

  private cellOf(property: Property): Cell {
    const { policy, explorations } = this;
    const { bound, kernel } = this.options;
    const promised = policy.promises.includes(property.name);
    const best = shortest(explorations, property.name);
    if (best < 0) return { property: property.name, promised, verdict: this.verdictWithout(property) };
    const refutation = explorations[best].refutations.get(property.name)!;
    const counterexample = counterexampleOf(bound.machines[best], policy, kernel, refutation);
    return { property: property.name, promised, verdict: 'refuted', counterexample };
  }

  private verdictWithout(property: Property): Verdict {
    const { explorations } = this;
    if (!property.appliesTo(this.policy)) return 'does-not-apply';
    const isWhole = explorations.length === this.options.bound.machines.length && explorations.every(({ stopped }) => stopped === null);
    return isWhole ? 'holds' : 'not-decided';
  }
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
