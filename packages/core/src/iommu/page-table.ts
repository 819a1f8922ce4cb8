/**
 * Second-level page tables: a tree of 3 to 5 levels of 512 entries per domain, leaves of 4 KiB, 2 MiB and 1 GiB.
 *
 * A table is made when the first entry below it is written, and goes away only when one call unmaps everything that it
 * covers: an unmap of less leaves an empty table behind for the domain's life. Tables that go away keep their contents,
 * since the hardware may still walk through them until the flush.
 *
 * All tables of a family share one object; a table set is named by its row.
 */
import {
  assert,
  type Columns,
  type DomainId,
  type IovaPfn,
  type ObservationLog,
  type Pfn,
  type StateArena,
  type StateTable,
} from '../base/index.ts';
import { type FrameStore, WORDS_PER_FRAME } from '../mem/index.ts';
import { isLeafLevel, type SuperpageSupport } from './page-size.ts';
import {
  ENTRY_LARGE,
  ENTRY_READ,
  ENTRY_RIGHTS,
  ENTRY_SNOOP,
  entryHigh,
  entryIndex,
  entryLow,
  entryPages,
  entryPfn,
  entryStart,
  PFNS_PER_HIGH,
  TABLE_ENTRIES,
} from './second-level-entry.ts';
import { NO_TABLES, TablePages } from './table-pages.ts';

/** What `lookup` returns for a page that is not mapped. */
export const NOT_MAPPED = -1;

/** What a mapping permits; the values are the entry bits. */
export const Rights = { READ: 1, WRITE: 2, READ_WRITE: 3 } as const;
export type Rights = (typeof Rights)[keyof typeof Rights];

export interface PageTableOptions {
  /**
   * A leaf gets the read bit even for a write-only mapping: true for the kernels 6.1 and 6.12, false for second-stage
   * tables of 7.2 and later.
   *
   * @source Linux v6.12 drivers/iommu/intel/iommu.c __domain_mapping()
   */
  readonly leafAlwaysReadable: boolean;
  /** Sets the snoop bit on leaves; only domains with enforced coherency do. */
  readonly snoop: boolean;
}

/** Tables of a DMA domain under 6.1 and 6.12. */
export const DMA_PAGE_TABLE_OPTIONS: PageTableOptions = { leafAlwaysReadable: true, snoop: false };

/** `levels` is 0 for a free row. `rootPfn` is what the context entry points to. */
const ROW_SHAPE = { rootPfn: 'f64', tables: 'u32', domainId: 'u16', levels: 'u8', superpages: 'u8' } as const;

export class PageTables {
  /** Frames of the tables, and the chains of detached ones. */
  readonly pages: TablePages;

  /** After `mapPages` or `unmapPages`: chain of the tables that this call detached. */
  freed: number = NO_TABLES;
  /** After `unmapPages`: the range cleared, which is wider than asked when it touched a part of a superpage. */
  clearedFirst: IovaPfn = 0;
  clearedPages = 0;
  /** After `mapPages` that refused something: the first such page, its entry and the one it should have got. */
  refusedIovaPfn: IovaPfn = 0;
  refusedOldHigh = 0;
  refusedOldLow = 0;
  refusedNewHigh = 0;
  refusedNewLow = 0;

  private readonly frames: FrameStore;
  private readonly options: PageTableOptions;
  private readonly rows: StateTable;
  private rootPfn!: Float64Array<ArrayBuffer>;
  private tables!: Uint32Array<ArrayBuffer>;
  private domainId!: Uint16Array<ArrayBuffer>;
  private levels!: Uint8Array<ArrayBuffer>;
  private superpages!: Uint8Array<ArrayBuffer>;

  /** @param rows  table sets there is room for at first */
  constructor(arena: StateArena, frames: FrameStore, rows: number, options: PageTableOptions, log: ObservationLog | null) {
    this.frames = frames;
    this.options = options;
    this.pages = new TablePages(arena, frames, log);
    this.rows = arena.table('pageTables', rows, ROW_SHAPE, (columns: Columns<typeof ROW_SHAPE>) => {
      this.rootPfn = columns.rootPfn;
      this.tables = columns.tables;
      this.domainId = columns.domainId;
      this.levels = columns.levels;
      this.superpages = columns.superpages;
    });
  }

