/** Every attack under every policy against what is expected of it, and why. */

import { bounceStrict, DmaStep, type ProtectionPolicy, policies } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import type { AttackOutcome, AttackVerdict } from './attack-result.ts';
import { attacks, attacksNotModelled, findAttack } from './attacks.ts';
import { literatureDifferences } from './literature.ts';
import { playAttack, runAttacks } from './run-attack.ts';

const matrix = runAttacks();

/** Columns of the table below: initials of the policies, in the order of tables. */
const COLUMNS = policies.map(({ name }) => name);
const SIGNS: Readonly<Record<string, AttackVerdict>> = { '+': 'stopped', x: 'not stopped', '~': 'partly', '-': 'does not apply' };

/**
 * passthrough strict lazy | bounce-strict bounce-partial bounce-link | bounce-lazy-unsafe bounce-deferred
 * bounce-deferred-mixed | shadow | swiotlb-force; then why the stopped cases are stopped, and why the others are not.
 */
const EXPECTED: readonly (readonly [string, string, RegExp, RegExp])[] = [
  ['A1', 'x++ +++ +++ + x', /not mapped/, /nothing is translated/],
  ['A2', 'xxx +++ +++ + x', /reads only a bounce slot/, /whole pages/],
  ['A3', 'xxx +++ +++ + x', /writes only to a bounce slot/, /whole pages/],
  ['A4', 'xxx ~~~ ++~ + x', /writes only to a bounce slot/, /metadata of the kernel/],
  ['A5', 'xxx +++ +++ + x', /writes only to a bounce slot/, /rest of the structure/],
  ['A6', 'xxx +++ +++ + x', /writes only to a bounce slot/, /its other buffer/],
  ['A7', 'x+x +++ +++ + x', /invalidated|writes only to a bounce slot/, /cached translation works/],
  ['A8', 'x+x +++ x++ + x', /invalidated|reads only a bounce slot/, /whoever has it now/],
  ['A9', '--- +++ x++ + -', /invalidated|bounce slot/, /given to another device/],
  ['A10', '--- ++x x++ + -', /invalidated|reads only a bounce slot/, /back to the pool before/],
  ['A11', '--- +++ +++ + -', /reads only a bounce slot/, /./],
  ['A12', '--- ~~~ ~~~ ~ ~', /reads only a bounce slot|own mappings/, /copied into the slot|nothing is translated/],
  ['A13', 'xxx ~~~ ++~ + x', /reads only a bounce slot/, /as long as the device likes/],
  ['A14', 'xxx +++ +++ + x', /ATS is off/, /trusted to have asked/],
  ['A15', 'xxx ~~~ ++~ + x', /writes only to a bounce slot/, /memory that the device can write/],
  ['A16', 'xxx xxx xxx x x', /./, /all of its devices/],
  ['A20', 'xxx ~~~ ++~ + x', /reads only a bounce slot/, /page that the device can read/],
];

test('every attack has its line', () => {
  expect(EXPECTED.map(([id]) => id)).toEqual(attacks.map(({ id }) => id));
});

describe.each(EXPECTED)('%s', (id, signs, whyStopped, whyNot) => {
  const row = matrix.attacks.find((attack) => attack.id === id)!;
  const expected = [...signs.replaceAll(' ', '')].map((sign, index) => ({ policy: COLUMNS[index], verdict: SIGNS[sign] }));

  test('ends as expected under every policy', () => {
    expect(row.outcomes.map(({ policy, verdict }) => ({ policy, verdict }))).toEqual(expected);
  });

  test('for the expected reasons', () => {
    for (const { policy, cases } of row.outcomes) {
      const isTranslated = policy !== 'passthrough' && policy !== 'swiotlb-force';
      for (const { verdict, why } of cases) {
        if (verdict === 'stopped') expect(why).toMatch(whyStopped);
        if (verdict === 'not stopped') expect(why).toMatch(isTranslated ? whyNot : /nothing is translated/);
      }
    }
  });
});

