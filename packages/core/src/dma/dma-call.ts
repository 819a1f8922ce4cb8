import { assert, type Cpu, Direction, type DomainId, type StateArena, type StateTable } from '../base/index.ts';
import { NO_TABLES } from '../iommu/index.ts';
import { Program } from './dma-program.ts';

/** The calls of the DMA API, and what runs by itself: the flush of a domain, by its timer or at the end, and the end of a shadow buffer. */
export const CallKind = {
  MAP_PAGE: 0,
  UNMAP_PAGE: 1,
  MAP_SG: 2,
  UNMAP_SG: 3,
  MAP_RESOURCE: 4,
  UNMAP_RESOURCE: 5,
  ALLOC: 6,
  FREE: 7,
  FLUSH: 8,
  RELEASE_SHADOW: 9,
} as const;
export type CallKind = (typeof CallKind)[keyof typeof CallKind];

/** Bits of `attrs`, include/linux/dma-mapping.h. */
export const DMA_ATTR_SKIP_CPU_SYNC: number = 1 << 5;

/** Rows of the scalar column: unused rows of the call table, and rows of entries that each call owns. */
const FREE_ROWS = 0;
const ENTRIES_MAX = 1;
const SCALARS = 2;

/**
 * The calls in flight, one row each, so that any number can be between two of their steps at once.
 *
 * A call works on one *piece* at a time: one physical range with one I/O address range. Page calls have one piece;
 * a scatter list has one per entry under a policy that maps entry by entry, else one for the whole list.
 */
export class DmaCallTable {
  kind!: Uint8Array<ArrayBuffer>;
  /** Which step list runs, a Program. */
  program!: Uint8Array<ArrayBuffer>;
  /** Index of the next step in it. */
  position!: Uint8Array<ArrayBuffer>;
  device!: Int32Array<ArrayBuffer>;
  domain!: Int32Array<ArrayBuffer>;
  cpu!: Uint16Array<ArrayBuffer>;
  direction!: Uint8Array<ArrayBuffer>;
  attrs!: Uint16Array<ArrayBuffer>;
  /** 1 while a failed scatter list takes back the entries that it had mapped. */
  unwinding!: Uint8Array<ArrayBuffer>;
  /** 1 between the two halves of a flush that the call itself has begun. */
  flushing!: Uint8Array<ArrayBuffer>;
  /** Flush of a whole domain: the index of the domain, -1 as long as the call has flushed none; its FlushCause; the next ring to drain. */
  flushDomain!: Int32Array<ArrayBuffer>;
  flushCause!: Uint8Array<ArrayBuffer>;
  ring!: Uint16Array<ArrayBuffer>;
  /** A mapping that flushes to get slots: the Program and the position where it goes on. */
  resumeProgram!: Uint8Array<ArrayBuffer>;
  resumePosition!: Uint8Array<ArrayBuffer>;
  /** Slots that were deferred before this stamp can still come free for the search at work; 0 when it has found none missing. */
  roomStamp!: Float64Array<ArrayBuffer>;
  /** Physical address of the piece: the driver's buffer, or its first slot byte once bounced. */
  phys!: Float64Array<ArrayBuffer>;
  /** Physical address of the driver's buffer. */
  original!: Float64Array<ArrayBuffer>;
  bytes!: Float64Array<ArrayBuffer>;
  iovaPfn!: Float64Array<ArrayBuffer>;
  pages!: Float64Array<ArrayBuffer>;
  /** tlb_addr of the piece's slots, -1 without; where only its ends are bounced, of its first page's. */
  slots!: Float64Array<ArrayBuffer>;
  /** tlb_addr of its last page's slots where only its ends are bounced, -1 without. */
  tailSlots!: Float64Array<ArrayBuffer>;
  /** Bytes to invalidate, end inclusive; -1 when nothing was gathered. */
  gatherStart!: Float64Array<ArrayBuffer>;
  gatherEnd!: Float64Array<ArrayBuffer>;
  /** Bytes whose entries are in place while a mapping is made. */
  mappedBytes!: Float64Array<ArrayBuffer>;
  /** Chain of page-table pages that the unmap emptied, NO_TABLES for none. */
  freedTables!: Float64Array<ArrayBuffer>;
  /** Entries of the list, and which one is at work, from 0. */
  entries!: Uint32Array<ArrayBuffer>;
  entry!: Uint32Array<ArrayBuffer>;
  result!: Float64Array<ArrayBuffer>;

