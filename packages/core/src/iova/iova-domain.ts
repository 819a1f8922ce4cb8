import { assert, type Cpu, ceilLog2, type IovaPfn, NO_IOVA, type StateArena } from '../base/index.ts';
import { IovaTree } from './iova-tree.ts';
import { DMA_32BIT_PFN, IOVA_MAG_SIZE, IOVA_RANGE_CACHE_MAX_SIZE, type IovaDomainParameters } from './parameters.ts';
import { Rcache } from './rcache.ts';

/**
 * The I/O virtual address space of one IOMMU domain: which page frames are in use, and which of them are cached for reuse.
 *
 * It gives the addresses that the kernel's allocator gives for the same calls in the same order on the same CPUs.
 * Locks and failed memory allocations are not modelled.
 *
 * @source Linux v6.12 drivers/iommu/iova.c struct iova_domain
 */
export class IovaDomain {
  /** How the last `allocIovaFast` went, for the caller's observations: from a CPU's cache or from the tree. */
  lastAllocFromCache = false;
  /** Pages that it asked the cache or the tree for, after rounding. */
  lastAllocPages = 0;
  /** True when it emptied all caches into the tree to try again. */
  lastAllocFlushedCaches = false;
  /** Where the last `freeIovaFast` put its range: a CPU's cache, or back to the tree. */
  lastFreeToCache = false;

  // `declare` where `!` would store undefined first: the compiler of the JavaScript engine then knows what a field holds.
  declare private readonly tree: IovaTree;
  declare private readonly rcache: Rcache;
  declare private readonly bins: number;
  declare private readonly cpus: number;
  declare private readonly onlineCpus: number;

  /** @param name  prefix of this domain's tables, unique in the arena */
  constructor(arena: StateArena, parameters: IovaDomainParameters, name = 'iova') {
    this.cpus = parameters.possibleCpus;
    this.onlineCpus = parameters.onlineCpus ?? parameters.possibleCpus;
    this.bins = parameters.rcacheBins ?? IOVA_RANGE_CACHE_MAX_SIZE;
    const magazineSize = parameters.magazineSize ?? IOVA_MAG_SIZE;
    assert(
      this.cpus >= 1 && this.bins >= 1 && this.bins <= 30 && magazineSize >= 1,
      'an IOVA domain has a CPU, 1 to 30 bins and magazines with room',
    );
    this.tree = new IovaTree(
      arena,
      name,
      parameters.startPfn ?? 1,
      parameters.dma32BitPfn ?? DMA_32BIT_PFN,
      parameters.initialNodes ?? 64,
      parameters.treeFanout ?? 32,
    );
    this.rcache = new Rcache(
      arena,
      name,
      {
        cpus: this.cpus,
        bins: this.bins,
        magazineSize,
        depotMagazinesMax: parameters.depotMagazinesMax,
        depotFlushNewestFirst: parameters.depotFlushNewestFirst,
        initialBins: parameters.initialBins ?? 0,
      },
      this.tree,
    );
  }

  /** Takes page frames out of use before the first allocation, both ends included, below 2^52. @source Linux v6.12 drivers/iommu/iova.c reserve_iova() */
  reserveIova(loPfn: IovaPfn, hiPfn: IovaPfn): void {
    this.tree.reserveIova(loPfn, hiPfn);
  }

  /**
   * Takes a naturally aligned range at or below `limitPfn`, from the CPU's cache if one there fits.
   *
   * Sizes that are cached are rounded up to a power of two, so the range can be longer than asked.
   *
   * @param pages        length in IOMMU pages, 1 to 2^31
   * @param limitPfn     highest usable page frame, inclusive, below 2^52
   * @param flushRcache  empty the caches of all CPUs and try once more rather than fail
   * @returns first page frame, or NO_IOVA
   * @source Linux v6.12 drivers/iommu/iova.c alloc_iova_fast(), iova_rcache_get()
   */
  allocIovaFast(pages: number, limitPfn: IovaPfn, flushRcache: boolean, cpu: Cpu): IovaPfn {
    assert(cpu < this.cpus, 'an IOVA is allocated on a possible CPU');
    const bin = ceilLog2(pages);
    const cacheable = bin < this.bins;
    const size = cacheable ? 1 << bin : pages;
    this.lastAllocPages = size;
    this.lastAllocFlushedCaches = false;
    if (cacheable) {
      const highestPfn = limitPfn + 1 - size;
      // Below 0 the kernel's subtraction wraps around, and any cached range will do.
      const pfn = this.rcache.get(bin, highestPfn < 0 ? Infinity : highestPfn, cpu);
      if (pfn > 0) {
        this.lastAllocFromCache = true;
        return pfn;
      }
    }
    this.lastAllocFromCache = false;
    const pfn = this.tree.allocIova(size, limitPfn);
    if (pfn !== NO_IOVA || !flushRcache) return pfn;
    this.lastAllocFlushedCaches = true;
    this.rcache.flush();
    return this.tree.allocIova(size, limitPfn);
  }

