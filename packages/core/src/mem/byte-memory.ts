import {
  assert,
  type Columns,
  PAGE_SIZE,
  type Pfn,
  type PhysAddr,
  roundUpPowerOfTwo,
  type StateArena,
  type StateTable,
} from '../base/index.ts';
import type { Memory } from './memory.ts';

const OWNER_SHAPE = { owner: 'f64' } as const;
const BYTE_SHAPE = { byte: 'u8' } as const;

/** Directory entry that points to no frame. */
const EMPTY = -1;

/**
 * Memory with contents, sparse: a frame of 4096 bytes exists once something is written to it, the rest reads as 0.
 *
 * The hash of the arena depends on the order in which frames came to exist. Who compares hashes of states that were
 * reached in different orders makes all frames exist at the start with `reserve`.
 */
export class ByteMemory implements Memory {
  /** Page frame number + 1 of each frame in use, 0 for frames not yet in use; frames are used in ascending order. */
  private owner!: Float64Array<ArrayBuffer>;
  /** Frame k occupies bytes 4096 k to 4096 k + 4095. */
  private data!: Uint8Array<ArrayBuffer>;
  private readonly ownerTable: StateTable;
  private readonly byteTable: StateTable;

  /** Frames by page frame number, open addressing; and the frames in use. Both are rebuilt from `owner`. */
  private directory = new Int32Array(0);
  private frames = 0;

  /** @param initialFrames  frames there is room for at first, 1 or more; room doubles when it is used up */
  constructor(arena: StateArena, initialFrames: number) {
    assert(initialFrames >= 1, 'a byte memory starts with room for at least one frame');
    this.ownerTable = arena.table(
      'byteMemory.frames',
      initialFrames,
      OWNER_SHAPE,
      (columns: Columns<typeof OWNER_SHAPE>) => {
        this.owner = columns.owner;
      },
      { restored: () => this.rebuildDirectory() },
    );
    this.byteTable = arena.table('byteMemory.bytes', initialFrames * PAGE_SIZE, BYTE_SHAPE, (columns: Columns<typeof BYTE_SHAPE>) => {
      this.data = columns.byte;
    });
  }

  /** Frames that exist. */
  get framesInUse(): number {
    return this.frames;
  }

  /** Makes the frames of a range exist, contents 0 where they did not exist before. */
  reserve(address: PhysAddr, bytes: number): void {
    for (let pfn = Math.floor(address / PAGE_SIZE); pfn * PAGE_SIZE < address + bytes; pfn++) this.frameForWrite(pfn);
  }

  copy(destination: PhysAddr, source: PhysAddr, bytes: number): void {
    let done = 0;
    while (done < bytes) {
      const to = (destination + done) % PAGE_SIZE;
      const from = (source + done) % PAGE_SIZE;
      const length = Math.min(bytes - done, PAGE_SIZE - Math.max(to, from));
      const sourceFrame = this.frameOf(Math.floor((source + done) / PAGE_SIZE));
      if (sourceFrame === EMPTY) {
        this.zero(destination + done, length);
      } else {
        const start = sourceFrame * PAGE_SIZE + from;
        const target = this.frameForWrite(Math.floor((destination + done) / PAGE_SIZE)) * PAGE_SIZE + to;
        this.data.copyWithin(target, start, start + length);
      }
      done += length;
    }
  }

  zero(address: PhysAddr, bytes: number): void {
    let done = 0;
    while (done < bytes) {
      const offset = (address + done) % PAGE_SIZE;
      const length = Math.min(bytes - done, PAGE_SIZE - offset);
      const frame = this.frameOf(Math.floor((address + done) / PAGE_SIZE));
      if (frame !== EMPTY) this.data.fill(0, frame * PAGE_SIZE + offset, frame * PAGE_SIZE + offset + length);
      done += length;
    }
  }

  read(address: PhysAddr, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const offset = (address + done) % PAGE_SIZE;
      const length = Math.min(into.length - done, PAGE_SIZE - offset);
      const frame = this.frameOf(Math.floor((address + done) / PAGE_SIZE));
      if (frame === EMPTY) into.fill(0, done, done + length);
      else into.set(this.data.subarray(frame * PAGE_SIZE + offset, frame * PAGE_SIZE + offset + length), done);
      done += length;
    }
  }

  write(address: PhysAddr, from: Uint8Array): void {
    let done = 0;
    while (done < from.length) {
      const offset = (address + done) % PAGE_SIZE;
      const length = Math.min(from.length - done, PAGE_SIZE - offset);
      const frame = this.frameForWrite(Math.floor((address + done) / PAGE_SIZE));
      this.data.set(from.subarray(done, done + length), frame * PAGE_SIZE + offset);
      done += length;
    }
  }

  /** One byte, 0 to 255. */
  readByte(address: PhysAddr): number {
    const frame = this.frameOf(Math.floor(address / PAGE_SIZE));
    return frame === EMPTY ? 0 : this.data[frame * PAGE_SIZE + (address % PAGE_SIZE)];
  }

  /** Stores the low 8 bits of `value`. */
  writeByte(address: PhysAddr, value: number): void {
    const frame = this.frameForWrite(Math.floor(address / PAGE_SIZE));
    this.data[frame * PAGE_SIZE + (address % PAGE_SIZE)] = value;
  }

  private frameOf(pfn: Pfn): number {
    return this.directory[this.entryOf(pfn)];
  }

  private frameForWrite(pfn: Pfn): number {
    const known = this.frameOf(pfn);
    if (known !== EMPTY) return known;
    const frame = this.frames;
    if (frame === this.ownerTable.rows) {
      this.ownerTable.grow(frame * 2);
      this.byteTable.grow(frame * 2 * PAGE_SIZE);
    }
    this.owner[frame] = pfn + 1;
    this.directory[this.entryOf(pfn)] = frame;
    this.frames = frame + 1;
    return frame;
  }

  /** Where the directory has `pfn`, or the free entry where it belongs. The directory is never more than half full. */
  private entryOf(pfn: Pfn): number {
    const mask = this.directory.length - 1;
    const mixed = Math.imul(pfn, 0x9e3779b1);
    let entry = (mixed ^ (mixed >>> 15)) & mask;
    while (this.directory[entry] !== EMPTY && this.owner[this.directory[entry]] !== pfn + 1) entry = (entry + 1) & mask;
    return entry;
  }

  private rebuildDirectory(): void {
    const size = roundUpPowerOfTwo(this.owner.length * 2);
    if (this.directory.length !== size) this.directory = new Int32Array(size);
    this.directory.fill(EMPTY);
    this.frames = 0;
    while (this.frames < this.owner.length && this.owner[this.frames] !== 0) {
      this.directory[this.entryOf(this.owner[this.frames] - 1)] = this.frames;
      this.frames += 1;
    }
  }
}
