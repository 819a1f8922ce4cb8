/**
 * The context cache: decoded context entries by source id. A device whose entry has been changed or removed goes on with
 * the old one until a context-cache invalidation.
 */
import { assert, type Columns, type DomainId, type IovaPfn, type StateArena, type StateTable } from '../base/index.ts';
import type { ContextEntry } from './context.ts';
import { NO_ENTRY } from './translation-cache.ts';

/** Rows 0 to `COUNT` - 1 are valid. `limitPfn` is the first page beyond the usable width. */
const ENTRY_SHAPE = {
  rootPfn: 'f64',
  limitPfn: 'f64',
  sourceId: 'u16',
  domainId: 'u16',
  type: 'u8',
  levels: 'u8',
  faultsDisabled: 'u8',
} as const;
const STATE_SHAPE = { value: 'u32' } as const;
const COUNT = 0;
const OLDEST = 1;

export class ContextCache {
  rootPfn!: Float64Array<ArrayBuffer>;
  limitPfn!: Float64Array<ArrayBuffer>;
  domainId!: Uint16Array<ArrayBuffer>;
  type!: Uint8Array<ArrayBuffer>;
  levels!: Uint8Array<ArrayBuffer>;
  faultsDisabled!: Uint8Array<ArrayBuffer>;
  /** Statistics, not part of the state. */
  misses = 0;

  private sourceId!: Uint16Array<ArrayBuffer>;
  private state!: Uint32Array<ArrayBuffer>;
  private readonly rows: StateTable;
  private readonly grows: boolean;
  /** Row of the last hit: a shortcut only, checked at each use. */
  private recent = 0;

  /**
   * @param rows   entries there is room for
   * @param grows  keeps every entry until it is invalidated; otherwise the oldest makes room
   */
  constructor(arena: StateArena, name: string, rows: number, grows: boolean) {
    assert(rows >= 1, 'context cache has room for an entry');
    this.grows = grows;
    this.rows = arena.table(`${name}.contextCache`, rows, ENTRY_SHAPE, (columns: Columns<typeof ENTRY_SHAPE>) => {
      this.rootPfn = columns.rootPfn;
      this.limitPfn = columns.limitPfn;
      this.sourceId = columns.sourceId;
      this.domainId = columns.domainId;
      this.type = columns.type;
      this.levels = columns.levels;
      this.faultsDisabled = columns.faultsDisabled;
    });
    arena.table(`${name}.contextCacheState`, 2, STATE_SHAPE, (columns: Columns<typeof STATE_SHAPE>) => {
      this.state = columns.value;
    });
  }

  /** Row of a device's entry, or NO_ENTRY. */
  find(sourceId: number): number {
    const count = this.state[COUNT];
    const recent = this.recent;
    if (recent < count && this.sourceId[recent] === sourceId) return recent;
    for (let row = 0; row < count; row++) {
      if (this.sourceId[row] === sourceId) {
        this.recent = row;
        return row;
      }
    }
    this.misses++;
    return NO_ENTRY;
  }

  /** Enters a device that has no entry and returns its row. */
  store(sourceId: number, entry: ContextEntry, limitPfn: IovaPfn): number {
    let row = this.state[COUNT];
    if (row === this.rows.rows && this.grows) this.rows.grow(row * 2);
    if (row < this.rows.rows) {
      this.state[COUNT] = row + 1;
    } else {
      row = this.state[OLDEST];
      this.state[OLDEST] = (row + 1) % this.rows.rows;
    }
    this.sourceId[row] = sourceId;
    this.domainId[row] = entry.domainId;
    this.type[row] = entry.type;
    this.levels[row] = entry.levels;
    this.faultsDisabled[row] = entry.faultsDisabled ? 1 : 0;
    this.rootPfn[row] = entry.rootPfn;
    this.limitPfn[row] = limitPfn;
    return row;
  }

  /** @param functionMask  1, 2, 3: function bit 2, bits 2:1, bits 2:0 are ignored */
  invalidateDevice(sourceId: number, functionMask: number): void {
    const ignored = [0, 4, 6, 7][functionMask];
    for (let row = this.state[COUNT] - 1; row >= 0; row--) {
      if ((this.sourceId[row] | ignored) === (sourceId | ignored)) this.drop(row);
    }
  }

  invalidateDomain(domainId: DomainId): void {
    for (let row = this.state[COUNT] - 1; row >= 0; row--) {
      if (this.domainId[row] === domainId) this.drop(row);
    }
  }

  invalidateAll(): void {
    for (let row = this.state[COUNT] - 1; row >= 0; row--) this.drop(row);
  }

  /** The last row takes the place; the row that becomes free is cleared, so that equal caches hash alike. */
  private drop(row: number): void {
    const last = this.state[COUNT] - 1;
    for (const column of [this.rootPfn, this.limitPfn, this.sourceId, this.domainId, this.type, this.levels, this.faultsDisabled]) {
      column[row] = column[last];
      column[last] = 0;
    }
    this.state[COUNT] = last;
    this.state[OLDEST] = 0;
  }
}
