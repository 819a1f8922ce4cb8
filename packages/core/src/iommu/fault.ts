/**
 * The fault recording registers of a unit: a ring of 128-bit records and the status register over them.
 *
 * A record is free while its F bit is clear. When the next one in the ring is not free, the overflow bit is set and
 * faults are lost until software clears it.
 */
import { assert, type Columns, type IovaPfn, type StateArena } from '../base/index.ts';

/**
 * Why a request was refused, in legacy mode.
 *
 * @source Intel VT-d specification, "Fault Reason Encodings"
 */
export const FaultReason = {
  ROOT_NOT_PRESENT: 0x01,
  CONTEXT_NOT_PRESENT: 0x02,
  CONTEXT_INVALID: 0x03,
  BEYOND_ADDRESS_WIDTH: 0x04,
  NO_WRITE: 0x05,
  NO_READ: 0x06,
  TABLE_POINTER_INVALID: 0x07,
  ROOT_TABLE_INVALID: 0x08,
  CONTEXT_TABLE_INVALID: 0x09,
  ROOT_RESERVED_BITS: 0x0a,
  CONTEXT_RESERVED_BITS: 0x0b,
  ENTRY_RESERVED_BITS: 0x0c,
  TRANSLATION_BLOCKED: 0x0d,
} as const;
export type FaultReason = (typeof FaultReason)[keyof typeof FaultReason];

/** Bits of the fault status register. */
export const FaultStatus = { OVERFLOW: 0x1, PENDING: 0x2, QUEUE_ERROR: 0x10, COMPLETION_ERROR: 0x20, TIME_OUT: 0x40 } as const;

/** Halves of bits 63:0 and 127:64: address 63:12; source id 79:64, reason 103:96, type 126, F 127. */
const RECORD_SHAPE = { addressLow: 'u32', addressHigh: 'u32', source: 'u32', reason: 'u32' } as const;
/** Rows: the record that the next fault goes to, and the sticky bits of the status register. */
const STATE_SHAPE = { value: 'u32' } as const;
const NEXT = 0;
const STICKY = 1;

const RECORD_FULL = 0x80000000;
const RECORD_IS_READ = 0x40000000;

export class FaultRecorder {
  /** Faults seen and faults lost to a full ring. Statistics, not part of the state. */
  seen = 0;
  lost = 0;
  private readonly records: number;
  private addressLow!: Uint32Array<ArrayBuffer>;
  private addressHigh!: Uint32Array<ArrayBuffer>;
  private source!: Uint32Array<ArrayBuffer>;
  private reason!: Uint32Array<ArrayBuffer>;
  private state!: Uint32Array<ArrayBuffer>;

  /** @param records  CAP.NFR, 1 to 256 */
  constructor(arena: StateArena, name: string, records: number) {
    assert(records >= 1 && records <= 256, 'a unit has 1 to 256 fault records');
    this.records = records;
    arena.table(`${name}.faultRecords`, records, RECORD_SHAPE, (columns: Columns<typeof RECORD_SHAPE>) => {
      this.addressLow = columns.addressLow;
      this.addressHigh = columns.addressHigh;
      this.source = columns.source;
      this.reason = columns.reason;
    });
    arena.table(`${name}.faultStatus`, 2, STATE_SHAPE, (columns: Columns<typeof STATE_SHAPE>) => {
      this.state = columns.value;
    });
  }

  /** Number of fault records in the ring. */
  get size(): number {
    return this.records;
  }

  /** Records a fault; returns false when it is lost. */
  record(sourceId: number, iovaPfn: IovaPfn, reason: FaultReason, isWrite: boolean): boolean {
    this.seen++;
    const index = this.state[NEXT];
    if (this.has(FaultStatus.OVERFLOW) || this.isFull(index)) {
      this.state[STICKY] |= FaultStatus.OVERFLOW;
      this.lost++;
      return false;
    }
    this.addressLow[index] = (iovaPfn & 0xfffff) << 12;
    this.addressHigh[index] = Math.floor(iovaPfn / 2 ** 20);
    this.source[index] = sourceId;
    this.reason[index] = RECORD_FULL | (isWrite ? 0 : RECORD_IS_READ) | reason;
    this.state[NEXT] = (index + 1) % this.records;
    return true;
  }

  /** F: the record holds a fault that software has not cleared. */
  isFull(index: number): boolean {
    return (this.reason[index] & RECORD_FULL) !== 0;
  }

  sourceIdAt(index: number): number {
    return this.source[index] & 0xffff;
  }

  iovaPfnAt(index: number): IovaPfn {
    return (this.addressLow[index] >>> 12) + this.addressHigh[index] * 2 ** 20;
  }

  reasonAt(index: number): FaultReason {
    return (this.reason[index] & 0xff) as FaultReason;
  }

  isWriteAt(index: number): boolean {
    return (this.reason[index] & RECORD_IS_READ) === 0;
  }

  /** One of the record's four 32-bit words, lowest bits first, as software reads the register. */
  wordAt(index: number, word: 0 | 1 | 2 | 3): number {
    return [this.addressLow, this.addressHigh, this.source, this.reason][word][index];
  }

  /** Frees the record, as software does by writing 1 to F. */
  clearRecord(index: number): void {
    this.reason[index] &= ~RECORD_FULL;
  }

  /** The status register: overflow, pending, the queue's errors, and in bits 15:8 the first pending record. */
  get status(): number {
    const first = this.firstPending();
    return first < 0 ? this.state[STICKY] : this.state[STICKY] | FaultStatus.PENDING | (first << 8);
  }

  /** True when one of the sticky status bits is set. */
  has(bits: number): boolean {
    return (this.state[STICKY] & bits) !== 0;
  }

  /** Sets sticky status bits: the invalidation queue reports its errors here. */
  raise(bits: number): void {
    this.state[STICKY] |= bits;
  }

  /** Clears sticky status bits, as software does by writing 1 to them. */
  clearStatus(bits: number): void {
    this.state[STICKY] &= ~bits;
  }

  /** Oldest record that is full, -1 when none is. */
  private firstPending(): number {
    for (let i = 0; i < this.records; i++) {
      const index = (this.state[NEXT] + i) % this.records;
      if (this.isFull(index)) return index;
    }
    return -1;
  }
}
