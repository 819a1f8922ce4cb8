import { NameTable } from './name-table.ts';

/** Words with a number each, for lookups by bytes. */
export class WordTable {
  private readonly words: NameTable = new NameTable();
  private readonly numbers: number[] = [];

  /** @param words  the word of each number; numbers without a word are left out */
  constructor(words: readonly (string | undefined)[]) {
    for (const [number, word] of words.entries()) {
      if (word !== undefined) this.add(word, number);
    }
  }

  add(word: string, number: number): void {
    this.numbers[this.words.internText(word)] = number;
  }

  /** The number of the word `bytes[start..end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const index = this.words.find(bytes, start, end);
    return index < 0 ? -1 : this.numbers[index]!;
  }
}