  /**
   * Makes an empty table set and returns its row.
   *
   * @param levels  3, 4 or 5
   */
  create(domainId: DomainId, levels: number, superpages: SuperpageSupport): number {
    assert(levels >= 3 && levels <= 5, 'second-level tables have 3 to 5 levels');
    let row = this.levels.indexOf(0);
    if (row < 0) {
      row = this.rows.rows;
      this.rows.grow(row * 2);
    }
    this.rootPfn[row] = this.pages.allocate(levels, domainId);
    this.tables[row] = 1;
    this.domainId[row] = domainId;
    this.levels[row] = levels;
    this.superpages[row] = superpages;
    return row;
  }

  /** Gives up a table set and returns the chain of all its tables, root included. */
  destroy(row: number): number {
    assert(this.levels[row] !== 0, 'table set destroyed twice');
    this.freed = NO_TABLES;
    this.detach(row, this.rootPfn[row], this.levels[row]);
    assert(this.tables[row] === 0, 'the count of tables agrees with the tree');
    this.levels[row] = 0;
    return this.freed;
  }

  rootOf(row: number): Pfn {
    return this.rootPfn[row];
  }

  levelsOf(row: number): number {
    return this.levels[row];
  }

  domainIdOf(row: number): DomainId {
    return this.domainId[row];
  }

  superpagesOf(row: number): SuperpageSupport {
    return this.superpages[row] as SuperpageSupport;
  }

  /** Rights that a leaf really gets when `rights` are asked for. */
  leafRights(rights: Rights): Rights {
    return (rights | (this.options.leafAlwaysReadable ? ENTRY_READ : 0)) as Rights;
  }

  /** Tables of the set that are attached, root and empty ones included. */
  tablesOf(row: number): number {
    return this.tables[row];
  }

  /**
   * Physical page of an IOVA page, or NOT_MAPPED.
   *
   * @source Linux v6.12 drivers/iommu/intel/iommu.c intel_iommu_iova_to_phys()
   */
  lookup(row: number, iovaPfn: IovaPfn): Pfn {
    const words = this.frames.words;
    const base = this.frames.basePfn;
    let table = (this.rootPfn[row] - base) | 0;
    for (let level = this.levels[row]; ; level--) {
      const word = table * WORDS_PER_FRAME + 2 * entryIndex(iovaPfn, level);
      const low = words[word];
      if ((low & ENTRY_RIGHTS) === 0) return NOT_MAPPED;
      const pfn = entryPfn(words[word + 1], low);
      if (level === 1) return pfn;
      if ((low & ENTRY_LARGE) !== 0) return pfn + (iovaPfn - entryStart(iovaPfn, level));
      table = (pfn - base) | 0;
    }
  }

  /**
   * Writes leaves of one size. An entry that is already set stays as it is and counts as refused, also when a superpage
   * lies where a table is needed. An empty table where a superpage is wanted is detached (`freed`): the caller flushes
   * the range, then frees it.
   *
   * Differs: a table with entries in it is kept and the superpage refused; Linux drops such a table with its mappings.
   *
   * @param level  1, 2 or 3: leaves of 4 KiB, 2 MiB or 1 GiB; both addresses are aligned to that
   * @param count  leaves of that size
   * @returns leaves refused, 0 when all were written
   * @source Linux v6.12 drivers/iommu/intel/iommu.c __domain_mapping()
   */
  mapPages(row: number, iovaPfn: IovaPfn, pfn: Pfn, level: number, count: number, rights: Rights): number {
    const step = entryPages(level);
    assert(isLeafLevel(level, this.superpagesOf(row)), 'leaf size is supported');
    assert(
      iovaPfn >= 0 && iovaPfn + count * step <= entryPages(this.levels[row]) * TABLE_ENTRIES,
      'mapping lies within the width of the tables',
    );
    const flags = this.leafFlags(rights, level);
    this.freed = NO_TABLES;
    let refused = 0;
    let page = iovaPfn;
    let frame = pfn;
    let left = count;
    while (left > 0) {
      const index = entryIndex(page, level);
      const run = Math.min(left, TABLE_ENTRIES - index);
      const table = this.tableFor(row, page, level);
      if (table === NOT_MAPPED) {
        for (let i = 0; i < run; i++) this.refuse(refused++, page + i * step, this.blockingWord(row, page), frame + i * step, flags);
      } else {
        const words = this.frames.words;
        let word = table * WORDS_PER_FRAME + 2 * index;
        this.frames.noteWrite(word, 2 * run);
        let high = entryHigh(frame);
        let lowPfn = frame - high * PFNS_PER_HIGH;
        for (let i = 0; i < run; i++, word += 2) {
          if ((words[word] | words[word + 1]) !== 0 && (level === 1 || !this.dropEmptyTable(row, word, level))) {
            this.refuse(refused++, page + i * step, word, frame + i * step, flags);
          } else {
            words[word] = entryLow(lowPfn, flags);
            words[word + 1] = high;
          }
          lowPfn += step;
          if (lowPfn >= PFNS_PER_HIGH) {
            lowPfn -= PFNS_PER_HIGH;
            high++;
          }
        }
      }
      page += run * step;
      frame += run * step;
      left -= run;
    }
    return refused;
  }

