import type { AssociativeShape, KernelRules } from 'dmalab-core';

/**
 * What a receiver does, as far as it decides which addresses the device uses and when they are unmapped. Defaults are the
 * testbed and driver of F&S where the paper or the driver states them; `why` says what the others rest on.
 */
export interface ReceiveParameters {
  /** Flows, spread evenly over the cores. */
  readonly flows: number;
  /** @source F&S, SOSP 2024, section 2.2: 5 cores */
  readonly cores: number;
  /** Pages that wait for packets, per core. @source F&S, SOSP 2024, section 2.2: ring of 256 packets of 4 KiB */
  readonly ringPages: number;
  /** Pages of one work item of the ring: unmapped together once all are used. @source Linux v6.0 drivers/net/ethernet/mellanox/mlx5/core/en.h MLX5_MPWRQ_LOG_WQE_SZ: 256 KiB */
  readonly itemPages: number;
  /** Packets that the link delivers per second, one page each: 100 Gb/s. */
  readonly packetsPerSecond: number;
  /** A core polls so long after the first new packet, or after so many. @source Linux v6.0 mlx5/core/en.h MLX5E_PARAMS_DEFAULT_RX_CQ_MODERATION_USEC, _PKTS */
  readonly pollDelayNs: number;
  readonly pollPackets: number;
  /** Packets that are merged before TCP sees them: 64 KiB. @source Linux v6.0 include/linux/netdevice.h GRO_LEGACY_MAX_SIZE */
  readonly mergedPackets: number;
  /**
   * 6.1 rules drop the paging-structure entries of a page with it, as Linux 6.0 does; 6.12 keeps those whose table stays.
   * @source F&S, SOSP 2024, section 3; Linux v6.1 drivers/iommu/intel/iommu.c iommu_flush_iotlb_psi()
   */
  readonly kernel: KernelRules;
  readonly iotlb: AssociativeShape;
  /** Of the cache of each level above the leaf table. */
  readonly pagingStructures: AssociativeShape;
  readonly seed: number;
}

/** Fully associative and least recently used: what a guess at a size alone amounts to. */
export function fullyAssociative(entries: number): AssociativeShape {
  return { kind: 'associative', sets: 1, ways: entries, replacement: 'lru', seed: 1 };
}

export function setAssociative(entries: number, ways: number): AssociativeShape {
  return { kind: 'associative', sets: entries / ways, ways, replacement: 'lru', seed: 1 };
}

/**
 * The receiver of F&S. No geometry of a Cascade Lake unit is public: 64 IOTLB entries are what a Broadwell unit shows
 * (knee at 256 KiB of 4 KiB pages) and what two papers guess; 64 entries per level of the paging-structure caches is the
 * lower end of the guess in F&S.
 */
export const FAST_AND_SAFE_RECEIVER: ReceiveParameters = {
  flows: 5,
  cores: 5,
  ringPages: 256,
  itemPages: 64,
  packetsPerSecond: 100e9 / 8 / 4096,
  pollDelayNs: 16_000,
  pollPackets: 32,
  mergedPackets: 16,
  kernel: '6.1',
  iotlb: fullyAssociative(64),
  pagingStructures: fullyAssociative(64),
  seed: 1,
};
