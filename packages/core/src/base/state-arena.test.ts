import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Columns, StateArena, type StateTable } from './state-arena.ts';

const SHAPE = { small: 'u8', pair: 'u16', word: 'u32', signed: 'i32', wide: 'f64' } as const;

/** An arena with a table of every kind of column and one of scalars. */
class Sample {
  readonly arena = new StateArena();
  readonly table: StateTable;
  columns!: Columns<typeof SHAPE>;
  scalar!: Float64Array<ArrayBuffer>;
  binds = 0;

  constructor(rows: number) {
    this.table = this.arena.table('sample', rows, SHAPE, (columns) => {
      this.columns = columns;
      this.binds += 1;
    });
    this.arena.table('scalars', 1, { scalar: 'f64' }, (columns) => {
      this.scalar = columns.scalar;
    });
  }

  fill(seed: number): void {
    for (let row = 0; row < this.table.rows; row++) {
      this.columns.small[row] = seed + row;
      this.columns.pair[row] = seed * 3 + row * 256;
      this.columns.word[row] = 0xffffffff - row - seed;
      this.columns.signed[row] = -row - seed;
      this.columns.wide[row] = 2 ** 52 + row * seed;
    }
    this.scalar[0] = seed;
  }

  contents(rows: number): number[][] {
    const { small, pair, word, signed, wide } = this.columns;
    return Array.from({ length: rows }, (_, row) => [small[row], pair[row], word[row], signed[row], wide[row]]);
  }
}

test('a table starts with zeros and columns of its row count', () => {
  const { columns } = new Sample(5);
  for (const column of Object.values(columns)) expect([...column]).toEqual([0, 0, 0, 0, 0]);
});

test('growth keeps the rows, clears the new ones, and binds anew', () => {
  const sample = new Sample(3);
  sample.fill(7);
  const before = sample.contents(3);
  sample.table.grow(11);
  expect(sample.binds).toBe(2);
  expect(sample.contents(3)).toEqual(before);
  expect(sample.contents(11).slice(3)).toEqual(Array.from({ length: 8 }, () => [0, 0, 0, 0, 0]));
  expect(() => sample.table.grow(2)).toThrow('cannot shrink');
});

test('a saved state comes back, also into a table that has grown or is smaller', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 99 }),
      (rows, otherRows, seed) => {
        const sample = new Sample(rows);
        sample.fill(seed);
        const saved = sample.arena.save();
        expect(saved.byteLength).toBe(sample.arena.byteLength);
        const contents = sample.contents(rows);
        const hash = sample.arena.hash();
        sample.fill(seed + 1);
        sample.table.grow(rows + otherRows);
        sample.arena.restore(saved);
        expect([sample.table.rows, sample.scalar[0], sample.arena.hash()]).toEqual([rows, seed, hash]);
        expect(sample.contents(rows)).toEqual(contents);

        const other = new Sample(otherRows);
        other.arena.restore(saved);
        expect(other.contents(rows)).toEqual(contents);
        // What was restored is a copy: changing it changes neither the saved bytes nor the other arena.
        other.fill(seed + 2);
        expect(sample.contents(rows)).toEqual(contents);
        expect(sample.arena.save()).toEqual(saved);
      },
    ),
    { seed: 8, numRuns: 60 },
  );
});

test('a state of an arena of another shape is refused', () => {
  const other = new StateArena();
  other.table('sample', 5, SHAPE, () => undefined);
  const saved = new Sample(5).arena.save();
  expect(() => other.restore(saved)).toThrow();
  const names = new StateArena();
  names.table('twice', 1, { a: 'u8' }, () => undefined);
  expect(() => names.table('twice', 1, { a: 'u8' }, () => undefined)).toThrow('two tables named twice');
});

test('equal states hash equally, and each single changed value changes the hash', () => {
  const sample = new Sample(6);
  const twin = new Sample(6);
  sample.fill(5);
  twin.fill(5);
  const hash = sample.arena.hash();
  expect(twin.arena.hash()).toBe(hash);
  expect(Number.isSafeInteger(hash)).toBe(true);
  const seen = new Set([hash]);
  for (const column of Object.values(sample.columns)) {
    for (let row = 0; row < column.length; row++) {
      const old = column[row];
      column[row] = old + 1;
      seen.add(sample.arena.hash());
      column[row] = old;
    }
  }
  expect(seen.size).toBe(31);
  expect(sample.arena.hash()).toBe(hash);
});

test('hashes of many small states do not collide', () => {
  const sample = new Sample(2);
  const seen = new Set<number>();
  for (let state = 0; state < 20000; state++) {
    sample.columns.small[0] = state & 0xff;
    sample.columns.wide[1] = state >> 8;
    seen.add(sample.arena.hash());
  }
  expect(seen.size).toBe(20000);
});
