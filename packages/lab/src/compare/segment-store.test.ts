import { Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { OpenMappings } from './open-mappings.ts';
import { SegmentStore } from './segment-store.ts';

describe('segment blocks', () => {
  it('never overlap while in use, keep what is in them, and are used again', () => {
    const random = new Prng(5);
    const store = new SegmentStore();
    const open: { block: number; count: number; mark: number }[] = [];
    let most = 0;
    let damaged = 0;
    for (let step = 0; step < 5000; step++) {
      if (open.length > 200 || (open.length > 0 && random.chance(1, 2))) {
        const [{ block, count, mark }] = open.splice(random.below(open.length), 1);
        for (let row = block; row < block + count; row++) {
          if (store.dmaAddr[row] !== mark || store.bytes[row] !== mark + 1) damaged += 1;
        }
        store.release(block, count);
        continue;
      }
      const count = 1 + random.below(100);
      const block = store.take(count);
      store.dmaAddr.fill(step, block, block + count);
      store.bytes.fill(step + 1, block, block + count);
      open.push({ block, count, mark: step });
      most = Math.max(most, open.length);
    }
    expect(damaged).toBe(0);
    expect(most).toBeGreaterThan(50);
    expect(store.dmaAddr.length).toBeLessThanOrEqual(2 ** 16);
  });
});

describe('open mappings', () => {
  it('are found by any address inside them, of their own device only, the newest first', () => {
    const random = new Prng(9);
    const mappings = new OpenMappings();
    mappings.reserve(300);
    const rows = Array.from({ length: 300 }, (_, row) => ({
      row,
      device: random.below(3),
      dmaAddr: 0xfff00000 + random.below(64) * 4096 + random.below(4096),
      bytes: 1 + random.below(20_000),
    }));
    for (const { row, device, dmaAddr, bytes } of rows) mappings.open(row, 0, device, dmaAddr, bytes, row, 0);
    const closed = new Set(rows.filter(() => random.chance(1, 2)).map(({ row }) => row));
    for (const row of closed) mappings.close(row);
    let found = 0;
    for (let probe = 0; probe < 3000; probe++) {
      const device = random.below(3);
      const address = 0xfff00000 + random.below(70 * 4096);
      const holders = rows.filter(
        (mapping) =>
          !closed.has(mapping.row) && mapping.device === device && address >= mapping.dmaAddr && address < mapping.dmaAddr + mapping.bytes,
      );
      const answer = mappings.find(device, address);
      if (holders.length === 0) {
        expect(answer).toBe(-1);
      } else {
        found += 1;
        const pageOf = (dmaAddr: number): number => Math.floor(dmaAddr / 4096);
        const nearestPage = Math.max(...holders.map(({ dmaAddr }) => pageOf(dmaAddr)));
        const newest = Math.max(...holders.filter(({ dmaAddr }) => pageOf(dmaAddr) === nearestPage).map(({ row }) => row));
        expect(answer).toBe(newest);
      }
    }
    expect(found).toBeGreaterThan(500);
    for (const { row } of rows) expect(mappings.isOpen(row)).toBe(!closed.has(row));
  });
});
