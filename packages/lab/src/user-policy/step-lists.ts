import { DmaStep, LabError, policies } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import { printable } from '../compare/printable.ts';

/** The step lists of a policy, and which end what the others begin. */
export const LIST_NAMES = ['mapDirect', 'mapBounced', 'unmapDirect', 'unmapBounced', 'unmapCoherent'] as const;
export type ListName = (typeof LIST_NAMES)[number];
export type StepLists = Readonly<Record<ListName, readonly DmaStep[]>>;
type StepName = keyof typeof DmaStep;

const STEPS_MAX = 32;
const LIFES: readonly (readonly [map: ListName, unmap: ListName])[] = [
  ['mapDirect', 'unmapDirect'],
  ['mapBounced', 'unmapBounced'],
  ['mapDirect', 'unmapCoherent'],
];
/** What one list takes, another has to give back in one of these ways. */
const PAIRS: readonly (readonly [take: StepName, ...give: StepName[]])[] = [
  ['TAKE_SLOTS', 'FREE_SLOTS'],
  ['ALLOCATE_IOVA', 'FREE_IOVA', 'QUEUE_IOVA'],
  ['WRITE_TABLE', 'CLEAR_TABLE'],
];
/** A step works on what another has done before it in the same list. */
const WORKS_ON: readonly (readonly [step: StepName, earlier: StepName])[] = [
  ['COPY_IN', 'TAKE_SLOTS'],
  ['ZERO_PADDING', 'TAKE_SLOTS'],
  ['WRITE_TABLE', 'ALLOCATE_IOVA'],
  ['FLUSH_MAP', 'WRITE_TABLE'],
  ['SUBMIT_INVALIDATION', 'CLEAR_TABLE'],
  ['WAIT_INVALIDATION', 'SUBMIT_INVALIDATION'],
  ['FREE_TABLES', 'CLEAR_TABLE'],
  ['FREE_IOVA', 'FREE_TABLES'],
  ['QUEUE_IOVA', 'CLEAR_TABLE'],
];
/** Two steps of one list that have their order, if both are there. */
const IN_ORDER: readonly (readonly [first: StepName, second: StepName])[] = [
  ['TAKE_SLOTS', 'WRITE_TABLE'],
  ['COPY_OUT', 'FREE_SLOTS'],
];
/** Steps that only a translating policy has. */
const OF_TRANSLATION: readonly StepName[] = ['ALLOCATE_IOVA', 'WRITE_TABLE', 'CLEAR_TABLE', 'SUBMIT_INVALIDATION'];

const stepNames = Object.keys(DmaStep) as StepName[];
/** What may stand in a list of a kind: the steps that some policy of dmalab has there. */
const MAP_STEPS = stepsOf('mapDirect', 'mapBounced');
const UNMAP_STEPS = stepsOf('unmapDirect', 'unmapBounced', 'unmapCoherent');

/**
 * Step numbers of a list that names its steps, or has their numbers.
 *
 * @throws LabError POL007 for a step that does not exist or cannot stand there, POL008 for anything but a list of at most 32
 */
export function readSteps(list: ListName, value: unknown, file: string): readonly DmaStep[] {
  if (!Array.isArray(value)) throw wrongList(file, list, 'a list of step names', typeof value);
  if (value.length > STEPS_MAX) throw wrongList(file, list, `at most ${STEPS_MAX} steps`, `${value.length} steps`);
  const allowed = list.startsWith('map') ? MAP_STEPS : UNMAP_STEPS;
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
export function checkSteps(lists: StepLists, translated: boolean, lazy: boolean, file: string): void {
  for (const list of LIST_NAMES) checkList(list, lists[list], file);
  for (const [map, unmap] of LIFES) checkLife(map, unmap, lists, file);
  if (has(lists.mapDirect, 'TAKE_SLOTS')) throw wrongList(file, 'mapDirect', 'no TAKE_SLOTS: nothing is bounced there', 'TAKE_SLOTS');
  if (!has(lists.mapBounced, 'TAKE_SLOTS')) throw wrongList(file, 'mapBounced', 'TAKE_SLOTS', 'a list without it');
  for (const list of LIST_NAMES) {
    const step = OF_TRANSLATION.find((name) => has(lists[list], name));
    if (!translated && step !== undefined) throw wrongList(file, list, `no ${step} where translated is false`, step);
    if (!lazy && has(lists[list], 'QUEUE_IOVA')) throw wrongList(file, list, 'lazy: true beside QUEUE_IOVA', 'lazy: false');
  }
  for (const list of ['mapDirect', 'mapBounced'] as const)
    if (translated && !has(lists[list], 'WRITE_TABLE'))
      throw wrongList(file, list, 'WRITE_TABLE where translated is true', 'a list without it');
  if (lazy && !LIST_NAMES.some((list) => has(lists[list], 'QUEUE_IOVA')))
    throw wrongList(file, 'unmapDirect', 'QUEUE_IOVA where lazy is true', 'no list with it');
}

function checkList(list: ListName, steps: readonly DmaStep[], file: string): void {
  const twice = steps.find((step, index) => steps.indexOf(step) < index);
  if (twice !== undefined) throw wrongList(file, list, 'each step once', `${nameOf(twice)} twice`);
  for (const [step, earlier] of WORKS_ON) {
    if (!has(steps, step) || isBefore(steps, earlier, step)) continue;
    throw wrongList(file, list, `${earlier} before ${step}`, has(steps, earlier) ? `${step} before ${earlier}` : `no ${earlier}`);
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
    const expected = wanted === 1 ? `one of ${give.join(', ')}, since ${map} has ${take}` : `no ${given[0]}, since ${map} has no ${take}`;
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
