/** What a mapping was made by. */
export const MappingKind = { PAGE: 0, SG: 1, RESOURCE: 2, ALLOC: 3 } as const;
export type MappingKind = (typeof MappingKind)[keyof typeof MappingKind];

const NONE = -1;

/**
 * The mappings of a recording that are alive: made by a map or an allocation, not yet unmapped or freed.
 *
 * A row keeps its number until `release`; a consumer may keep columns of its own beside it. Page mappings, resources
 * and coherent memory are found by device and DMA address, scatter lists by device and the physical addresses that
 * both their map and their unmap line print.
 */
export class LiveMappings {
  /** Rows in use. */
  count = 0;
  countPeak = 0;
  capacity = 0;
  kind: Uint8Array = new Uint8Array(0);
  device: Int32Array = new Int32Array(0);
  direction: Uint8Array = new Uint8Array(0);
  dmaAddr: Float64Array = new Float64Array(0);
  bytes: Float64Array = new Float64Array(0);
  phys: Float64Array = new Float64Array(0);
  line: Float64Array = new Float64Array(0);
  /** Scatter lists: the segments as (DMA address, bytes) columns, and the hash of the physical addresses. */
  segments: (MappedSegments | null)[] = [];
  private hash: Int32Array = new Int32Array(0);
  private next: Int32Array = new Int32Array(0);
  private heads: Int32Array = new Int32Array(1024).fill(NONE);
  private freeHead = NONE;
  private linked = 0;

  /** Adds a mapping that is found by its address. */
  addByAddress(kind: MappingKind, device: number, direction: number, dmaAddr: number, bytes: number, phys: number, line: number): number {
    const row = this.take(kind, device, direction, dmaAddr, bytes, phys, line);
    this.link(row, addressHash(device, dmaAddr));
    return row;
  }

  /** Adds a scatter list. `physHash` is `physListHash` of its physical addresses. */
  addSg(device: number, direction: number, segments: MappedSegments, phys: number, physHash: number, line: number): number {
    const row = this.take(MappingKind.SG, device, direction, segments.dmaAddr[0], segments.bytesTotal, phys, line);
    this.segments[row] = segments;
    this.link(row, physHash);
    return row;
  }

  /** Newest mapping of the device at the address, -1 for none. */
  findByAddress(device: number, dmaAddr: number): number {
    for (let row = this.heads[addressHash(device, dmaAddr) & (this.heads.length - 1)]; row !== NONE; row = this.next[row]) {
      if (this.dmaAddr[row] === dmaAddr && this.device[row] === device && this.kind[row] !== MappingKind.SG) return row;
    }
    return NONE;
  }

  /** Newest scatter list with the hash after row `after` (-1: the newest of all), -1 for none. */
  findSg(device: number, physHash: number, after: number = NONE): number {
    let row = after === NONE ? this.heads[physHash & (this.heads.length - 1)] : this.next[after];
    for (; row !== NONE; row = this.next[row]) {
      if (this.hash[row] === physHash && this.device[row] === device && this.kind[row] === MappingKind.SG) return row;
    }
    return NONE;
  }

  /** Rows of all mappings that the search finds, oldest line first. */
  findable(): number[] {
    const rows: number[] = [];
    for (const head of this.heads) for (let row = head; row !== NONE; row = this.next[row]) rows.push(row);
    return rows.sort((a, b) => this.line[a] - this.line[b]);
  }

  /** Takes a mapping out of the search; its row and columns stay until `release`. */
  remove(row: number): void {
    const head = this.hash[row] & (this.heads.length - 1);
    if (this.heads[head] === row) {
      this.heads[head] = this.next[row];
    } else {
      let before = this.heads[head];
      while (this.next[before] !== row) before = this.next[before];
      this.next[before] = this.next[row];
    }
    this.linked -= 1;
  }

  /** Gives the row of a removed mapping back. */
  release(row: number): void {
    this.segments[row] = null;
    this.next[row] = this.freeHead;
    this.freeHead = row;
    this.count -= 1;
  }

  private take(kind: MappingKind, device: number, direction: number, dmaAddr: number, bytes: number, phys: number, line: number): number {
    if (this.freeHead === NONE) this.grow();
    const row = this.freeHead;
    this.freeHead = this.next[row];
    this.count += 1;
    if (this.count > this.countPeak) this.countPeak = this.count;
    this.kind[row] = kind;
    this.device[row] = device;
    this.direction[row] = direction;
    this.dmaAddr[row] = dmaAddr;
    this.bytes[row] = bytes;
    this.phys[row] = phys;
    this.line[row] = line;
    return row;
  }

  private link(row: number, hash: number): void {
    this.hash[row] = hash;
    const head = hash & (this.heads.length - 1);
    this.next[row] = this.heads[head];
    this.heads[head] = row;
    this.linked += 1;
    if (this.linked > this.heads.length * 2) this.rehash();
  }

  private rehash(): void {
    const old = this.heads;
    this.heads = new Int32Array(old.length * 4).fill(NONE);
    const rows: number[] = [];
    for (const head of old) for (let row = head; row !== NONE; row = this.next[row]) rows.push(row);
    // Oldest first, so that the newest of a chain ends up in front again.
    for (const row of rows.reverse()) {
      const head = this.hash[row] & (this.heads.length - 1);
      this.next[row] = this.heads[head];
      this.heads[head] = row;
    }
  }

  private grow(): void {
    const old = this.capacity;
    const capacity = Math.max(1024, old * 2);
    this.capacity = capacity;
    this.kind = copyOf(this.kind, new Uint8Array(capacity));
    this.device = copyOf(this.device, new Int32Array(capacity));
    this.direction = copyOf(this.direction, new Uint8Array(capacity));
    this.dmaAddr = copyOf(this.dmaAddr, new Float64Array(capacity));
    this.bytes = copyOf(this.bytes, new Float64Array(capacity));
    this.phys = copyOf(this.phys, new Float64Array(capacity));
    this.line = copyOf(this.line, new Float64Array(capacity));
    this.hash = copyOf(this.hash, new Int32Array(capacity));
    this.next = copyOf(this.next, new Int32Array(capacity));
    for (let row = capacity - 1; row >= old; row--) {
      this.next[row] = this.freeHead;
      this.freeHead = row;
      this.segments[row] = null;
    }
  }
}

/** The segments of a mapped scatter list, as dma_map_sg returned them. */
export interface MappedSegments {
  readonly dmaAddr: Float64Array;
  readonly bytes: Float64Array;
  readonly bytesTotal: number;
}

function copyOf<Column extends { set(source: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

function addressHash(device: number, dmaAddr: number): number {
  const high = Math.floor(dmaAddr / 2 ** 32);
  return mix(Math.imul(dmaAddr | 0, 0x9e3779b1) ^ Math.imul(high + device + 1, 0x85ebca6b));
}

/** Entries of a list that dma_map_sg prints at most; dma_unmap_sg prints all. @source Linux v6.12 include/trace/events/dma.h DMA_TRACE_MAX_ENTRIES */
const TRACED_ENTRIES_MAX = 128;

/** Hash of a device and the physical addresses of a scatter list, as far as both of its lines print them. */
export function physListHash(device: number, list: Float64Array, offset: number, count: number): number {
  let hash = device + 1;
  const last = offset + Math.min(count, TRACED_ENTRIES_MAX);
  for (let index = offset; index < last; index++) {
    const address = list[index];
    hash = Math.imul(hash ^ (address | 0), 0x01000193) ^ Math.floor(address / 2 ** 32);
  }
  return mix(hash);
}

function mix(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (mixed ^ (mixed >>> 15)) & 0x7fffffff;
}