  /**
   * Clears every leaf of the range and detaches the tables that it covers entirely (`freed`). A superpage of which only
   * a part is asked for is cleared whole, and `clearedFirst`, `clearedPages` are widened to it. Pages that are not
   * mapped count as cleared.
   *
   * Differs: where a table is missing, Linux takes the hole for a superpage and clears as much as that would cover,
   * which can reach behind the end of the range. No caller unmaps what it has not mapped.
   *
   * @returns pages cleared, as `clearedPages`
   * @source Linux v6.12 drivers/iommu/intel/iommu.c intel_iommu_unmap(), dma_pte_clear_level()
   */
  unmapPages(row: number, iovaPfn: IovaPfn, pages: number): number {
    assert(
      pages > 0 && iovaPfn + pages <= entryPages(this.levels[row]) * TABLE_ENTRIES,
      'unmapped range lies within the width of the tables',
    );
    this.freed = NO_TABLES;
    this.clearedFirst = iovaPfn;
    this.clearedPages = pages;
    const last = iovaPfn + pages - 1;
    if (pages < TABLE_ENTRIES && (iovaPfn & (TABLE_ENTRIES - 1)) + pages <= TABLE_ENTRIES) this.clearWithinLeafTable(row, iovaPfn, pages);
    else this.clearLevel(row, this.rootPfn[row], this.levels[row], 0, iovaPfn, last);
    return this.clearedPages;
  }

  private leafFlags(rights: Rights, level: number): number {
    return this.leafRights(rights) | (this.options.snoop ? ENTRY_SNOOP : 0) | (level > 1 ? ENTRY_LARGE : 0);
  }

  /** Frame index of the table of `level` for a page, made with the tables above it where missing; NOT_MAPPED when a superpage is in the way. */
  private tableFor(row: number, iovaPfn: IovaPfn, level: number): number {
    const base = this.frames.basePfn;
    let words = this.frames.words;
    let table = (this.rootPfn[row] - base) | 0;
    for (let above = this.levels[row]; above > level; above--) {
      const word = table * WORDS_PER_FRAME + 2 * entryIndex(iovaPfn, above);
      const low = words[word];
      if ((low & ENTRY_RIGHTS) === 0) {
        const pfn = this.pages.allocate(above - 1, this.domainId[row]);
        this.tables[row] += 1;
        words = this.frames.words;
        words[word] = entryLow(pfn, ENTRY_RIGHTS);
        words[word + 1] = entryHigh(pfn);
        this.frames.noteWrite(word, 2);
        table = (pfn - base) | 0;
      } else if ((low & ENTRY_LARGE) !== 0) {
        return NOT_MAPPED;
      } else {
        table = (entryPfn(words[word + 1], low) - base) | 0;
      }
    }
    return table;
  }

  /** Word index of the superpage entry that covers a page; there is one. */
  private blockingWord(row: number, iovaPfn: IovaPfn): number {
    const words = this.frames.words;
    let table = this.rootPfn[row] - this.frames.basePfn;
    for (let level = this.levels[row]; ; level--) {
      const word = table * WORDS_PER_FRAME + 2 * entryIndex(iovaPfn, level);
      if ((words[word] & ENTRY_LARGE) !== 0) return word;
      assert(level > 2, 'a superpage blocks the walk');
      table = entryPfn(words[word + 1], words[word]) - this.frames.basePfn;
    }
  }

  private refuse(earlier: number, iovaPfn: IovaPfn, word: number, pfn: Pfn, flags: number): void {
    if (earlier > 0) return;
    this.refusedIovaPfn = iovaPfn;
    this.refusedOldHigh = this.frames.words[word + 1];
    this.refusedOldLow = this.frames.words[word];
    this.refusedNewHigh = entryHigh(pfn);
    this.refusedNewLow = entryLow(pfn, flags);
  }

