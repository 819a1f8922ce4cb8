import { expect, test } from 'vitest';
import { StateArena } from '../base/index.ts';
import { LabelMemory } from './label-memory.ts';

test('granules have labels that copies, zeroing, reads and writes move', () => {
  const memory = new LabelMemory(new StateArena(), { start: 0x1000, bytes: 4096, granuleBytes: 1024 });
  memory.write(0x1000, new Uint8Array(2048).fill(7));
  memory.copy(0x1800, 0x1400, 1024);
  expect([...memory.labels]).toEqual([7, 7, 7, 0]);
  memory.zero(0x1400, 1024);
  expect([...memory.labels]).toEqual([7, 0, 7, 0]);
  const into = new Uint8Array(3);
  memory.read(0x13ff, into);
  expect([...into]).toEqual([7, 0, 0]);
  expect(memory.granuleAt(0x1c00)).toBe(3);
});

test('only whole granules inside the window change', () => {
  const memory = new LabelMemory(new StateArena(), { start: 0x1000, bytes: 4096, granuleBytes: 1024 });
  expect(() => memory.zero(0x1000, 100)).toThrow('whole granules');
  expect(() => memory.zero(0x1001, 1024)).toThrow('at a granule');
  expect(() => memory.copy(0x3000, 0x1000, 1024)).toThrow('at a granule');
  expect(() => new LabelMemory(new StateArena(), { start: 0x1001, bytes: 4096, granuleBytes: 1024 })).toThrow('whole granules');
});
