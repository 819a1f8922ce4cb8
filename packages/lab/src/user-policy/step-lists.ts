import { DmaStep, LabError, type ProtectionPolicy, policies } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import { printable } from '../compare/printable.ts';

/** The step lists of a policy, and which end what the others begin. */
export const LIST_NAMES = ['mapDirect', 'mapBounced', 'mapNewShadow', 'unmapDirect', 'unmapBounced', 'unmapCoherent'] as const;
export type ListName = (typeof LIST_NAMES)[number];
export type StepLists = Readonly<Record<ListName, readonly DmaStep[]>>;
type PolicyKind = Pick<ProtectionPolicy, 'translated' | 'lazy' | 'bouncesEdgesOnly'>;
type StepName = keyof typeof DmaStep;

const STEPS_MAX = 32;
const LIFES: readonly (readonly [map: ListName, unmap: ListName])[] = [
  ['mapDirect', 'unmapDirect'],
  ['mapBounced', 'unmapBounced'],
  ['mapDirect', 'unmapCoherent'],
];
/** What one list takes, another has to give back in one of these ways. */
const PAIRS: readonly (readonly [take: StepName, ...give: StepName[]])[] = [
  ['TAKE_SLOTS', 'FREE_SLOTS', 'QUEUE_IOVA_AND_SLOTS'],
  ['TAKE_SHADOW', 'RETURN_SHADOW'],
  ['ALLOCATE_IOVA', 'FREE_IOVA', 'QUEUE_IOVA', 'QUEUE_IOVA_AND_SLOTS'],
  ['WRITE_TABLE', 'CLEAR_TABLE'],
];
/** A step works on what another, or one of several, has done before it in the same list. */
const WORKS_ON: readonly (readonly [step: StepName, ...earlier: StepName[]])[] = [
  ['COPY_IN', 'TAKE_SLOTS', 'TAKE_SHADOW', 'KEEP_SHADOW'],
  ['ZERO_PADDING', 'TAKE_SLOTS', 'TAKE_SHADOW', 'KEEP_SHADOW'],
  ['WRITE_TABLE', 'ALLOCATE_IOVA'],
  ['FLUSH_MAP', 'WRITE_TABLE'],
  ['SUBMIT_INVALIDATION', 'CLEAR_TABLE'],
  ['WAIT_INVALIDATION', 'SUBMIT_INVALIDATION'],
  ['FREE_TABLES', 'CLEAR_TABLE'],
  ['FREE_IOVA', 'FREE_TABLES'],
  ['QUEUE_IOVA', 'CLEAR_TABLE'],
  ['QUEUE_IOVA_AND_SLOTS', 'CLEAR_TABLE'],
  ['KEEP_SHADOW', 'WRITE_TABLE'],
];
/**
 * Two steps of one list that have their order, if both are there. What can fail for want of slots comes first: nothing
 * else is given back then. What waits on the flush queue takes the emptied tables along, if they are not free yet.
 */
const IN_ORDER: readonly (readonly [first: StepName, second: StepName])[] = [
  ['TAKE_SLOTS', 'ALLOCATE_IOVA'],
  ['GROW_SHADOW', 'ALLOCATE_IOVA'],
  ['FLUSH_MAP', 'KEEP_SHADOW'],
  ['COPY_OUT', 'FREE_SLOTS'],
  ['COPY_OUT', 'QUEUE_IOVA_AND_SLOTS'],
  ['COPY_OUT', 'RETURN_SHADOW'],
  ['FREE_TABLES', 'QUEUE_IOVA'],
  ['FREE_TABLES', 'QUEUE_IOVA_AND_SLOTS'],
];
/** Steps that only a translating policy has. */
const OF_TRANSLATION: readonly StepName[] = ['TAKE_SHADOW', 'ALLOCATE_IOVA', 'WRITE_TABLE', 'CLEAR_TABLE', 'SUBMIT_INVALIDATION'];
/** Steps that only a lazy policy has. */
const OF_QUEUE: readonly StepName[] = ['QUEUE_IOVA', 'QUEUE_IOVA_AND_SLOTS'];
/** Steps that know of one run of slots, and not of the two that the ends of a range have. */
const OF_WHOLE_RANGES: readonly StepName[] = ['TAKE_SHADOW', 'QUEUE_IOVA_AND_SLOTS'];

