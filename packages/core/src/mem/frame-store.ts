/**
 * Page frames that hold page tables: 512 entries of 64 bits each, kept as 32-bit halves.
 *
 * Frames come from one contiguous physical range. The frame freed last is handed out first, as a kernel's per-CPU page
 * list does, so a table page is soon used again; only when none is free does the range grow at its upper end.
 */
import { assert, type Columns, type Pfn, type StateArena, type StateTable } from '../base/index.ts';

/** Entries of 64 bits in a page of 4096 bytes. */
export const ENTRIES_PER_FRAME = 512;
/** 32-bit words in a page of 4096 bytes. */
export const WORDS_PER_FRAME = 1024;

/** Values of `link`: the frame is handed out, or it is the last of the free list; below them the next free frame. */
const IN_USE = 0xffffffff;
const END_OF_LIST = 0xfffffffe;

/** Rows of the counter column. */
const FREE_HEAD = 0;
const FRESH = 1;
const USED = 2;
const PEAK = 3;
const COUNTERS = 4;

/** log2 of the words of a block, the unit in which writes are noted. */
const BLOCK_SHIFT = 6;

const COUNTER_SHAPE = { value: 'f64' } as const;
const LINK_SHAPE = { next: 'u32' } as const;
const WORD_SHAPE = { word: 'u32' } as const;

export class FrameStore {
  /** Table of the arena that holds `words`. */
  readonly name = 'frameStore.words';
  /** Page frame number of the first frame of the range. */
  readonly basePfn: Pfn;
  /**
   * Contents: the frame of page frame number `basePfn + k` occupies words 1024 k to 1024 k + 1023, entry i of it with
   * its low half at 2 i and its high half at 2 i + 1. The array is replaced when the range grows: read this field
   * again after `alloc`.
   */
  words!: Uint32Array<ArrayBuffer>;
  /** Another number after each write, so that who compares or restores contents sees at once that nothing has changed. Not state. */
  version = 0;
  /** Blocks of 64 words that have been written since `forgetWrites`, in the order of their first write. Not state. */
  readonly writtenBlocks: number[] = [];

  private lastVersion = 0;
  private isWritten = new Uint8Array(0);
  private counters!: Float64Array<ArrayBuffer>;
  private link!: Uint32Array<ArrayBuffer>;
  private readonly linkTable: StateTable;
  private readonly wordTable: StateTable;

  /**
   * @param basePfn        first page frame of the range
   * @param initialFrames  frames there is room for at first, 1 or more; the range doubles when it is used up
   */
  constructor(arena: StateArena, basePfn: Pfn, initialFrames: number) {
    assert(initialFrames >= 1, 'a frame store starts with at least one frame');
    this.basePfn = basePfn;
    arena.table(
      'frameStore.counters',
      COUNTERS,
      COUNTER_SHAPE,
      (columns: Columns<typeof COUNTER_SHAPE>) => {
        this.counters = columns.value;
      },
      { statisticRows: [PEAK] },
    );
    this.linkTable = arena.table('frameStore.links', initialFrames, LINK_SHAPE, (columns: Columns<typeof LINK_SHAPE>) => {
      this.link = columns.next;
    });
    this.wordTable = arena.table('frameStore.words', initialFrames * WORDS_PER_FRAME, WORD_SHAPE, (columns: Columns<typeof WORD_SHAPE>) => {
      this.words = columns.word;
    });
    this.counters[FREE_HEAD] = END_OF_LIST;
  }

  /** Takes a frame and clears it. */
  alloc(): Pfn {
    const counters = this.counters;
    let frame = counters[FREE_HEAD];
    if (frame !== END_OF_LIST) {
      counters[FREE_HEAD] = this.link[frame];
      this.words.fill(0, frame * WORDS_PER_FRAME, (frame + 1) * WORDS_PER_FRAME);
      this.noteWrite(frame * WORDS_PER_FRAME, WORDS_PER_FRAME);
    } else {
      frame = counters[FRESH];
      if (frame === this.linkTable.rows) this.grow();
      counters[FRESH] = frame + 1;
    }
    this.link[frame] = IN_USE;
    const used = counters[USED] + 1;
    counters[USED] = used;
    if (used > counters[PEAK]) counters[PEAK] = used;
    return this.basePfn + frame;
  }

  /** Gives a frame back. Its contents stay readable until it is handed out again. */
  free(pfn: Pfn): void {
    assert(this.owns(pfn), 'frame freed that is not in use');
    const frame = pfn - this.basePfn;
    this.link[frame] = this.counters[FREE_HEAD];
    this.counters[FREE_HEAD] = frame;
    this.counters[USED] -= 1;
  }

  /** True when the frame is handed out at present. */
  owns(pfn: Pfn): boolean {
    const frame = pfn - this.basePfn;
    return frame >= 0 && frame < this.counters[FRESH] && this.link[frame] === IN_USE;
  }

  /** Bits 0 to 31 of entry `index` (0 to 511). */
  low(pfn: Pfn, index: number): number {
    return this.words[(pfn - this.basePfn) * WORDS_PER_FRAME + 2 * index];
  }

  /** Bits 32 to 63 of entry `index` (0 to 511). */
  high(pfn: Pfn, index: number): number {
    return this.words[(pfn - this.basePfn) * WORDS_PER_FRAME + 2 * index + 1];
  }

  /** Writes both halves of entry `index` (0 to 511). */
  set(pfn: Pfn, index: number, high: number, low: number): void {
    const word = (pfn - this.basePfn) * WORDS_PER_FRAME + 2 * index;
    this.words[word] = low;
    this.words[word + 1] = high;
    this.noteWrite(word, 2);
  }

  /** Whoever writes into `words` says so: `count` words, 1 or more, from `firstWord` on. */
  noteWrite(firstWord: number, count: number): void {
    this.lastVersion += 1;
    this.version = this.lastVersion;
    const last = (firstWord + count - 1) >> BLOCK_SHIFT;
    for (let block = firstWord >> BLOCK_SHIFT; block <= last; block++) {
      if (block >= this.isWritten.length) this.isWritten = grown(this.isWritten, this.words.length >> BLOCK_SHIFT);
      if (this.isWritten[block] === 1) continue;
      this.isWritten[block] = 1;
      this.writtenBlocks.push(block);
    }
  }

  /** Starts the list of written blocks anew. */
  forgetWrites(): void {
    this.isWritten.fill(0);
    this.writtenBlocks.length = 0;
  }

  /** Frames handed out at present. */
  get framesInUse(): number {
    return this.counters[USED];
  }

  /** Most frames ever handed out at once. */
  get framesPeak(): number {
    return this.counters[PEAK];
  }

  private grow(): void {
    const frames = this.linkTable.rows * 2;
    this.linkTable.grow(frames);
    this.wordTable.grow(frames * WORDS_PER_FRAME);
  }
}

function grown(marks: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(length);
  longer.set(marks);
  return longer;
}
