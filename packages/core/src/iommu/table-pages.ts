/**
 * The page frames that hold second-level tables, and chains of those that no entry points to any more.
 *
 * The hardware may still read a detached table through its paging-structure caches, so the caller frees a chain only
 * after the flush: at once in a strict domain, from the flush queue in a lazy one. A chain is one number, the page frame
 * of its first table; the links lie beside the frames, not in them, so the tables keep their contents.
 */
import {
  assert,
  type Columns,
  type DomainId,
  type ObservationLog,
  Observed,
  type Pfn,
  type StateArena,
  type StateTable,
} from '../base/index.ts';
import { type FrameStore, WORDS_PER_FRAME } from '../mem/index.ts';

/** The empty chain. */
export const NO_TABLES = -1;

/** `next` is the frame index after this one, plus 1; 0 ends a chain. `level` is 0 for a frame that is no table. */
const PAGE_SHAPE = { next: 'u32', domainId: 'u16', level: 'u8' } as const;

export class TablePages {
  readonly frames: FrameStore;
  private next!: Uint32Array<ArrayBuffer>;
  private domainId!: Uint16Array<ArrayBuffer>;
  private level!: Uint8Array<ArrayBuffer>;
  private readonly pages: StateTable;
  private readonly log: ObservationLog | null;

  constructor(arena: StateArena, frames: FrameStore, log: ObservationLog | null) {
    this.frames = frames;
    this.log = log;
    const rows = frames.words.length / WORDS_PER_FRAME;
    this.pages = arena.table('tablePages', rows, PAGE_SHAPE, (columns: Columns<typeof PAGE_SHAPE>) => {
      this.next = columns.next;
      this.domainId = columns.domainId;
      this.level = columns.level;
    });
  }

  /** Takes a cleared frame for a table of `level` (1 = leaf table). Emits TABLE_ALLOCATED. */
  allocate(level: number, domainId: DomainId): Pfn {
    const pfn = this.frames.alloc();
    const frame = pfn - this.frames.basePfn;
    if (frame >= this.pages.rows) this.pages.grow(this.frames.words.length / WORDS_PER_FRAME);
    assert(this.level[frame] === 0, 'frame store handed out a frame that still is a table');
    this.level[frame] = level;
    this.domainId[frame] = domainId;
    this.next[frame] = 0;
    this.log?.emit(Observed.TABLE_ALLOCATED, 0, -1, domainId, pfn, level);
    return pfn;
  }

  /** Puts a detached table before the chain and returns the longer chain. */
  prepend(pfn: Pfn, chain: number): number {
    const frame = pfn - this.frames.basePfn;
    assert(this.level[frame] !== 0, 'only tables are put on a chain');
    this.next[frame] = chain === NO_TABLES ? 0 : chain - this.frames.basePfn + 1;
    return pfn;
  }

  /** One chain of both; `first` is walked to its end. */
  join(first: number, second: number): number {
    if (first === NO_TABLES) return second;
    if (second === NO_TABLES) return first;
    let frame = first - this.frames.basePfn;
    while (this.next[frame] !== 0) frame = this.next[frame] - 1;
    this.next[frame] = second - this.frames.basePfn + 1;
    return first;
  }

  /** The table after `pfn` on its chain, or NO_TABLES. */
  after(pfn: Pfn): number {
    const next = this.next[pfn - this.frames.basePfn];
    return next === 0 ? NO_TABLES : this.frames.basePfn + next - 1;
  }

  /** Level of the table in a frame, 0 when the frame holds none. */
  levelOf(pfn: Pfn): number {
    return this.level[pfn - this.frames.basePfn];
  }

  /** Tables on a chain. */
  chainLength(chain: number): number {
    let length = 0;
    for (let pfn = chain; pfn !== NO_TABLES; pfn = this.after(pfn)) length++;
    return length;
  }

  /** Gives every table of the chain back to the frame store and returns how many there were. Emits TABLE_FREED for each. */
  freeChain(chain: number): number {
    let freed = 0;
    let pfn = chain;
    while (pfn !== NO_TABLES) {
      const following = this.after(pfn);
      const frame = pfn - this.frames.basePfn;
      const level = this.level[frame];
      assert(level !== 0, 'a chain of freed tables holds a frame twice');
      this.level[frame] = 0;
      this.next[frame] = 0;
      this.frames.free(pfn);
      this.log?.emit(Observed.TABLE_FREED, 0, -1, this.domainId[frame], pfn, level);
      freed++;
      pfn = following;
    }
    return freed;
  }
}