const stepNames = Object.keys(DmaStep) as StepName[];
/** What may stand in a list of a kind: the steps that some policy of dmalab has there. */
const MAP_STEPS = stepsOf('mapDirect', 'mapBounced');
const UNMAP_STEPS = stepsOf('unmapDirect', 'unmapBounced', 'unmapCoherent');
const ALLOWED: Readonly<Record<ListName, ReadonlySet<DmaStep>>> = {
  mapDirect: MAP_STEPS,
  mapBounced: MAP_STEPS,
  mapNewShadow: stepsOf('mapNewShadow'),
  unmapDirect: UNMAP_STEPS,
  unmapBounced: UNMAP_STEPS,
  unmapCoherent: UNMAP_STEPS,
};

/**
 * Step numbers of a list that names its steps, or has their numbers.
 *
 * @throws LabError POL007 for a step that does not exist or cannot stand there, POL008 for anything but a list of at most 32
 */
export function readSteps(list: ListName, value: unknown, file: string): readonly DmaStep[] {
  if (!Array.isArray(value)) throw wrongList(file, list, 'a list of step names', typeof value);
  if (value.length > STEPS_MAX) throw wrongList(file, list, `at most ${STEPS_MAX} steps`, `${value.length} steps`);
  const allowed = ALLOWED[list];
  return value.map((step: unknown) => {
    const name = typeof step === 'number' ? stepNames.find((key) => DmaStep[key] === step) : stepNames.find((key) => key === step);
    if (name !== undefined && allowed.has(DmaStep[name])) return DmaStep[name];
    const names = stepNames.filter((key) => allowed.has(DmaStep[key]));
    const text = typeof step === 'string' || typeof step === 'number' ? printable(String(step)) : typeof step;
    const nearest = nearestName(text, names);
    throw new LabError({
      code: 'POL007',
      message: name === undefined ? `${list} has a step that does not exist.` : `${list} has a step that cannot stand there.`,
      file,
      expected: names.join(', '),
      got: text,
      next: nearest === undefined ? 'take one of these' : `did you mean ${nearest}?`,
    });
  });
}

/**
 * Refuses lists that take what they never give back, or work on what is not there. That a policy is unsafe is no reason:
 * this is what a comparison is for.
 *
 * @throws LabError POL008
 */
export function checkSteps(lists: StepLists, kind: PolicyKind, file: string): void {
  for (const list of LIST_NAMES) checkList(list, lists[list], file);
  for (const [map, unmap] of LIFES) checkLife(map, unmap, lists, file);
  checkSlots(lists, file);
  for (const list of LIST_NAMES) checkKind(list, lists[list], kind, file);
  if (kind.translated && !has(lists.mapDirect, 'WRITE_TABLE')) throw noTable('mapDirect', file);
  if (kind.translated && !has(lists.mapBounced, 'WRITE_TABLE') && !has(lists.mapBounced, 'TAKE_SHADOW')) throw noTable('mapBounced', file);
  if (kind.lazy && !LIST_NAMES.some((list) => OF_QUEUE.some((step) => has(lists[list], step))))
    throw wrongList(file, 'unmapDirect', `${OF_QUEUE.join(' or ')} where lazy is true`, 'no list with it');
}

/** A bounced range has slots of its own, or a shadow buffer: an idle one, or else a new one. */
function checkSlots({ mapDirect, mapBounced, mapNewShadow }: StepLists, file: string): void {
  const bouncing = (['TAKE_SLOTS', 'TAKE_SHADOW'] as const).filter((step) => has(mapDirect, step));
  if (bouncing.length > 0) throw wrongList(file, 'mapDirect', `no ${bouncing[0]}: nothing is bounced there`, bouncing[0]);
  const slots = has(mapBounced, 'TAKE_SLOTS');
  const shadow = has(mapBounced, 'TAKE_SHADOW');
  if (slots === shadow)
    throw wrongList(file, 'mapBounced', 'either TAKE_SLOTS or TAKE_SHADOW', slots ? 'both of them' : 'a list without them');
  if (slots && mapNewShadow.length > 0)
    throw wrongList(file, 'mapNewShadow', 'an empty list, since mapBounced has no TAKE_SHADOW', `${mapNewShadow.length} steps`);
  if (slots) return;
  if (has(mapBounced, 'ALLOCATE_IOVA'))
    throw wrongList(file, 'mapBounced', 'no ALLOCATE_IOVA beside TAKE_SHADOW: an idle buffer is still mapped', 'ALLOCATE_IOVA');
  for (const step of ['GROW_SHADOW', 'KEEP_SHADOW'] as const)
    if (!has(mapNewShadow, step)) throw wrongList(file, 'mapNewShadow', `${step}, since mapBounced has TAKE_SHADOW`, 'a list without it');
}

