import { PAGE_SIZE } from 'dmalab-core';
import type { Attack } from '../attack.ts';
import { METADATA_BYTES, NicDriver } from '../victims/nic-driver.ts';

const PACKET_BYTES = 600;

/** A20. */
export const pointerLeak: Attack = {
  id: 'A20',
  name: 'pointer-leak',
  statement: 'The device reads kernel pointers in the metadata of packets, and so finds the kernel in memory.',
  needs: 'metadata in a page of the device: beside a packet that is sent, or at the end of a receive buffer that stays mapped',
  hole: 'metadata of the kernel lies in a page that the device can read',
  source: 'Characterizing DMA Code Injection Vulnerabilities, EuroSys 2021, Poisoned TX and Forward Thinking',
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
      name: 'in a received whole page',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        const buffer = nic.postWholePage(page);
        if (buffer === null) return;
        nic.receive(buffer, PACKET_BYTES);
        scene.placeSecret('kernel', 'page pointers of merged packets', page + PAGE_SIZE - METADATA_BYTES, METADATA_BYTES);
        scene.device.readPagesOf(buffer);
        nic.release(buffer);
      },
    },
  ],
};
