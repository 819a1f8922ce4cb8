/**
 * What the literature and the kernel's own commit texts say which attack is stopped by which kind of protection, and why
 * the model comes to another verdict where it does.
 *
 * @source the papers and commits that each attack names in its `source`; cells that none of them states are reasoning
 * from the definition of the policy
 */
import type { AttackVerdict } from './attack-result.ts';

/** Policies with a counterpart in the literature, in the order of the columns below. */
const COUNTERPARTS: readonly string[] = [
  'passthrough',
  'lazy',
  'strict',
  'bounce-partial',
  'bounce-strict',
  'bounce-lazy-unsafe',
  'bounce-deferred',
  'shadow',
];

/** `+` stopped, `x` not stopped, `~` partly, `-` does not apply. */
const VERDICT_OF_SIGN: Readonly<Record<string, AttackVerdict>> = {
  '+': 'stopped',
  x: 'not stopped',
  '~': 'partly',
  '-': 'does not apply',
};

/** A column per counterpart: off, lazy, strict, head and tail bounced, all unaligned bounced, lazy, deferred, pool. */
const LITERATURE: Readonly<Record<string, string>> = {
  A1: 'x+++++++',
  A2: 'xxx+++++',
  A3: 'xxx+++++',
  A4: 'xxx~~~~+',
  A5: 'xxx+++++',
  A6: 'xxx++x++',
  A7: 'xx+++~++',
  A8: 'xx+++x++',
  A9: '----+x++',
  A10: '---x-x++',
  A11: '---xxxx+',
  A12: '---~~~~~',
  A13: 'xxxx~~~~',
  A14: 'xxxxxxxx',
  A15: 'xxxx++++',
  A16: 'xxxxxxxx',
  A20: 'xxx~~~~+',
};

/** Cells in which the model differs under the rules of 6.12, with the reason. */
export interface LiteratureDifference {
  readonly attack: string;
  readonly policies: readonly string[];
  readonly why: string;
}

const ALIGNED_TOO = 'here every buffer is copied, whole pages too; the literature leaves those direct, as bounce-deferred-mixed does';

/** All differences; a test holds them to the matrix. */
export const literatureDifferences: readonly LiteratureDifference[] = [
  { attack: 'A4', policies: ['bounce-lazy-unsafe', 'bounce-deferred'], why: ALIGNED_TOO },
  {
    attack: 'A6',
    policies: ['bounce-lazy-unsafe'],
    why: 'a stale entry reaches the slot and never the packet, which was copied out of it; what a stale slot is good for is A9',
  },
  {
    attack: 'A7',
    policies: ['bounce-lazy-unsafe'],
    why: 'the late write ends in the slot, after the data was copied out: the header does not change. The harm to the next owner of the slot is A9',
  },
  {
    attack: 'A9',
    policies: ['bounce-partial'],
    why: 'the literature leaves the cell open; slots are freed after the invalidation here, so nothing stale reaches them',
  },
  {
    attack: 'A10',
    policies: ['bounce-partial'],
    why: 'the cell of the literature is about the link path, which is bounce-link here and not stopped; version 3 of 2019 invalidates first',
  },
  {
    attack: 'A10',
    policies: ['bounce-strict'],
    why: 'the literature leaves the cell open; played all the same, it finds the entry removed before the slots are free',
  },
  {
    attack: 'A11',
    policies: ['bounce-partial', 'bounce-strict', 'bounce-lazy-unsafe', 'bounce-deferred'],
    why: 'the rules of 6.12 take whole pages of slots and clear the rest of them; under those of 6.1 the second case goes through',
  },
  {
    attack: 'A13',
    policies: ['bounce-partial'],
    why: 'a neighbour of the buffer is behind a copy; the middle of a large buffer and aligned buffers are not',
  },
  {
    attack: 'A13',
    policies: ['bounce-lazy-unsafe', 'bounce-deferred', 'shadow'],
    why: 'only a copy is exposed, made when the buffer was mapped; what is stored later is not in it, so no foreign byte is counted',
  },
  {
    attack: 'A14',
    policies: ['bounce-partial', 'bounce-strict', 'bounce-lazy-unsafe', 'bounce-deferred', 'shadow'],
    why: 'Linux leaves ATS off for untrusted devices, and whoever bounces is untrusted here; the literature presupposes ATS',
  },
  {
    attack: 'A15',
    policies: ['bounce-partial'],
    why: 'a field in a small buffer is read from the copy; one in the middle of a large buffer or in an aligned page is not',
  },
  {
    attack: 'A15',
    policies: ['bounce-strict'],
    why: 'the literature presupposes that the buffer was bounced; an aligned page is not',
  },
  { attack: 'A20', policies: ['bounce-lazy-unsafe', 'bounce-deferred'], why: ALIGNED_TOO },
];

/** The literature's verdict on a policy's counterpart; undefined without one. */
export function literatureVerdict(attack: string, policy: string): AttackVerdict | undefined {
  const sign = LITERATURE[attack]?.[COUNTERPARTS.indexOf(policy)];
  return sign === undefined ? undefined : VERDICT_OF_SIGN[sign];
}

/** Why the model's verdict differs from it; undefined when it does not. */
export function differenceText(attack: string, policy: string): string | undefined {
  return literatureDifferences.find((difference) => difference.attack === attack && difference.policies.includes(policy))?.why;
}
