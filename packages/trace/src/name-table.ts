import { assert } from 'dmalab-core';
import { asciiBytes, escapeBytes } from './byte-text.ts';

const OTHER_NAMES = '(other names)';
const BUCKETS_START = 256;
/** A power of two. */
const RECENT_SLOTS = 512;

/**
 * Interned byte strings: task, device and unit names of a trace, each stored once and known by its index.
 *
 * Names come from outside and may hold any byte. `nameOf` gives printable ASCII in which every other byte, and the
 * backslash, is written `\xNN`, so two different names never print alike and none can steer a terminal.
 */
export class NameTable {
  /** Distinct names, at most `limit` + 1. */
  count = 0;

  private readonly limit: number;
  private bytes: Uint8Array = new Uint8Array(1024);
  private bytesUsed = 0;
  private ends: Uint32Array = new Uint32Array(BUCKETS_START);
  private hashes: Int32Array = new Int32Array(BUCKETS_START);
  /** Open addressing, power of two; index + 1, 0 when free. */
  private buckets: Uint32Array = new Uint32Array(BUCKETS_START);

  /** index + 1 of the name that was added or interned last with a given sample hash: most lookups end here. */
  private readonly recent: Uint32Array = new Uint32Array(RECENT_SLOTS);

  /** @param limit  names kept; every further one shares the index of `(other names)`, so memory stays bounded */
  constructor(limit: number = 65_536) {
    this.limit = limit;
  }

  /** Index of the name made of `bytes[start..end)`, added when it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const slot = sampleHash(bytes, start, end);
    const recent = this.recent[slot]! - 1;
    if (recent >= 0 && this.equals(recent, bytes, start, end)) return recent;
    const index = this.internAnew(bytes, start, end);
    this.recent[slot] = index + 1;
    return index;
  }

  /** Index of a name, or -1 when it is not in the table. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const recent = this.recent[sampleHash(bytes, start, end)]! - 1;
    if (recent >= 0 && this.equals(recent, bytes, start, end)) return recent;
    return this.lookup(bytes, start, end, hashBytes(bytes, start, end));
  }

  /** Index of a text of printable ASCII, added when it is new. */
  internText(text: string): number {
    const bytes = asciiBytes(text);
    return this.intern(bytes, 0, bytes.length);
  }

  /** The name as printable ASCII. */
  nameOf(index: number): string {
    assert(index >= 0 && index < this.count, `no name ${index}`);
    return escapeBytes(this.bytes, this.startOf(index), this.ends[index]!);
  }

  /** The bytes of the name, as they stood in the trace. */
  bytesOf(index: number): Uint8Array {
    assert(index >= 0 && index < this.count, `no name ${index}`);
    return this.bytes.subarray(this.startOf(index), this.ends[index]!);
  }

  private internAnew(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end);
    const found = this.lookup(bytes, start, end, hash);
    if (found >= 0) return found;
    if (this.count >= this.limit) return this.addOther();
    return this.add(bytes, start, end, hash);
  }

  private startOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!;
  }

  private lookup(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.buckets.length - 1;
    for (let bucket = hash & mask; ; bucket = (bucket + 1) & mask) {
      const index = this.buckets[bucket]! - 1;
      if (index < 0) return -1;
      if (this.hashes[index] === hash && this.equals(index, bytes, start, end)) return index;
    }
  }

  /** Bytes of the name. */
  lengthOf(index: number): number {
    return this.ends[index]! - this.startOf(index);
  }

  /** True when the name is `bytes[start..end)`. */
  equals(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const names = this.bytes;
    let own = this.startOf(index);
    if (this.ends[index]! - own !== end - start) return false;
    for (let position = start; position < end; position++) {
      if (names[own++] !== bytes[position]) return false;
    }
    return true;
  }

  private add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const index = this.count++;
    if (index === this.ends.length) this.growIndex();
    this.growBytes(end - start);
    this.bytes.set(bytes.subarray(start, end), this.bytesUsed);
    this.bytesUsed += end - start;
    this.ends[index] = this.bytesUsed;
    this.hashes[index] = hash;
    this.place(index);
    return index;
  }

  private addOther(): number {
    const bytes = asciiBytes(OTHER_NAMES);
    const hash = hashBytes(bytes, 0, bytes.length);
    const found = this.lookup(bytes, 0, bytes.length, hash);
    return found >= 0 ? found : this.add(bytes, 0, bytes.length, hash);
  }

  private place(index: number): void {
    if ((index + 1) * 2 > this.buckets.length) {
      this.buckets = new Uint32Array(this.buckets.length * 2);
      for (let earlier = 0; earlier < index; earlier++) this.putInBucket(earlier);
    }
    this.putInBucket(index);
  }

  private putInBucket(index: number): void {
    const mask = this.buckets.length - 1;
    let bucket = this.hashes[index]! & mask;
    while (this.buckets[bucket] !== 0) bucket = (bucket + 1) & mask;
    this.buckets[bucket] = index + 1;
  }

  private growIndex(): void {
    const ends = new Uint32Array(this.ends.length * 2);
    ends.set(this.ends);
    this.ends = ends;
    const hashes = new Int32Array(ends.length);
    hashes.set(this.hashes);
    this.hashes = hashes;
  }

  private growBytes(more: number): void {
    let length = this.bytes.length;
    while (length < this.bytesUsed + more) length *= 2;
    if (length === this.bytes.length) return;
    const bytes = new Uint8Array(length);
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}

/** A cheap hash of the length and five bytes. */
function sampleHash(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return 0;
  const middle = start + (length >> 1);
  const mixed =
    length * 131 + bytes[start]! * 29 + bytes[middle]! * 7 + bytes[start + (length >> 2)]! * 61 + bytes[middle + (length >> 2)]! * 17;
  return (mixed + bytes[end - 1]! * 251) & (RECENT_SLOTS - 1);
}

/** 32-bit FNV-1a. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
