import { Direction, type DmaAddr, PAGE_SIZE, type PhysAddr, roundDown } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Mapping } from '../mapping.ts';
import type { Scene } from '../scene.ts';
import { hex } from '../story.ts';

/** @source Linux v6.12 drivers/nvme/host/pci.c dma_set_min_align_mask(), NVME_CTRL_PAGE_SIZE - 1 */
export const NVME_MIN_ALIGN_MASK = 4095;

/** A user's buffer that begins in the middle of a page: three pages touched, the middle one whole. */
export const ODD_OFFSET = 0x210;
export const ODD_BYTES = 10_000;

const WHO = 'driver';
/** Bytes of an entry of a physical region page list. @source NVM Express base specification, "PRP List" */
const PRP_BYTES = 8;

/** A command in flight. */
export interface NvmeCommand {
  readonly data: Mapping;
  /** Device address of its list of pages, in coherent memory. */
  readonly list: DmaAddr;
  readonly pages: number;
}

/** The driver of a drive outside the case: users' buffers as they come, lists of pages in coherent memory. */
export class NvmeDriver {
  private readonly scene: Scene;
  private readonly listPhys: PhysAddr;
  private readonly list: DmaAddr;

  constructor(scene: Scene) {
    this.scene = scene;
    this.listPhys = scene.newPages();
    this.list = scene.machine.dmaAllocCoherent(0, ATTACKER, this.listPhys, PAGE_SIZE);
    scene.say(WHO, 'allocates coherent memory for the lists of pages that commands point to');
  }

  /** The user writes to the drive from `bytes` bytes at `phys`; null when the buffer cannot be mapped. */
  submitWrite(phys: PhysAddr, bytes: number): NvmeCommand | null {
    const request = { device: ATTACKER, phys, bytes, direction: Direction.TO_DEVICE };
    const data = this.scene.map({ ...request, who: WHO, what: "a user's buffer" });
    if (data === null) return null;
    const pages = [data.address];
    for (let page = roundDown(data.address, PAGE_SIZE) + PAGE_SIZE; page < data.address + bytes; page += PAGE_SIZE) pages.push(page);
    const entries = new DataView(new ArrayBuffer(pages.length * PRP_BYTES));
    for (const [index, page] of pages.entries()) entries.setBigUint64(index * PRP_BYTES, BigInt(page), true);
    this.scene.machine.memory.write(this.listPhys, new Uint8Array(entries.buffer));
    return { data, list: this.list, pages: pages.length };
  }

  /** The drive takes the pages of a command from its list, as the specification says. */
  takeList(command: NvmeCommand): void {
    const entries = new Uint8Array(command.pages * PRP_BYTES);
    this.scene.machine.deviceRead(ATTACKER, command.list, entries);
    const view = new DataView(entries.buffer);
    const pages = Array.from({ length: command.pages }, (_, index) => hex(Number(view.getBigUint64(index * PRP_BYTES, true))));
    this.scene.say('device', `takes the pages of its command from coherent memory: ${pages.join(', ')}`);
  }

  /** The drive reports the command done and the driver ends its mapping. */
  finish(command: NvmeCommand): void {
    this.scene.unmap(WHO, command.data);
  }
}
