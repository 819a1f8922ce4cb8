/**
 * The SWIOTLB bounce pool: one block of physical memory, cut into slots of 2048 bytes, segments of 128 slots and areas.
 *
 * The kernel keeps for every slot how many free slots follow it, the original address and the bytes left in its mapping,
 * and rewrites them slot by slot. Here a slot is one bit, a mapping is one record at its first slot, and those three
 * are computed when asked for; the values are the same. A run of free slots never reaches past its segment.
 *
 * @source Linux v6.12 kernel/dma/swiotlb.c swiotlb_init_io_tlb_pool(), include/linux/swiotlb.h
 */
import { assert, type Columns, isPowerOfTwo, type KernelRules, PAGE_SIZE, type PhysAddr, type StateArena } from '../base/index.ts';
import { INVALID_PHYS_ADDR, NO_SLOT, SEGMENT_SLOTS, SLOT_BYTES, SlotOutcome, type SwiotlbPoolParameters } from './pool-parameters.ts';
import { lowestBit } from './slot-bits.ts';

const COUNTER_SHAPE = { value: 'i32' } as const;
const AREA_SHAPE = { used: 'i32', index: 'i32' } as const;
const BIT_SHAPE = { free: 'i32', first: 'i32' } as const;
const MAPPING_SHAPE = { original: 'f64', bytes: 'i32', leading: 'i32' } as const;

/** Rows of the counter column. */
const USED = 0;
const HIWATER = 1;
const EARLY_ACCESSES = 2;
const OVERFLOWS = 3;
const COUNTERS = 4;

export class SwiotlbPool {
  readonly start: PhysAddr;
  readonly slots: number;
  readonly areas: number;
  readonly areaSlots: number;
  readonly kernel: KernelRules;
  readonly slotBytes: number;
  /** log2 of the slot size. */
  readonly slotShift: number;
  readonly segmentSlots: number;
  readonly segments: number;
  /** log2 of the slots of a segment, and of the 32-bit words that hold its bits. */
  readonly segmentShift: number;
  readonly segmentWordShift: number;
  /** The bit of a slot is bit `slot & bitMask` of word `slot >> wordShift`: a short segment leaves the rest of its word 0. */
  readonly wordShift: number;
  readonly bitMask: number;
  /** `start` in slots, lower 30 bits: enough for every test on low address bits. */
  readonly startSlotLow: number;
  /** Segment boundaries of this many bytes or more have the whole pool inside one of them. */
  readonly enclosingBytes: number;

  /** Bit b of word w of a segment stands for its slot 32 w + b. `freeBits`: the slot is free. */
  freeBits!: Int32Array<ArrayBuffer>;
  /** The slot is the first of a mapping, padding slots included. */
  firstBits!: Int32Array<ArrayBuffer>;
  /** At the first slot of each mapping, 0 elsewhere: address of the original buffer; INVALID_PHYS_ADDR while there is none. */
  original!: Float64Array<ArrayBuffer>;
  /** Bytes the slots were searched for, so that ceil(bytes / slotBytes) is their number. */
  searchedBytes!: Int32Array<ArrayBuffer>;
  /** Bytes from the first slot's start to the mapping: padding slots and the offset inside the slot after them. */
  leadingBytes!: Int32Array<ArrayBuffer>;
  /** Per area: slots in use, and where the next search starts, counted from the area's first slot. */
  areaUsedSlots!: Int32Array<ArrayBuffer>;
  areaNextIndex!: Int32Array<ArrayBuffer>;
  /**
   * Per segment a length that no free run in it exceeds. Not state: it decides only how fast a search is, is tightened
   * by searches that fail and starts anew at the loosest value when a slot is released or a state restored.
   */
  readonly runBound: Uint8Array;

  /** Of the last allocation; after a failed one the first slot is NO_SLOT. */
  lastOutcome: SlotOutcome = SlotOutcome.ALLOCATED;
  /** First slot, padding slots included. */
  lastFirstSlot: number = NO_SLOT;
  /** Slots taken or needed, padding slots included. */
  lastSlots = 0;
  lastPadSlots = 0;
  /** Bytes the search was for. */
  lastSearchedBytes = 0;
  /**
   * Slots that the kernel's own search examines for this request, over all areas; an endless search counts the slots of
   * its area once.
   */
  lastSlotsLookedAt = 0;
  /** Of the last release. */
  lastReleasedFirstSlot: number = NO_SLOT;
  lastReleasedSlots = 0;

