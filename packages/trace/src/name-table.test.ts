import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NameTable } from './name-table.ts';

const names = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 600 });

/** Goal: equal bytes have one index and different bytes two, however many names there are. */
describe('name table', () => {
  it('is a map from bytes to the order of first use', () => {
    fc.assert(
      fc.property(names, (list) => {
        const table = new NameTable();
        const oracle = new Map<string, number>();
        for (const bytes of list) {
          const key = bytes.join(',');
          expect(table.find(bytes, 0, bytes.length)).toBe(oracle.get(key) ?? -1);
          if (!oracle.has(key)) oracle.set(key, oracle.size);
          const index = table.intern(bytes, 0, bytes.length);
          expect(index).toBe(oracle.get(key));
          expect([...table.bytesOf(index)]).toEqual([...bytes]);
        }
        expect(table.count).toBe(oracle.size);
      }),
      { seed: 7, numRuns: 100 },
    );
  });

  it('keeps many names whose cheap hash is equal apart', () => {
    const table = new NameTable();
    const indexes = Array.from({ length: 3000 }, (_, index) => table.internText(`a${String(index).padStart(6, '0')}aaaaaaaa`));
    expect(indexes).toEqual(Array.from({ length: 3000 }, (_, index) => index));
    expect(table.internText('a000017aaaaaaaa')).toBe(17);
  });

  it('prints any bytes as different ASCII', () => {
    const table = new NameTable();
    const printed = [[0x61, 0x5c], [0x61, 0x1b], [0xe2, 0x80, 0xae], [...'\\x1b'].map((c) => c.charCodeAt(0)), [0x3c]].map((bytes) =>
      table.nameOf(table.intern(Uint8Array.from(bytes), 0, bytes.length)),
    );
    expect(printed).toEqual(['a\\x5c', 'a\\x1b', '\\xe2\\x80\\xae', '\\x5cx1b', '<']);
  });

  it('stops growing at its limit', () => {
    const table = new NameTable(3);
    expect(['a', 'b', 'c', 'd', 'e', 'd', 'a'].map((name) => table.nameOf(table.internText(name)))).toEqual([
      'a',
      'b',
      'c',
      '(other names)',
      '(other names)',
      '(other names)',
      'a',
    ]);
    expect(table.count).toBe(4);
  });
});
