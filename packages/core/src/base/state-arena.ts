import { assert } from './assert.ts';

/** Element type of a column: unsigned 8, 16, 32 bit, signed 32 bit, or a double that holds an integer. */
export type ColumnKind = 'u8' | 'u16' | 'u32' | 'i32' | 'f64';

interface ColumnArrays {
  u8: Uint8Array<ArrayBuffer>;
  u16: Uint16Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  f64: Float64Array<ArrayBuffer>;
}

/** The typed arrays of one table, one per column, all of the table's row count. */
export type Columns<Shape extends Record<string, ColumnKind>> = {
  readonly [Name in keyof Shape]: ColumnArrays[Shape[Name]];
};

/** What else the arena should know of a table. */
export interface TableOptions {
  /** Called whenever contents have been replaced, after `bind` where the columns are new as well: rebuilds what is not state. */
  readonly restored?: () => void;
  /** Rows that nothing but a report reads, such as peaks: saved and restored, but equal states may differ in them. Columns of 4 or 8 bytes. */
  readonly statisticRows?: readonly number[];
}

const BYTES: Record<ColumnKind, number> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/**
 * All state of one part of the engine, as tables of typed columns that can be saved, restored and hashed together.
 *
 * A component declares its tables when it is built and keeps direct references to the columns; `bind` hands them over
 * anew whenever the arena replaces them (after growth, after the restore of a larger state). Anything that decides
 * future behaviour belongs here; caches that can be rebuilt may stay outside if `restored` rebuilds them.
 */
export class StateArena {
  private readonly tables: StateTable[] = [];

  /**
   * Adds a table of `rows` zeroed rows. `bind` is called at once and after each replacement of the columns.
   *
   * @param name  for messages; unique within the arena
   */
  table<Shape extends Record<string, ColumnKind>>(
    name: string,
    rows: number,
    shape: Shape,
    bind: (columns: Columns<Shape>) => void,
    options: TableOptions = {},
  ): StateTable {
    assert(!this.tables.some((table) => table.name === name), `arena has two tables named ${name}`);
    const table = new StateTable(name, rows, shape, bind as (columns: Columns<Record<string, ColumnKind>>) => void, options);
    this.tables.push(table);
    return table;
  }

  /** The tables in the order in which they were declared. */
  get allTables(): readonly StateTable[] {
    return this.tables;
  }

  /** Size of the saved state in bytes. */
  get byteLength(): number {
    let total = 0;
    for (const table of this.tables) total += 8 + table.bytes.byteLength;
    return total;
  }

  /** A copy of all tables in one buffer: for each its row count as a double, then its bytes. */
  save(): Uint8Array<ArrayBuffer> {
    const saved = new Uint8Array(this.byteLength);
    const counts = new DataView(saved.buffer);
    let offset = 0;
    for (const table of this.tables) {
      counts.setFloat64(offset, table.rows, true);
      saved.set(table.bytes, offset + 8);
      offset += 8 + table.bytes.byteLength;
    }
    return saved;
  }

  /** Puts back a state that `save` of an arena with the same tables returned; row counts may differ by then. */
  restore(saved: Uint8Array<ArrayBuffer>): void {
    const counts = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
    let offset = 0;
    for (const table of this.tables) {
      table.restore(counts.getFloat64(offset, true), saved, offset + 8);
      offset += 8 + table.bytes.byteLength;
    }
    assert(offset === saved.byteLength, 'saved state has the shape of another arena');
  }

  /** A 53-bit hash of all tables but their statistic rows: equal states give equal hashes. FNV-1a over 32-bit words, two lanes. */
  hash(): number {
    let low = 0x811c9dc5;
    let high = 0x1000193;
    for (const table of this.tables) {
      const words = table.words;
      const statistics = table.statisticWords;
      for (let i = 0; i < words.length; i++) {
        if (statistics !== null && statistics[i] === 1) continue;
        low = Math.imul(low ^ words[i], 0x01000193);
        high = Math.imul(high ^ (words[i] + low), 0x85ebca6b);
        high ^= high >>> 15;
      }
    }
    return (high >>> 11) * 2 ** 32 + (low >>> 0);
  }
}

/** One table of an arena: equal-length columns in one buffer. */
export class StateTable {
  readonly name: string;
  rows: number;
  bytes: Uint8Array<ArrayBuffer>;
  words: Uint32Array<ArrayBuffer>;
  private readonly shape: Record<string, ColumnKind>;
  private readonly bind: (columns: Columns<Record<string, ColumnKind>>) => void;
  private readonly options: TableOptions;
  private isFixed = false;

