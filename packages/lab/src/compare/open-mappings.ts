import { PAGE_SIZE } from 'dmalab-core';
import { grownColumn } from '../replay/grown-column.ts';

const NONE = -1;
/** Pages that a search for the beginning of a mapping goes back at most. */
const SEARCHED_PAGES_MAX = 4096;

/**
 * The recorded mappings that are open at the point that the replay has reached, and a search by any address inside them.
 *
 * Rows are those of LiveMappings, which runs ahead of the replay and finds mappings by their first address only.
 */
export class OpenMappings {
  /** Device of the machine, -1 for a row that is not open. */
  device: Int32Array<ArrayBuffer> = new Int32Array(0);
  kind: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  dmaAddr: Float64Array<ArrayBuffer> = new Float64Array(0);
  bytes: Float64Array<ArrayBuffer> = new Float64Array(0);
  /** Line of the file that the call which made it begins with, and its direction. */
  line: Float64Array<ArrayBuffer> = new Float64Array(0);
  direction: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  private next: Int32Array<ArrayBuffer> = new Int32Array(0);
  private readonly heads: Int32Array<ArrayBuffer> = new Int32Array(1 << 16).fill(NONE);
  /** Pages of the longest mapping so far. */
  private pagesMax = 1;

  get capacity(): number {
    return this.device.length;
  }

  isOpen(row: number): boolean {
    return row < this.device.length && this.device[row] >= 0;
  }

  reserve(rows: number): void {
    if (rows <= this.device.length) return;
    this.device = grownColumn(this.device, new Int32Array(rows).fill(NONE));
    this.kind = grownColumn(this.kind, new Uint8Array(rows));
    this.dmaAddr = grownColumn(this.dmaAddr, new Float64Array(rows));
    this.bytes = grownColumn(this.bytes, new Float64Array(rows));
    this.line = grownColumn(this.line, new Float64Array(rows));
    this.direction = grownColumn(this.direction, new Uint8Array(rows));
    this.next = grownColumn(this.next, new Int32Array(rows));
  }

  open(row: number, kind: number, device: number, dmaAddr: number, bytes: number, line: number, direction: number): void {
    this.line[row] = line;
    this.direction[row] = direction;
    this.device[row] = device;
    this.kind[row] = kind;
    this.dmaAddr[row] = dmaAddr;
    this.bytes[row] = bytes;
    const head = this.headOf(device, Math.floor(dmaAddr / PAGE_SIZE));
    this.next[row] = this.heads[head];
    this.heads[head] = row;
    const pages = Math.ceil(bytes / PAGE_SIZE) + 1;
    if (pages > this.pagesMax) this.pagesMax = Math.min(pages, SEARCHED_PAGES_MAX);
  }

  close(row: number): void {
    const head = this.headOf(this.device[row], Math.floor(this.dmaAddr[row] / PAGE_SIZE));
    this.device[row] = NONE;
    if (this.heads[head] === row) {
      this.heads[head] = this.next[row];
      return;
    }
    let before = this.heads[head];
    while (this.next[before] !== row) before = this.next[before];
    this.next[before] = this.next[row];
  }

  /** Newest mapping of the device that holds the address, -1 for none. */
  find(device: number, address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    for (let back = 0; back < this.pagesMax; back++) {
      for (let row = this.heads[this.headOf(device, page - back)]; row !== NONE; row = this.next[row]) {
        const begin = this.dmaAddr[row];
        if (this.device[row] === device && address >= begin && address < begin + this.bytes[row]) return row;
      }
    }
    return NONE;
  }

  private headOf(device: number, page: number): number {
    const hash = Math.imul((page | 0) ^ (device * 0x61c88647), 0x9e3779b1);
    return (hash ^ (hash >>> 15)) & 0xffff;
  }
}
