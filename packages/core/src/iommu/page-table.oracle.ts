/**
 * The obvious page table: a list of leaves and a set of tables, no entries and no tree. Requests are cut leaf by leaf,
 * always taking the biggest that fits, and neighbours of equal size make one call.
 */
export class PageTableOracle {
  /** First page of a leaf to its level and frame. */
  readonly leaves = new Map<number, { level: number; pfn: number }>();
  /** `level:number of the block that the table covers`. */
  readonly tables = new Set<string>();
  private readonly levels: number;
  private readonly superpages: number;

  constructor(levels: number, superpages: number) {
    this.levels = levels;
    this.superpages = superpages;
    this.tables.add(`${levels}:0`);
  }

  lookup(page: number): number {
    for (let level = 1; level <= 3; level++) {
      const start = Math.floor(page / 512 ** (level - 1)) * 512 ** (level - 1);
      const leaf = this.leaves.get(start);
      if (leaf !== undefined && leaf.level === level) return leaf.pfn + page - start;
    }
    return -1;
  }

  /** Leaves refused and tables that went away. */
  map(iovaPfn: number, pfn: number, pages: number): { refused: number; freed: number } {
    let refused = 0;
    let freed = 0;
    for (const { start, level } of this.cut(iovaPfn, pfn, pages)) {
      const size = 512 ** (level - 1);
      if (level === 1 ? this.lookup(start) >= 0 : this.overlapping(start, start + size - 1).length > 0) {
        refused++;
        continue;
      }
      if (level > 1) freed += this.removeTables(start, start + size - 1);
      this.leaves.set(start, { level, pfn: pfn + start - iovaPfn });
      for (let above = level; above <= this.levels; above++) this.tables.add(`${above}:${Math.floor(start / 512 ** above)}`);
    }
    return { refused, freed };
  }

  unmap(iovaPfn: number, pages: number): { calls: [number, number][]; freed: number } {
    const calls: [number, number][] = [];
    let freed = 0;
    let position = iovaPfn;
    while (position < iovaPfn + pages) {
      const leaves = this.cut(position, position, iovaPfn + pages - position);
      const run = leaves.findIndex(({ level }) => level !== leaves[0].level);
      const runLeaves = run < 0 ? leaves : leaves.slice(0, run);
      let first = position;
      let last = position + runLeaves.length * 512 ** (leaves[0].level - 1) - 1;
      freed += this.removeTables(first, last);
      for (const start of this.overlapping(first, last)) {
        const size = 512 ** (this.leaves.get(start)!.level - 1);
        first = Math.min(first, start);
        last = Math.max(last, start + size - 1);
        this.leaves.delete(start);
      }
      calls.push([first, last - first + 1]);
      position = last + 1;
    }
    return { calls, freed };
  }

  /** The biggest leaf that alignment and rest allow, again and again. */
  private cut(iovaPfn: number, pfn: number, pages: number): { start: number; level: number }[] {
    const leaves: { start: number; level: number }[] = [];
    let done = 0;
    while (done < pages) {
      let level = 1;
      for (const bigger of [2, 3]) {
        const size = 512 ** (bigger - 1);
        const fits = size <= pages - done && (iovaPfn + done) % size === 0 && (pfn + done) % size === 0;
        if (fits && (this.superpages & (bigger - 1)) !== 0) level = bigger;
      }
      leaves.push({ start: iovaPfn + done, level });
      done += 512 ** (level - 1);
    }
    return leaves;
  }

  private overlapping(first: number, last: number): number[] {
    return [...this.leaves]
      .filter(([start, { level }]) => start <= last && start + 512 ** (level - 1) - 1 >= first)
      .map(([start]) => start);
  }

  /** Tables whose whole range lies in [first, last]; never the root. */
  private removeTables(first: number, last: number): number {
    let removed = 0;
    for (const table of this.tables) {
      const [level, block] = table.split(':').map(Number);
      if (level === this.levels) continue;
      if (block * 512 ** level < first || (block + 1) * 512 ** level - 1 > last) continue;
      this.tables.delete(table);
      removed++;
    }
    return removed;
  }
}
