import { Direction, LabError, mappingBytesMax, PAGE_SIZE, type ProtectionPolicy } from 'dmalab-core';
import { choosePolicies } from '../compare/compare-options.ts';
import type { BufferAlignment } from './buffer-alignment.ts';
import type { TraceSizes } from './trace-sizes.ts';

/** More CPUs take minutes and say nothing new. */
const CPUS_MAX = 256;

export interface BreakevenOptions {
  /** Two or more, by name; default bounce-partial and bounce-deferred, with a summary of others. */
  readonly policies?: readonly string[] | undefined;
  /** Default 'unaligned'. */
  readonly alignment?: BufferAlignment | undefined;
  /** Default TO_DEVICE: the device reads. */
  readonly direction?: Direction | undefined;
  /** Default 0; 4095 for NVMe. */
  readonly minAlignMask?: number | undefined;
  /** CPUs that share the invalidation queue and the pool; default one alone. */
  readonly cpus?: number | undefined;
  /** Sizes of a recording. */
  readonly trace?: TraceSizes | undefined;
  /** Called between two steps of under a second or so; may throw to end the work. */
  readonly pause?: (() => Promise<void>) | undefined;
}

export const DEFAULT_POLICIES: readonly string[] = ['bounce-partial', 'bounce-deferred'];

/** The options with their defaults, checked. */
export interface BreakevenChoice {
  readonly policies: readonly ProtectionPolicy[];
  readonly alignment: BufferAlignment;
  readonly direction: Direction;
  readonly minAlignMask: number;
  readonly longestBounced: number;
  readonly cpus: number;
}

/**
 * @throws LabError CMP001 for a name that no policy has, BRK001 for a single policy, BRK002 for a number of CPUs out of range,
 *   BRK003 for a mask that is none
 */
export function chooseBreakeven(options: BreakevenOptions): BreakevenChoice {
  const { policies: wanted = [], alignment = 'unaligned', direction = Direction.TO_DEVICE, minAlignMask = 0, cpus = 1 } = options;
  const policies = choosePolicies(wanted.length === 0 ? DEFAULT_POLICIES : wanted);
  if (policies.length < 2)
    throw new LabError({
      code: 'BRK001',
      message: 'One policy has nothing to be compared with.',
      expected: 'two policies or more, or none for bounce-partial and bounce-deferred',
      got: policies[0].name,
      next: `for example dmalab breakeven ${policies[0].name} ${policies[0].name === 'strict' ? 'bounce-deferred' : 'strict'}`,
    });
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > CPUS_MAX)
    throw new LabError({
      code: 'BRK002',
      message: 'This is no number of CPUs.',
      expected: `a whole number from 1 to ${CPUS_MAX}`,
      got: String(cpus),
      next: 'for example --cpus 16',
    });
  if (!Number.isInteger(minAlignMask) || minAlignMask < 0 || minAlignMask >= PAGE_SIZE || (minAlignMask & (minAlignMask + 1)) !== 0)
    throw new LabError({
      code: 'BRK003',
      message: 'This is no mask of low address bits.',
      expected: `one less than a power of two, up to ${PAGE_SIZE - 1}`,
      got: String(minAlignMask),
      next: 'for example --min-align-mask 4095, as NVMe has',
    });
  return { policies, alignment, direction, minAlignMask, longestBounced: mappingBytesMax(minAlignMask), cpus };
}