  /** Exact, since the slot size is a power of two; a product is quicker than a quotient. */
  private readonly slotsPerByte: number;
  private counters!: Int32Array<ArrayBuffer>;

  /** @param name  prefix of the table names, for an arena with several pools */
  constructor(arena: StateArena, parameters: SwiotlbPoolParameters, name = 'swiotlb') {
    const { start, slots, areas, kernel, slotBytes = SLOT_BYTES, segmentSlots = SEGMENT_SLOTS } = parameters;
    assert(start % PAGE_SIZE === 0, 'a bounce pool starts at a page boundary');
    assert(isPowerOfTwo(areas), 'the number of areas is a power of two');
    assert(isPowerOfTwo(slotBytes) && slotBytes <= PAGE_SIZE, 'the slot size is a power of two up to the page size');
    assert(isPowerOfTwo(segmentSlots) && segmentSlots <= SEGMENT_SLOTS, 'a segment has a power of two of slots, at most 128');
    this.start = start;
    this.slots = slots;
    this.areas = areas;
    this.areaSlots = Math.floor(slots / areas);
    this.kernel = kernel;
    this.slotBytes = slotBytes;
    this.slotShift = Math.log2(slotBytes);
    this.slotsPerByte = 1 / slotBytes;
    this.segmentSlots = segmentSlots;
    this.segmentShift = Math.log2(segmentSlots);
    this.segmentWordShift = Math.max(0, this.segmentShift - 5);
    this.segments = Math.ceil(slots / segmentSlots);
    this.wordShift = Math.min(5, this.segmentShift);
    this.bitMask = Math.min(31, segmentSlots - 1);
    this.startSlotLow = (start / slotBytes) % 2 ** 30;
    this.enclosingBytes = enclosingBlock(start, start + slots * slotBytes - 1);
    this.runBound = new Uint8Array(this.segments);

    arena.table(
      `${name}.counters`,
      COUNTERS,
      COUNTER_SHAPE,
      (columns: Columns<typeof COUNTER_SHAPE>) => {
        this.counters = columns.value;
      },
      { statisticRows: [HIWATER, EARLY_ACCESSES, OVERFLOWS] },
    );
    arena.table(`${name}.areas`, areas, AREA_SHAPE, (columns: Columns<typeof AREA_SHAPE>) => {
      this.areaUsedSlots = columns.used;
      this.areaNextIndex = columns.index;
    });
    arena.table(
      `${name}.slotBits`,
      this.segments << this.segmentWordShift,
      BIT_SHAPE,
      (columns: Columns<typeof BIT_SHAPE>) => {
        this.freeBits = columns.free;
        this.firstBits = columns.first;
      },
      { restored: () => this.runBound.fill(segmentSlots) },
    );
    arena.table(`${name}.mappings`, slots, MAPPING_SHAPE, (columns: Columns<typeof MAPPING_SHAPE>) => {
      this.original = columns.original;
      this.searchedBytes = columns.bytes;
      this.leadingBytes = columns.leading;
    });
    for (let slot = 0; slot < slots; slot++) this.freeBits[slot >> this.wordShift] |= 1 << (slot & this.bitMask);
  }

  /** True for an address of the pool's memory. */
  contains(address: PhysAddr): boolean {
    return address >= this.start && address < this.start + this.slots * this.slotBytes;
  }

  /** Slot that holds the byte. */
  slotAt(address: PhysAddr): number {
    return Math.floor((address - this.start) * this.slotsPerByte);
  }

  /** Slots that hold so many bytes. */
  slotsFor(bytes: number): number {
    return bytes < 2 ** 30 ? (bytes + this.slotBytes - 1) >> this.slotShift : Math.ceil(bytes * this.slotsPerByte);
  }

  /** debugfs io_tlb_used: slots in use, padding slots included. */
  get used(): number {
    return this.counters[USED];
  }

  /** debugfs io_tlb_used_hiwater: most slots ever in use at once. Linux 6.1 does not have the file. */
  get hiwater(): number {
    return this.counters[HIWATER];
  }

