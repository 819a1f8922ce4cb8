import { Direction, type MachineParameters, type ProtectionPolicy, pcMachine, swiotlbForce } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { type SaturateOptions, saturate } from '../saturate/saturate.ts';
import type { SaturationResult } from '../saturate/saturation-result.ts';
import { mapUnmapSequence } from '../saturate/synthetic-sequence.ts';

/** A buffer that is mapped and unmapped over and over. */
export interface PairBuffer {
  readonly bytes: number;
  /** Where in its page it begins; default 0. */
  readonly offset?: number;
  readonly direction?: Direction;
}

/** What a pair costs on one CPU, or on each of several. */
export function pairCosts(
  profile: CostProfile,
  policy: ProtectionPolicy,
  { bytes, offset = 0, direction = Direction.FROM_DEVICE }: PairBuffer,
  options: SaturateOptions = { cpus: [1] },
): SaturationResult[] {
  return saturate(machineUnder(policy), policy.name, mapUnmapSequence(bytes, offset, direction), profile, options);
}

/** As `pairCosts` on one CPU. */
export function pairCost(profile: CostProfile, policy: ProtectionPolicy, buffer: PairBuffer): SaturationResult {
  return pairCosts(profile, policy, buffer)[0];
}

function machineUnder(policy: ProtectionPolicy): MachineParameters {
  const machine = pcMachine([policy]);
  return policy === swiotlbForce ? { ...machine, swiotlb: { ...machine.swiotlb!, forced: true } } : machine;
}
