import { describe, expect, it } from 'vitest';
import { Prng, StateArena } from '../base/index.ts';
import { AccountingMemory } from './accounting-memory.ts';
import { ByteMemory } from './byte-memory.ts';

const SPAN = 12 * 4096;

/** Three windows of twelve pages, one of them across 4 GiB and one far above. */
const WINDOWS = [0x7000, 2 ** 32 - 5 * 4096, 2 ** 51];

function makeMemory(): { arena: StateArena; memory: ByteMemory } {
  const arena = new StateArena();
  return { arena, memory: new ByteMemory(arena, 1) };
}

function bytesAt(memory: ByteMemory, address: number, bytes: number): Uint8Array {
  const into = new Uint8Array(bytes).fill(0xee);
  memory.read(address, into);
  return into;
}

describe('ByteMemory', () => {
  it('reads untouched memory as 0 without making it exist', () => {
    const { memory } = makeMemory();
    expect(bytesAt(memory, 4090, 12)).toEqual(new Uint8Array(12));
    expect(memory.readByte(2 ** 52 - 1)).toBe(0);
    memory.zero(0, 1 << 20);
    expect(memory.framesInUse).toBe(0);
    memory.writeByte(2 ** 52 - 1, 0x1ff);
    expect([memory.readByte(2 ** 52 - 1), memory.framesInUse]).toEqual([0xff, 1]);
  });

  it('does what flat arrays do', () => {
    const { arena, memory } = makeMemory();
    const flat = WINDOWS.map(() => new Uint8Array(SPAN));
    const prng = new Prng(5);
    for (let i = 0; i < 3000; i++) {
      const to = prng.below(3);
      const at = prng.below(SPAN);
      const bytes = prng.below(Math.min(SPAN - at, prng.chance(1, 3) ? SPAN : 300));
      switch (prng.below(4)) {
        case 0: {
          const from = (to + 1 + prng.below(2)) % 3;
          const source = prng.below(SPAN - bytes);
          memory.copy(WINDOWS[to] + at, WINDOWS[from] + source, bytes);
          flat[to].set(flat[from].subarray(source, source + bytes), at);
          break;
        }
        case 1:
          memory.zero(WINDOWS[to] + at, bytes);
          flat[to].fill(0, at, at + bytes);
          break;
        case 2: {
          const data = Uint8Array.from({ length: Math.min(bytes, 100) }, () => prng.below(256));
          memory.write(WINDOWS[to] + at, data);
          flat[to].set(data, at);
          break;
        }
        default:
          memory.writeByte(WINDOWS[to] + at, i);
          flat[to][at] = i;
          expect(memory.readByte(WINDOWS[to] + at)).toBe(i & 255);
      }
      if (i % 500 === 499) {
        const hash = arena.hash();
        arena.restore(arena.save());
        expect(arena.hash()).toBe(hash);
        for (let window = 0; window < 3; window++)
          expect(bytesAt(memory, WINDOWS[window], SPAN).every((byte, k) => byte === flat[window][k])).toBe(true);
      }
    }
    expect(memory.framesInUse).toBeLessThanOrEqual(36);
  });

  it('copies untouched memory as zeros over what is there', () => {
    const { memory } = makeMemory();
    memory.write(0x5000, Uint8Array.of(1, 2, 3, 4));
    memory.copy(0x5001, 0x9001, 2);
    expect(bytesAt(memory, 0x5000, 4)).toEqual(Uint8Array.of(1, 0, 0, 4));
  });

  it('restores an older, smaller state', () => {
    const { arena, memory } = makeMemory();
    memory.writeByte(0x1000, 1);
    const saved = arena.save();
    for (let page = 0; page < 20; page++) memory.writeByte(page * 4096, 9);
    arena.restore(saved);
    expect([memory.framesInUse, memory.readByte(0x1000), memory.readByte(0x2000)]).toEqual([1, 1, 0]);
    memory.writeByte(0x2000, 2);
    expect([memory.readByte(0x1000), memory.readByte(0x2000)]).toEqual([1, 2]);
  });

  it('hashes alike whatever the order of writes once the frames exist', () => {
    const hashes = [
      [0x1000, 0x2000],
      [0x2000, 0x1000],
    ].map((order) => {
      const { arena, memory } = makeMemory();
      memory.reserve(0x1800, 4096);
      expect(memory.framesInUse).toBe(2);
      for (const address of order) memory.writeByte(address, address >> 12);
      return arena.hash();
    });
    expect(hashes[0]).toBe(hashes[1]);
  });

  it('needs room for a frame', () => {
    expect(() => new ByteMemory(new StateArena(), 0)).toThrow('at least one frame');
  });
});

describe('AccountingMemory', () => {
  it('counts and holds nothing', () => {
    const memory = new AccountingMemory();
    memory.copy(0x1000, 0x2000, 300);
    memory.copy(0x1000, 0x2000, 50);
    memory.zero(0x1000, 7);
    memory.write(0x1000, Uint8Array.of(5));
    const into = Uint8Array.of(9);
    memory.read(0x1000, into);
    expect(into[0]).toBe(0);
    expect([memory.copies, memory.copiedBytes, memory.zeroings, memory.zeroedBytes]).toEqual([2, 350, 1, 7]);
  });
});
