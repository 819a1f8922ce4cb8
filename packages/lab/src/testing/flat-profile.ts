import { COPY_KNOTS } from '../cost/copy-table.ts';
import { COST_CONSTANT_NAMES, COST_UNITS, type CostConstantName } from '../cost/cost-constant.ts';
import type { CostProfile } from '../cost/cost-profile.ts';

/** A profile without ranges: constants that are not given are free, and copies of any size cost the same. */
export function flatProfile(values: Partial<Record<CostConstantName, number>>, copyNs: number): CostProfile {
  const provenance = { source: 'chosen for a test', grade: 'estimate', restsOn: [] } as const;
  const constants = COST_CONSTANT_NAMES.map((name) => {
    const value = values[name] ?? 0;
    return [name, { unit: COST_UNITS[name], low: value, value, high: value, ...provenance }];
  });
  return {
    name: 'flat',
    description: 'a test',
    warnings: [],
    constants: Object.fromEntries(constants) as CostProfile['constants'],
    copy: { unit: 'ns', knots: COPY_KNOTS.map((bytes) => ({ bytes, hot: copyNs, cold: copyNs })), ...provenance },
  };
}
