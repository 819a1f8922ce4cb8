import { PAGE_SIZE, roundDown } from 'dmalab-core';
import type { OpenLife } from './mapping-life.ts';

/** One page that is asked about. */
export class WatchedPage {
  /** Its first address. */
  readonly page: number;
  /** All lives so far, of every address space, in the order in which they began. */
  readonly lives: OpenLife[] = [];
  /** Those that are mapped. */
  open: OpenLife[] = [];

  constructor(page: number) {
    this.page = page;
  }
}

/** The pages that are asked about, ascending. */
export class WatchedPages {
  readonly pages: readonly WatchedPage[];
  private readonly first: number;
  private readonly last: number;

  constructor(addresses: Iterable<number>) {
    const pages = [...new Set([...addresses].map((address) => roundDown(address, PAGE_SIZE)))].sort((a, b) => a - b);
    this.pages = pages.map((page) => new WatchedPage(page));
    this.first = pages[0] ?? Number.POSITIVE_INFINITY;
    this.last = pages.at(-1) ?? Number.NEGATIVE_INFINITY;
  }

  /** The pages that a range touches; the empty list, without allocating, for nearly all ranges. */
  touchedBy(start: number, bytes: number): readonly WatchedPage[] {
    const from = roundDown(start, PAGE_SIZE);
    if (from > this.last || start + bytes <= this.first) return NONE;
    return this.pages.filter(({ page }) => page >= from && page < start + bytes);
  }

  of(address: number): WatchedPage {
    return this.pages.find(({ page }) => page === roundDown(address, PAGE_SIZE))!;
  }
}

const NONE: readonly WatchedPage[] = [];
