import { Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { LiveMappings, MappingKind, physListHash } from './live-mappings.ts';

function segmentsAt(dmaAddr: number): { dmaAddr: Float64Array; bytes: Float64Array; bytesTotal: number } {
  return { dmaAddr: Float64Array.of(dmaAddr, dmaAddr + 8192), bytes: Float64Array.of(4096, 512), bytesTotal: 4608 };
}

/** Goal: the newest mapping is found, with every number of others around it. */
describe('LiveMappings against a Map of stacks', () => {
  it.each([1, 2, 3])('seed %i', (seed) => {
    const random = new Prng(seed);
    const mappings = new LiveMappings();
    // By key the rows, newest last.
    const oracle = new Map<string, number[]>();
    const stackOf = (key: string): number[] => {
      if (!oracle.has(key)) oracle.set(key, []);
      return oracle.get(key)!;
    };
    const removed: number[] = [];
    let live = 0;
    let peak = 0;
    for (let step = 0; step < 12_000; step++) {
      const device = random.below(3);
      // Few addresses, so that many are mapped twice; some above 4 GiB.
      const address = random.below(3000) * 4096 + (random.chance(1, 4) ? 2 ** 40 : 0);
      const isSg = random.chance(1, 3);
      const hash = physListHash(device, Float64Array.of(address, address + 4096), 0, 2);
      const stack = stackOf(`${isSg ? 'sg' : 'address'} ${device} ${address}`);
      const found = isSg ? mappings.findSg(device, hash) : mappings.findByAddress(device, address);
      expect(found).toBe(stack.at(-1) ?? -1);
      if (random.chance(step < 8000 ? 3 : 1, 4)) {
        const row = isSg
          ? mappings.addSg(device, 1, segmentsAt(address), address, hash, step)
          : mappings.addByAddress(MappingKind.PAGE, device, 2, address, 100, address * 2, step);
        stack.push(row);
        live += 1;
        peak = Math.max(peak, live);
        expect([mappings.device[row], mappings.dmaAddr[row], mappings.line[row]]).toEqual([device, address, step]);
        expect(mappings.bytes[row]).toBe(isSg ? 4608 : 100);
        expect(mappings.segments[row] === null).toBe(!isSg);
      } else if (found >= 0) {
        mappings.remove(found);
        stack.pop();
        removed.push(found);
      }
      if (removed.length > 0 && random.chance(1, 2)) {
        mappings.release(removed.shift()!);
        live -= 1;
      }
      expect([mappings.count, mappings.countPeak]).toEqual([live, peak]);
    }
    const rows = [...oracle.values()].flat().sort((a, b) => mappings.line[a] - mappings.line[b]);
    expect(rows.length).toBeGreaterThan(2048);
    expect(mappings.findable()).toEqual(rows);
  });
});

describe('LiveMappings', () => {
  it('goes from the newest list with equal physical addresses to the older ones, past other lists of the same chain', () => {
    const mappings = new LiveMappings();
    const hash = physListHash(1, Float64Array.of(0x1000), 0, 1);
    const first = mappings.addSg(1, 0, segmentsAt(0xffff0000), 0x1000, hash, 1);
    mappings.addSg(2, 0, segmentsAt(0xffff4000), 0x1000, hash, 2);
    mappings.addByAddress(MappingKind.PAGE, 1, 0, 0xffff8000, 1, 0x1000, 3);
    const second = mappings.addSg(1, 0, segmentsAt(0xfffe0000), 0x1000, hash, 4);
    expect(mappings.findSg(1, hash)).toBe(second);
    expect(mappings.findSg(1, hash, second)).toBe(first);
    expect(mappings.findSg(1, hash, first)).toBe(-1);
    mappings.remove(second);
    expect(mappings.findSg(1, hash)).toBe(first);
  });

  it('keeps the columns of a removed row until it is released', () => {
    const mappings = new LiveMappings();
    const row = mappings.addByAddress(MappingKind.ALLOC, 1, 0, 0x5000, 4096, 0x9000, 7);
    mappings.remove(row);
    expect(mappings.findByAddress(1, 0x5000)).toBe(-1);
    const other = mappings.addByAddress(MappingKind.PAGE, 1, 0, 0x6000, 1, 0, 8);
    expect(other).not.toBe(row);
    expect([mappings.kind[row], mappings.bytes[row], mappings.phys[row], mappings.line[row]]).toEqual([MappingKind.ALLOC, 4096, 0x9000, 7]);
    mappings.release(row);
    expect(mappings.addByAddress(MappingKind.PAGE, 1, 0, 0x7000, 1, 0, 9)).toBe(row);
  });
});

/** Goal: both lines of a list give the same hash, and other lists another one. */
describe('physListHash', () => {
  const list = Float64Array.from({ length: 300 }, (_, index) => 2 ** 33 + index * 4096);

  it('depends on device, order, high halves and offset', () => {
    const hash = physListHash(1, list, 0, 3);
    const others = [
      physListHash(2, list, 0, 3),
      physListHash(1, list, 1, 3),
      physListHash(1, list, 0, 2),
      physListHash(1, Float64Array.of(list[1], list[0], list[2]), 0, 3),
      physListHash(
        1,
        list.map((address) => address - 2 ** 32),
        0,
        3,
      ),
    ];
    expect(others).not.toContain(hash);
    expect(physListHash(1, Float64Array.of(0, ...list), 1, 3)).toBe(hash);
    expect(hash).toBeGreaterThanOrEqual(0);
  });

  it('takes only the entries that dma_map_sg prints', () => {
    expect(physListHash(1, list, 0, 300)).toBe(physListHash(1, list, 0, 128));
    expect(physListHash(1, list, 0, 127)).not.toBe(physListHash(1, list, 0, 128));
  });
});
