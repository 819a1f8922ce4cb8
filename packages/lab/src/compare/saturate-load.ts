/** The saturate load of a comparison: a window of the recording's calls, run back to back on many CPUs under each policy. */
import { LabError, type MachineParameters, type ProtectionPolicy } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { missingForSteps } from '../cost/step-price.ts';
import { SATURATE_CPUS, saturate } from '../saturate/saturate.ts';
import type { Sharing } from '../saturate/saturated-machine.ts';
import type { SaturationResult } from '../saturate/saturation-result.ts';
import { isUserPolicy } from '../user-policy/user-policy.ts';
import { runUserPolicy } from '../user-policy/user-policy-row.ts';
import type { CallWindow } from './call-window.ts';
import type { CompareSaturation, SaturatedPoint } from './compare-result.ts';
import { printable } from './printable.ts';

/** Copies of the devices' requester ids have to differ, and nobody has more CPUs in one machine. */
const CPUS_MAX = 256;
const COUNTS_MAX = 16;

/** Pairs that warm the caches up where nothing waits for a flush. */
const WARM_UP_PAIRS = 32;
/** Two fillings of a ring of the flush queue. */
const LAZY_PAIRS_MIN = 510;

/** What the CPUs of a saturated comparison share and how many they are. */
export interface SaturateLoad {
  /** Numbers of CPUs, ascending; default 1, 2, 4, ... 64. */
  readonly cpus?: readonly number[] | undefined;
  readonly sharing?: Sharing | undefined;
}

/** How far the load has come. */
export interface SaturateProgress {
  readonly done: number;
  readonly total: number;
}

/**
 * Reads a list of numbers of CPUs.
 *
 * @throws LabError CMP007 for anything but up to 16 numbers from 1 to 256, separated by commas
 */
export function chooseCpus(list: string): number[] {
  const words = list.split(',').map((word) => word.trim());
  const counts = words.map(Number);
  const right = words.every((word) => /^\d{1,3}$/.test(word)) && counts.every((count) => count >= 1 && count <= CPUS_MAX);
  if (right && counts.length <= COUNTS_MAX) return [...new Set(counts)].sort((a, b) => a - b);
  throw new LabError({
    code: 'CMP007',
    message: 'This is no list of numbers of CPUs.',
    expected: `up to ${COUNTS_MAX} numbers from 1 to ${CPUS_MAX}, separated by commas`,
    got: printable(list),
    next: 'for example --cpus 1,2,4,8,16,32,64',
  });
}

/** A row of the comparison as the load runs it. */
export interface SaturatedRow {
  readonly name: string;
  /** Undefined in the row as-recorded. */
  readonly policy: ProtectionPolicy | undefined;
  readonly parameters: MachineParameters;
}

/** Whole rounds of the sequence, so that every number of CPUs is measured on the same pairs; where flushes count, enough of them. */
function roundsFor(pairs: number, isLazy: boolean): { readonly pairsPerCpu: number; readonly warmUpPairs?: number } {
  if (isLazy) return { pairsPerCpu: Math.ceil(LAZY_PAIRS_MIN / pairs) * pairs };
  return { pairsPerCpu: pairs, warmUpPairs: WARM_UP_PAIRS };
}

/** Runs the load row by row and keeps what it found. */
export class SaturateRun {
  /** By row, in the order of the rows; fewer when the run was stopped. */
  readonly results: SaturatedPoint[][] = [];
  private readonly window: CallWindow;
  private readonly load: SaturateLoad;
  private readonly profile: CostProfile;

  constructor(window: CallWindow, load: SaturateLoad, profile: CostProfile) {
    this.window = window;
    this.load = load;
    this.profile = profile;
  }

  /** Runs one policy on one number of CPUs at a time; the caller may stop at any of them. */
  *run(rows: readonly SaturatedRow[]): Generator<SaturateProgress, void, void> {
    const { sequence } = this.window.finish();
    const { profile } = this;
    if (this.obstacle() !== null) return;
    const { cpus = SATURATE_CPUS, sharing } = this.load;
    const total = rows.length * cpus.length;
    let done = 0;
    for (const { name, policy, parameters } of rows) {
      const points: SaturatedPoint[] = [];
      const isLazy = parameters.devices.some((device) => device.policy.lazy);
      this.results.push(points);
      for (const count of cpus) {
        const options = { cpus: [count], ...roundsFor(sequence.pairs, isLazy), ...(sharing === undefined ? {} : { sharing }) };
        const once = (): SaturationResult[] => saturate(parameters, name, sequence, profile, options);
        const results = policy !== undefined && isUserPolicy(policy) ? runUserPolicy(policy, once) : once();
        points.push(...results.map(({ charges: _, ...point }) => point));
        done += 1;
        yield { done, total };
      }
    }
  }

  /** What the result says of the load as a whole. */
  describe(deviceNames: readonly string[]): CompareSaturation {
    const { cpus = SATURATE_CPUS, sharing = 'queue-and-pool' } = this.load;
    const { sequence, losses } = this.window.finish();
    return {
      cpus,
      sharing,
      window: {
        calls: sequence.calls,
        pairs: sequence.pairs,
        devices: sequence.devices.map((device) => deviceNames[device]),
        endedFromBefore: losses.endedFromBefore,
        leftOpen: losses.leftOpen,
      },
      obstacle: this.obstacle(),
    };
  }

  private obstacle(): string | null {
    if (this.window.finish().sequence.pairs === 0) return 'no mapping of the chosen devices is made and ended inside the window of calls';
    const missing = missingForSteps(this.profile);
    return missing.length === 0 ? null : `the profile has no value for ${missing.join(', ')}`;
  }
}
