import { Direction, type MachineParameters, type ProtectionPolicy, pciDevice, pcMachine, swiotlbForce } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { type SaturateOptions, saturate } from './saturate.ts';
import type { SaturationResult } from './saturation-result.ts';
import { mapUnmapSequence } from './synthetic-sequence.ts';

/** A buffer that is mapped and unmapped over and over. */
export interface PairBuffer {
  readonly bytes: number;
  /** Where in its page it begins; default 0. */
  readonly offset?: number;
  readonly direction?: Direction;
  /** Low address bits that the device wants kept through a bounce; default 0. */
  readonly minAlignMask?: number;
}

/** What a pair costs on one CPU, or on each of several. */
export function pairCosts(
  profile: CostProfile,
  policy: ProtectionPolicy,
  { bytes, offset = 0, direction = Direction.FROM_DEVICE, minAlignMask = 0 }: PairBuffer,
  options: SaturateOptions = { cpus: [1] },
): SaturationResult[] {
  return saturate(machineUnder(policy, minAlignMask), policy.name, mapUnmapSequence(bytes, offset, direction), profile, options);
}

/** As `pairCosts` on one CPU. */
export function pairCost(profile: CostProfile, policy: ProtectionPolicy, buffer: PairBuffer): SaturationResult {
  return pairCosts(profile, policy, buffer)[0];
}

function machineUnder(policy: ProtectionPolicy, minAlignMask: number): MachineParameters {
  const machine = pcMachine([policy], { devices: [{ ...pciDevice(0, policy, 0), minAlignMask }] });
  return policy === swiotlbForce ? { ...machine, swiotlb: { ...machine.swiotlb!, forced: true } } : machine;
}
