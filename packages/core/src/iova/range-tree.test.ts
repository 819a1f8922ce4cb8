import { describe, expect, test } from 'vitest';
import { Prng, StateArena } from '../base/index.ts';
import { naturalRoom } from './natural-room.ts';
import { RangeKind, RangeTree } from './range-tree.ts';

interface Range {
  lo: number;
  hi: number;
}

const ANCHOR: Range = { lo: Infinity, hi: Infinity };

/** Reads the tree through its cursor, lowest range first. */
function rangesOf(tree: RangeTree): Range[] {
  const ranges: Range[] = [];
  tree.seekBelow(-1);
  for (;;) {
    ranges.push({ lo: tree.cursorLo, hi: tree.cursorHi });
    if (tree.cursorLo === Infinity) return ranges;
    tree.stepUp();
  }
}

/** The first range at or below index `from` whose gap below has room, -1 for none. */
function roomIndex(ranges: Range[], from: number, pages: number): number {
  for (let i = from; i >= 0; i--) {
    const start = i === 0 ? 0 : ranges[i - 1].hi + 1;
    if (naturalRoom(start, ranges[i].lo) >= pages) return i;
  }
  return -1;
}

describe.each([4, 5, 8, 32])('range tree of fanout %d against a sorted array', (fanout) => {
  test('random insertions, removals and searches; grows to 600 ranges and back, three times', () => {
    const prng = new Prng(fanout);
    const arena = new StateArena();
    const tree = new RangeTree(arena, 't', 1, fanout);
    const fresh = arena.hash();
    const ranges: Range[] = [ANCHOR];
    for (let round = 0; round < 3; round++) {
      for (const [inserts, target] of [
        [7, 600],
        [2, 0],
      ]) {
        for (let step = 0; ranges.length - 1 !== target; step++) {
          if (ranges.length === 1 || prng.chance(inserts, 9)) {
            const at = prng.chance(1, 3) ? 0 : prng.below(ranges.length);
            const start = at === 0 ? 0 : ranges[at - 1].hi + 1;
            const end = Math.min(ranges[at].lo, start + 200_000);
            if (end - start < 1) continue;
            const lo = start + prng.below(end - start);
            const hi = Math.min(end - 1, lo + prng.below(40));
            tree.seekBelow(hi + 1);
            if (tree.cursorLo <= hi) tree.stepUp();
            expect(tree.cursorLo).toBe(ranges[at].lo);
            tree.insertBelow(lo, hi, RangeKind.ALLOCATED);
            ranges.splice(at, 0, { lo, hi });
          } else {
            const at = prng.below(ranges.length - 1);
            expect(tree.seekBelow(ranges[at].hi + 1)).toBe(true);
            expect(tree.belowHi()).toBe(at === 0 ? -1 : ranges[at - 1].hi);
            tree.remove();
            expect(tree.aboveLo).toBe(ranges[at + 1].lo);
            expect(tree.aboveHi).toBe(ranges[at + 1].hi);
            ranges.splice(at, 1);
          }
          const pages = 1 + prng.below(prng.chance(1, 2) ? 64 : 200_000);
          const from = prng.below(ranges.length);
          tree.seekBelow(from === ranges.length - 1 ? Infinity : ranges[from].lo + 1);
          if (from === ranges.length - 1 && ranges.length > 1) tree.stepUp();
          const found = roomIndex(ranges, from, pages);
          expect(tree.seekRoom(pages)).toBe(found >= 0);
          if (found >= 0) expect(tree.cursorLo).toBe(ranges[found].lo);
          if (step % 50 === 0) expect(rangesOf(tree)).toEqual(ranges);
        }
        expect(rangesOf(tree)).toEqual(ranges);
      }
    }
    expect(fresh).not.toBe(arena.hash());
  });
});

test('ranges handed out downwards fill the pages behind them', () => {
  const arena = new StateArena();
  const tree = new RangeTree(arena, 't', 1000, 32);
  const before = arena.byteLength;
  for (let lo = 100_000; lo > 90_000; lo -= 10) {
    tree.seekBelow(lo);
    if (tree.cursorLo < lo) tree.stepUp();
    tree.insertBelow(lo, lo, RangeKind.ALLOCATED);
  }
  expect(rangesOf(tree)).toHaveLength(1001);
  // Two pages of inner entries come on top, so the tables have doubled once at most.
  expect(arena.byteLength).toBeLessThanOrEqual(2 * before);
});

test('a tree that fits its root has one layout, whatever the order', () => {
  const hashes = [
    [1, 2, 3, 4, 5],
    [5, 3, 1, 2, 4],
  ].map((order) => {
    const arena = new StateArena();
    const tree = new RangeTree(arena, 't', 8, 8);
    for (const i of order) {
      tree.seekBelow(i * 10);
      if (tree.cursorLo < i * 10) tree.stepUp();
      tree.insertBelow(i * 10, i * 10 + 3, RangeKind.ALLOCATED);
    }
    tree.seekBelow(31);
    tree.remove();
    return arena.hash();
  });
  expect(hashes[0]).toBe(hashes[1]);
});

test('a range outside a gap is refused', () => {
  const tree = new RangeTree(new StateArena(), 't', 8, 8);
  tree.seekBelow(0);
  tree.insertBelow(10, 20, RangeKind.ALLOCATED);
  tree.seekBelow(0);
  expect(() => tree.insertBelow(5, 10, RangeKind.ALLOCATED)).toThrow('must lie in a gap');
});

test('the cursor is at a new range until a removal or a restored state', () => {
  const arena = new StateArena();
  const tree = new RangeTree(arena, 't', 8, 4);
  tree.seekBelow(0);
  for (let lo = 900; lo >= 100; lo -= 100) {
    // Each below the one before, across pages that fill up and are cut.
    tree.insertBelow(lo, lo + 9, RangeKind.ALLOCATED);
    expect(tree.cursorStartsAt(lo)).toBe(true);
    expect([lo - 1, lo, lo + 9, lo + 10].map((pfn) => tree.cursorHolds(pfn))).toEqual([false, true, true, false]);
  }
  tree.remove();
  expect(tree.cursorHolds(100)).toBe(false);
  expect(tree.seekBelow(150)).toBe(false);
  tree.insertBelow(100, 109, RangeKind.ALLOCATED);
  expect(tree.cursorHolds(100)).toBe(true);
  arena.restore(arena.save());
  expect(tree.cursorStartsAt(100)).toBe(false);
  expect(tree.cursorHolds(100)).toBe(false);
});
