/** Domains: a domain id, second-level tables and the width that is usable of them. */
import { assert, type Columns, type DomainId, type IovaPfn, type Pfn, type StateArena, type StateTable } from '../base/index.ts';
import { type Capability, tableLevelsOf, usableAddressBits } from './capability.ts';
import { type CallList, iommuMap, iommuUnmap } from './iommu-map.ts';
import type { PageTables, Rights } from './page-table.ts';

/** 0 is reserved in caching mode and 1 for first-level and pass-through defaults, so the first dynamic one is 2. */
export const FIRST_DOMAIN_ID = 2;
/** No domain id is free. */
export const NO_DOMAIN_ID = -1;

/** Bit k of word w is set while domain id 32 w + k is in use. */
const WORD_SHAPE = { used: 'u32' } as const;

/**
 * The domain ids of one unit: the lowest free one is taken.
 *
 * @source Linux v6.12 drivers/iommu/intel/iommu.c domain_attach_iommu()
 */
export class DomainIds {
  private used!: Uint32Array<ArrayBuffer>;
  private readonly words: StateTable;
  private readonly limit: number;

  /** @param limit  ids of the unit, CAP.ND: 16 to 65536 */
  constructor(arena: StateArena, name: string, limit: number) {
    this.limit = limit;
    this.words = arena.table(`${name}.domainIds`, 1, WORD_SHAPE, (columns: Columns<typeof WORD_SHAPE>) => {
      this.used = columns.used;
    });
    this.used[0] = 2 ** FIRST_DOMAIN_ID - 1;
  }

  /** The lowest free id, now in use, or NO_DOMAIN_ID. */
  allocate(): DomainId {
    let word = 0;
    while (word < this.used.length && this.used[word] === 0xffffffff) word++;
    if (word === this.used.length) this.words.grow(word * 2);
    const free = ~this.used[word];
    const bit = 31 - Math.clz32(free & -free);
    const domainId = word * 32 + bit;
    if (domainId >= this.limit) return NO_DOMAIN_ID;
    this.used[word] |= 1 << bit;
    return domainId;
  }

  /** Takes a given id, which is free and within the limit. */
  take(domainId: DomainId): void {
    assert(domainId < this.limit, 'domain id beyond those of the unit');
    const word = domainId >>> 5;
    if (word >= this.used.length) this.words.grow(word + 1);
    assert((this.used[word] & (1 << (domainId & 31))) === 0, 'domain id taken twice');
    this.used[word] |= 1 << (domainId & 31);
  }

  free(domainId: DomainId): void {
    const mask = 1 << (domainId & 31);
    assert(domainId >= FIRST_DOMAIN_ID && (this.used[domainId >>> 5] & mask) !== 0, 'domain id freed that is not in use');
    this.used[domainId >>> 5] &= ~mask;
  }
}

/** A domain: a name for a table set and its id. It holds no state of its own. */
export class IommuDomain {
  readonly tables: PageTables;
  /** Row of the table set. */
  readonly row: number;
  /** Bits of an IOVA: the aperture ends at 2^widthBits - 1. */
  readonly widthBits: number;

  constructor(tables: PageTables, row: number, widthBits: number) {
    this.tables = tables;
    this.row = row;
    this.widthBits = widthBits;
  }

  get domainId(): DomainId {
    return this.tables.domainIdOf(this.row);
  }

  get levels(): number {
    return this.tables.levelsOf(this.row);
  }

  get rootPfn(): Pfn {
    return this.tables.rootOf(this.row);
  }

  /** See `iommuMap`. */
  map(iovaPfn: IovaPfn, pfn: Pfn, pages: number, rights: Rights, calls: CallList): number {
    return iommuMap(this.tables, this.row, iovaPfn, pfn, pages, rights, calls);
  }

  /** See `iommuUnmap`. */
  unmap(iovaPfn: IovaPfn, pages: number, calls: CallList): number {
    return iommuUnmap(this.tables, this.row, iovaPfn, pages, calls);
  }

  /** Physical page, or NOT_MAPPED. */
  lookup(iovaPfn: IovaPfn): Pfn {
    return this.tables.lookup(this.row, iovaPfn);
  }
}

/**
 * Makes an empty domain of a unit with the widest tables that it supports; null when no domain id is free.
 *
 * @param takenId  an id that the caller has taken for it; without one it gets the lowest free
 */
export function createDomain(ids: DomainIds, tables: PageTables, capability: Capability, takenId?: DomainId): IommuDomain | null {
  const domainId = takenId ?? ids.allocate();
  if (domainId === NO_DOMAIN_ID) return null;
  const levels = tableLevelsOf(capability);
  const row = tables.create(domainId, levels, capability.superpages);
  return new IommuDomain(tables, row, usableAddressBits(capability, levels));
}

/** Ends a domain and returns the chain of all its tables, to be freed after the flush. */
export function destroyDomain(ids: DomainIds, domain: IommuDomain): number {
  ids.free(domain.domainId);
  return domain.tables.destroy(domain.row);
}
