import { Prng } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { MARK_BYTES, SecretBook } from './secrets.ts';

describe('secrets', () => {
  const book = new SecretBook(new Prng(3));
  const key = book.create('keyring', 'a key', 64);
  const file = book.create('disk', 'a file', 4096);

  test('are found whole at any offset, each with its own marks', () => {
    for (const offset of [0, 1, 7, 100]) {
      const memory = new Uint8Array(8192);
      memory.set(book.contentOf(key), offset);
      memory.set(book.contentOf(file), offset + 64);
      const found = book.marksIn(memory);
      expect([...found].map(([secret, marks]) => [secret.label, marks.size * MARK_BYTES])).toEqual([
        ['a key', 64],
        ['a file', 4096],
      ]);
    }
  });

  test('count only the marks that are there', () => {
    expect(book.marksIn(book.contentOf(file).subarray(100, 200)).get(file)?.size).toBe(12);
    expect(book.marksIn(new Uint8Array(4096))).toEqual(new Map());
    expect(book.marksIn(new Uint8Array(4096).fill(0xee))).toEqual(new Map());
    expect(book.marksIn(new Uint8Array(3))).toEqual(new Map());
  });

  test('cannot be mistaken for each other', () => {
    const tags = Array.from({ length: 200 }, () => book.create('a', 'b', 8).tag);
    expect(new Set(tags).size).toBe(200);
  });
});
