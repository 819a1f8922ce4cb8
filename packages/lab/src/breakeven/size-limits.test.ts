import { bounceDeferred, bouncePartial, bounceStrict, Direction, type ProtectionPolicy, strict } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import type { CostProfile } from '../cost/cost-profile.ts';
import { readProfile } from '../cost/read-profile.ts';
import { withConstants } from '../cost/with-constants.ts';
import { BUFFER_ALIGNMENTS, type BufferAlignment, isOfAlignment, rowSizes } from './buffer-alignment.ts';
import { type BufferKind, PairCharges } from './pair-charges.ts';
import { cheaperOf, SizeComparison } from './size-limits.ts';

const profile = readProfile('vtd-bare');
const rows = {
  unaligned: rowSizes('unaligned', 262_144),
  'start-aligned': rowSizes('start-aligned', 262_144),
  aligned: rowSizes('aligned', 262_144),
};
const measured = new Map<string, PairCharges>();

function charges(policy: ProtectionPolicy, alignment: BufferAlignment): PairCharges {
  const key = `${policy.name} ${alignment}`;
  const kind: BufferKind = { alignment, minAlignMask: 0, direction: Direction.TO_DEVICE };
  const known = measured.get(key) ?? new PairCharges(policy, kind, profile);
  measured.set(key, known);
  return known;
}

function compared(first: ProtectionPolicy, second: ProtectionPolicy, alignment: BufferAlignment): SizeComparison {
  return new SizeComparison(charges(first, alignment), charges(second, alignment), alignment, rows[alignment]);
}

/** The profile with the cache state of copies in a range of its own. */
function withCopies(low: number, value: number, high: number): CostProfile {
  const { constants } = profile;
  const copyState = { ...constants.copyState, low, value, high } as CostProfile['constants']['copyState'];
  return { ...profile, constants: { ...constants, copyState } };
}

describe('limits', () => {
  // Slow copies bring all limits down to where every size can be looked at.
  const cold = withCopies(0.6, 0.8, 1);

  it.each([
    ['bounce-partial', 'unaligned', bouncePartial],
    ['bounce-partial', 'start-aligned', bouncePartial],
    ['strict', 'unaligned', strict],
    ['bounce-strict', 'aligned', bounceStrict],
  ] as const)('of %s against bounce-deferred, %s, are those of a scan', (_, alignment, first) => {
    const comparison = compared(first, bounceDeferred, alignment);
    const limits = comparison.limits(cold)!;
    const { crossing } = limits;
    const ends = [limits.below, limits.above, crossing?.first, crossing?.last];
    const found = ends.flatMap((bytes) => (bytes == null ? [] : [bytes - 1, bytes, bytes + 1]));
    const scanned = Array.from({ length: 24_577 }, (_, bytes) => bytes)
      .filter((bytes) => bytes % 64 === 0 || bytes % 1024 <= 1 || bytes % 1024 === 1023 || found.includes(bytes))
      .filter((bytes) => bytes >= limits.from && isOfAlignment(alignment, bytes))
      .map((bytes) => ({ bytes, ...comparison.difference(bytes, cold)! }));
    const relations = { first: 'less', second: 'more', equal: 'equal within 1 %', depends: 'none' };
    const upTo = scanned.findIndex(({ relation }) => relation !== relations[limits.atFrom]);
    const from = scanned.findLastIndex(({ relation }) => relation !== relations[limits.atTo]) + 1;
    expect(limits.below).toBe(upTo === 0 ? null : scanned[upTo - 1].bytes);
    expect(limits.above).toBe(scanned[from].bytes);
    const sign = Math.sign(scanned[0].mid!);
    expect(crossing?.first).toBe(limits.atFrom === limits.atTo ? undefined : scanned.find(({ mid }) => Math.sign(mid!) !== sign)?.bytes);
    const last = scanned.findLastIndex(({ mid }) => Math.sign(mid!) === sign) + 1;
    expect(crossing?.last).toBe(crossing === null ? undefined : scanned[last].bytes);
  });

  it.each(BUFFER_ALIGNMENTS)('agree with the paired differences of the rows, %s', (alignment) => {
    for (const first of [bouncePartial, bounceStrict, strict]) {
      const comparison = compared(first, bounceDeferred, alignment);
      const limits = comparison.limits(profile)!;
      for (const bytes of rows[alignment]) {
        const difference = comparison.difference(bytes, profile);
        if (difference === null) continue;
        if (limits.below !== null && bytes <= limits.below) expect(cheaperOf(difference)).toBe(limits.atFrom);
        if (limits.above !== null && bytes >= limits.above) expect(cheaperOf(difference)).toBe(limits.atTo);
      }
    }
  });

  it('move apart as the range of the copies widens, and keep the crossing between them', () => {
    let [below, above] = [Number.POSITIVE_INFINITY, 0];
    for (const half of [0, 0.1, 0.2, 0.3, 0.5]) {
      const limits = compared(bouncePartial, bounceDeferred, 'unaligned').limits(withCopies(0.5 - half, 0.5, 0.5 + half))!;
      expect(limits.below!).toBeLessThanOrEqual(below);
      expect(limits.above!).toBeGreaterThanOrEqual(above);
      expect(limits.crossing!.first).toBeGreaterThan(limits.below!);
      expect(limits.crossing!.last).toBeLessThanOrEqual(limits.above!);
      [below, above] = [limits.below!, limits.above!];
    }
    expect(above / below).toBeGreaterThan(4);
  });

  it('fall as copies get colder', () => {
    const crossings = [0, 0.25, 0.5, 0.75, 1].map(
      (copyState) => compared(bouncePartial, bounceDeferred, 'unaligned').limits(withConstants(profile, { copyState }))!.crossing!.first,
    );
    expect(crossings).toEqual(crossings.toSorted((a, b) => b - a));
    expect(crossings[0]).toBeGreaterThan(2 * crossings[4]);
  });

  it('are the same size everywhere for a policy against itself', () => {
    const limits = compared(strict, strict, 'unaligned').limits(profile)!;
    expect(limits).toMatchObject({ atFrom: 'equal', atTo: 'equal', below: limits.to, above: limits.from, crossing: null });
  });

  it('are none where a constant is missing in which the two differ', () => {
    const missing = { unit: 'ns/invalidation', value: null, reason: 'nobody knows' } as const;
    const gap = { ...profile, constants: { ...profile.constants, pageInvalidation: missing } };
    expect(compared(bouncePartial, bounceDeferred, 'unaligned').limits(gap)).toBeNull();
    expect(compared(bouncePartial, bounceStrict, 'unaligned').limits(gap)).not.toBeNull();
  });
});
