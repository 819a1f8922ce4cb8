import { policies } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { shareRows } from './row-share.ts';

describe('shares of rows', () => {
  it.each([1, 2, 3, policies.length])('%i have each row once, and the first as-recorded', (count) => {
    const shares = shareRows(policies, count);
    expect(shares).toHaveLength(count);
    expect(shares.map(({ hasRecordedRow }) => hasRecordedRow)).toEqual([true, ...new Array(count - 1).fill(false)]);
    expect(new Set(shares.flatMap((share) => share.policies))).toEqual(new Set(policies));
    expect(shares.flatMap((share) => share.policies)).toHaveLength(policies.length);
  });

  it('have the same rows whoever asks', () => {
    expect(shareRows(policies, 2)).toEqual(shareRows(policies, 2));
  });

  it('leave none empty as long as there are rows', () => {
    for (const { hasRecordedRow, policies: own } of shareRows(policies, policies.length))
      expect(hasRecordedRow || own.length > 0).toBe(true);
  });
});
