import { describe, expect, it } from 'vitest';
import { ObservationLog, Observed, Prng, StateArena } from '../base/index.ts';
import { FrameStore } from '../mem/index.ts';
import { CallList, formatEntryAlreadySet, iommuMap, iommuUnmap } from './iommu-map.ts';
import { PageRun, type SuperpageSupport } from './page-size.ts';
import { PageTableOracle } from './page-table.oracle.ts';
import { DMA_PAGE_TABLE_OPTIONS, NOT_MAPPED, PageTables, Rights } from './page-table.ts';
import { entryIndex, entryPages, entryPfn, entryStart } from './second-level-entry.ts';
import { NO_TABLES } from './table-pages.ts';

const BASE_PFN = 0x1000;

function bedOf(levels = 4, superpages: SuperpageSupport = 3, options = DMA_PAGE_TABLE_OPTIONS) {
  const arena = new StateArena();
  const frames = new FrameStore(arena, BASE_PFN, 2);
  const log = new ObservationLog();
  const tables = new PageTables(arena, frames, 1, options, log);
  const row = tables.create(2, levels, superpages);
  return { arena, frames, log, tables, row, calls: new CallList() };
}

/** An entry of a table as the 64-bit number that the hardware reads. */
function entryAt(frames: FrameStore, pfn: number, index: number): bigint {
  return (BigInt(frames.high(pfn, index)) << 32n) | BigInt(frames.low(pfn, index));
}

describe('entries', () => {
  it('splits a page number of 45 bits into indices of nine bits', () => {
    const pfn = 0x1a5 * 2 ** 36 + 0x0f3 * 2 ** 27 + 0x1ff * 2 ** 18 + 0x001 * 2 ** 9 + 0x155;
    expect([1, 2, 3, 4, 5].map((level) => entryIndex(pfn, level))).toEqual([0x155, 0x001, 0x1ff, 0x0f3, 0x1a5]);
    expect([1, 2, 3, 4, 5].map((level) => pfn - entryStart(pfn, level))).toEqual([1, 2, 3, 4, 5].map((level) => pfn % entryPages(level)));
  });

  it('writes R, W, page size, snoop and a 52-bit address in their places', () => {
    const { frames, tables, row } = bedOf();
    tables.mapPages(row, 0, 0xffffffffff, 1, 1, Rights.READ_WRITE);
    tables.mapPages(row, 0x40000 + 512, 0xabcdef200, 2, 1, Rights.READ);
    tables.mapPages(row, 0x80000, 0x40000, 3, 1, Rights.READ_WRITE);
    // Root, level 3, level 2 and leaf table are frames 0 to 3; the level 2 table of the second mapping is frame 4.
    expect(entryAt(frames, BASE_PFN, 0)).toBe(0x1001003n);
    expect(entryAt(frames, BASE_PFN + 1, 0)).toBe(0x1002003n);
    expect(entryAt(frames, BASE_PFN + 2, 0)).toBe(0x1003003n);
    expect(entryAt(frames, BASE_PFN + 3, 0)).toBe(0xffffffffff003n);
    expect(entryAt(frames, BASE_PFN + 1, 1)).toBe(0x1004003n);
    expect(entryAt(frames, BASE_PFN + 4, 1)).toBe(0xabcdef200081n);
    expect(entryAt(frames, BASE_PFN + 1, 2)).toBe(0x40000083n);
    expect(entryPfn(frames.high(BASE_PFN + 3, 0), frames.low(BASE_PFN + 3, 0))).toBe(0xffffffffff);
  });

  it('carries from the low into the high half inside a run', () => {
    const { frames, tables, row } = bedOf();
    tables.mapPages(row, 0, 0x1ffffe, 1, 4, Rights.READ);
    expect([0, 1, 2, 3].map((i) => entryAt(frames, BASE_PFN + 3, i))).toEqual([0x1ffffe001n, 0x1fffff001n, 0x200000001n, 0x200001001n]);
  });

  it.each([
    { leafAlwaysReadable: true, snoop: false, rights: Rights.WRITE, flags: 0x3n },
    { leafAlwaysReadable: false, snoop: false, rights: Rights.WRITE, flags: 0x2n },
    { leafAlwaysReadable: true, snoop: false, rights: Rights.READ, flags: 0x1n },
    { leafAlwaysReadable: false, snoop: true, rights: Rights.READ_WRITE, flags: 0x803n },
  ])('gives a leaf the bits $flags', ({ leafAlwaysReadable, snoop, rights, flags }) => {
    const { frames, tables, row } = bedOf(3, 0, { leafAlwaysReadable, snoop });
    tables.mapPages(row, 0, 0, 1, 1, rights);
    expect(entryAt(frames, BASE_PFN + 2, 0)).toBe(flags);
  });

  it('keeps an entry that is set, counts it and gives the kernel line', () => {
    const { tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x100, 0x7bfd7, 1, Rights.READ_WRITE, calls);
    expect(iommuMap(tables, row, 0xff, 0x2000, 3, Rights.READ, calls)).toBe(1);
    expect(formatEntryAlreadySet(tables)).toBe('DMAR: ERROR: DMA PTE for vPFN 0x100 already set (to 7bfd7003 not 2001001)');
    expect([0xff, 0x100, 0x101].map((page) => tables.lookup(row, page))).toEqual([0x2000, 0x7bfd7, 0x2002]);
  });

  it('refuses a small page inside a superpage', () => {
    const { tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x200, 0x400, 0x200, Rights.READ_WRITE, calls);
    expect(iommuMap(tables, row, 0x3ff, 0x9000, 2, Rights.READ, calls)).toBe(1);
    expect(tables.lookup(row, 0x3ff)).toBe(0x5ff);
    expect(tables.lookup(row, 0x400)).toBe(0x9001);
    expect(tables.refusedOldLow).toBe(0x400083);
  });
});

