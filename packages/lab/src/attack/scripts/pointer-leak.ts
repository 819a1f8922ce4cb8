import { PAGE_SIZE } from 'dmalab-core';
import type { Attack } from '../attack.ts';
import { METADATA_BYTES, NicDriver } from '../victims/nic-driver.ts';

const PACKET_BYTES = 600;

/** A20. */
export const pointerLeak: Attack = {
  id: 'A20',
  name: 'pointer-leak',
  statement: 'The device reads kernel pointers in the metadata of a packet that it sends, and so finds the kernel in memory.',
  needs: 'metadata in the page of a packet that is sent: beside its data, or at the end of a forwarded buffer',
  hole: 'metadata of the kernel lies in a page that the device can read',
  source: 'EuroSys 2021, "Poisoned TX" and "Forward Thinking"',
  cases: [
    {
      name: 'beside a small packet',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        scene.placeSecret('kernel', 'page pointers of the packet', page + 1024, METADATA_BYTES);
        const packet = nic.transmit(page + 128, PACKET_BYTES);
        if (packet === null) return;
        nic.fetch(packet, PACKET_BYTES);
        scene.device.readPagesOf(packet);
        nic.release(packet);
      },
    },
    {
      name: 'in a forwarded whole page',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        scene.placeSecret('kernel', 'page pointers of the packet', page + PAGE_SIZE - METADATA_BYTES, METADATA_BYTES);
        const packet = nic.transmit(page, PAGE_SIZE, PACKET_BYTES);
        if (packet === null) return;
        scene.device.readPagesOf(packet);
        nic.release(packet);
      },
    },
  ],
};
