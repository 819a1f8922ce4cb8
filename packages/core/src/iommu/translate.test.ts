import { describe, expect, it } from 'vitest';
import { Observed, Prng } from '../base/index.ts';
import { QEMU_CAPABILITY } from './capability.ts';
import { TranslationType } from './context.ts';
import { FaultReason } from './fault.ts';
import { bedOf, obviousWalk, SOURCE_ID } from './iommu-unit.oracle.ts';
import type { CacheShape } from './iommu-unit.ts';
import { Rights } from './page-table.ts';
import { INTERRUPT_REQUEST, TRANSLATION_FAULT, translate, translatePfn } from './translate.ts';

const NO_CACHES = { iotlb: null, pagingStructures: null } as const;
const SMALL: CacheShape = { kind: 'associative', sets: 2, ways: 2, replacement: 'random', seed: 3 };

describe('rights', () => {
  it.each([
    [Rights.READ, false, true],
    [Rights.READ, true, false],
    [Rights.WRITE, false, false],
    [Rights.WRITE, true, true],
    [Rights.READ_WRITE, false, true],
    [Rights.READ_WRITE, true, true],
  ])('leaf %i, write %s: %s', (rights, isWrite, isPermitted) => {
    for (const options of [NO_CACHES, {}]) {
      const { unit, domain, calls, log } = bedOf(options);
      domain.map(0xfffff, 0x7bfd7, 1, rights, calls);
      log.clear();
      // The other access first, so that the IOTLB may hold the translation.
      translate(unit, SOURCE_ID, 0xfffff123, !isWrite);
      log.clear();
      expect(translate(unit, SOURCE_ID, 0xfffff123, isWrite)).toBe(isPermitted ? 0x7bfd7123 : TRANSLATION_FAULT);
      expect(log.length).toBe(isPermitted ? 0 : 1);
      if (!isPermitted) {
        expect([log.kind[0], log.device[0], log.domain[0]]).toEqual([Observed.FAULTED, -1, 2]);
        expect([log.a[0], log.b[0], log.c[0]]).toEqual([0xfffff000, isWrite ? 5 : 6, isWrite ? 0 : 1]);
      }
    }
  });

  it.each([
    ['no caches', NO_CACHES],
    ['an IOTLB', { ...NO_CACHES, iotlb: SMALL }],
    ['paging-structure caches', { ...NO_CACHES, pagingStructures: SMALL }],
  ])('are those of every level together, with %s', (_name, options) => {
    const { unit, domain, calls, frames } = bedOf(options);
    domain.map(0xfffff, 0x7bfd7, 1, Rights.READ_WRITE, calls);
    frames.set(domain.rootPfn, 0, frames.high(domain.rootPfn, 0), frames.low(domain.rootPfn, 0) & ~2);
    expect(translate(unit, SOURCE_ID, 0xfffff000, false)).toBe(0x7bfd7000);
    expect(translate(unit, SOURCE_ID, 0xfffff000, true)).toBe(TRANSLATION_FAULT);
  });
});

