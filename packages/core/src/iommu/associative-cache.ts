/**
 * A set-associative cache of translations: a block's number picks the set, replacement picks the way.
 *
 * Geometry and replacement of real units are not published, so all of it is a parameter.
 */
import { assert, type Columns, type IovaPfn, isPowerOfTwo, type Pfn, Prng, type StateArena } from '../base/index.ts';
import { entryPages, entryStart } from './second-level-entry.ts';
import { LEVEL_MAX, NO_ENTRY, type TranslationCache, tagLevel, tagOf, tagOwner } from './translation-cache.ts';

export type Replacement = 'lru' | 'fifo' | 'random';

export interface AssociativeShape {
  readonly kind: 'associative';
  /** Power of two. */
  readonly sets: number;
  /** 1 to 256. */
  readonly ways: number;
  readonly replacement: Replacement;
  /** For random replacement. */
  readonly seed: number;
}

/** `tag` is 0 for an empty way; `age` ranks the ways of a set, 0 for the one used (lru) or filled (fifo) last. */
const ENTRY_SHAPE = { page: 'f64', pfn: 'f64', tag: 'u32', rights: 'u8', age: 'u8' } as const;
const LIVE_SHAPE = { live: 'u32' } as const;
const RANDOM_SHAPE = { state: 'u32' } as const;

export class AssociativeCache implements TranslationCache {
  pfn!: Float64Array<ArrayBuffer>;
  rights!: Uint8Array<ArrayBuffer>;
  page!: Float64Array<ArrayBuffer>;
  liveAt!: Uint32Array<ArrayBuffer>;
  evictions = 0;

  private readonly ways: number;
  private readonly setMask: number;
  private readonly ranksUse: boolean;
  private readonly isRandom: boolean;
  private tag!: Uint32Array<ArrayBuffer>;
  private age!: Uint8Array<ArrayBuffer>;
  private random!: Uint32Array<ArrayBuffer>;

  /** @param name  unique within the arena */
  constructor(arena: StateArena, name: string, shape: AssociativeShape) {
    assert(isPowerOfTwo(shape.sets), 'number of sets is a power of two');
    assert(shape.ways >= 1 && shape.ways <= 256, 'a set has 1 to 256 ways');
    this.ways = shape.ways;
    this.setMask = shape.sets - 1;
    this.ranksUse = shape.replacement === 'lru';
    this.isRandom = shape.replacement === 'random';
    arena.table(`${name}.entries`, shape.sets * shape.ways, ENTRY_SHAPE, (columns: Columns<typeof ENTRY_SHAPE>) => {
      this.page = columns.page;
      this.pfn = columns.pfn;
      this.tag = columns.tag;
      this.rights = columns.rights;
      this.age = columns.age;
    });
    arena.table(`${name}.live`, LEVEL_MAX + 1, LIVE_SHAPE, (columns: Columns<typeof LIVE_SHAPE>) => {
      this.liveAt = columns.live;
    });
    arena.table(`${name}.random`, 1, RANDOM_SHAPE, (columns: Columns<typeof RANDOM_SHAPE>) => {
      this.random = columns.state;
    });
    this.random[0] = new Prng(shape.seed).next32() | 1;
    for (let slot = 0; slot < this.age.length; slot++) this.age[slot] = slot % this.ways;
  }

  find(owner: number, page: IovaPfn, level: number): number {
    const slot = this.seek(owner, page, level);
    if (slot !== NO_ENTRY && this.ranksUse && this.age[slot] !== 0) this.rank(slot);
    return slot;
  }

  store(owner: number, page: IovaPfn, level: number, pfn: Pfn, rights: number): void {
    let slot = this.seek(owner, page, level);
    if (slot === NO_ENTRY) {
      slot = this.victim(this.setStart(owner, page, level));
      const old = this.tag[slot];
      if (old !== 0) {
        this.liveAt[tagLevel(old)] -= 1;
        this.evictions++;
      }
      this.liveAt[level] += 1;
      this.tag[slot] = tagOf(owner, level);
      this.page[slot] = page;
      this.rank(slot);
    } else if (this.ranksUse) {
      this.rank(slot);
    }
    this.pfn[slot] = pfn;
    this.rights[slot] = rights;
  }

  dropRange(owner: number, level: number, first: IovaPfn, last: IovaPfn): number {
    if (this.liveAt[level] === 0) return 0;
    const span = entryPages(level);
    const start = entryStart(first, level);
    let dropped = 0;
    if ((last - start) / span <= this.setMask) {
      for (let page = start; page <= last; page += span) {
        const slot = this.seek(owner, page, level);
        if (slot === NO_ENTRY) continue;
        this.drop(slot);
        dropped++;
      }
      return dropped;
    }
    const tag = tagOf(owner, level);
    for (let slot = 0; slot < this.tag.length; slot++) {
      if (this.tag[slot] !== tag || this.page[slot] < start || this.page[slot] > last) continue;
      this.drop(slot);
      dropped++;
    }
    return dropped;
  }

  dropOwner(owner: number): void {
    for (let slot = 0; slot < this.tag.length; slot++) {
      if (this.tag[slot] !== 0 && tagOwner(this.tag[slot]) === owner) this.drop(slot);
    }
  }

  dropAll(): void {
    this.tag.fill(0);
    this.page.fill(0);
    this.pfn.fill(0);
    this.rights.fill(0);
    this.liveAt.fill(0);
  }

  /** Without changing the ranks. */
  private seek(owner: number, page: IovaPfn, level: number): number {
    const tag = tagOf(owner, level);
    const start = this.setStart(owner, page, level);
    const end = start + this.ways;
    for (let slot = start; slot < end; slot++) {
      if (this.page[slot] === page && this.tag[slot] === tag) return slot;
    }
    return NO_ENTRY;
  }

  /** Neighbouring blocks go to neighbouring sets; owners start at different ones. */
  private setStart(owner: number, page: IovaPfn, level: number): number {
    const block = level === 1 ? page : Math.floor(page / entryPages(level));
    return (((block | 0) + Math.imul(owner, 0x9e5)) & this.setMask) * this.ways;
  }

  private victim(start: number): number {
    let oldest = start;
    for (let slot = start; slot < start + this.ways; slot++) {
      if (this.tag[slot] === 0) return slot;
      if (this.age[slot] > this.age[oldest]) oldest = slot;
    }
    return this.isRandom ? start + (this.nextRandom() % this.ways) : oldest;
  }

  /** Makes the entry the youngest of its set. */
  private rank(slot: number): void {
    const age = this.age;
    const own = age[slot];
    const start = slot - (slot % this.ways);
    for (let other = start; other < start + this.ways; other++) {
      if (age[other] < own) age[other] += 1;
    }
    age[slot] = 0;
  }

  private drop(slot: number): void {
    this.liveAt[tagLevel(this.tag[slot])] -= 1;
    this.tag[slot] = 0;
    this.page[slot] = 0;
    this.pfn[slot] = 0;
    this.rights[slot] = 0;
  }

  /** xorshift32 (Marsaglia 2003): its whole state is one word of the arena. */
  private nextRandom(): number {
    let x = this.random[0];
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random[0] = x;
    return x >>> 0;
  }
}
