import type { PhysAddr } from '../base/index.ts';
import type { DmaStep } from './dma-step.ts';

/**
 * What protects memory from a device, as far as policies differ: which ranges are bounced, and in which order the
 * steps of map and unmap run. The engine beneath is the same for all.
 */
export interface ProtectionPolicy {
  /** Lower case, as on the command line. */
  readonly name: string;
  /** One sentence for lists and reports. */
  readonly summary: string;
  /** False: device addresses are physical addresses (direct mapping, no IOMMU domain). */
  readonly translated: boolean;
  /** True: unmapped ranges wait on the domain's flush queue. */
  readonly lazy: boolean;
  /** True: a scatter list is mapped entry by entry, each with an address range of its own, instead of as one range. */
  readonly mapsSgPerEntry: boolean;
  /** Whether the range goes through bounce slots. Asked under translation only; direct mapping decides by reach (dma-direct.ts). */
  bounces(address: PhysAddr, bytes: number): boolean;
  /** Steps of one mapped range, without and with bounce slots. */
  readonly mapDirect: readonly DmaStep[];
  readonly mapBounced: readonly DmaStep[];
  /** Steps of its unmap. */
  readonly unmapDirect: readonly DmaStep[];
  readonly unmapBounced: readonly DmaStep[];
  /** Steps of freeing coherent memory and of unmapping a resource; both are mapped like `mapDirect`. */
  readonly unmapCoherent: readonly DmaStep[];
}