describe('calls of one page size', () => {
  it.each([
    // 0x202000 bytes from 0x1ff000 to 0x3ff000: one small page, one of 2 MiB, one small page.
    [
      0x1ff,
      0x3ff,
      0x202,
      3,
      [
        [1, 1],
        [2, 1],
        [1, 1],
      ],
    ],
    [0x1ff, 0x3ff, 0x202, 0, [[1, 0x202]]],
    // The same without the last page: the 2 MiB page just fits.
    [
      0x1ff,
      0x3ff,
      0x201,
      3,
      [
        [1, 1],
        [2, 1],
      ],
    ],
    [0x1ff, 0x3ff, 0x200, 3, [[1, 0x200]]],
    // 4 MiB + 12 KiB in one unmap are two calls.
    [
      0x400,
      0x400,
      0x403,
      3,
      [
        [2, 2],
        [1, 3],
      ],
    ],
    [0x401, 0x402, 0x1000, 3, [[1, 0x1000]]],
    [
      0x40000,
      0x80000,
      0x40200,
      3,
      [
        [3, 1],
        [2, 1],
      ],
    ],
    [0x40000, 0x80000, 0x40200, 1, [[2, 0x201]]],
    [
      0x3fe00,
      0x7fe00,
      0x40201,
      3,
      [
        [2, 1],
        [3, 1],
        [1, 1],
      ],
    ],
  ] as [number, number, number, SuperpageSupport, number[][]][])(
    '%i -> %i, %i pages, support %i',
    (iovaPfn, pfn, pages, superpages, expected) => {
      const run = new PageRun();
      const runs: number[][] = [];
      for (let done = 0; done < pages; done += run.count * entryPages(run.level)) {
        run.pick(iovaPfn + done, pfn + done, pages - done, superpages);
        runs.push([run.level, run.count]);
      }
      expect(runs).toEqual(expected);
    },
  );
});