  /** Detaches the table under an entry of `level` if nothing is mapped below it; false when something is. */
  private dropEmptyTable(row: number, word: number, level: number): boolean {
    const words = this.frames.words;
    if ((words[word] & ENTRY_LARGE) !== 0) return false;
    const pfn = entryPfn(words[word + 1], words[word]);
    if (!this.isEmpty(pfn, level - 1)) return false;
    this.detach(row, pfn, level - 1);
    return true;
  }

  private isEmpty(pfn: Pfn, level: number): boolean {
    const words = this.frames.words;
    const first = (pfn - this.frames.basePfn) * WORDS_PER_FRAME;
    for (let word = first; word < first + WORDS_PER_FRAME; word += 2) {
      const low = words[word];
      if ((low & ENTRY_RIGHTS) === 0) continue;
      if (level === 1 || (low & ENTRY_LARGE) !== 0 || !this.isEmpty(entryPfn(words[word + 1], low), level - 1)) return false;
    }
    return true;
  }

  /** Puts a table and all tables below it on the chain; none of them is cleared. */
  private detach(row: number, pfn: Pfn, level: number): void {
    this.freed = this.pages.prepend(pfn, this.freed);
    this.tables[row] -= 1;
    if (level === 1) return;
    const words = this.frames.words;
    const first = (pfn - this.frames.basePfn) * WORDS_PER_FRAME;
    for (let word = first; word < first + WORDS_PER_FRAME; word += 2) {
      const low = words[word];
      if ((low & ENTRY_RIGHTS) !== 0 && (low & ENTRY_LARGE) === 0) this.detach(row, entryPfn(words[word + 1], low), level - 1);
    }
  }

  /** The common case: a few 4 KiB pages of one leaf table, which stays. */
  private clearWithinLeafTable(row: number, iovaPfn: IovaPfn, pages: number): void {
    const words = this.frames.words;
    const base = this.frames.basePfn;
    let table = (this.rootPfn[row] - base) | 0;
    for (let level = this.levels[row]; level > 1; level--) {
      const word = table * WORDS_PER_FRAME + 2 * entryIndex(iovaPfn, level);
      const low = words[word];
      if ((low & ENTRY_RIGHTS) === 0) return;
      if ((low & ENTRY_LARGE) !== 0) {
        words[word] = 0;
        words[word + 1] = 0;
        this.frames.noteWrite(word, 2);
        this.widen(entryStart(iovaPfn, level), entryPages(level));
        return;
      }
      table = (entryPfn(words[word + 1], low) - base) | 0;
    }
    const first = table * WORDS_PER_FRAME + 2 * entryIndex(iovaPfn, 1);
    for (let word = first; word < first + 2 * pages; word++) words[word] = 0;
    this.frames.noteWrite(first, 2 * pages);
  }

  /** Clears [first, last] below the table of `level` whose first page is `tableStart`. */
  private clearLevel(row: number, tablePfn: Pfn, level: number, tableStart: IovaPfn, first: IovaPfn, last: IovaPfn): void {
    const words = this.frames.words;
    const span = entryPages(level);
    const from = Math.max(first, tableStart);
    let page = entryStart(from, level);
    let index = entryIndex(from, level);
    let word = (tablePfn - this.frames.basePfn) * WORDS_PER_FRAME + 2 * index;
    for (; index < TABLE_ENTRIES && page <= last; index++, page += span, word += 2) {
      const low = words[word];
      if ((low & ENTRY_RIGHTS) === 0) continue;
      const isTable = level > 1 && (low & ENTRY_LARGE) === 0;
      const isWhole = first <= page && last >= page + span - 1;
      const pfn = entryPfn(words[word + 1], low);
      if (isTable && !isWhole) {
        this.clearLevel(row, pfn, level - 1, page, first, last);
        continue;
      }
      if (isTable) this.detach(row, pfn, level - 1);
      else if (!isWhole) this.widen(page, span);
      words[word] = 0;
      words[word + 1] = 0;
      this.frames.noteWrite(word, 2);
    }
  }

  /** Extends the cleared range to the superpage at `start`. */
  private widen(start: IovaPfn, pages: number): void {
    const end = Math.max(this.clearedFirst + this.clearedPages, start + pages);
    this.clearedFirst = Math.min(this.clearedFirst, start);
    this.clearedPages = end - this.clearedFirst;
  }
}