  /**
   * Gives a range back, to the CPU's cache if its size is cached.
   *
   * @param pages  length asked for; the bin follows from it, so the length before rounding serves as well
   * @source Linux v6.12 drivers/iommu/iova.c free_iova_fast(), iova_rcache_insert()
   */
  freeIovaFast(pfn: IovaPfn, pages: number, cpu: Cpu): void {
    assert(cpu < this.cpus, 'an IOVA is freed on a possible CPU');
    const bin = ceilLog2(pages);
    this.lastFreeToCache = bin < this.bins;
    if (this.lastFreeToCache) this.rcache.put(bin, pfn, cpu);
    else this.tree.freeIova(pfn);
  }

  /**
   * Takes a given range, whatever the allocator would have chosen: for following a recording after a difference. It is
   * taken out of the caches, or else out of use in the tree.
   */
  adoptIova(pfn: IovaPfn, pages: number): void {
    const bin = ceilLog2(pages);
    if (bin < this.bins && this.rcache.remove(bin, pfn)) return;
    const size = bin < this.bins ? 2 ** bin : pages;
    this.tree.reserveIova(pfn, pfn + size - 1);
  }

  /**
   * Takes a range from the tree, past the caches and without rounding; aligned all the same.
   *
   * @returns first page frame, or NO_IOVA
   * @source Linux v6.12 drivers/iommu/iova.c alloc_iova()
   */
  allocIova(pages: number, limitPfn: IovaPfn): IovaPfn {
    return this.tree.allocIova(pages, limitPfn);
  }

  /** Gives the whole range that contains `pfn` back to the tree; false when there is none. @source Linux v6.12 drivers/iommu/iova.c free_iova() */
  freeIova(pfn: IovaPfn): boolean {
    return this.tree.freeIova(pfn);
  }

  /**
   * One run of the delayed work on a bin's depot: gives the newest magazine back to the tree while there are more than online CPUs.
   *
   * @param onlineCpus  CPUs online at this moment, where that has changed since the start
   * @returns true when the work is armed again, IOVA_DEPOT_DELAY_NS from now
   * @source Linux v6.12 drivers/iommu/iova.c iova_depot_work_func()
   */
  depotWork(bin: number, onlineCpus: number = this.onlineCpus): boolean {
    return this.rcache.depotWork(bin, onlineCpus);
  }

  /** True from the first push of a magazine to a bin's depot, which later pushes do not move, until its work has ended. Never under 6.1 rules. */
  depotWorkArmed(bin: number): boolean {
    return this.rcache.depotWorkArmed(bin);
  }

  /** A CPU has gone offline: what it cached goes back to the tree. @source Linux v6.12 drivers/iommu/iova.c iova_cpuhp_dead() */
  releaseCpu(cpu: Cpu): void {
    this.rcache.flushCpu(cpu);
  }

  /** The domain ends: what all CPUs cached goes back to the tree. @source Linux v6.12 drivers/iommu/iova.c put_iova_domain(), free_iova_rcaches() */
  releaseCaches(): void {
    this.rcache.flush();
  }

  /** Ranges in the tree, allocated (cached ones included) and reserved. */
  get nodeCount(): number {
    return this.tree.nodeCount;
  }

  get reservedNodeCount(): number {
    return this.tree.reservedNodeCount;
  }

  /** Pages in allocated ranges, cached ones included, reserved ones not. */
  get nodePages(): number {
    return this.tree.nodePages;
  }

  /** Pages of the ranges in all caches and depots: `nodePages` less this is what callers hold. */
  cachedPages(): number {
    return this.rcache.cachedPages();
  }

  /** Ranges in both magazines of a CPU. */
  cachedEntries(cpu: Cpu, bin: number): number {
    return this.rcache.cachedEntries(cpu, bin);
  }

  /** First page frames in the loaded magazine of a CPU, next one out first, at most `limit`. */
  loadedEntries(cpu: Cpu, bin: number, limit: number): IovaPfn[] {
    return this.rcache.loadedEntries(cpu, bin, limit);
  }

  /** Full magazines in the depot of a bin. */
  depotSize(bin: number): number {
    return this.rcache.depotSize(bin);
  }

  /** Requests of this many pages or more fail at once when limited to 32 bits. */
  get max32AllocSize(): number {
    return this.tree.max32AllocSize;
  }

  /** First page frame of the cached node for 32-bit requests; Infinity is the anchor. */
  get cached32Lo(): IovaPfn {
    return this.tree.cached32Lo;
  }

  /** First page frame of the cached node for other requests; Infinity is the anchor. */
  get cachedLo(): IovaPfn {
    return this.tree.cachedLo;
  }
}