  /** Scatter-list entries: entry e of call c is in row c * entriesMax + e. */
  entryPhys!: Float64Array<ArrayBuffer>;
  entryBytes!: Float64Array<ArrayBuffer>;
  /** Length in whole pages with the padding that keeps a segment from crossing its boundary, bytes. */
  entryPadded!: Float64Array<ArrayBuffer>;
  entryDmaAddr!: Float64Array<ArrayBuffer>;
  entryDmaBytes!: Float64Array<ArrayBuffer>;

  private free!: Uint32Array<ArrayBuffer>;
  private rowColumns!: readonly { [row: number]: number }[];
  private scalar!: Uint32Array<ArrayBuffer>;
  private readonly calls: StateTable;
  private readonly entryTable: StateTable;

  /**
   * @param callsMax    calls in flight that there is room for at first; grows
   * @param entriesMax  scatter-list entries per call that there is room for at first; grows
   */
  constructor(arena: StateArena, callsMax: number, entriesMax: number) {
    this.calls = arena.table(
      'calls',
      callsMax,
      {
        kind: 'u8',
        program: 'u8',
        position: 'u8',
        device: 'i32',
        domain: 'i32',
        cpu: 'u16',
        direction: 'u8',
        attrs: 'u16',
        unwinding: 'u8',
        flushing: 'u8',
        flushDomain: 'i32',
        flushCause: 'u8',
        ring: 'u16',
        resumeProgram: 'u8',
        resumePosition: 'u8',
        roomStamp: 'f64',
        phys: 'f64',
        original: 'f64',
        bytes: 'f64',
        iovaPfn: 'f64',
        pages: 'f64',
        slots: 'f64',
        tailSlots: 'f64',
        gatherStart: 'f64',
        gatherEnd: 'f64',
        mappedBytes: 'f64',
        freedTables: 'f64',
        entries: 'u32',
        entry: 'u32',
        result: 'f64',
        free: 'u32',
      },
      (columns) => {
        this.kind = columns.kind;
        this.program = columns.program;
        this.position = columns.position;
        this.device = columns.device;
        this.domain = columns.domain;
        this.cpu = columns.cpu;
        this.direction = columns.direction;
        this.attrs = columns.attrs;
        this.unwinding = columns.unwinding;
        this.flushing = columns.flushing;
        this.flushDomain = columns.flushDomain;
        this.flushCause = columns.flushCause;
        this.ring = columns.ring;
        this.resumeProgram = columns.resumeProgram;
        this.resumePosition = columns.resumePosition;
        this.roomStamp = columns.roomStamp;
        this.phys = columns.phys;
        this.original = columns.original;
        this.bytes = columns.bytes;
        this.iovaPfn = columns.iovaPfn;
        this.pages = columns.pages;
        this.slots = columns.slots;
        this.tailSlots = columns.tailSlots;
        this.gatherStart = columns.gatherStart;
        this.gatherEnd = columns.gatherEnd;
        this.mappedBytes = columns.mappedBytes;
        this.freedTables = columns.freedTables;
        this.entries = columns.entries;
        this.entry = columns.entry;
        this.result = columns.result;
        this.free = columns.free;
        this.rowColumns = Object.values(columns).filter((column) => column !== columns.free);
      },
    );
    arena.table('calls.scalars', SCALARS, { scalar: 'u32' }, (columns) => {
      this.scalar = columns.scalar;
    });
    this.scalar[ENTRIES_MAX] = entriesMax;
    this.entryTable = arena.table(
      'calls.entries',
      callsMax * entriesMax,
      { entryPhys: 'f64', entryBytes: 'f64', entryPadded: 'f64', entryDmaAddr: 'f64', entryDmaBytes: 'f64' },
      (columns) => {
        this.entryPhys = columns.entryPhys;
        this.entryBytes = columns.entryBytes;
        this.entryPadded = columns.entryPadded;
        this.entryDmaAddr = columns.entryDmaAddr;
        this.entryDmaBytes = columns.entryDmaBytes;
      },
    );
    this.fillFree(0);
  }

  /** Rows of entries that each call owns. */
  get entriesMax(): number {
    return this.scalar[ENTRIES_MAX];
  }

  /** Calls that have begun and not returned. */
  get inFlight(): number {
    return this.calls.rows - this.scalar[FREE_ROWS];
  }

