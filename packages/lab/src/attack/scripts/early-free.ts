import { PAGE_SIZE } from 'dmalab-core';
import { type Attack, guardsSlots } from '../attack.ts';
import type { Mapping } from '../mapping.ts';
import { DISK_REQUEST_BYTES, DiskDriver } from '../victims/disk-driver.ts';
import { NicDriver, RX_BUFFER_BYTES } from '../victims/nic-driver.ts';

const SMALL_POOL = { slots: 128 };
/** All of the pool but the two slots of the device. */
const REQUESTS_IN_FLIGHT = 63;

/** A10. */
export const earlyFree: Attack = {
  id: 'A10',
  name: 'early-free',
  statement: 'The device reads a slot between its release and the removal of its translation, while another CPU fills it.',
  needs: 'a nearly full pool, so that the slot is taken at once, and a second CPU',
  hole: 'the slot goes back to the pool before the translation to it is gone',
  source: 'reading of Linux 7.x dma_iova_unlink() (mainline 433a76207dcf); Linux mailing lists, April 2019',
  cases: [
    {
      name: 'inside the unmap',
      shape: SMALL_POOL,
      appliesTo: guardsSlots,
      play: (scene) => {
        const nic = new NicDriver(scene);
        const disk = new DiskDriver(scene);
        const packet = nic.transmit(scene.newPages(), RX_BUFFER_BYTES);
        if (packet === null) return;
        nic.fetch(packet, RX_BUFFER_BYTES);
        const pages = scene.newPages();
        scene.repeat(REQUESTS_IN_FLIGHT, 'the disk driver maps a request that stays in flight', () =>
          disk.write(pages, DISK_REQUEST_BYTES),
        );
        const page = scene.newPages();
        scene.placeSecret('disk', "a file's contents", page, PAGE_SIZE / 2);
        const requests: Mapping[] = [];
        const tryBoth = (): void => {
          const request = requests.length > 0 ? null : disk.write(page, DISK_REQUEST_BYTES, 1);
          if (request !== null) requests.push(request);
          scene.device.read(packet.address, RX_BUFFER_BYTES, 'its packet buffer');
        };
        scene.unmapInSteps('driver', packet, tryBoth);
        tryBoth();
      },
    },
  ],
};
