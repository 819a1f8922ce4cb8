import type { CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';

/** The profile with some constants set to a value that is given, not a range. */
export function withConstants(profile: CostProfile, values: Partial<Record<CostConstantName, number>>): CostProfile {
  const constants = { ...profile.constants };
  for (const [name, value] of Object.entries(values) as [CostConstantName, number][]) {
    const { unit } = constants[name];
    constants[name] = { unit, low: value, value, high: value, source: 'given', grade: 'D', restsOn: [] };
  }
  return { ...profile, constants };
}
