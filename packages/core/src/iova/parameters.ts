import type { IovaPfn, KernelRules } from '../base/index.ts';

/** Page frame at 4 GiB. @source Linux v6.12 drivers/iommu/iova.c init_iova_domain() */
export const DMA_32BIT_PFN = 0x100000;
/** Bins of the range caches: 1, 2, 4, 8, 16 and 32 pages. @source Linux v6.12 drivers/iommu/iova.c IOVA_RANGE_CACHE_MAX_SIZE */
export const IOVA_RANGE_CACHE_MAX_SIZE = 6;
/** Entries of a magazine. @source Linux v6.12 drivers/iommu/iova.c IOVA_MAG_SIZE */
export const IOVA_MAG_SIZE = 127;
/** Magazines of one bin's depot. @source Linux v6.1 include/linux/iova.h MAX_GLOBAL_MAGS */
const MAX_GLOBAL_MAGS = 32;
/** Delay of the depot work in nanoseconds. @source Linux v6.12 drivers/iommu/iova.c IOVA_DEPOT_DELAY */
export const IOVA_DEPOT_DELAY_NS = 100_000_000;

/** Sizes of one IOVA domain; none of them changes while the domain lives. */
export interface IovaDomainParameters {
  /** Lowest page frame ever handed out, 1 or more; default 1, as 0 means failure. */
  readonly startPfn?: IovaPfn;
  /** First page frame that a device limited to 32 bits cannot reach; default 0x100000. */
  readonly dma32BitPfn?: IovaPfn;
  /** CPUs that own caches. */
  readonly possibleCpus: number;
  /** CPUs now online, which is how many magazines a trimmed depot keeps; default `possibleCpus`. */
  readonly onlineCpus?: number;
  /** Entries of a magazine; default 127. */
  readonly magazineSize?: number;
  /** Cached sizes: 1, 2, 4, ... pages; default 6, at least 1, at most 30. */
  readonly rcacheBins?: number;
  /** Most magazines in the depot of one bin: 32 under 6.1 rules. Infinity means the 6.12 depot, unbounded and trimmed by work. */
  readonly depotMagazinesMax: number;
  /** Order in which a full flush of the caches empties a depot: newest first (6.12) or in push order (6.1). */
  readonly depotFlushNewestFirst: boolean;
  /** Smallest sizes whose caches have their room from the start, not only once they are used; default 0. */
  readonly initialBins?: number;
  /** Ranges that fit before the tree's tables grow; default 64. */
  readonly initialNodes?: number;
  /** Entries of one page of the search tree, 4 or more; default 32. It decides speed and memory, never an address. */
  readonly treeFanout?: number;
}

/**
 * The sizes of a domain of a stock kernel with 4 KiB pages.
 *
 * @source Linux v6.12 drivers/iommu/iova.c init_iova_domain(), Linux v6.1 include/linux/iova.h struct iova_rcache
 */
export function iovaDomainParameters(kernel: KernelRules, possibleCpus: number, onlineCpus: number = possibleCpus): IovaDomainParameters {
  const bounded = kernel === '6.1';
  return {
    possibleCpus,
    onlineCpus,
    depotMagazinesMax: bounded ? MAX_GLOBAL_MAGS : Infinity,
    depotFlushNewestFirst: !bounded,
  };
}
