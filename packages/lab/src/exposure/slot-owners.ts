import { PAGE_SIZE } from 'dmalab-core';

/** Where the bounce slots lie. */
export interface SlotPlaces {
  readonly start: number;
  readonly slots: number;
  readonly slotBytes: number;
}

const FREE = -1;

/** Who holds which bounce slots, and what is known of their contents. An allocation is named by its first slot. */
export class SlotOwners {
  readonly places: SlotPlaces;
  /** By slot: first slot of its allocation, -1 when free. */
  readonly first: Int32Array;
  /** By first slot. */
  readonly owner: Int32Array;
  readonly count: Uint32Array;
  /** Tells allocations of the same slots apart; counts from 1. */
  readonly serial: Float64Array;
  /** Pieces of live mappings on it. */
  readonly live: Uint32Array;
  /** Bytes that hold nothing but what their owner put there, or zeros. */
  readonly knownBegin: Float64Array;
  readonly knownEnd: Float64Array;
  /** What leads from an address in the slots to the buffer that was copied in; NaN before that. */
  readonly toOriginal: Float64Array;
  private serials = 0;

  constructor(places: SlotPlaces) {
    this.places = places;
    this.first = new Int32Array(places.slots).fill(FREE);
    this.owner = new Int32Array(places.slots);
    this.count = new Uint32Array(places.slots);
    this.serial = new Float64Array(places.slots);
    this.live = new Uint32Array(places.slots);
    this.knownBegin = new Float64Array(places.slots);
    this.knownEnd = new Float64Array(places.slots);
    this.toOriginal = new Float64Array(places.slots);
  }

  containsPage(pfn: number): boolean {
    const offset = pfn * PAGE_SIZE - this.places.start;
    return offset > -PAGE_SIZE && offset < this.places.slots * this.places.slotBytes;
  }

  /** Slot of an address, FREE (-1) outside the pool. */
  slotAt(address: number): number {
    const slot = Math.floor((address - this.places.start) / this.places.slotBytes);
    return slot >= 0 && slot < this.places.slots ? slot : FREE;
  }

  /** First slot of the allocation that an address lies in, -1 for none. */
  allocationAt(address: number): number {
    const slot = this.slotAt(address);
    return slot < 0 ? FREE : this.first[slot];
  }

  take(first: number, count: number, device: number, tlbAddress: number): void {
    this.first.fill(first, first, first + count);
    this.serials += 1;
    this.owner[first] = device;
    this.count[first] = count;
    this.serial[first] = this.serials;
    this.live[first] = 0;
    this.knownBegin[first] = tlbAddress;
    this.knownEnd[first] = tlbAddress;
    this.toOriginal[first] = Number.NaN;
  }

  release(first: number, count: number): void {
    this.first.fill(FREE, first, first + count);
  }

  /**
   * The owner's data or zeros now stand in these bytes. Bytes that do not touch what is known already are not taken up,
   * so that they go on to count as somebody else's.
   */
  fill(begin: number, bytes: number): void {
    const first = this.allocationAt(begin);
    if (first < 0) return;
    const end = begin + bytes;
    if (end < this.knownBegin[first] || begin > this.knownEnd[first]) return;
    if (begin < this.knownBegin[first]) this.knownBegin[first] = begin;
    if (end > this.knownEnd[first]) this.knownEnd[first] = end;
  }
}
