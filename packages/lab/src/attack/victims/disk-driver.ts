import { Direction, PAGE_SIZE, type PhysAddr } from 'dmalab-core';
import { BYSTANDER } from '../actors.ts';
import type { Mapping } from '../mapping.ts';
import type { Scene } from '../scene.ts';

/** Data of a request that is not whole pages, so that policies with slots copy it; takes two slots. */
export const DISK_REQUEST_BYTES: number = PAGE_SIZE - 512;

const WHO = 'disk driver';

/** The driver of the bystander: a disk whose data is none of the attacker's business. */
export class DiskDriver {
  private readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  /** Writes `bytes` bytes at `phys` to the disk. @returns null when there is no room */
  write(phys: PhysAddr, bytes: number, cpu: number = 0): Mapping | null {
    const request = { device: BYSTANDER, phys, bytes, direction: Direction.TO_DEVICE, cpu };
    return this.scene.map({ ...request, who: WHO, what: 'data for the disk' });
  }

  /** Asks the disk for `content`; it has arrived when this returns, and the mapping is still there. */
  read(phys: PhysAddr, content: Uint8Array): Mapping | null {
    const request = { device: BYSTANDER, phys, bytes: content.length, direction: Direction.FROM_DEVICE };
    const mapping = this.scene.map({ ...request, who: WHO, what: 'a buffer for data from the disk' });
    if (mapping !== null) this.scene.machine.deviceWrite(BYSTANDER, mapping.address, content);
    return mapping;
  }

  finish(mapping: Mapping, cpu: number = 0): void {
    this.scene.unmap(WHO, mapping, cpu);
  }
}
