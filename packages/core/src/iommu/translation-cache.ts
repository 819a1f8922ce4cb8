/**
 * What the caches of the IOMMU have in common: entries tagged with a 16-bit owner (domain id, or source id in a
 * device-TLB), a level and the first page of the block that the level's entry covers; their value is a page frame and
 * the rights. The IOTLB keeps leaves (levels 1 to 3), the paging-structure caches keep pointers to tables (levels 2 to 5).
 *
 * The hardware may drop an entry at any time and may keep it until it is invalidated. `AssociativeCache` is a plausible
 * piece of hardware, `UnboundedCache` the worst one that the rules permit.
 */
import type { IovaPfn, Pfn } from '../base/index.ts';

/** Result of `find` without an entry. */
export const NO_ENTRY = -1;

export interface TranslationCache {
  /** Value columns, indexed by what `find` returned; replaced when the cache grows. */
  readonly pfn: Float64Array<ArrayBuffer>;
  readonly rights: Uint8Array<ArrayBuffer>;
  /** First page of the block that the entry covers. */
  readonly page: Float64Array<ArrayBuffer>;
  /** Entries per level, index 1 to 5. */
  readonly liveAt: Uint32Array<ArrayBuffer>;
  /** Entries dropped to make room. A statistic, not part of the state. */
  readonly evictions: number;

  /** Index of the entry, or NO_ENTRY. `page` is the first of its block. */
  find(owner: number, page: IovaPfn, level: number): number;
  /** Enters or replaces one; the block starts at `page`. */
  store(owner: number, page: IovaPfn, level: number, pfn: Pfn, rights: number): void;
  /** Drops the owner's entries of `level` that overlap the pages [first, last] and returns how many. */
  dropRange(owner: number, level: number, first: IovaPfn, last: IovaPfn): number;
  dropOwner(owner: number): void;
  dropAll(): void;
}

/** Highest level a tag can have. */
export const LEVEL_MAX = 5;

/** Tag of an entry, never 0. */
export function tagOf(owner: number, level: number): number {
  return owner | (level << 16);
}

export function tagLevel(tag: number): number {
  return tag >>> 16;
}

export function tagOwner(tag: number): number {
  return tag & 0xffff;
}
