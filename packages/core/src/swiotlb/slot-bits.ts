/**
 * Bits of slots: bit b of a word stands for the word's slot b. A segment has up to four words, and a short one leaves the
 * upper bits of its only word 0.
 */

/** Index of the lowest bit set in a word that is not 0. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** Sets `count` bits, 1 or more, of successive words from bit `bit` of word `word` on. */
export function setBits(words: Int32Array, word: number, bit: number, count: number): void {
  if (bit + count <= 32) {
    words[word] |= bitRange(count, bit);
    return;
  }
  words[word] |= -1 << bit;
  let left = count + bit - 32;
  let next = word + 1;
  for (; left > 32; left -= 32) words[next++] = -1;
  words[next] |= bitRange(left, 0);
}

/** Clears them. */
export function clearBits(words: Int32Array, word: number, bit: number, count: number): void {
  if (bit + count <= 32) {
    words[word] &= ~bitRange(count, bit);
    return;
  }
  words[word] &= ~(-1 << bit);
  let left = count + bit - 32;
  let next = word + 1;
  for (; left > 32; left -= 32) words[next++] = 0;
  words[next] &= ~bitRange(left, 0);
}

/** A word with `count` bits set, 1 to 32, from `bit` on. */
function bitRange(count: number, bit: number): number {
  return (-1 >>> (32 - count)) << bit;
}
