import { countText } from 'dmalab';
import { policies } from 'dmalab-core';
import { type AttackVerdict, type CheckResult, check, checkBounds, runAttacks, type Verdict } from 'dmalab-lab';
import { markdownTable } from './markdown-table.ts';

/** What each policy does, in words; the order of columns is that of the table. */
const DEEDS: Readonly<Record<string, readonly [copied: string, invalidated: string, released: string]>> = {
  passthrough: ['nothing', 'nothing', 'no slots'],
  strict: ['nothing', 'in every unmap', 'no slots'],
  lazy: ['nothing', 'by a later flush of the domain', 'no slots'],
  'bounce-strict': ['whole buffers that do not fill their pages', 'in every unmap', 'in the unmap, after the invalidation'],
  'bounce-partial': ['their first and last page, as far as partial', 'in every unmap', 'in the unmap, after the invalidation'],
  'bounce-link': ['as `bounce-partial`', 'in every unmap', 'in the unmap, **before** the invalidation'],
  'bounce-lazy-unsafe': ['every buffer', 'by a later flush of the domain', 'in the unmap, **before** the flush'],
  'bounce-deferred': ['every buffer', 'by a later flush of the domain', 'after that flush, with the address'],
  'bounce-deferred-mixed': [
    'whole buffers that do not fill their pages',
    'those by a later flush, the others in the unmap',
    'after that flush, with the address',
  ],
  shadow: ['every buffer', 'when the device goes', 'to the same device at once, to the pool when the device goes'],
  'swiotlb-force': ['every buffer', 'no IOMMU', 'in the unmap'],
};
/** The scripts in which the answers of 2019 differ from each other or from `strict`. */
const ATTACKS: readonly string[] = ['A2', 'A3', 'A7', 'A8', 'A9', 'A10', 'A11', 'A12', 'A13', 'A15'];
const ATTACKED: readonly string[] = [
  'strict',
  'lazy',
  'bounce-strict',
  'bounce-partial',
  'bounce-link',
  'bounce-lazy-unsafe',
  'bounce-deferred',
  'bounce-deferred-mixed',
  'shadow',
];
const VERDICTS: Readonly<Record<AttackVerdict, string>> = {
  stopped: 'stopped',
  'not stopped': '**NOT**',
  partly: 'partly',
  'does not apply': '-',
};

const CHECK_VERDICTS: Readonly<Record<Verdict, string>> = { holds: 'holds', refuted: 'refuted', 'not-decided': '?', 'does-not-apply': '-' };

/** The policies of the comparison. */
export function optionTable(): string {
  const rows = policies.map(({ name, status, promises }) => [`\`${name}\``, ...DEEDS[name]!, promises.join(' '), status]);
  return markdownTable(['Policy', 'Copied', 'Invalidated', 'Slots released', 'Promises', 'Status'], rows, true);
}

function checked(): CheckResult {
  const properties = [...new Set(policies.flatMap(({ promises }) => promises))].toSorted();
  const search = check({ policies, properties, kernel: '6.12', bound: checkBounds.quick });
  let step = search.next();
  while (step.done !== true) step = search.next();
  return step.value;
}

/** Verdicts of the checker on its small machines, and how far it looked. */
export function checkTable(): string {
  const result = checked();
  const rows = result.policies.map(({ policy, cells }) => [
    `\`${policy}\``,
    ...cells.map(({ verdict, promised: isPromised }) =>
      verdict === 'refuted' && isPromised ? '**refuted**, promised' : CHECK_VERDICTS[verdict],
    ),
  ]);
  const searches = result.policies.flatMap((policy) => policy.searches);
  const states = searches.reduce((sum, search) => sum + search.states, 0);
  const left = searches.reduce((sum, search) => sum + search.frontier, 0);
  const bound = `Bound \`${result.bound.name}\`: ${result.machines.length} machines, ${countText(states)} states visited, ${countText(left)} not gone on from.`;
  return `${bound}\n\n${markdownTable(['Policy', ...result.properties.map(({ name }) => name)], rows, true)}`;
}

/** How scripted attacks went, bytes of others read and changed. */
export function attackTable(): string {
  const { attacks } = runAttacks({ policies: ATTACKED });
  const rows = attacks
    .filter(({ id }) => ATTACKS.includes(id))
    .map(({ id, name, outcomes }) => [
      `${id} ${name}`,
      ...outcomes.map(({ verdict, bytesRead, bytesChanged }) =>
        [VERDICTS[verdict], bytesRead > 0 ? `r${bytesRead}` : '', bytesChanged > 0 ? `w${bytesChanged}` : '']
          .filter((word) => word !== '')
          .join(' '),
      ),
    ]);
  return markdownTable(['Attack', ...ATTACKED.map((name) => `\`${name}\``)], rows, true);
}
