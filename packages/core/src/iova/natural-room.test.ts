import { expect, test } from 'vitest';
import { naturalAlignment, naturalRoom } from './natural-room.ts';

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