describe('tables', () => {
  it('keeps an empty table, and detaches one only when a single call covers it', () => {
    const { frames, tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x200, 0x1001, 0x200, Rights.READ_WRITE, calls);
    expect(tables.tablesOf(row)).toBe(4);
    iommuUnmap(tables, row, 0x200, 0x100, calls);
    iommuUnmap(tables, row, 0x300, 0x100, calls);
    expect([tables.lookup(row, 0x200), tables.tablesOf(row), calls.freed]).toEqual([NOT_MAPPED, 4, NO_TABLES]);
    iommuUnmap(tables, row, 0x200, 0x200, calls);
    expect([tables.tablesOf(row), tables.pages.chainLength(calls.freed), frames.framesInUse]).toEqual([3, 1, 4]);
    tables.pages.freeChain(calls.freed);
    expect(frames.framesInUse).toBe(3);
  });

  it('leaves the contents of detached tables readable', () => {
    const { frames, tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x200, 0x1001, 0x200, Rights.READ_WRITE, calls);
    iommuUnmap(tables, row, 0x200, 0x200, calls);
    expect(entryAt(frames, BASE_PFN + 3, 5)).toBe(0x1006003n);
    tables.pages.freeChain(calls.freed);
    expect(entryAt(frames, BASE_PFN + 3, 5)).toBe(0x1006003n);
  });

  it('detaches a whole subtree for 1 GiB and names every table once', () => {
    const { tables, row, calls, log } = bedOf(4, 3);
    for (const page of [0x40000, 0x40201, 0x7ffff]) iommuMap(tables, row, page, 0x3000, 1, Rights.READ, calls);
    log.clear();
    iommuUnmap(tables, row, 0x40000, 0x40000, calls);
    const chain = [];
    for (let pfn = calls.freed; pfn !== NO_TABLES; pfn = tables.pages.after(pfn)) chain.push(tables.pages.levelOf(pfn));
    expect(chain.sort()).toEqual([1, 1, 1, 2]);
    expect(log.length).toBe(0);
    expect(tables.pages.freeChain(calls.freed)).toBe(4);
    expect([...log.kind.subarray(0, log.length)]).toEqual(Array(4).fill(Observed.TABLE_FREED));
    expect([...log.b.subarray(0, 4)].sort()).toEqual([1, 1, 1, 2]);
    expect([log.device[0], log.domain[0]]).toEqual([-1, 2]);
  });

  it('clears a whole superpage for a part of it and reports its size', () => {
    const { tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x200, 0x400, 0x200, Rights.READ_WRITE, calls);
    expect(iommuUnmap(tables, row, 0x200, 1, calls)).toBe(0x200);
    expect([calls.length, calls.iovaPfn[0], calls.pages[0]]).toEqual([1, 0x200, 0x200]);
    expect(tables.lookup(row, 0x3ff)).toBe(NOT_MAPPED);
    iommuMap(tables, row, 0x200, 0x400, 0x200, Rights.READ_WRITE, calls);
    iommuMap(tables, row, 0x400, 0x900, 8, Rights.READ_WRITE, calls);
    expect(iommuUnmap(tables, row, 0x3f0, 0x18, calls)).toBe(0x208);
    expect([0x200, 0x3ff, 0x400, 0x407].map((page) => tables.lookup(row, page))).toEqual(Array(4).fill(NOT_MAPPED));
  });

  it('replaces an empty table by a superpage and hands it to the caller to flush', () => {
    const { tables, row, calls } = bedOf();
    iommuMap(tables, row, 0x200, 0x7777, 1, Rights.READ, calls);
    expect(iommuMap(tables, row, 0x200, 0x400, 0x200, Rights.READ, calls)).toBe(1);
    iommuUnmap(tables, row, 0x200, 1, calls);
    expect(iommuMap(tables, row, 0x200, 0x400, 0x200, Rights.READ, calls)).toBe(0);
    expect([calls.length, calls.iovaPfn[0], calls.pages[0], tables.pages.chainLength(calls.freed)]).toEqual([1, 0x200, 0x200, 1]);
    expect(tables.lookup(row, 0x2ff)).toBe(0x4ff);
  });

  it('joins chains in any order, the empty one included', () => {
    const { tables } = bedOf();
    const pages = tables.pages;
    const single = () => pages.prepend(pages.allocate(1, 2), NO_TABLES);
    expect(pages.join(NO_TABLES, NO_TABLES)).toBe(NO_TABLES);
    const joined = pages.join(pages.join(single(), NO_TABLES), pages.join(single(), single()));
    expect(pages.chainLength(joined)).toBe(3);
    expect(pages.freeChain(joined)).toBe(3);
  });

  it('refuses to free a table twice', () => {
    const { tables } = bedOf();
    const chain = tables.pages.prepend(tables.pages.allocate(1, 2), NO_TABLES);
    tables.pages.freeChain(chain);
    expect(() => tables.pages.freeChain(chain)).toThrow('twice');
  });
});