  /** Syncs refused with "Access before mapping start detected". */
  get earlyAccesses(): number {
    return this.counters[EARLY_ACCESSES];
  }

  /** Copies refused or cut with "Buffer overflow detected". */
  get overflows(): number {
    return this.counters[OVERFLOWS];
  }

  areaUsed(area: number): number {
    return this.areaUsedSlots[area];
  }

  areaIndex(area: number): number {
    return this.areaNextIndex[area];
  }

  /** Free slots in a row from `slot` on, itself included, up to the end of its segment; 0 when it is in use. */
  listOf(slot: number): number {
    let word = slot >> this.wordShift;
    const bit = slot & this.bitMask;
    const taken = ~this.freeBits[word] >>> bit;
    if (taken !== 0) return lowestBit(taken);
    const lastWord = word | ((1 << this.segmentWordShift) - 1);
    let run = 32 - bit;
    while (++word <= lastWord) {
      const takenInWord = ~this.freeBits[word];
      if (takenInWord !== 0) return run + lowestBit(takenInWord);
      run += 32;
    }
    return run;
  }

  /** First slot, padding slots included, of the mapping that has `slot`; NO_SLOT when the slot is free. */
  firstSlotOf(slot: number): number {
    let word = slot >> this.wordShift;
    const bit = slot & this.bitMask;
    if (((this.freeBits[word] >>> bit) & 1) !== 0) return NO_SLOT;
    let bits = this.firstBits[word] << (31 - bit);
    let last = slot;
    while (bits === 0) {
      last = (word << this.wordShift) - 1;
      word -= 1;
      bits = this.firstBits[word];
    }
    return last - Math.clz32(bits);
  }

  /** Address of the original buffer that the slot's first byte after its offset stands for; INVALID_PHYS_ADDR without one. */
  origAddr(slot: number): PhysAddr {
    const first = this.firstSlotOf(slot);
    if (first === NO_SLOT) return INVALID_PHYS_ADDR;
    const part = slot - first - this.padSlotsOf(first);
    const original = this.original[first];
    return part < 0 || original === INVALID_PHYS_ADDR ? INVALID_PHYS_ADDR : original + part * this.slotBytes;
  }

  /**
   * Bytes from the slot's start plus the offset to the end of the mapping, 0 when the slot is free.
   *
   * The kernel's number is unsigned; one that it wraps below zero, in a last slot that ends before the offset, is negative here.
   */
  allocSize(slot: number): number {
    const first = this.firstSlotOf(slot);
    if (first === NO_SLOT) return 0;
    return this.searchedBytes[first] - (this.leadingBytes[first] & (this.slotBytes - 1)) - (slot - first) * this.slotBytes;
  }

  /** Padding slots in front of the mapping whose first real slot is `slot`; 0 for every other slot. */
  padSlots(slot: number): number {
    const first = this.firstSlotOf(slot);
    return first !== NO_SLOT && slot === first + this.padSlotsOf(first) ? slot - first : 0;
  }

  /** Address where the mapping with the given first slot begins. */
  tlbAddress(firstSlot: number): PhysAddr {
    return this.start + firstSlot * this.slotBytes + this.leadingBytes[firstSlot];
  }

  /** Slots of the mapping with the given first slot, padding slots included. */
  slotsOfMapping(firstSlot: number): number {
    return this.slotsFor(this.searchedBytes[firstSlot]);
  }

  /** Adds `slots`, which may be negative, to the counts of slots in use. */
  countUsed(area: number, slots: number): void {
    this.areaUsedSlots[area] += slots;
    const used = this.counters[USED] + slots;
    this.counters[USED] = used;
    if (used > this.counters[HIWATER]) this.counters[HIWATER] = used;
  }

  countEarlyAccess(): void {
    this.counters[EARLY_ACCESSES] += 1;
  }

  countOverflow(): void {
    this.counters[OVERFLOWS] += 1;
  }

  private padSlotsOf(firstSlot: number): number {
    return this.leadingBytes[firstSlot] >> this.slotShift;
  }
}

/** Size of the smallest naturally aligned power of two block with both bytes in it. */
function enclosingBlock(first: PhysAddr, last: PhysAddr): number {
  let bytes = 1;
  while (Math.floor(first / bytes) !== Math.floor(last / bytes)) bytes *= 2;
  return bytes;
}