  constructor(
    name: string,
    rows: number,
    shape: Record<string, ColumnKind>,
    bind: (columns: Columns<Record<string, ColumnKind>>) => void,
    options: TableOptions,
  ) {
    this.name = name;
    this.shape = shape;
    this.bind = bind;
    this.options = options;
    this.rows = rows;
    this.bytes = new Uint8Array(tableBytes(shape, rows));
    this.words = new Uint32Array(this.bytes.buffer);
    this.bindAll();
  }

  /** 1 for each word that belongs to a statistic row; null when none does. */
  get statisticWords(): Uint8Array | null {
    const { statisticRows } = this.options;
    if (statisticRows === undefined) return null;
    const marks = new Uint8Array(this.words.length);
    let offset = 0;
    for (const kind of Object.values(this.shape)) {
      assert(BYTES[kind] >= 4, `statistic rows of ${this.name} have columns of whole words`);
      const wordsEach = BYTES[kind] / 4;
      for (const row of statisticRows) marks.fill(1, offset / 4 + row * wordsEach, offset / 4 + (row + 1) * wordsEach);
      offset += columnBytes(kind, this.rows);
    }
    return marks;
  }

  /** Moves the table to bytes `offset` and on of a shared buffer, where it stays and cannot grow any more. */
  moveTo(buffer: ArrayBuffer, offset: number): void {
    const { length } = this.bytes;
    const bytes = new Uint8Array(buffer, offset, length);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.words = new Uint32Array(buffer, offset, length / 4);
    this.isFixed = true;
    this.bindAll();
  }

  /** What follows a change of the contents from outside. */
  noticeRestored(): void {
    this.options.restored?.();
  }

  /** Whether a change of the contents from outside has to be noticed. */
  get noticesRestores(): boolean {
    return this.options.restored !== undefined;
  }

  /** Enlarges to `rows`; the old rows keep their contents, the new ones are zero. */
  grow(rows: number): void {
    assert(rows >= this.rows, `table ${this.name} cannot shrink`);
    assert(!this.isFixed, `table ${this.name} has a fixed size of ${this.rows} rows`);
    const old = this.columnsOf(this.bytes, this.rows);
    const bytes = new Uint8Array(tableBytes(this.shape, rows));
    const fresh = this.columnsOf(bytes, rows);
    for (const name of Object.keys(this.shape)) fresh[name].set(old[name]);
    this.adopt(bytes, rows);
  }

  /** Takes rows and contents from a saved state. */
  restore(rows: number, saved: Uint8Array<ArrayBuffer>, offset: number): void {
    const length = tableBytes(this.shape, rows);
    const source = saved.subarray(offset, offset + length);
    if (rows === this.rows) {
      this.bytes.set(source);
      this.noticeRestored();
    } else {
      assert(!this.isFixed, `table ${this.name} has a fixed size of ${this.rows} rows`);
      this.adopt(source.slice(), rows);
    }
  }

  private adopt(bytes: Uint8Array<ArrayBuffer>, rows: number): void {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer);
    this.rows = rows;
    this.bindAll();
  }

  private bindAll(): void {
    this.bind(this.columnsOf(this.bytes, this.rows));
    this.noticeRestored();
  }

  private columnsOf(bytes: Uint8Array<ArrayBuffer>, rows: number): Columns<Record<string, ColumnKind>> {
    const columns: Record<string, ColumnArrays[ColumnKind]> = {};
    let offset = 0;
    for (const [name, kind] of Object.entries(this.shape)) {
      columns[name] = makeColumn(kind, bytes.buffer, bytes.byteOffset + offset, rows);
      offset += columnBytes(kind, rows);
    }
    return columns;
  }
}

/** Columns start at multiples of 8 so that every element type is aligned. */
function columnBytes(kind: ColumnKind, rows: number): number {
  return Math.ceil((BYTES[kind] * rows) / 8) * 8;
}

function tableBytes(shape: Record<string, ColumnKind>, rows: number): number {
  let total = 0;
  for (const kind of Object.values(shape)) total += columnBytes(kind, rows);
  return total;
}

function makeColumn(kind: ColumnKind, buffer: ArrayBuffer, offset: number, rows: number): ColumnArrays[ColumnKind] {
  switch (kind) {
    case 'u8':
      return new Uint8Array(buffer, offset, rows);
    case 'u16':
      return new Uint16Array(buffer, offset, rows);
    case 'u32':
      return new Uint32Array(buffer, offset, rows);
    case 'i32':
      return new Int32Array(buffer, offset, rows);
    case 'f64':
      return new Float64Array(buffer, offset, rows);
  }
}