function checkKind(list: ListName, steps: readonly DmaStep[], { translated, lazy, bouncesEdgesOnly }: PolicyKind, file: string): void {
  const wrong = (names: readonly StepName[]): StepName | undefined => names.find((name) => has(steps, name));
  const ofTranslation = translated ? undefined : wrong(OF_TRANSLATION);
  if (ofTranslation !== undefined) throw wrongList(file, list, `no ${ofTranslation} where translated is false`, ofTranslation);
  const ofQueue = lazy ? undefined : wrong(OF_QUEUE);
  if (ofQueue !== undefined) throw wrongList(file, list, `lazy: true beside ${ofQueue}`, 'lazy: false');
  const ofWhole = bouncesEdgesOnly ? wrong(OF_WHOLE_RANGES) : undefined;
  if (ofWhole !== undefined) throw wrongList(file, list, `no ${ofWhole} where bouncesEdgesOnly is true`, ofWhole);
}

function noTable(list: ListName, file: string): LabError {
  return wrongList(file, list, 'WRITE_TABLE where translated is true', 'a list without it');
}

function checkList(list: ListName, steps: readonly DmaStep[], file: string): void {
  const twice = steps.find((step, index) => steps.indexOf(step) < index);
  if (twice !== undefined) throw wrongList(file, list, 'each step once', `${nameOf(twice)} twice`);
  for (const [step, ...earlier] of WORKS_ON) {
    if (!has(steps, step) || earlier.some((name) => isBefore(steps, name, step))) continue;
    const late = earlier.find((name) => has(steps, name));
    const wanted = late ?? earlier.filter((name) => ALLOWED[list].has(DmaStep[name])).join(' or ');
    throw wrongList(file, list, `${wanted} before ${step}`, late === undefined ? `no ${wanted}` : `${step} before ${late}`);
  }
  for (const [first, second] of IN_ORDER) {
    if (has(steps, first) && isBefore(steps, second, first))
      throw wrongList(file, list, `${first} before ${second}`, `${second} before ${first}`);
  }
  const submit = steps.indexOf(DmaStep.SUBMIT_INVALIDATION);
  if (submit > 0 && steps[submit - 1] !== DmaStep.CLEAR_TABLE)
    throw wrongList(file, list, 'SUBMIT_INVALIDATION directly behind CLEAR_TABLE', `${nameOf(steps[submit - 1])} between them`);
}

function checkLife(map: ListName, unmap: ListName, lists: StepLists, file: string): void {
  for (const [take, ...give] of PAIRS) {
    const given = give.filter((name) => has(lists[unmap], name));
    const wanted = has(lists[map], take) ? 1 : 0;
    if (given.length === wanted) continue;
    const fitting = give.filter((name) => name !== 'QUEUE_IOVA_AND_SLOTS' || has(lists[map], 'TAKE_SLOTS'));
    const expected =
      wanted === 1 ? `one of ${fitting.join(', ')}, since ${map} has ${take}` : `no ${given[0]}, since ${map} has no ${take}`;
    throw wrongList(file, unmap, expected, given.length === 0 ? 'none of them' : given.join(' and '));
  }
}

function stepsOf(...lists: readonly ListName[]): ReadonlySet<DmaStep> {
  return new Set(policies.flatMap((policy) => lists.flatMap((list) => policy[list])));
}

function has(steps: readonly DmaStep[], name: StepName): boolean {
  return steps.includes(DmaStep[name]);
}

/** Whether `first` stands before `second`; false when it is not there. */
function isBefore(steps: readonly DmaStep[], first: StepName, second: StepName): boolean {
  const index = steps.indexOf(DmaStep[first]);
  return index >= 0 && index < steps.indexOf(DmaStep[second]);
}

function nameOf(step: DmaStep): string {
  return stepNames.find((name) => DmaStep[name] === step)!;
}

function wrongList(file: string, list: ListName, expected: string, got: string): LabError {
  return new LabError({
    code: 'POL008',
    message: `${list} cannot work.`,
    file,
    expected,
    got,
    next: 'docs/policies.md says what each step does and needs',
  });
}
