import { describe, expect, it } from 'vitest';
import { Prng, StateArena } from '../base/index.ts';
import { FrameStore, WORDS_PER_FRAME } from './frame-store.ts';

const BASE = 0x100000;

describe('FrameStore', () => {
  it('hands out ascending frames, and the one freed last first', () => {
    const store = new FrameStore(new StateArena(), BASE, 2);
    expect([store.alloc(), store.alloc(), store.alloc()]).toEqual([BASE, BASE + 1, BASE + 2]);
    store.free(BASE);
    store.free(BASE + 2);
    expect([store.alloc(), store.alloc(), store.alloc()]).toEqual([BASE + 2, BASE, BASE + 3]);
  });

  it('keeps entries as two halves, through growth, and clears them when a frame is handed out again', () => {
    const store = new FrameStore(new StateArena(), BASE, 1);
    const pfn = store.alloc();
    store.set(pfn, 511, 0x80000000, 0xfffff003);
    store.alloc();
    store.alloc();
    expect([store.high(pfn, 511), store.low(pfn, 511)]).toEqual([0x80000000, 0xfffff003]);
    expect(store.words[WORDS_PER_FRAME - 1]).toBe(0x80000000);
    store.free(pfn);
    expect(store.low(pfn, 511)).toBe(0xfffff003);
    expect(store.alloc()).toBe(pfn);
    expect([store.high(pfn, 511), store.low(pfn, 511)]).toEqual([0, 0]);
  });

  it('lists the blocks of 64 words that have been written, each once', () => {
    const store = new FrameStore(new StateArena(), BASE, 2);
    store.alloc();
    store.forgetWrites();
    store.noteWrite(63, 1);
    store.noteWrite(0, 2);
    expect(store.writtenBlocks).toEqual([0]);
    store.noteWrite(63, 66);
    expect(store.writtenBlocks).toEqual([0, 1, 2]);
    store.forgetWrites();
    store.set(BASE, 511, 1, 1);
    store.noteWrite(0, WORDS_PER_FRAME);
    expect(store.writtenBlocks[0]).toBe(15);
    expect([...store.writtenBlocks].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, block) => block));
  });

  it('counts frames in use and their peak, and knows which those are', () => {
    const store = new FrameStore(new StateArena(), BASE, 4);
    const frames = [store.alloc(), store.alloc(), store.alloc()];
    store.free(frames[1]);
    store.free(frames[0]);
    expect([store.framesInUse, store.framesPeak]).toEqual([1, 3]);
    expect([BASE - 1, BASE, BASE + 2, BASE + 3].map((pfn) => store.owns(pfn))).toEqual([false, false, true, false]);
  });

  it('stops at a frame that is not in use', () => {
    const store = new FrameStore(new StateArena(), BASE, 4);
    const pfn = store.alloc();
    store.free(pfn);
    expect(() => store.free(pfn)).toThrow('not in use');
    expect(() => store.free(BASE + 3)).toThrow('not in use');
    expect(() => new FrameStore(new StateArena(), BASE, 0)).toThrow('at least one frame');
  });

  it('goes on from a restored state as it did the first time, also when it has grown since', () => {
    const arena = new StateArena();
    const store = new FrameStore(arena, BASE, 2);
    const live: number[] = [];
    const run = (seed: number): number[] => {
      const prng = new Prng(seed);
      const seen: number[] = [];
      for (let i = 0; i < 100; i++) {
        if (live.length > 0 && prng.chance(2, 5)) {
          store.free(live.splice(prng.below(live.length), 1)[0]);
        } else {
          const pfn = store.alloc();
          expect(store.words.subarray((pfn - BASE) * WORDS_PER_FRAME, (pfn - BASE + 1) * WORDS_PER_FRAME).every((word) => word === 0)).toBe(
            true,
          );
          store.set(pfn, prng.below(512), prng.next32(), prng.next32());
          live.push(pfn);
          seen.push(pfn);
        }
      }
      return seen;
    };
    run(1);
    const saved = arena.save();
    const hash = arena.hash();
    const kept = [...live];
    const first = run(2);
    expect(arena.hash()).not.toBe(hash);
    arena.restore(saved);
    live.splice(0, live.length, ...kept);
    expect(arena.hash()).toBe(hash);
    expect(store.framesInUse).toBe(kept.length);
    expect(run(2)).toEqual(first);
  });
});
