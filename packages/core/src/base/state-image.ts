import { assert } from './assert.ts';
import { roundUp } from './bits.ts';
import type { StateArena, StateTable } from './state-arena.ts';

/** A table too long to compare after each step, whose owner notes what it writes. Blocks are 64 words. */
export interface TrackedTable {
  readonly name: string;
  /** Another number after each write. Set back when contents are restored. */
  version: number;
  /** Blocks written so far, in the order of their first write; it only grows. */
  readonly writtenBlocks: readonly number[];
}

/** A state of a StateImage: the words of its ordinary tables, and the written blocks of the tracked one. */
export class StateSnapshot {
  readonly words: Int32Array<ArrayBuffer>;
  /** Block k of the list of written blocks is at words 64 k to 64 k + 63; blocks written later have their first contents. */
  blocks: Int32Array<ArrayBuffer> = new Int32Array(0);
  blockCount = 0;
  version = -1;
  hashLow = 0;
  hashHigh = 0;

  constructor(words: number) {
    this.words = new Int32Array(words);
  }
}

const BLOCK_WORDS = 64;
/** The ordinary tables are compared in groups of eight words. */
const GROUP_BYTES = 32;

/**
 * Arenas laid out in one buffer, so that whole states are copied, compared and hashed at once: for who visits states by
 * the million. Tables keep their size from then on.
 *
 * The hash is a sum over all words that are not statistics of a mix of place and value, in two lanes of 32 bits, so that
 * it follows from the hash of an earlier state and the words that differ from it.
 */
export class StateImage {
  /** Two halves of the hash of the state that `hashFrom` looked at last. */
  hashLow = 0;
  hashHigh = 0;
  private readonly words: Int32Array<ArrayBuffer>;
  private readonly isStatistic: Uint8Array<ArrayBuffer>;
  private readonly noticing: readonly StateTable[];
  private readonly tracked: TrackedTable | null;
  private readonly trackedWords: Int32Array<ArrayBuffer>;
  private readonly firstContents: Int32Array<ArrayBuffer>;

  /** @param tracked  the long table, which stays where it is, and who notes its writes; null when there is none */
  constructor(arenas: readonly StateArena[], tracked: TrackedTable | null) {
    const tables = arenas.flatMap((arena) => [...arena.allTables]);
    const long = tracked === null ? undefined : tables.find((table) => table.name === tracked.name);
    assert((tracked === null) === (long === undefined), 'the tracked table is one of the arenas');
    const ordinary = tables.filter((table) => table !== long);
    const bytes = roundUp(
      ordinary.reduce((sum, table) => sum + table.bytes.byteLength, 0),
      GROUP_BYTES,
    );
    const buffer = new ArrayBuffer(bytes);
    this.words = new Int32Array(buffer);
    this.isStatistic = new Uint8Array(bytes / 4);
    let offset = 0;
    for (const table of ordinary) {
      const statistics = table.statisticWords;
      if (statistics !== null) this.isStatistic.set(statistics, offset / 4);
      table.moveTo(buffer, offset);
      offset += table.bytes.byteLength;
    }
    this.noticing = ordinary.filter((table) => table.noticesRestores);
    this.tracked = tracked;
    this.trackedWords =
      long === undefined ? new Int32Array(0) : new Int32Array(long.bytes.buffer, long.bytes.byteOffset, long.words.length);
    this.firstContents = this.trackedWords.slice();
  }

  /** Bytes that a snapshot copies, written blocks of the tracked table included. */
  get byteLength(): number {
    return this.words.byteLength + (this.tracked?.writtenBlocks.length ?? 0) * BLOCK_WORDS * 4;
  }

  /** An empty snapshot of this image, to be filled by `saveTo`. */
  newSnapshot(): StateSnapshot {
    return new StateSnapshot(this.words.length);
  }

