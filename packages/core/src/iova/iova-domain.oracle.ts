import type { IovaDomainParameters } from './parameters.ts';

interface Range {
  lo: bigint;
  hi: bigint;
}

interface CpuRcache {
  loaded: bigint[];
  prev: bigint[];
}

const ANCHOR = 2n ** 64n - 1n;

/** Unsigned 64-bit wrap-around. */
function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function roundUpPowerOfTwo(pages: bigint): bigint {
  let power = 1n;
  while (power < pages) power *= 2n;
  return power;
}

function log2(power: bigint): number {
  return power.toString(2).length - 1;
}

/**
 * The kernel's IOVA allocator as its rules read: a sorted list instead of a tree, the walk from range to range, plain arrays for
 * magazines, and 64-bit unsigned arithmetic.
 */
export class IovaDomainOracle {
  readonly ranges: Range[] = [{ lo: ANCHOR, hi: ANCHOR }];
  cached32Node: Range = this.ranges[0];
  cachedNode: Range = this.ranges[0];
  max32AllocSize: bigint;
  readonly rcaches: CpuRcache[][];
  readonly depots: bigint[][][];
  readonly workArmed: boolean[];
  /** How often each rare way was taken. */
  readonly taken = { retry: 0, wrap: 0, earlyExit: 0, flush: 0, overflow: 0, trim: 0, depotPush: 0, depotPop: 0, refusedByLimit: 0 };
  private readonly startPfn: bigint;
  private readonly dma32BitPfn: bigint;
  private readonly magazineSize: number;
  private readonly bins: number;
  private readonly parameters: IovaDomainParameters;

  constructor(parameters: IovaDomainParameters) {
    this.parameters = parameters;
    this.startPfn = BigInt(parameters.startPfn ?? 1);
    this.dma32BitPfn = BigInt(parameters.dma32BitPfn ?? 0x100000);
    this.magazineSize = parameters.magazineSize ?? 127;
    this.bins = parameters.rcacheBins ?? 6;
    this.max32AllocSize = this.dma32BitPfn;
    this.rcaches = Array.from({ length: parameters.possibleCpus }, () =>
      Array.from({ length: this.bins }, (): CpuRcache => ({ loaded: [], prev: [] })),
    );
    this.depots = Array.from({ length: this.bins }, () => []);
    this.workArmed = Array.from({ length: this.bins }, () => false);
  }

  reserveIova(loPfn: number, hiPfn: number): void {
    let lo = BigInt(loPfn);
    const hi = BigInt(hiPfn);
    let overlap = false;
    for (const node of this.ranges) {
      if (lo <= node.hi && hi >= node.lo) {
        if (lo < node.lo) node.lo = lo;
        if (hi > node.hi) lo = node.hi + 1n;
        if (lo >= node.lo && hi <= node.hi) return;
        overlap = true;
      } else if (overlap) break;
    }
    this.insert({ lo, hi });
  }

  allocIovaFast(pages: number, limitPfn: number, flushRcache: boolean, cpu: number): number {
    let n = BigInt(pages);
    if (pages < 2 ** (this.bins - 1)) n = roundUpPowerOfTwo(n);
    const cached = this.rcacheGet(n, BigInt(limitPfn) + 1n, cpu);
    if (cached !== 0n) return Number(cached);
    let lo = this.alloc(n, BigInt(limitPfn));
    if (lo === 0n && flushRcache) {
      this.taken.flush++;
      for (let i = 0; i < this.rcaches.length; i++) this.releaseCpu(i);
      for (const depot of this.depots) {
        while (depot.length > 0) this.freeAll((this.parameters.depotFlushNewestFirst ? depot.pop() : depot.shift()) as bigint[]);
      }
      lo = this.alloc(n, BigInt(limitPfn));
    }
    return Number(lo);
  }

  freeIovaFast(pfn: number, pages: number, cpu: number): void {
    const bin = log2(roundUpPowerOfTwo(BigInt(pages)));
    if (bin >= this.bins) {
      this.freeIova(pfn);
      return;
    }
    const rcache = this.rcaches[cpu][bin];
    if (rcache.loaded.length === this.magazineSize) {
      if (rcache.prev.length < this.magazineSize) {
        [rcache.loaded, rcache.prev] = [rcache.prev, rcache.loaded];
      } else {
        const full = rcache.loaded;
        rcache.loaded = [BigInt(pfn)];
        if (this.depots[bin].length < this.parameters.depotMagazinesMax) {
          this.taken.depotPush++;
          this.depots[bin].push(full);
          this.workArmed[bin] = this.parameters.depotMagazinesMax === Infinity;
        } else {
          this.taken.overflow++;
          this.freeAll(full);
        }
        return;
      }
    }
    rcache.loaded.push(BigInt(pfn));
  }

