import { type Cpu, type IovaPfn, NO_IOVA, type StateArena, type StateTable } from '../base/index.ts';
import type { IovaTree } from './iova-tree.ts';

/** Sizes of the caches of one domain; IovaDomainParameters says what each means. */
export interface RcacheParameters {
  readonly cpus: number;
  readonly bins: number;
  readonly magazineSize: number;
  readonly depotMagazinesMax: number;
  readonly depotFlushNewestFirst: boolean;
  /** Smallest bins whose magazines have room from the start. */
  readonly initialBins: number;
}

/** Magazines for which a depot has room at first. */
const DEPOT_CAPACITY_FIRST = 4;

/**
 * The range caches of a domain: freed ranges of 1, 2, 4, ... pages, kept for the next request of that size.
 *
 * Each CPU has two stacks per bin, the magazines *loaded* and *prev*; full magazines that find no place there go to
 * the bin's depot. A cached range stays in the tree.
 *
 * The two magazines of a CPU have fixed places, bin after bin, and exchanging them moves their entries, which happens
 * once in a magazine's worth of calls: equal caches then have equal bytes. The table reaches as far as the highest bin used so
 * far, as most domains never free the large sizes. Entries above the top are zero.
 *
 * @source Linux v6.12 drivers/iommu/iova.c struct iova_rcache, struct iova_magazine
 */
export class Rcache {
  // `declare` where `!` would store undefined first: the compiler of the JavaScript engine then knows what a field holds.
  declare private loadedCount: Uint32Array<ArrayBuffer>;
  declare private prevCount: Uint32Array<ArrayBuffer>;
  declare private magazines: Float64Array<ArrayBuffer>;
  declare private readonly magazineTable: StateTable;
  declare private depotCount: Uint32Array<ArrayBuffer>;
  declare private workArmed: Uint8Array<ArrayBuffer>;
  /** Per bin the magazines of its depot, oldest first. */
  private readonly depots: Float64Array<ArrayBuffer>[] = [];
  private readonly depotTables: StateTable[] = [];
  declare private readonly parameters: RcacheParameters;
  declare private readonly cpus: number;
  declare private readonly magazineSize: number;
  /** Entries of the two magazines of one CPU and bin. */
  declare private readonly stride: number;
  declare private readonly tree: IovaTree;

  constructor(arena: StateArena, name: string, parameters: RcacheParameters, tree: IovaTree) {
    this.parameters = parameters;
    this.cpus = parameters.cpus;
    this.magazineSize = parameters.magazineSize;
    this.stride = 2 * parameters.magazineSize;
    this.tree = tree;
    arena.table(`${name}.cpuRcaches`, parameters.bins * parameters.cpus, { loadedCount: 'u32', prevCount: 'u32' }, (columns) => {
      this.loadedCount = columns.loadedCount;
      this.prevCount = columns.prevCount;
    });
    this.magazineTable = arena.table(
      `${name}.magazines`,
      parameters.initialBins * parameters.cpus * this.stride,
      { pfn: 'f64' },
      (columns) => {
        this.magazines = columns.pfn;
      },
    );
    arena.table(`${name}.rcaches`, parameters.bins, { depotCount: 'u32', workArmed: 'u8' }, (columns) => {
      this.depotCount = columns.depotCount;
      this.workArmed = columns.workArmed;
    });
    for (let bin = 0; bin < parameters.bins; bin++) {
      const table = arena.table(`${name}.depot${bin}`, 0, { pfn: 'f64' }, (columns) => {
        this.depots[bin] = columns.pfn;
      });
      this.depotTables.push(table);
    }
  }

  /**
   * Takes the range cached last whose first page frame is `highestPfn` or lower. Only one magazine is looked at: the loaded one, or
   * if that is empty the other, or if both are, the depot's newest.
   *
   * @returns first page frame, or NO_IOVA
   * @source Linux v6.12 drivers/iommu/iova.c __iova_rcache_get(), iova_magazine_pop()
   */
  get(bin: number, highestPfn: IovaPfn, cpu: Cpu): IovaPfn {
    const row = bin * this.cpus + cpu;
    if (this.loadedCount[row] === 0 && !this.refill(bin, row)) return NO_IOVA;
    const magazines = this.magazines;
    const left = this.loadedCount[row] - 1;
    const top = row * this.stride + left;
    if (magazines[top] > highestPfn && !this.bringUp(row, highestPfn)) return NO_IOVA;
    const pfn = magazines[top];
    magazines[top] = 0;
    this.loadedCount[row] = left;
    return pfn;
  }