  /** Saves the state together with the hash that `hashFrom` has left. */
  saveTo(snapshot: StateSnapshot): void {
    snapshot.words.set(this.words);
    snapshot.hashLow = this.hashLow;
    snapshot.hashHigh = this.hashHigh;
    const { tracked, trackedWords } = this;
    if (tracked === null || snapshot.version === tracked.version) return;
    const { writtenBlocks } = tracked;
    const count = writtenBlocks.length;
    if (snapshot.blocks.length < count * BLOCK_WORDS) snapshot.blocks = new Int32Array(count * 2 * BLOCK_WORDS);
    for (let index = 0; index < count; index++) {
      const from = writtenBlocks[index] * BLOCK_WORDS;
      for (let word = 0; word < BLOCK_WORDS; word++) snapshot.blocks[index * BLOCK_WORDS + word] = trackedWords[from + word];
    }
    snapshot.blockCount = count;
    snapshot.version = tracked.version;
  }

  restore(snapshot: StateSnapshot): void {
    this.words.set(snapshot.words);
    this.hashLow = snapshot.hashLow;
    this.hashHigh = snapshot.hashHigh;
    const { tracked, trackedWords } = this;
    if (tracked !== null && snapshot.version !== tracked.version) {
      const { writtenBlocks } = tracked;
      for (let index = 0; index < writtenBlocks.length; index++) {
        const to = writtenBlocks[index] * BLOCK_WORDS;
        const isSaved = index < snapshot.blockCount;
        const source = isSaved ? snapshot.blocks : this.firstContents;
        const from = isSaved ? index * BLOCK_WORDS : to;
        for (let word = 0; word < BLOCK_WORDS; word++) trackedWords[to + word] = source[from + word];
      }
      tracked.version = snapshot.version;
    }
    for (const table of this.noticing) table.noticeRestored();
  }

  /** Works out the hash of the present state from that of a state that differs from it in few words. */
  hashFrom(base: StateSnapshot): void {
    this.hashLow = base.hashLow;
    this.hashHigh = base.hashHigh;
    const { words, isStatistic, tracked, trackedWords } = this;
    const old = base.words;
    // Nearly all words are equal: eight at once, and a look at each only where one differs.
    for (let group = 0; group < words.length; group += 8) {
      const differences =
        (words[group] ^ old[group]) |
        (words[group + 1] ^ old[group + 1]) |
        (words[group + 2] ^ old[group + 2]) |
        (words[group + 3] ^ old[group + 3]) |
        (words[group + 4] ^ old[group + 4]) |
        (words[group + 5] ^ old[group + 5]) |
        (words[group + 6] ^ old[group + 6]) |
        (words[group + 7] ^ old[group + 7]);
      if (differences === 0) continue;
      for (let place = group; place < group + 8; place++) {
        if (words[place] !== old[place] && isStatistic[place] === 0) this.change(place, old[place], words[place]);
      }
    }
    if (tracked === null || base.version === tracked.version) return;
    const { writtenBlocks } = tracked;
    for (let index = 0; index < writtenBlocks.length; index++) {
      const at = writtenBlocks[index] * BLOCK_WORDS;
      const isSaved = index < base.blockCount;
      const source = isSaved ? base.blocks : this.firstContents;
      const from = isSaved ? index * BLOCK_WORDS : at;
      for (let word = 0; word < BLOCK_WORDS; word++) {
        const value = trackedWords[at + word];
        if (value !== source[from + word]) this.change(words.length + at + word, source[from + word], value);
      }
    }
  }

  private change(place: number, before: number, after: number): void {
    this.add(place, after, 1);
    this.add(place, before, -1);
  }

  /** Two multiply-and-fold rounds per lane, as in the finalisers of MurmurHash3; a word of 0 adds something too. */
  private add(place: number, value: number, sign: number): void {
    let mixed = Math.imul(value ^ Math.imul(place + 1, 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    this.hashLow = (this.hashLow + Math.imul(sign, mixed)) | 0;
    mixed = Math.imul(mixed ^ Math.imul(value, 0x27d4eb2f) ^ place, 0x165667b1);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
    mixed ^= mixed >>> 14;
    this.hashHigh = (this.hashHigh + Math.imul(sign, mixed)) | 0;
  }
}
