/**
 * The adversary among the caches: it keeps every translation until a command invalidates it, which the architecture
 * permits since no time limit exists.
 *
 * A hash table with linear probing in which an entry further from its home slot goes first, ties broken by tag and page
 * (Robin Hood hashing in a fixed order). The layout then depends on the contents alone, so that states with the same
 * entries hash alike however they came about, as long as the table has not grown.
 */
import { assert, type Columns, type IovaPfn, isPowerOfTwo, type Pfn, type StateArena, type StateTable } from '../base/index.ts';
import { entryPages, entryStart } from './second-level-entry.ts';
import { LEVEL_MAX, NO_ENTRY, type TranslationCache, tagLevel, tagOf, tagOwner } from './translation-cache.ts';

export interface UnboundedShape {
  readonly kind: 'unbounded';
  /** Slots at first, a power of two from 4 up; doubles when half full. */
  readonly slots: number;
}

/** `tag` is 0 for an empty slot. */
const ENTRY_SHAPE = { page: 'f64', pfn: 'f64', tag: 'u32', rights: 'u8' } as const;
const LIVE_SHAPE = { live: 'u32' } as const;

export class UnboundedCache implements TranslationCache {
  pfn!: Float64Array<ArrayBuffer>;
  rights!: Uint8Array<ArrayBuffer>;
  page!: Float64Array<ArrayBuffer>;
  liveAt!: Uint32Array<ArrayBuffer>;
  readonly evictions = 0;

  private tag!: Uint32Array<ArrayBuffer>;
  private mask = 0;
  private readonly entries: StateTable;

  /** @param name  unique within the arena */
  constructor(arena: StateArena, name: string, shape: UnboundedShape) {
    assert(isPowerOfTwo(shape.slots) && shape.slots >= 4, 'number of slots is a power of two');
    this.entries = arena.table(`${name}.entries`, shape.slots, ENTRY_SHAPE, (columns: Columns<typeof ENTRY_SHAPE>) => {
      this.page = columns.page;
      this.pfn = columns.pfn;
      this.tag = columns.tag;
      this.rights = columns.rights;
      this.mask = columns.tag.length - 1;
    });
    arena.table(`${name}.live`, LEVEL_MAX + 1, LIVE_SHAPE, (columns: Columns<typeof LIVE_SHAPE>) => {
      this.liveAt = columns.live;
    });
  }

  find(owner: number, page: IovaPfn, level: number): number {
    const tag = tagOf(owner, level);
    const mask = this.mask;
    for (let slot = homeOf(tag, page) & mask; this.tag[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.page[slot] === page && this.tag[slot] === tag) return slot;
    }
    return NO_ENTRY;
  }

  store(owner: number, page: IovaPfn, level: number, pfn: Pfn, rights: number): void {
    const slot = this.find(owner, page, level);
    if (slot !== NO_ENTRY) {
      this.pfn[slot] = pfn;
      this.rights[slot] = rights;
      return;
    }
    if ((this.live() + 1) * 2 > this.tag.length) this.grow();
    this.insert(tagOf(owner, level), page, pfn, rights);
    this.liveAt[level] += 1;
  }

  dropRange(owner: number, level: number, first: IovaPfn, last: IovaPfn): number {
    if (this.liveAt[level] === 0) return 0;
    const span = entryPages(level);
    const start = entryStart(first, level);
    const before = this.liveAt[level];
    if ((last - start) / span <= this.mask) {
      for (let page = start; page <= last; page += span) {
        const slot = this.find(owner, page, level);
        if (slot !== NO_ENTRY) this.drop(slot);
      }
    } else {
      const tag = tagOf(owner, level);
      // The slot is looked at again after a drop, since the entries behind it move up.
      for (let slot = 0; slot <= this.mask; ) {
        if (this.tag[slot] === tag && this.page[slot] >= start && this.page[slot] <= last) this.drop(slot);
        else slot++;
      }
    }
    return before - this.liveAt[level];
  }

  dropOwner(owner: number): void {
    for (let slot = 0; slot <= this.mask; ) {
      if (this.tag[slot] !== 0 && tagOwner(this.tag[slot]) === owner) this.drop(slot);
      else slot++;
    }
  }

  dropAll(): void {
    this.tag.fill(0);
    this.page.fill(0);
    this.pfn.fill(0);
    this.rights.fill(0);
    this.liveAt.fill(0);
  }

  private live(): number {
    const at = this.liveAt;
    return at[1] + at[2] + at[3] + at[4] + at[5];
  }

  /** Walks from the home slot; where the entry to place has precedence it takes the slot and the other one moves on. */
  private insert(newTag: number, newPage: IovaPfn, newPfn: Pfn, newRights: number): void {
    let tag = newTag;
    let page = newPage;
    let pfn = newPfn;
    let rights = newRights;
    let home = homeOf(tag, page) & this.mask;
    let slot = home;
    while (this.tag[slot] !== 0) {
      const otherTag = this.tag[slot];
      const otherPage = this.page[slot];
      const otherHome = homeOf(otherTag, otherPage) & this.mask;
      const ahead = ((slot - home) & this.mask) - ((slot - otherHome) & this.mask);
      if (ahead > 0 || (ahead === 0 && (tag > otherTag || (tag === otherTag && page > otherPage)))) {
        const otherPfn = this.pfn[slot];
        const otherRights = this.rights[slot];
        this.write(slot, tag, page, pfn, rights);
        tag = otherTag;
        page = otherPage;
        pfn = otherPfn;
        rights = otherRights;
        home = otherHome;
      }
      slot = (slot + 1) & this.mask;
    }
    this.write(slot, tag, page, pfn, rights);
  }

  /** Moves the following entries up by one as long as that brings them nearer to their home. */
  private drop(dropped: number): void {
    this.liveAt[tagLevel(this.tag[dropped])] -= 1;
    let slot = dropped;
    let next = (slot + 1) & this.mask;
    while (this.tag[next] !== 0 && (homeOf(this.tag[next], this.page[next]) & this.mask) !== next) {
      this.write(slot, this.tag[next], this.page[next], this.pfn[next], this.rights[next]);
      slot = next;
      next = (next + 1) & this.mask;
    }
    this.write(slot, 0, 0, 0, 0);
  }

  private write(slot: number, tag: number, page: IovaPfn, pfn: Pfn, rights: number): void {
    this.tag[slot] = tag;
    this.page[slot] = page;
    this.pfn[slot] = pfn;
    this.rights[slot] = rights;
  }

  private grow(): void {
    const old = { tag: this.tag, page: this.page, pfn: this.pfn, rights: this.rights };
    this.entries.grow(old.tag.length * 2);
    this.tag.fill(0);
    this.page.fill(0);
    this.pfn.fill(0);
    this.rights.fill(0);
    for (let slot = 0; slot < old.tag.length; slot++) {
      if (old.tag[slot] !== 0) this.insert(old.tag[slot], old.page[slot], old.pfn[slot], old.rights[slot]);
    }
  }
}

/** Multiplicative hash of tag and page; the upper bits, which every input bit reaches, are folded down. */
function homeOf(tag: number, page: IovaPfn): number {
  let hash = Math.imul((page | 0) ^ Math.imul(tag, 0x85ebca6b), 0x9e3779b1);
  if (page >= 0x80000000) hash ^= Math.imul(Math.floor(page / 2 ** 32), 0xc2b2ae35);
  return hash ^ (hash >>> 15);
}