  /**
   * Keeps a freed range. When both magazines are full the loaded one goes to the depot, or from a full depot back to the tree.
   *
   * @source Linux v6.12 drivers/iommu/iova.c __iova_rcache_insert()
   */
  put(bin: number, pfn: IovaPfn, cpu: Cpu): void {
    const row = bin * this.cpus + cpu;
    let count = this.loadedCount[row];
    if (count === this.magazineSize) {
      this.makeRoom(bin, row);
      count = this.loadedCount[row];
    }
    const at = row * this.stride + count;
    if (at >= this.magazines.length) this.magazineTable.grow((bin + 1) * this.cpus * this.stride);
    this.magazines[at] = pfn;
    this.loadedCount[row] = count + 1;
  }

  /** Takes one range out of whichever magazine of the CPUs holds it. @returns whether one did */
  remove(bin: number, pfn: IovaPfn): boolean {
    const { magazines } = this;
    for (let row = bin * this.cpus; row < (bin + 1) * this.cpus; row++) {
      for (const counts of [this.loadedCount, this.prevCount]) {
        const base = row * this.stride + (counts === this.loadedCount ? 0 : this.magazineSize);
        const top = base + counts[row] - 1;
        for (let at = top; at >= base; at--) {
          if (magazines[at] !== pfn) continue;
          magazines.copyWithin(at, at + 1, top + 1);
          magazines[top] = 0;
          counts[row] -= 1;
          return true;
        }
      }
    }
    return false;
  }

  /** Gives everything cached back to the tree. @source Linux v6.12 drivers/iommu/iova.c free_cpu_cached_iovas(), free_global_cached_iovas() */
  flush(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.flushCpu(cpu);
    const newestFirst = this.parameters.depotFlushNewestFirst;
    for (let bin = 0; bin < this.parameters.bins; bin++) {
      const count = this.depotCount[bin];
      for (let i = 0; i < count; i++) this.freeDepotMagazine(bin, newestFirst ? count - 1 - i : i);
      this.depotCount[bin] = 0;
    }
  }

  /** Gives the two magazines of each bin of one CPU back to the tree. @source Linux v6.12 drivers/iommu/iova.c free_cpu_cached_iovas() */
  flushCpu(cpu: Cpu): void {
    for (let bin = 0; bin < this.parameters.bins; bin++) {
      const row = bin * this.cpus + cpu;
      const base = row * this.stride;
      this.freePfns(this.magazines, base, this.loadedCount[row]);
      this.freePfns(this.magazines, base + this.magazineSize, this.prevCount[row]);
      this.loadedCount[row] = 0;
      this.prevCount[row] = 0;
    }
  }

  /**
   * One run of a bin's delayed work: frees the newest magazine when the depot holds more than one for each online CPU.
   *
   * @returns true when the work is armed again
   * @source Linux v6.12 drivers/iommu/iova.c iova_depot_work_func()
   */
  depotWork(bin: number, onlineCpus: number): boolean {
    const trims = this.depotCount[bin] > onlineCpus;
    if (trims) this.freeDepotMagazine(bin, --this.depotCount[bin]);
    this.workArmed[bin] = trims ? 1 : 0;
    return trims;
  }

  depotWorkArmed(bin: number): boolean {
    return this.workArmed[bin] === 1;
  }

  /** Magazines in a bin's depot. */
  depotSize(bin: number): number {
    return this.depotCount[bin];
  }

  /** Entries in both magazines of a CPU. */
  cachedEntries(cpu: Cpu, bin: number): number {
    const row = bin * this.cpus + cpu;
    return this.loadedCount[row] + this.prevCount[row];
  }

