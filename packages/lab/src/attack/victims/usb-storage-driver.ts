import { Direction, type PhysAddr } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Mapping } from '../mapping.ts';
import type { Scene } from '../scene.ts';

/**
 * A command unit is a small kmalloc object that is mapped as it is; one of this size shares its page with 63 others.
 *
 * @source Linux v6.12 drivers/usb/storage/uas.c uas_alloc_cmd_urb(); 64 bytes is an *estimate* of its kmalloc cache
 */
export const CONTROL_BYTES = 64;

const WHO = 'driver';

/** The driver of a USB storage device behind a controller: small control buffers, and data buffers of a sector. */
export class UsbStorageDriver {
  private readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  /** Sends a command from a small buffer at `phys`. */
  sendCommand(phys: PhysAddr): Mapping | null {
    this.scene.store(phys, CONTROL_BYTES, 0x22);
    const request = { device: ATTACKER, phys, bytes: CONTROL_BYTES, direction: Direction.TO_DEVICE };
    return this.scene.map({ ...request, who: WHO, what: 'a command' });
  }

  /** Asks for `bytes` bytes into a buffer at `phys`. */
  askForData(phys: PhysAddr, bytes: number): Mapping | null {
    const request = { device: ATTACKER, phys, bytes, direction: Direction.FROM_DEVICE };
    return this.scene.map({ ...request, who: WHO, what: 'a data buffer' });
  }
}