  allocIova(pages: number, limitPfn: number): number {
    return Number(this.alloc(BigInt(pages), BigInt(limitPfn)));
  }

  freeIova(pfn: number): boolean {
    const p = BigInt(pfn);
    const at = this.ranges.findIndex((node) => node.lo <= p && p <= node.hi);
    if (at < 0) return false;
    const node = this.ranges[at];
    const above = this.ranges[at + 1];
    if (node === this.cached32Node || (node.hi < this.dma32BitPfn && node.lo >= this.cached32Node.lo)) this.cached32Node = above;
    if (node.lo < this.dma32BitPfn) this.max32AllocSize = this.dma32BitPfn;
    if (node.lo >= this.cachedNode.lo) this.cachedNode = above;
    this.ranges.splice(at, 1);
    return true;
  }

  depotWork(bin: number): boolean {
    const online = this.parameters.onlineCpus ?? this.parameters.possibleCpus;
    const trims = this.depots[bin].length > online;
    if (trims) {
      this.taken.trim++;
      this.freeAll(this.depots[bin].pop() as bigint[]);
    }
    this.workArmed[bin] = trims;
    return trims;
  }

  releaseCpu(cpu: number): void {
    for (const rcache of this.rcaches[cpu]) {
      this.freeAll(rcache.loaded);
      this.freeAll(rcache.prev);
      rcache.loaded = [];
      rcache.prev = [];
    }
  }

  private freeAll(pfns: bigint[]): void {
    for (const pfn of pfns) this.freeIova(Number(pfn));
  }

  private rcacheGet(n: bigint, limit: bigint, cpu: number): bigint {
    const bin = log2(roundUpPowerOfTwo(n));
    if (bin >= this.bins) return 0n;
    const highest = u64(limit - n);
    const rcache = this.rcaches[cpu][bin];
    if (rcache.loaded.length === 0) {
      if (rcache.prev.length > 0) {
        [rcache.loaded, rcache.prev] = [rcache.prev, rcache.loaded];
      } else {
        const magazine = this.depots[bin].pop();
        if (magazine === undefined) return 0n;
        this.taken.depotPop++;
        rcache.loaded = magazine;
      }
    }
    for (let i = rcache.loaded.length - 1; i >= 0; i--) {
      const pfn = rcache.loaded[i];
      if (pfn <= highest) {
        const last = rcache.loaded.pop() as bigint;
        if (i < rcache.loaded.length) rcache.loaded[i] = last;
        return pfn;
      }
    }
    this.taken.refusedByLimit++;
    return 0n;
  }

  private alloc(n: bigint, limitPfn: bigint): bigint {
    const limit = limitPfn + 1n;
    const mask = u64(~(roundUpPowerOfTwo(n) - 1n));
    if (limit <= this.dma32BitPfn && n >= this.max32AllocSize) {
      this.taken.earlyExit++;
      return 0n;
    }
    let at = this.ranges.indexOf(limit <= this.dma32BitPfn ? this.cached32Node : this.cachedNode);
    const retryPfn = this.ranges[at].hi;
    let high = limit;
    let low = this.startPfn;
    let pfn: bigint;
    for (;;) {
      do {
        if (this.ranges[at].lo < high) high = this.ranges[at].lo;
        pfn = u64(high - n) & mask;
        at--;
      } while (at >= 0 && pfn <= this.ranges[at].hi && pfn >= low);
      if (high >= n && pfn >= low) break;
      if (high < n) this.taken.wrap++;
      if (low === this.startPfn && retryPfn < limit) {
        this.taken.retry++;
        high = limit;
        low = retryPfn + 1n;
        at = limit > this.dma32BitPfn ? this.ranges.length - 1 : this.ranges.findIndex((node) => node.hi >= limit);
        continue;
      }
      this.max32AllocSize = n;
      return 0n;
    }
    const node = { lo: pfn, hi: pfn + n - 1n };
    this.insert(node);
    if (node.hi < this.dma32BitPfn) this.cached32Node = node;
    else this.cachedNode = node;
    return pfn;
  }

  private insert(node: Range): void {
    const at = this.ranges.findIndex((other) => other.lo > node.lo);
    this.ranges.splice(at, 0, node);
  }
}
