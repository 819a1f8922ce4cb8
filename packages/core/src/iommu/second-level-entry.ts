/**
 * Second-level (second-stage) page-table entries of VT-d, bit for bit as Linux writes them.
 *
 * An entry has 64 bits: R 0, W 1, page size 7, snoop 11, address 51:12; the rest stays zero. It is kept as two unsigned
 * 32-bit halves, so bits 31:12 of the address are in the low half and bits 51:32 in the high half.
 *
 * @source Linux v6.12 drivers/iommu/intel/iommu.h DMA_PTE_READ, DMA_PTE_WRITE, DMA_PTE_LARGE_PAGE, DMA_PTE_SNP
 */
import type { IovaPfn, Pfn } from '../base/index.ts';

/** Bit 0: the device may read. */
export const ENTRY_READ = 0x1;
/** Bit 1: the device may write. */
export const ENTRY_WRITE = 0x2;
/** Bits 1:0; an entry with both clear is not present. */
export const ENTRY_RIGHTS = 0x3;
/** Bit 7: a leaf at level 2 (2 MiB) or level 3 (1 GiB). */
export const ENTRY_LARGE = 0x80;
/** Bit 11: accesses are snooped whatever the request says; needs ECAP.SC. */
export const ENTRY_SNOOP = 0x800;

/** Entries of one table; each level takes nine bits of the page frame number. */
export const TABLE_ENTRIES = 512;

/** Page frames whose entries have the same high half. */
export const PFNS_PER_HIGH: number = 2 ** 20;
const UPPER_LEVELS_SPAN = 2 ** 27;

/** Index of `iovaPfn` (below 2^45) in its table of `level` (1 = leaf table, to 5): bits 9 (level - 1) and up. */
export function entryIndex(iovaPfn: IovaPfn, level: number): number {
  return level <= 3
    ? ((iovaPfn & 0x7ffffff) >>> (9 * (level - 1))) & 511
    : (Math.floor(iovaPfn / UPPER_LEVELS_SPAN) >>> (9 * (level - 4))) & 511;
}

/** Pages of 4 KiB that one entry of `level` covers: 1, 512, 2^18, 2^27, 2^36. */
export function entryPages(level: number): number {
  return level <= 4 ? 1 << (9 * (level - 1)) : UPPER_LEVELS_SPAN * TABLE_ENTRIES;
}

/** First page of the block that the level's entry for `iovaPfn` covers. */
export function entryStart(iovaPfn: IovaPfn, level: number): IovaPfn {
  if (level === 1) return iovaPfn;
  return blockStart(iovaPfn, 9 * (level - 1));
}

/** First page of the aligned block of 2^order pages that holds `iovaPfn`; order is 0 to 63. */
export function blockStart(iovaPfn: IovaPfn, order: number): IovaPfn {
  if (order < 31) return iovaPfn - (iovaPfn & ((1 << order) - 1));
  const pages = 2 ** order;
  return Math.floor(iovaPfn / pages) * pages;
}

/** Last page of that block. */
export function blockEnd(iovaPfn: IovaPfn, order: number): IovaPfn {
  return blockStart(iovaPfn, order) + (order < 31 ? (1 << order) - 1 : 2 ** order - 1);
}

/** Low half of the entry that points to `pfn` (below 2^40). */
export function entryLow(pfn: Pfn, flags: number): number {
  return (((pfn & 0xfffff) << 12) | flags) >>> 0;
}

/** High half of the entry that points to `pfn` (below 2^40). */
export function entryHigh(pfn: Pfn): number {
  return Math.floor(pfn / PFNS_PER_HIGH);
}

/** The page frame in an entry's address field. */
export function entryPfn(high: number, low: number): Pfn {
  return (low >>> 12) + (high & 0xfffff) * PFNS_PER_HIGH;
}
