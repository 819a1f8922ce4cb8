import { expect, test } from 'vitest';
import { alignDown, naturalAlignment, naturalRoom } from './natural-room.ts';

/** Tries every length at every aligned start. */
function longestFit(start: number, end: number): number {
  for (let pages = end - start; pages > 0; pages--) {
    const align = naturalAlignment(pages);
    if (Math.ceil(start / align) * align + pages <= end) return pages;
  }
  return 0;
}

test('the room of a gap is the longest aligned request that fits, for every gap below 150', () => {
  for (let start = 0; start < 150; start++) {
    for (let end = start; end < 150; end++) {
      const room = naturalRoom(start, end);
      if (room !== longestFit(start, end)) expect(room, `gap ${start} to ${end}`).toBe(longestFit(start, end));
    }
  }
});

test('the room of a gap is the same anywhere in the space, as far as its alignment is', () => {
  for (const base of [2 ** 31, 2 ** 32, 2 ** 36, 2 ** 51]) {
    for (let start = 0; start < 70; start++) {
      for (let length = 1; length < 70; length++) {
        const room = naturalRoom(base + start, base + start + length);
        if (room !== longestFit(start, start + length)) expect.fail(`gap of ${length} pages at ${base} + ${start}: ${room}`);
      }
    }
  }
});

test('whatever is shorter than the room fits too', () => {
  for (let start = 0; start < 70; start++) {
    for (let end = start; end < 150; end++) {
      for (let pages = 1; pages <= naturalRoom(start, end); pages++) {
        const align = naturalAlignment(pages);
        const after = Math.ceil(start / align) * align + pages;
        if (after > end) expect.fail(`${pages} pages do not fit the gap ${start} to ${end}`);
      }
    }
  }
});

test.each([
  [0, 2 ** 52, 2 ** 52],
  [1, 2 ** 52, 2 ** 51],
  [2 ** 36 + 1, 2 ** 37, 2 ** 35],
  [2 ** 36 - 5, 2 ** 36 + 2 ** 35 + 3, 2 ** 35 + 3],
  [2 ** 31, 2 ** 32, 2 ** 31],
  [2 ** 31 - 1, 2 ** 31, 1],
  [2 ** 30, 2 ** 31, 2 ** 30],
  [1, 2 ** 30, 2 ** 29],
  [2 ** 33 + 1, 2 ** 33 + 2 ** 30, 2 ** 29],
  [2 ** 31 + 1, 2 ** 31 + 2 ** 30 + 1, 2 ** 29],
  [7, Infinity, Infinity],
  [9, 9, 0],
])('gap %d to %d has room for %d pages', (start, end, room) => {
  expect(naturalRoom(start, end)).toBe(room);
});

test.each([
  [1, 1],
  [2, 2],
  [3, 4],
  [33, 64],
  [2 ** 30, 2 ** 30],
  [2 ** 30 + 1, 2 ** 31],
  [2 ** 31, 2 ** 31],
])('%d pages are aligned to %d', (pages, align) => {
  expect(naturalAlignment(pages)).toBe(align);
});

test.each([
  [0, 1, 0],
  [99, 64, 64],
  [2 ** 31 - 1, 2 ** 31, 0],
  [2 ** 32 + 2 ** 31 + 7, 2 ** 31, 2 ** 32 + 2 ** 31],
  [2 ** 52 - 1, 64, 2 ** 52 - 64],
])('%d aligned down to %d is %d', (pfn, alignment, aligned) => {
  expect(alignDown(pfn, alignment)).toBe(aligned);
});
