import { type KernelRules, LabError, type PropertyName } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import { printable } from '../compare/printable.ts';
import { type CheckBound, type CheckOptions, checkBounds } from './check.ts';
import { properties } from './properties/properties.ts';

/** What the user chooses beside policies, as on the command line; a list is names separated by commas, `all` for all. */
export interface CheckChoices {
  readonly properties?: string | undefined;
  /** `6.1` or `6.12`; default 6.12. */
  readonly kernel?: string | undefined;
  /** `quick`, `standard`, or `depth=N,states=N` on the standard machines; default quick. */
  readonly bound?: string | undefined;
}

const KERNELS: readonly KernelRules[] = ['6.1', '6.12'];

/** @throws LabError CHK001 for a property, CHK002 for a bound, CHK006 for kernel rules that do not exist */
export function checkOptionsOf(choices: CheckChoices): Omit<CheckOptions, 'policies'> {
  return {
    properties: chosenProperties(choices.properties),
    kernel: chosenKernel(choices.kernel ?? '6.12'),
    bound: chosenBound(choices.bound ?? 'quick'),
  };
}

function chosenProperties(list: string | undefined): readonly PropertyName[] {
  const known = properties.map(({ name }) => name);
  if (list === undefined || list === 'all') return known;
  const wanted = list.split(',').map((name) => name.trim().toUpperCase());
  const unknown = wanted.find((name) => !known.some((property) => property === name));
  if (unknown === undefined) return known.filter((name) => wanted.includes(name));
  throw new LabError({
    code: 'CHK001',
    message: `There is no property ${unknown}.`,
    expected: properties.map(({ name, title }) => `${name} (${title})`).join(', '),
    got: unknown,
    next: `did you mean ${nearestName(unknown, known) ?? known[0]}?`,
  });
}

function chosenKernel(name: string): KernelRules {
  const kernel = KERNELS.find((rules) => rules === name);
  if (kernel !== undefined) return kernel;
  if (/^v?7(\.\d+|\.x)?$/.test(name)) {
    throw new LabError({
      code: 'CHK006',
      message: 'Kernel rules 7.x are not modelled.',
      expected: KERNELS.join(', '),
      got: printable(name),
      next: 'they need entries that can be written but not read, and the dma_iova calls; the order in which they link bounced pages is that of the policy bounce-link: dmalab check bounce-link',
    });
  }
  throw new LabError({
    code: 'CHK006',
    message: `There are no kernel rules ${name}.`,
    expected: KERNELS.join(', '),
    got: printable(name),
    next: 'policies that no kernel has follow 6.12',
  });
}

function chosenBound(text: string): CheckBound {
  if (text === 'quick' || text === 'standard') return checkBounds[text];
  const match = /^(?=.)(?:depth=(\d{1,4}))?,?(?:states=(\d{1,9}|\de\d))?$/.exec(text);
  // A bound on states alone goes as deep as it comes.
  const depth = Number(match?.[1] ?? Number.POSITIVE_INFINITY);
  const states = Number(match?.[2] ?? checkBounds.standard.states);
  if (match !== null && depth > 0 && states > 0) return { ...checkBounds.standard, name: 'custom', depth, states };
  throw new LabError({
    code: 'CHK002',
    message: 'This is no bound of a search.',
    expected: 'quick, standard, or depth=N,states=N',
    got: text,
    next: 'for example --bound depth=20,states=1000000',
  });
}
