import { describe, expect, it } from 'vitest';
import { StateArena } from '../base/index.ts';
import {
  addressBitsOf,
  decodeCapability,
  decodeExtendedCapability,
  QEMU_CAPABILITY,
  QEMU_EXTENDED_CAPABILITY,
  tableLevelsOf,
  usableAddressBits,
} from './capability.ts';
import { ContextEntry, TranslationType } from './context.ts';
import { ContextCache } from './context-cache.ts';
import { createDomain, DomainIds, destroyDomain, NO_DOMAIN_ID } from './domain.ts';
import { bedOf, SOURCE_ID } from './iommu-unit.oracle.ts';
import { NO_ENTRY } from './translation-cache.ts';

describe('capabilities', () => {
  it("are decoded from QEMU's registers", () => {
    expect(QEMU_CAPABILITY).toMatchObject({
      domainIds: 65536,
      cachingMode: false,
      writeBufferFlush: false,
      addressWidths: 6,
      maxAddressBits: 48,
      zeroLengthRead: false,
      faultRecordOffset: 0x220,
      superpages: 3,
      pageSelectiveInvalidation: true,
      faultRecords: 1,
      maxAddressMask: 18,
      drainsWrites: true,
      drainsReads: true,
    });
    expect(QEMU_EXTENDED_CAPABILITY).toMatchObject({
      coherentWalks: false,
      queuedInvalidation: true,
      deviceTlb: false,
      interruptRemapping: true,
      extendedInterruptMode: false,
      passThrough: true,
      iotlbRegisterOffset: 0xf0,
      maxHandleMask: 15,
      scalableMode: false,
    });
  });

  it('have each field at its own bits', () => {
    const none = Object.values(decodeCapability(0, 0)).concat(Object.values(decodeExtendedCapability(0, 0)));
    const all = Object.values(decodeCapability(0xffffffff, 0xffffffff)).concat(
      Object.values(decodeExtendedCapability(0xffffffff, 0xffffffff)),
    );
    for (let i = 0; i < none.length; i++) expect(none[i]).not.toEqual(all[i]);
    expect(decodeExtendedCapability(0x100, 0).pasid).toBe(true);
    expect(decodeExtendedCapability(0x800, 0).scalableMode).toBe(true);
    expect(decodeExtendedCapability(0, 0x04000000).nested).toBe(true);
    expect(decodeCapability(0x10000000, 0).firstLevel5Levels).toBe(true);
  });

  it.each([
    [0b0010, 39, 3, 39],
    [0b0110, 48, 4, 48],
    [0b1110, 57, 5, 57],
    [0b0100, 46, 4, 46],
  ])('widths %i, MGAW %i: %i levels, %i bits', (addressWidths, maxAddressBits, levels, bits) => {
    const capability = { ...QEMU_CAPABILITY, addressWidths, maxAddressBits };
    expect(tableLevelsOf(capability)).toBe(levels);
    expect(usableAddressBits(capability, levels)).toBe(bits);
    expect(addressBitsOf(levels)).toBe(30 + 9 * (levels - 2));
  });
});

describe('domain ids', () => {
  it('are the lowest free ones from 2', () => {
    const ids = new DomainIds(new StateArena(), 'dmar0', 65536);
    const taken = Array.from({ length: 100 }, () => ids.allocate());
    expect([taken[0], taken[1], taken[99]]).toEqual([2, 3, 101]);
    for (const id of [70, 5, 33]) ids.free(id);
    expect([ids.allocate(), ids.allocate(), ids.allocate(), ids.allocate()]).toEqual([5, 33, 70, 102]);
    expect(() => ids.free(1)).toThrow('not in use');
    expect(() => ids.free(103)).toThrow('not in use');
  });

  it('run out', () => {
    const ids = new DomainIds(new StateArena(), 'dmar0', 64);
    for (let id = 2; id < 64; id++) expect(ids.allocate()).toBe(id);
    expect([ids.allocate(), ids.allocate()]).toEqual([NO_DOMAIN_ID, NO_DOMAIN_ID]);
    ids.free(40);
    expect(ids.allocate()).toBe(40);
  });

  it('come with tables of the widest kind and go with them', () => {
    const { ids, tables, domain, frames } = bedOf();
    const before = frames.framesInUse;
    const others = Array.from({ length: 5 }, () => createDomain(ids, tables, QEMU_CAPABILITY)!);
    expect(others.map((other) => [other.domainId, other.levels, other.widthBits])).toEqual([3, 4, 5, 6, 7].map((id) => [id, 4, 48]));
    expect(domain.domainId).toBe(2);
    for (const other of others) expect(tables.pages.freeChain(destroyDomain(ids, other))).toBe(1);
    expect(frames.framesInUse).toBe(before);
    expect(createDomain(ids, tables, QEMU_CAPABILITY)!.domainId).toBe(3);
  });
});

describe('context entries', () => {
  it('have their fields at their bits', () => {
    const { unit } = bedOf();
    unit.contextTable.set(0xff07, 0xabcd, TranslationType.WITH_DEVICE_TLB, 0xfedcba9876, 4, true);
    expect([0, 1, 2, 3].map((word) => unit.contextTable.wordAt(0xff07, word as 0 | 1 | 2 | 3))).toEqual([0xa9876007, 0xfedcb, 0xabcd02, 0]);
    const entry = new ContextEntry();
    expect(unit.contextTable.read(0xff07, entry)).toBe(0);
    expect({ ...entry }).toEqual({ domainId: 0xabcd, type: 1, rootPfn: 0xfedcba9876, levels: 4, faultsDisabled: true });
    expect(unit.contextTable.wordAt(0x100, 0)).toBe(0);
    unit.contextTable.clear(0xff07);
    unit.contextTable.clear(0x100);
    expect(unit.contextTable.wordAt(0xff07, 2)).toBe(0);
    expect(unit.contextTable.wordAt(SOURCE_ID, 0) & 1).toBe(1);
  });
});

describe('context cache', () => {
  const entryOf = (domainId: number): ContextEntry => Object.assign(new ContextEntry(), { domainId, levels: 4, rootPfn: 7 });

  it('keeps everything when it grows, and the youngest when it does not', () => {
    const [growing, bounded] = [true, false].map((grows) => new ContextCache(new StateArena(), 'dmar0', 2, grows));
    for (const cache of [growing, bounded]) for (let id = 1; id <= 5; id++) cache.store(id, entryOf(id), 100);
    const found = (cache: ContextCache) => [1, 2, 3, 4, 5].filter((id) => cache.find(id) !== NO_ENTRY);
    expect([found(growing), found(bounded)]).toEqual([
      [1, 2, 3, 4, 5],
      [4, 5],
    ]);
    growing.invalidateDomain(1);
    growing.invalidateDevice(4, 0);
    expect(found(growing)).toEqual([2, 3, 5]);
    expect(growing.domainId[growing.find(5)]).toBe(5);
    growing.invalidateAll();
    expect(found(growing)).toEqual([]);
  });
});