describe('faults', () => {
  const reasonOf = (bed: ReturnType<typeof bedOf>, iova: number, isWrite = false, sourceId = SOURCE_ID) => {
    expect(translate(bed.unit, sourceId, iova, isWrite)).toBe(TRANSLATION_FAULT);
    const reason = bed.unit.faults.reasonAt(0);
    bed.unit.faults.clearRecord(0);
    return reason;
  };

  it('of contexts', () => {
    const bed = bedOf();
    expect(reasonOf(bed, 0, false, 0x100)).toBe(FaultReason.ROOT_NOT_PRESENT);
    expect(reasonOf(bed, 0, false, 0x11)).toBe(FaultReason.CONTEXT_NOT_PRESENT);
    bed.unit.contextTable.set(0x11, 2, TranslationType.UNTRANSLATED, bed.domain.rootPfn, 5, false);
    expect(reasonOf(bed, 0, false, 0x11)).toBe(FaultReason.CONTEXT_INVALID);
    bed.unit.contextTable.set(0x11, 2, 3 as TranslationType, bed.domain.rootPfn, 4, false);
    expect(reasonOf(bed, 0, false, 0x11)).toBe(FaultReason.CONTEXT_INVALID);
    expect(bed.log.domain[0]).toBe(-1);
  });

  it('of reserved bits in root and context entries', () => {
    const bed = bedOf();
    const { frames, unit } = bed;
    const contextTable = frames.low(unit.contextTable.rootTablePfn, 0) >>> 12;
    frames.set(contextTable, 2 * SOURCE_ID + 1, 1, 0x201);
    expect(reasonOf(bed, 0)).toBe(FaultReason.CONTEXT_RESERVED_BITS);
    frames.set(unit.contextTable.rootTablePfn, 1, 0, 4);
    expect(reasonOf(bed, 0)).toBe(FaultReason.ROOT_RESERVED_BITS);
    frames.set(unit.contextTable.rootTablePfn, 1, 0, 0);
    frames.set(unit.contextTable.rootTablePfn, 0, 1, 0x1);
    expect(reasonOf(bed, 0)).toBe(FaultReason.CONTEXT_TABLE_INVALID);
  });

  it('of width, for tables and for MGAW', () => {
    const bed = bedOf();
    expect(reasonOf(bed, 2 ** 48)).toBe(FaultReason.BEYOND_ADDRESS_WIDTH);
    expect(reasonOf(bed, 2 ** 48 - 1)).toBe(FaultReason.NO_READ);
    const narrow = bedOf({ capability: { ...QEMU_CAPABILITY, maxAddressBits: 40 } });
    expect(reasonOf(narrow, 2 ** 40)).toBe(FaultReason.BEYOND_ADDRESS_WIDTH);
    expect(reasonOf(narrow, 2 ** 40 - 1, true)).toBe(FaultReason.NO_WRITE);
  });

  it('of entries that point nowhere or have reserved bits', () => {
    const bed = bedOf(NO_CACHES);
    const { frames, domain } = bed;
    frames.set(domain.rootPfn, 0, 0xff, 0x3);
    expect(reasonOf(bed, 0)).toBe(FaultReason.TABLE_POINTER_INVALID);
    frames.set(domain.rootPfn, 0, 0, 0x83);
    expect(reasonOf(bed, 0)).toBe(FaultReason.ENTRY_RESERVED_BITS);
    bed.domain.map(512 * 512, 0x40000, 512, Rights.READ, bed.calls);
    expect(translate(bed.unit, SOURCE_ID, 2 ** 30 + 5, false)).toBe(TRANSLATION_FAULT);
  });

  it('of a superpage that the unit does not have', () => {
    const bed = bedOf({ ...NO_CACHES, capability: { ...QEMU_CAPABILITY, superpages: 0 } });
    bed.domain.map(0x200, 0x200, 1, Rights.READ, bed.calls);
    const level3 = bed.frames.low(bed.domain.rootPfn, 0) >>> 12;
    const level2 = bed.frames.low(level3, 0) >>> 12;
    bed.frames.set(level2, 1, 0, 0x200083);
    expect(reasonOf(bed, 0x200000)).toBe(FaultReason.ENTRY_RESERVED_BITS);
  });

  it('are not recorded for a context that disables them', () => {
    const bed = bedOf();
    bed.unit.contextTable.set(SOURCE_ID, 2, TranslationType.UNTRANSLATED, bed.domain.rootPfn, 4, true);
    expect(translate(bed.unit, SOURCE_ID, 0, false)).toBe(TRANSLATION_FAULT);
    expect([bed.unit.faults.seen, bed.log.length]).toEqual([0, 0]);
  });
});