  /** The first page frames in the loaded magazine of a CPU, next one out first, at most `limit`. */
  loadedEntries(cpu: Cpu, bin: number, limit: number): IovaPfn[] {
    const row = bin * this.cpus + cpu;
    const base = row * this.stride;
    const count = this.loadedCount[row];
    return Array.from(this.magazines.subarray(base + Math.max(0, count - limit), base + count)).reverse();
  }

  /** Pages of all cached ranges. */
  cachedPages(): number {
    let pages = 0;
    for (let bin = 0; bin < this.parameters.bins; bin++) {
      let entries = this.depotCount[bin] * this.magazineSize;
      for (let cpu = 0; cpu < this.cpus; cpu++) entries += this.cachedEntries(cpu, bin);
      pages += entries * 2 ** bin;
    }
    return pages;
  }

  /** Fills an empty loaded magazine; false when there is nothing to fill it with. */
  private refill(bin: number, row: number): boolean {
    if (this.prevCount[row] > 0) this.exchange(row);
    else if (this.depotCount[bin] > 0) this.loadFromDepot(bin, row);
    else return false;
    return true;
  }

  /** Exchanges the top of a loaded magazine, which is too high, with the newest good entry; false when there is none. */
  private bringUp(row: number, highestPfn: IovaPfn): boolean {
    const magazines = this.magazines;
    const base = row * this.stride;
    const top = base + this.loadedCount[row] - 1;
    for (let at = top - 1; at >= base; at--) {
      const pfn = magazines[at];
      if (pfn <= highestPfn) {
        magazines[at] = magazines[top];
        magazines[top] = pfn;
        return true;
      }
    }
    return false;
  }

  /** Leaves a loaded magazine with room in the place of a full one. */
  private makeRoom(bin: number, row: number): void {
    if (this.prevCount[row] < this.magazineSize) this.exchange(row);
    else this.unload(bin, row);
  }

  private exchange(row: number): void {
    const magazines = this.magazines;
    const size = this.magazineSize;
    const loaded = row * this.stride;
    const longer = Math.max(this.loadedCount[row], this.prevCount[row]);
    for (let at = loaded; at < loaded + longer; at++) {
      const pfn = magazines[at];
      magazines[at] = magazines[at + size];
      magazines[at + size] = pfn;
    }
    const count = this.loadedCount[row];
    this.loadedCount[row] = this.prevCount[row];
    this.prevCount[row] = count;
  }

  /** Empties a full loaded magazine into the depot, or into the tree when the depot is full. */
  private unload(bin: number, row: number): void {
    const size = this.magazineSize;
    const loaded = row * this.stride;
    this.loadedCount[row] = 0;
    if (this.depotCount[bin] === this.parameters.depotMagazinesMax) {
      this.freePfns(this.magazines, loaded, size);
      return;
    }
    const at = this.depotCount[bin]++ * size;
    if (at === this.depots[bin].length) this.depotTables[bin].grow(Math.max(DEPOT_CAPACITY_FIRST * size, at * 2));
    moveEntries(this.magazines, loaded, this.depots[bin], at, size);
    // Only the unbounded depot is trimmed.
    if (this.parameters.depotMagazinesMax === Infinity) this.workArmed[bin] = 1;
  }

  private loadFromDepot(bin: number, row: number): void {
    const size = this.magazineSize;
    moveEntries(this.depots[bin], --this.depotCount[bin] * size, this.magazines, row * this.stride, size);
    this.loadedCount[row] = size;
  }

  private freeDepotMagazine(bin: number, index: number): void {
    this.freePfns(this.depots[bin], index * this.magazineSize, this.magazineSize);
  }

  /** A range that the tree does not know is skipped, as the kernel does with a warning. @source Linux v6.12 drivers/iommu/iova.c iova_magazine_free_pfns() */
  private freePfns(pfns: Float64Array, first: number, count: number): void {
    for (let at = first; at < first + count; at++) {
      this.tree.freeIova(pfns[at]);
      pfns[at] = 0;
    }
  }
}

/** Moves entries to another table and zeroes those left behind. */
function moveEntries(source: Float64Array, from: number, target: Float64Array, to: number, count: number): void {
  for (let i = 0; i < count; i++) target[to + i] = source[from + i];
  source.fill(0, from, from + count);
}
