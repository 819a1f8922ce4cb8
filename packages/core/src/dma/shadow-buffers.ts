import { assert, ceilLog2, type IovaPfn, type StateArena } from '../base/index.ts';
import type { Rights } from '../iommu/index.ts';

/** Size classes: 1, 2, 4, ... pages, up to a segment of 128 slots of 2048 bytes; a smaller segment leaves the upper ones empty. */
const CLASSES = 7;
/** Read, write, both: a buffer that the device may only read stays so. */
const RIGHTS = 3;

/** What a pool slot is to the shadow buffers. */
const ShadowState = { NONE: 0, IDLE: 1, BUSY: 2 } as const;

/** No buffer. */
export const NO_SHADOW = -1;

/**
 * Buffers in bounce slots that stay mapped to one device, with the same rights, until the device is removed: taken by a
 * mapping, given back by its unmap, never unmapped between. They are kept by device, size class and rights; the one given
 * back last is taken first. Each is named by its first slot.
 *
 * @source Markuze, Morrison, Tsafrir, True IOMMU Protection from DMA Attacks, ASPLOS 2016, section 5 (shadow buffer pool)
 */
export class ShadowBuffers {
  private iovaPfn!: Float64Array<ArrayBuffer>;
  private list!: Uint32Array<ArrayBuffer>;
  /** Next idle buffer of the list, plus 1; 0 ends it. */
  private next!: Uint32Array<ArrayBuffer>;
  private state!: Uint8Array<ArrayBuffer>;
  private head!: Uint32Array<ArrayBuffer>;

  /** @param slots  of the pool */
  constructor(arena: StateArena, slots: number, devices: number) {
    arena.table('shadow.buffers', slots, { iovaPfn: 'f64', list: 'u32', next: 'u32', state: 'u8' }, (columns) => {
      this.iovaPfn = columns.iovaPfn;
      this.list = columns.list;
      this.next = columns.next;
      this.state = columns.state;
    });
    arena.table('shadow.lists', devices * CLASSES * RIGHTS, { head: 'u32' }, (columns) => {
      this.head = columns.head;
    });
  }

  /** Takes an idle buffer of at least `pages` pages. @returns its first slot, or NO_SHADOW */
  take(device: number, pages: number, rights: Rights): number {
    const size = ceilLog2(pages);
    return size < CLASSES ? this.pop(listOf(device, size, rights), ShadowState.BUSY) : NO_SHADOW;
  }

  /** Makes slots that have just been mapped a buffer of the device, in use. */
  keep(firstSlot: number, device: number, pages: number, rights: Rights, iovaPfn: IovaPfn): void {
    assert(this.state[firstSlot] === ShadowState.NONE, 'slots become a shadow buffer once');
    this.state[firstSlot] = ShadowState.BUSY;
    this.list[firstSlot] = listOf(device, ceilLog2(pages), rights);
    this.iovaPfn[firstSlot] = iovaPfn;
  }

  /** Gives a buffer in use back. */
  giveBack(firstSlot: number): void {
    assert(this.isBusy(firstSlot), 'only a shadow buffer in use is given back');
    const list = this.list[firstSlot];
    this.state[firstSlot] = ShadowState.IDLE;
    this.next[firstSlot] = this.head[list];
    this.head[list] = firstSlot + 1;
  }

  /** Takes some idle buffer of the device out for good. @returns its first slot, or NO_SHADOW when there is none left */
  retire(device: number): number {
    const first = device * CLASSES * RIGHTS;
    for (let list = first; list < first + CLASSES * RIGHTS; list++) {
      const slot = this.pop(list, ShadowState.NONE);
      if (slot !== NO_SHADOW) return slot;
    }
    return NO_SHADOW;
  }

  isBusy(firstSlot: number): boolean {
    return this.state[firstSlot] === ShadowState.BUSY;
  }

  /** First page of the device addresses at which the buffer is mapped. */
  iovaOf(firstSlot: number): IovaPfn {
    return this.iovaPfn[firstSlot];
  }

  private pop(list: number, state: number): number {
    const slot = this.head[list] - 1;
    if (slot < 0) return NO_SHADOW;
    this.head[list] = this.next[slot];
    this.next[slot] = 0;
    this.state[slot] = state;
    return slot;
  }
}

/** Pages of the smallest class that holds so many. */
export function shadowPages(pages: number): number {
  return 2 ** ceilLog2(pages);
}

function listOf(device: number, size: number, rights: Rights): number {
  return (device * CLASSES + size) * RIGHTS + rights - 1;
}