describe('the harness', () => {
  test('sees success: each attack gains something under some policy, under passthrough wherever it applies there', () => {
    for (const { id, outcomes } of runAttacks({ kernel: '6.1' }).attacks) {
      expect([id, outcomes.some((outcome) => gainOf(outcome) > 0)]).toEqual([id, true]);
      const [underPassthrough] = outcomes;
      if (underPassthrough!.verdict !== 'does not apply') expect(gainOf(underPassthrough!)).toBeGreaterThan(0);
    }
  });

  test.each(['6.1', '6.12'])('sees nothing when the device keeps to its orders, %s rules', (kernel) => {
    for (const { id, outcomes } of runAttacks({ kernel, hostile: false }).attacks) {
      for (const outcome of outcomes) expect([id, outcome.policy, gainOf(outcome)]).toEqual([id, outcome.policy, 0]);
    }
  });

  test('sees old slot contents where a policy neither copies in nor clears', () => {
    const careless: ProtectionPolicy = {
      ...bounceStrict,
      name: 'careless',
      mapBounced: bounceStrict.mapBounced.filter((step) => step !== DmaStep.COPY_IN && step !== DmaStep.ZERO_PADDING),
    };
    const [oldSlot] = playAttack(findAttack('residue'), careless, { kernel: '6.12', seed: 1, hostile: true, withSteps: false }).cases;
    expect(oldSlot!.verdict).toBe('not stopped');
    expect(oldSlot!.gains.map(({ by }) => by)).toEqual(['device']);
  });

  test('sees a slot freed before its invalidation, wherever the step stands', () => {
    const early: ProtectionPolicy = {
      ...bounceStrict,
      name: 'early',
      unmapBounced: [DmaStep.CLEAR_TABLE, DmaStep.COPY_OUT, DmaStep.FREE_SLOTS, ...bounceStrict.unmapBounced.filter(isInvalidation)],
    };
    const outcome = playAttack(findAttack('early-free'), early, { kernel: '6.12', seed: 1, hostile: true, withSteps: true });
    expect(outcome.verdict).toBe('not stopped');
    expect(outcome.cases[0]!.gains.map(({ phase }) => phase)).toEqual(['unmapped, still cached']);
  });

  test('gains the same bytes with other secrets, and the same story with the same', () => {
    const other = runAttacks({ seed: 2 ** 40 + 7 });
    expect(other.attacks.map(gainsOf)).toEqual(matrix.attacks.map(gainsOf));
    expect(runAttacks({ attack: 'A10' })).toEqual(runAttacks({ attack: 'early-free' }));
  });
});

describe('the windows', () => {
  test('lazy: the device gets through until the timer fires, 12 to 16 ms after the unmap at HZ 250', () => {
    const { cases } = outcomeOf('stale-write', 'lazy');
    for (const { gains, reachedAfterUnmapNs } of cases) {
      expect(gains.map(({ phase }) => phase)).toEqual(['unmapped, still cached']);
      expect(reachedAfterUnmapNs).toBeGreaterThan(11e6);
      expect(reachedAfterUnmapNs).toBeLessThanOrEqual(16e6);
    }
  });

  test('strict: nothing gets through after the unmap', () => {
    for (const { reachedAfterUnmapNs } of outcomeOf('stale-write', 'strict').cases) expect(reachedAfterUnmapNs).toBe(0);
  });

  test('bounce-deferred: the device still writes for as long, to a slot that nobody else has', () => {
    for (const { reachedAfterUnmapNs, bytesChanged } of outcomeOf('stale-write', 'bounce-deferred').cases) {
      expect(bytesChanged).toBe(0);
      expect(reachedAfterUnmapNs).toBeGreaterThan(11e6);
    }
  });

  test('bounce-link: the slot is read while its entry is still there', () => {
    expect(outcomeOf('early-free', 'bounce-link').cases[0]!.gains.map(({ phase }) => phase)).toEqual(['mapped']);
  });
});

describe('the rules of 6.1', () => {
  const old = runAttacks({ kernel: '6.1', policies: ['bounce-strict'] });
  const caseOf = (id: string, index: number) => old.attacks.find((attack) => attack.id === id)!.outcomes[0]!.cases[index]!;

  test('leave the bytes before an NVMe buffer in its first page as they are', () => {
    expect(caseOf('A2', 1)).toMatchObject({ verdict: 'not stopped', bytesRead: 0x210 });
    expect(caseOf('A2', 1).gains.map(({ owner }) => owner)).toEqual(['bystander']);
  });

  test('map a slot that belongs to somebody else when an NVMe buffer keeps its offset', () => {
    expect(caseOf('A11', 1)).toMatchObject({ verdict: 'not stopped' });
    expect(caseOf('A11', 1).gains.some(({ owner }) => owner === 'disk')).toBe(true);
  });

  test('clear a receive buffer, so that its former contents cannot be read', () => {
    expect(caseOf('A12', 1)).toMatchObject({ verdict: 'stopped' });
  });
});

describe('the literature', () => {
  test('differs from the model exactly where that is explained', () => {
    const different = matrix.attacks.flatMap(({ id, outcomes }) =>
      outcomes.filter(({ literature, verdict }) => literature !== null && literature !== verdict).map(({ policy }) => `${id} ${policy}`),
    );
    const explained = literatureDifferences.flatMap(({ attack, policies: names }) => names.map((name) => `${attack} ${name}`));
    expect(different.toSorted()).toEqual(explained.toSorted());
  });

  test('every attack from A1 to A21 is played or named with a reason', () => {
    const ids = [...attacks, ...attacksNotModelled].map(({ id }) => Number(id.slice(1)));
    expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
  });
});

function outcomeOf(attack: string, policy: string): AttackOutcome {
  return runAttacks({ attack, policies: [policy] }).attacks[0]!.outcomes[0]!;
}

function gainOf({ bytesRead, bytesChanged }: AttackOutcome): number {
  return bytesRead + bytesChanged;
}

function gainsOf({ id, outcomes }: (typeof matrix.attacks)[number]): unknown {
  return [id, outcomes.map(({ policy, verdict, bytesRead, bytesChanged }) => [policy, verdict, bytesRead, bytesChanged])];
}

function isInvalidation(step: DmaStep): boolean {
  return step !== DmaStep.CLEAR_TABLE && step !== DmaStep.COPY_OUT && step !== DmaStep.FREE_SLOTS;
}