  /** Takes a row for a new call, with nothing to do yet. */
  begin(kind: CallKind, cpu: Cpu, device: number, domain: DomainId): number {
    if (this.scalar[FREE_ROWS] === 0) {
      const rows = this.calls.rows;
      this.calls.grow(rows * 2);
      this.entryTable.grow(rows * 2 * this.entriesMax);
      this.fillFree(rows);
    }
    this.scalar[FREE_ROWS] -= 1;
    const call = this.free[this.scalar[FREE_ROWS]];
    this.kind[call] = kind;
    this.program[call] = Program.NOTHING;
    this.position[call] = 0;
    this.device[call] = device;
    this.domain[call] = domain;
    this.cpu[call] = cpu;
    this.direction[call] = Direction.NONE;
    this.attrs[call] = 0;
    this.unwinding[call] = 0;
    this.flushing[call] = 0;
    this.flushDomain[call] = -1;
    this.flushCause[call] = 0;
    this.ring[call] = 0;
    this.resumeProgram[call] = 0;
    this.resumePosition[call] = 0;
    this.roomStamp[call] = 0;
    this.phys[call] = 0;
    this.original[call] = 0;
    this.bytes[call] = 0;
    this.iovaPfn[call] = 0;
    this.pages[call] = 0;
    this.slots[call] = -1;
    this.tailSlots[call] = -1;
    this.gatherStart[call] = -1;
    this.gatherEnd[call] = -1;
    this.mappedBytes[call] = 0;
    this.freedTables[call] = NO_TABLES;
    this.entries[call] = 0;
    this.entry[call] = 0;
    this.result[call] = 0;
    return call;
  }

  /** Gives the row back. */
  end(call: number): void {
    this.free[this.scalar[FREE_ROWS]] = call;
    this.scalar[FREE_ROWS] += 1;
  }

  /** Whether a mapping at work has found the pool dry and flushes for room. */
  anyLooksForRoom(): boolean {
    const { roomStamp } = this;
    for (let row = 0; row < roomStamp.length; row++) if (roomStamp[row] !== 0) return true;
    return false;
  }

  /** Clears the row of a call that has ended, entries included: for who compares states. A new call does not need it. */
  clear(call: number): void {
    for (const column of this.rowColumns) column[call] = 0;
    const first = call * this.entriesMax;
    for (const column of [this.entryPhys, this.entryBytes, this.entryPadded, this.entryDmaAddr, this.entryDmaBytes]) {
      column.fill(0, first, first + this.entriesMax);
    }
  }

  /** Makes a free row the next one to be taken and puts the others in order, so that rows do not depend on history. */
  arrangeFree(next: number): void {
    const rows = this.scalar[FREE_ROWS];
    const free = this.free.subarray(0, rows).sort().reverse();
    const at = free.indexOf(next);
    assert(at >= 0, 'the row to be taken next is free');
    free.copyWithin(at, at + 1);
    free[rows - 1] = next;
    this.free.fill(0, rows);
  }

  /** Makes room for `count` entries in every call; contents of running calls stay. */
  private reserveEntries(count: number): void {
    const old = this.entriesMax;
    if (count <= old) return;
    const next = Math.max(count, old * 2);
    const kept = [this.entryPhys, this.entryBytes, this.entryPadded, this.entryDmaAddr, this.entryDmaBytes].map((column) => column.slice());
    this.entryTable.grow(this.calls.rows * next);
    const columns = [this.entryPhys, this.entryBytes, this.entryPadded, this.entryDmaAddr, this.entryDmaBytes];
    for (const [index, column] of columns.entries()) {
      column.fill(0);
      for (let call = 0; call < this.calls.rows; call++) column.set(kept[index].subarray(call * old, (call + 1) * old), call * next);
    }
    this.scalar[ENTRIES_MAX] = next;
  }

  /** Takes over the entries of a list to map. */
  setEntries(call: number, phys: Float64Array, bytes: Float64Array, offset: number, count: number): void {
    this.reserveEntries(count);
    const first = call * this.entriesMax;
    for (let index = 0; index < count; index++) {
      this.entryPhys[first + index] = phys[offset + index];
      this.entryBytes[first + index] = bytes[offset + index];
    }
    this.entries[call] = count;
  }

  /** Takes over the segments of a list to unmap. */
  setSegments(call: number, addresses: Float64Array, bytes: Float64Array, offset: number, count: number): void {
    this.reserveEntries(count);
    const first = call * this.entriesMax;
    for (let index = 0; index < count; index++) {
      this.entryDmaAddr[first + index] = addresses[offset + index];
      this.entryDmaBytes[first + index] = bytes[offset + index];
    }
    this.entries[call] = count;
  }

  private fillFree(from: number): void {
    for (let call = this.calls.rows - 1; call >= from; call--) this.end(call);
    assert(this.scalar[FREE_ROWS] === this.calls.rows - from, 'free rows of the call table');
  }
}
