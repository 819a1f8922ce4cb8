import { describe, expect, it } from 'vitest';
import { readProfile } from '../cost/read-profile.ts';
import { runValidation } from './run-validation.ts';
import { errorOf, isMet, type ValidationCheck } from './validation-check.ts';
import { validationPage } from './validation-page.ts';

const checks: readonly ValidationCheck[] = runValidation(readProfile);
const named = (id: string): ValidationCheck => checks.find((check) => check.id === id)!;

describe('checks with a required bound', () => {
  it('keep it', () => {
    const bounded = checks.filter((check) => isMet(check) !== undefined);
    expect(bounded.map(({ id }) => id)).toEqual(['nvme-strict-lazy', 'smmuv3-scaling', 'fast-and-safe-equation']);
    expect(bounded.filter((check) => isMet(check) === false)).toEqual([]);
  });

  it('require what was agreed', () => {
    const bounds = (id: string): (number | undefined)[] => named(id).rows.map(({ requiredWithin }) => requiredWithin);
    expect(bounds('nvme-strict-lazy').slice(0, 2)).toEqual([0.25, 0.25]);
    expect(bounds('smmuv3-scaling')).toEqual([0.3, 0.3, 0.3]);
    expect(named('smmuv3-scaling').rows.map(({ published }) => published)).toEqual([193, 80, 30]);
    const rounded = named('fast-and-safe-equation').rows.slice(0, 4);
    expect(rounded.map(({ computed }) => computed.toFixed(1))).toEqual(['79.6', '62.9', '42.6', '35.5']);
  });
});

describe.each(checks.map((check) => [check.id, check] as const))('%s', (_, check) => {
  it('does not rest on what it checks', () => {
    const circular = check.inputs.filter(({ restsOn }) => restsOn.includes(check.sourceId));
    if (check.otherFigureOfSource === undefined) expect(circular).toEqual([]);
  });

  it('computes every figure', () => {
    expect(check.rows.length).toBeGreaterThan(0);
    for (const row of check.rows) expect(Number.isFinite(errorOf(row)), row.label).toBe(true);
  });
});

it('docs/validation.md shows the values of today', async () => {
  await expect(validationPage(checks)).toMatchFileSnapshot('../../../../docs/validation.md');
});
