/**
 * How many slots and areas the boot-time pool gets.
 *
 * @source Linux v6.12 and v6.1 kernel/dma/swiotlb.c setup_io_tlb_npages(), swiotlb_adjust_nareas(), swiotlb_init_remap()
 */
import { type KernelRules, roundUp, roundUpPowerOfTwo } from '../base/index.ts';
import { SEGMENT_SLOTS, SLOT_BYTES } from './pool-parameters.ts';

/** IO_TLB_DEFAULT_SIZE (64 MiB) in slots. */
const DEFAULT_SLOTS = 32768;
/** IO_TLB_MIN_SLABS: no smaller pool is tried when memory is short. */
const MIN_SLOTS = 512;

/** The boot parameter `swiotlb=<nslabs>[,<nareas>][,force|noforce]`; absent parts are undefined. */
export interface SwiotlbParameter {
  readonly slots?: number;
  readonly areas?: number;
  readonly mode?: 'force' | 'noforce';
}

/** Size of a pool; `slots` is 0 when no pool could be made. */
export interface PoolSize {
  readonly slots: number;
  readonly areas: number;
}

/** Reads the value of the boot parameter. Like the kernel it takes what it understands and ignores the rest. */
export function parseSwiotlbParameter(value: string): SwiotlbParameter {
  const [, slots, areas, mode] = /^(\d+)?,?(\d+)?,?(force|noforce)?/.exec(value) ?? [];
  return {
    ...(slots === undefined ? {} : { slots: Number(slots) }),
    ...(areas === undefined ? {} : { areas: Number(areas) }),
    ...(mode === 'force' || mode === 'noforce' ? { mode } : {}),
  };
}

/**
 * Slots and areas of the pool that the kernel makes at boot.
 *
 * @param possibleCpus     CPUs that can ever come up: the number of areas unless the parameter gives one
 * @param contiguousBytes  largest free block of memory the pool can come from; Infinity when memory is no concern
 */
export function poolSize(
  parameter: SwiotlbParameter,
  possibleCpus: number,
  kernel: KernelRules,
  contiguousBytes: number = Number.POSITIVE_INFINITY,
): PoolSize {
  const wanted = parameter.slots === undefined ? DEFAULT_SLOTS : roundUp(parameter.slots, SEGMENT_SLOTS);
  const areas = roundUpPowerOfTwo(parameter.areas ?? possibleCpus);
  let slots = roundUpPowerOfTwo(Math.max(wanted, SEGMENT_SLOTS * areas));
  while (slots * SLOT_BYTES > contiguousBytes) {
    if (slots <= MIN_SLOTS) return { slots: 0, areas: 0 };
    slots = roundUp(slots / 2, SEGMENT_SLOTS);
  }
  // 6.1 works the smaller number of areas out too, and then uses the one it had.
  return { slots, areas: kernel === '6.1' ? areas : Math.min(areas, Math.floor(slots / SEGMENT_SLOTS)) };
}
