import type { ProtectionPolicy } from 'dmalab-core';
import { isUserPolicy } from '../user-policy/user-policy.ts';
import type { CompareResult } from './compare-result.ts';

/** Rows of a comparison that are replayed together. */
export interface RowShare {
  readonly hasRecordedRow: boolean;
  readonly policies: readonly ProtectionPolicy[];
}

/** What a row takes, roughly, as a share of one that bounces what is unaligned: measured, see docs/speed.md. */
const RECORDED_WEIGHT = 0.7;
const USER_WEIGHT = 1;
const UNALIGNED_ADDRESS = 0x1001;

export function everyRow(policies: readonly ProtectionPolicy[]): RowShare {
  return { hasRecordedRow: true, policies };
}

/**
 * Shares the rows out so that each share takes about the same time: the heaviest first, each to the share that has least.
 * The first share has the row as-recorded.
 *
 * @param count  shares, 1 or more; some stay empty when there are fewer rows
 */
export function shareRows(policies: readonly ProtectionPolicy[], count: number): readonly RowShare[] {
  const shares = Array.from({ length: count }, (_, index) => ({
    hasRecordedRow: index === 0,
    policies: [] as ProtectionPolicy[],
    weight: index === 0 ? RECORDED_WEIGHT : 0,
  }));
  const heaviestFirst = policies.toSorted((a, b) => weightOf(b) - weightOf(a));
  for (const policy of heaviestFirst) {
    const lightest = shares.reduce((least, share) => (share.weight < least.weight ? share : least));
    lightest.policies.push(policy);
    lightest.weight += weightOf(policy);
  }
  return shares;
}

function weightOf(policy: ProtectionPolicy): number {
  if (isUserPolicy(policy)) return USER_WEIGHT;
  if (!policy.translated) return 0.2;
  return policy.bounces(UNALIGNED_ADDRESS, 1) ? 1 : 0.5;
}

/** One result of the results of all shares, the first with the row as-recorded; rows in the order of `policies`. */
export function joinShares(parts: readonly CompareResult[], policies: readonly string[]): CompareResult {
  const rows = parts.flatMap((part) => part.rows);
  const [recorded, ...others] = rows;
  const ordered = policies.map((name) => others.find(({ policy }) => policy === name)!);
  return { ...parts[0], rows: [recorded, ...ordered] };
}
