import { expect, test } from 'vitest';
import { ObservationLog, Observed } from './observation.ts';

test('rows keep all their values when the log grows, several times over', () => {
  const log = new ObservationLog(2);
  for (let row = 0; row < 21; row++) {
    log.nowNs = row * 10;
    log.emit(Observed.MAPPED, row, row - 2, row - 1, row + 0.5, 2 ** 52 + row, row + 2, row + 3, row + 4, row + 5);
  }
  expect(log.length).toBe(21);
  for (let row = 0; row < 21; row++) {
    expect([log.kind[row], log.cpu[row], log.device[row], log.domain[row], log.timeNs[row]]).toEqual([
      Observed.MAPPED,
      row,
      row - 2,
      row - 1,
      row * 10,
    ]);
    expect([log.a[row], log.b[row], log.c[row], log.d[row], log.e[row], log.f[row]]).toEqual([
      row + 0.5,
      2 ** 52 + row,
      row + 2,
      row + 3,
      row + 4,
      row + 5,
    ]);
  }
});

test('values that are not given are 0, also over a row that was used before', () => {
  const log = new ObservationLog(4);
  log.emit(Observed.MAPPED, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  log.clear();
  expect(log.length).toBe(0);
  log.emit(Observed.CACHE_TAG_FLUSH_ALL, 0, -1, 2);
  expect([log.a[0], log.b[0], log.c[0], log.d[0], log.e[0], log.f[0]]).toEqual([0, 0, 0, 0, 0, 0]);
});

test('every kind has a number of its own', () => {
  const kinds = Object.values(Observed);
  expect(new Set(kinds).size).toBe(kinds.length);
  expect(Math.max(...kinds)).toBeLessThan(256);
});