describe('against the list of leaves', () => {
  it.each([
    { levels: 3, superpages: 3, seed: 1 },
    { levels: 3, superpages: 0, seed: 2 },
    { levels: 4, superpages: 1, seed: 3 },
    { levels: 4, superpages: 3, seed: 4 },
    { levels: 5, superpages: 3, seed: 5 },
    { levels: 5, superpages: 0, seed: 6 },
  ] as { levels: number; superpages: SuperpageSupport; seed: number }[])(
    '$levels levels, superpages $superpages, seed $seed',
    ({ levels, superpages, seed }) => {
      const { arena, frames, tables, row, calls } = bedOf(levels, superpages);
      const oracle = new PageTableOracle(levels, superpages);
      const random = new Prng(seed);
      // Three windows: at zero, across a border of the upper levels, at the very end.
      const end = 512 ** levels;
      const windows = [0, levels === 3 ? 2 ** 20 : end / 2 - 0x1000, end - 0x2000];
      const pending: number[] = [];
      let waiting = 0;
      for (let turn = 0; turn < 400; turn++) {
        const window = windows[random.below(3)];
        const align = [1, 1, 16, 512, 512][random.below(5)];
        const pages = Math.min(
          0x2000 - 1,
          [1 + random.below(32), 512, 1 + random.below(1500), 1024 + random.below(4), 0x1000][random.below(5)],
        );
        const start = window + Math.floor(random.below(0x2000 - pages) / align) * align;
        if (random.chance(1, 2)) {
          const pfn = 2 ** 32 + (random.chance(1, 2) ? start % 512 : random.below(512)) + 512 * random.below(1000);
          const expected = oracle.map(start, pfn, pages);
          expect(iommuMap(tables, row, start, pfn, pages, Rights.READ_WRITE, calls)).toBe(expected.refused);
          expect(tables.pages.chainLength(calls.freed)).toBe(expected.freed);
        } else {
          const expected = oracle.unmap(start, pages);
          const total = iommuUnmap(tables, row, start, pages, calls);
          expect(total).toBe(expected.calls.reduce((sum, call) => sum + call[1], 0));
          expect(Array.from({ length: calls.length }, (_, i) => [calls.iovaPfn[i], calls.pages[i]])).toEqual(expected.calls);
          expect(tables.pages.chainLength(calls.freed)).toBe(expected.freed);
        }
        if (calls.freed !== NO_TABLES) {
          waiting += tables.pages.chainLength(calls.freed);
          pending.push(calls.freed);
        }
        if (random.chance(1, 4)) {
          for (const chain of pending.splice(0)) waiting -= tables.pages.freeChain(chain);
          expect(waiting).toBe(0);
        }
        expect(tables.tablesOf(row)).toBe(oracle.tables.size);
        expect(frames.framesInUse).toBe(oracle.tables.size + waiting);
        for (let probe = 0; probe < 8; probe++) {
          const page = window + random.below(0x2000);
          expect(tables.lookup(row, page)).toBe(oracle.lookup(page));
        }
        if (turn % 200 === 150) {
          const hash = arena.hash();
          const saved = arena.save();
          iommuUnmap(tables, row, 0, 1000, calls);
          iommuMap(tables, row, 0, 5, 1000, Rights.READ, calls);
          arena.restore(saved);
          expect(arena.hash()).toBe(hash);
        }
      }
      for (const [start, leaf] of oracle.leaves) expect(tables.lookup(row, start)).toBe(leaf.pfn);
      for (const chain of pending) tables.pages.freeChain(chain);
      expect(tables.pages.freeChain(tables.destroy(row))).toBe(oracle.tables.size);
      expect(frames.framesInUse).toBe(0);
    },
  );

  it('maps 1 GiB leaves beside small ones', () => {
    const { tables, row, calls } = bedOf(4, 3);
    const oracle = new PageTableOracle(4, 3);
    for (const [start, pfn, pages] of [
      [0x7fe01, 0x3fe01, 0x40000 + 0x3ff],
      [0x0, 0x80000, 0x40000],
    ]) {
      oracle.map(start, pfn, pages);
      expect(iommuMap(tables, row, start, pfn, pages, Rights.READ_WRITE, calls)).toBe(0);
    }
    for (const page of [0, 0x3ffff, 0x40000, 0x7fe00, 0x7fe01, 0x7ffff, 0x80000, 0xbffff, 0xc01ff, 0xc0200]) {
      expect(tables.lookup(row, page)).toBe(oracle.lookup(page));
    }
    expect(tables.tablesOf(row)).toBe(oracle.tables.size);
    expect(iommuUnmap(tables, row, 0x90000, 16, calls)).toBe(0x40000);
  });
});
