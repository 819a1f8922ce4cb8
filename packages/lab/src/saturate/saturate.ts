import type { MachineParameters } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { CallSequence } from './call-sequence.ts';
import { type Sharing, saturatedMachine } from './saturated-machine.ts';
import { Saturation } from './saturation.ts';
import type { SaturationResult } from './saturation-result.ts';

/** Numbers of CPUs for which a scaling curve is drawn. */
export const SATURATE_CPUS: readonly number[] = [1, 2, 4, 8, 16, 32, 64];

/** Pairs of each CPU before measuring begins: more than the 255 that fill a ring of the flush queue. */
const WARM_UP_PAIRS = 300;
/** Pairs of each CPU to measure: two fillings of a ring, and at least so many over all CPUs. */
const PAIRS_PER_CPU = 510;
const PAIRS_MIN = 1020;

export interface SaturateOptions {
  /** Default 1, 2, 4, ... 64. */
  readonly cpus?: readonly number[];
  /** Default 'queue-and-pool': every CPU has devices and domains of its own. */
  readonly sharing?: Sharing;
  /** Areas of the pool; default one per CPU. */
  readonly areas?: number;
  /** Pairs of each CPU before measuring and to measure, where less than the default will do: without a flush queue. */
  readonly warmUpPairs?: number;
  readonly pairsPerCpu?: number;
}

/**
 * What pairs of map and unmap cost when each of N CPUs makes them back to back.
 *
 * A run is bounded: `measured` of the result says by how much. The device takes no time, so it is the CPUs' limit and not what a
 * device would reach.
 *
 * @param one       the machine with one copy of the devices, under the policy in question
 * @param policy    its name, for the result
 * @param sequence  what each CPU does, over and over
 */
export function saturate(
  one: MachineParameters,
  policy: string,
  sequence: CallSequence,
  profile: CostProfile,
  options: SaturateOptions = {},
): SaturationResult[] {
  const { cpus = SATURATE_CPUS, sharing = 'queue-and-pool', areas, warmUpPairs = WARM_UP_PAIRS, pairsPerCpu } = options;
  return cpus.map((count) => {
    const setup = saturatedMachine(one, sequence, count, sharing, areas);
    const pairs = pairsPerCpu ?? Math.max(PAIRS_PER_CPU, Math.ceil(PAIRS_MIN / count));
    return new Saturation(setup, sequence, profile).measure(policy, warmUpPairs, pairs);
  });
}