describe('special cases', () => {
  it('treats writes to the interrupt window as messages and refuses reads, mapped or not', () => {
    const { unit, domain, calls } = bedOf();
    domain.map(0xfedff, 0x5000, 0x102, Rights.READ_WRITE, calls);
    expect(translate(unit, SOURCE_ID, 0xfee00000, true)).toBe(INTERRUPT_REQUEST);
    expect(translate(unit, SOURCE_ID, 0xfeefffff, true)).toBe(INTERRUPT_REQUEST);
    expect(translate(unit, SOURCE_ID, 0xfee00000, false)).toBe(TRANSLATION_FAULT);
    expect(translate(unit, SOURCE_ID, 0xfedfffff, true)).toBe(0x5000fff);
    expect(translate(unit, SOURCE_ID, 0xfef00000, true)).toBe(0x5101000);
  });

  it('passes addresses through without translation and in a pass-through context', () => {
    const { unit } = bedOf({}, TranslationType.PASS_THROUGH);
    expect(translate(unit, SOURCE_ID, 2 ** 47 + 5, true)).toBe(2 ** 47 + 5);
    unit.setTranslationEnabled(false);
    expect(translate(unit, 0x999, 2 ** 52 + 1, true)).toBe(2 ** 52 + 1);
  });

  it('lets a device-TLB answer until it is invalidated itself', () => {
    const { unit, domain, calls } = bedOf({}, TranslationType.WITH_DEVICE_TLB);
    domain.map(5, 0x77, 1, Rights.READ, calls);
    expect(translatePfn(unit, SOURCE_ID, 5, false)).toBe(0x77);
    domain.unmap(5, 1, calls);
    unit.iotlb!.invalidateAll();
    unit.pagingStructures!.invalidateAll();
    expect(translatePfn(unit, SOURCE_ID, 5, false)).toBe(0x77);
    unit.deviceTlb!.invalidatePages(SOURCE_ID, 5, 0);
    expect(translatePfn(unit, SOURCE_ID, 5, false)).toBe(TRANSLATION_FAULT);
  });

  it('walks again when a cached translation lacks the right', () => {
    const { unit, domain, calls } = bedOf();
    domain.map(5, 0x77, 1, Rights.READ, calls);
    translatePfn(unit, SOURCE_ID, 5, false);
    domain.unmap(5, 1, calls);
    domain.map(5, 0x78, 1, Rights.READ_WRITE, calls);
    expect(translatePfn(unit, SOURCE_ID, 5, false)).toBe(0x77);
    expect(translatePfn(unit, SOURCE_ID, 5, true)).toBe(0x78);
  });
});

describe('against a walk in 64-bit numbers', () => {
  it.each([
    { levels: 3, iotlb: null, pagingStructures: null, seed: 1 },
    { levels: 4, iotlb: SMALL, pagingStructures: SMALL, seed: 2 },
    { levels: 5, iotlb: { kind: 'unbounded', slots: 4 }, pagingStructures: { kind: 'unbounded', slots: 4 }, seed: 3 },
    { levels: 5, iotlb: null, pagingStructures: SMALL, seed: 4 },
  ] as { levels: number; iotlb: CacheShape; pagingStructures: CacheShape; seed: number }[])(
    '$levels levels, seed $seed',
    ({ levels, iotlb, pagingStructures, seed }) => {
      const capability = { ...QEMU_CAPABILITY, addressWidths: 2 ** (levels - 2), maxAddressBits: 57 };
      const { arena, unit, domain, frames, tables, calls } = bedOf({ iotlb, pagingStructures, capability });
      const random = new Prng(seed);
      const end = 512 ** levels;
      const windows = [0x200, 0x3ff00, end / 2 - 0x800, end - 0x1000];
      let permitted = 0;
      for (let turn = 0; turn < 3000; turn++) {
        const page = windows[random.below(4)] + random.below(0xc00);
        if (random.chance(1, 10)) {
          const start = random.chance(1, 2) ? page - (page % 512) : page;
          const pages = random.chance(1, 2) ? 512 : 1 + random.below(64);
          if (random.chance(2, 3)) {
            domain.map(start, random.below(2 ** 31) * 512 + (start % 512), pages, [1, 2, 3][random.below(3)] as Rights, calls);
          } else {
            domain.unmap(start, pages, calls);
          }
          // Flushed as a strict domain does, before the tables are freed.
          for (let call = 0; call < calls.length; call++) {
            for (let offset = 0; offset < calls.pages[call]; offset++) {
              unit.iotlb?.invalidatePages(2, calls.iovaPfn[call] + offset, 0);
              unit.pagingStructures?.invalidatePages(2, calls.iovaPfn[call] + offset, 0);
            }
          }
          tables.pages.freeChain(calls.freed);
        }
        const isWrite = random.chance(1, 2);
        const expected = obviousWalk(frames, domain.rootPfn, levels, page, isWrite);
        expect(translatePfn(unit, SOURCE_ID, page, isWrite)).toBe(expected);
        if (expected >= 0) permitted++;
        unit.faults.clearRecord(0);
      }
      expect(permitted).toBeGreaterThan(100);
      const hash = arena.hash();
      const saved = arena.save();
      for (let page = 0; page < 0x1000; page++) translatePfn(unit, SOURCE_ID, page, false);
      domain.map(0x100000, 5, 5000, Rights.READ, calls);
      arena.restore(saved);
      expect(arena.hash()).toBe(hash);
    },
  );
});
