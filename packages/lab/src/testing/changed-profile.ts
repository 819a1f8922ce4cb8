import type { ConstantRange, CostConstantName } from '../cost/cost-constant.ts';
import type { CostConstant, CostProfile } from '../cost/cost-profile.ts';

/** A profile with other ranges for some constants; null takes a constant away. */
export function changedProfile(profile: CostProfile, changes: Partial<Record<CostConstantName, ConstantRange | null>>): CostProfile {
  const constants = { ...profile.constants };
  for (const [name, range] of Object.entries(changes) as [CostConstantName, ConstantRange | null][]) {
    const { unit } = constants[name];
    const source: Omit<CostConstant, 'low' | 'value' | 'high'> = { unit, source: 'a test', grade: 'estimate', restsOn: [] };
    constants[name] =
      range === null ? { unit, value: null, reason: 'a test' } : { ...source, low: range.low, value: range.mid, high: range.high };
  }
  return { ...profile, constants };
}
