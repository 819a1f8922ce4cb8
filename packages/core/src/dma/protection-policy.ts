import type { PhysAddr } from '../base/index.ts';
import type { DmaStep } from './dma-step.ts';

/**
 * What a policy can promise. P1 a device reaches only bytes of its live buffers, its coherent memory, zeroed padding of
 * its own slots, or dead slots that hold nothing but its own former data; P2 after unmap has returned, the device cannot
 * change what the CPU sees; P3 no memory or slot is given to anybody while a stale translation reaches it; P4 no byte
 * left by an earlier owner of a slot is readable; P5 a driver's data arrives intact; P6 all that was taken is given back.
 */
export type PropertyName = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6';

/**
 * What protects memory from a device, as far as policies differ: which ranges are bounced, and in which order the
 * steps of map and unmap run. The engine beneath is the same for all.
 */
export interface ProtectionPolicy {
  /** Lower case, as on the command line. */
  readonly name: string;
  /** One sentence for lists and reports. */
  readonly summary: string;
  /** Where it exists in the world, one phrase. */
  readonly status: string;
  /** The properties it is held to, in the order of their numbers. */
  readonly promises: readonly PropertyName[];
  /** False: device addresses are physical addresses (direct mapping, no IOMMU domain). */
  readonly translated: boolean;
  /** True: its domain has a flush queue, on which some of its unmapped ranges wait. */
  readonly lazy: boolean;
  /** True: a scatter list is mapped entry by entry, each with an address range of its own, instead of as one range. */
  readonly mapsSgPerEntry: boolean;
  /**
   * True: of a bounced range only the partial pages at its two ends go through slots, which keep their offset in the
   * page; the whole pages between are mapped as they are.
   */
  readonly bouncesEdgesOnly: boolean;
  /**
   * True: a bounced range of whole pages that finds no slots, even after early flushes, goes on with `mapDirect` instead of
   * failing. `unmapDirect` then ends it, and `mapBounced` takes the slots first. A range that fits no pool fails all the same.
   */
  readonly mapsAlignedDirectWhenDry: boolean;
  /** Whether the range goes through bounce slots. Direct mapping also bounces what it must (dma-direct.ts). */
  bounces(address: PhysAddr, bytes: number): boolean;
  /** Steps of one mapped range, without and with bounce slots. */
  readonly mapDirect: readonly DmaStep[];
  readonly mapBounced: readonly DmaStep[];
  /** Steps that take the place of `mapBounced` when no idle shadow buffer fits (TAKE_SHADOW); empty without shadow buffers. */
  readonly mapNewShadow: readonly DmaStep[];
  /** Steps of its unmap. */
  readonly unmapDirect: readonly DmaStep[];
  readonly unmapBounced: readonly DmaStep[];
  /** Steps of freeing coherent memory and of unmapping a resource; both are mapped like `mapDirect`. */
  readonly unmapCoherent: readonly DmaStep[];
}
