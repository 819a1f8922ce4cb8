import type { ConstantRange, CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';

/** The range of a constant; undefined when the profile has no basis for it. */
export function rangeOf(profile: CostProfile, name: CostConstantName): ConstantRange | undefined {
  const constant = profile.constants[name];
  return constant.value === null ? undefined : { low: constant.low, mid: constant.value, high: constant.high };
}
