import { PAGE_SIZE } from 'dmalab-core';
import { type Attack, guardsSlots } from '../attack.ts';
import type { Mapping } from '../mapping.ts';
import { DISK_REQUEST_BYTES, DiskDriver } from '../victims/disk-driver.ts';
import { NicDriver, RX_BUFFER_BYTES } from '../victims/nic-driver.ts';

/** Slots are taken in turn, so the disk needs a round of the pool to get those of the device: 64 requests of two slots. */
const SMALL_POOL = { slots: 128 };
const REQUESTS = 64;
const DELIVERED = 0x44;
/** Of the old buffer: what the device reads or writes again. */
const READ_BYTES = 512;
const WRITTEN_BYTES = 256;

/** A9. */
export const slotReuse: Attack = {
  id: 'A9',
  name: 'slot-reuse',
  statement: 'The device uses an old address to reach a bounce slot that now holds data of another device.',
  needs: 'one pool for several devices, and slots freed before the invalidation',
  hole: 'the slots were given to another device while a cached translation still led to them',
  source: 'L. Baolu and R. Murphy, Linux mailing lists, 2019-04-30, Re: [PATCH v3 02/10] swiotlb: Factor out slot allocation',
  cases: [
    {
      name: 'read',
      shape: SMALL_POOL,
      appliesTo: guardsSlots,
      play: (scene) => {
        const nic = new NicDriver(scene);
        const disk = new DiskDriver(scene);
        const packet = nic.transmit(scene.newPages(), RX_BUFFER_BYTES);
        if (packet === null) return;
        nic.fetch(packet, RX_BUFFER_BYTES);
        nic.release(packet);
        const page = scene.newPages();
        scene.placeSecret('disk', "a file's contents", page, DISK_REQUEST_BYTES);
        scene.repeat(REQUESTS, 'the disk driver maps it for a request that stays in flight', () => disk.write(page, DISK_REQUEST_BYTES));
        scene.device.read(packet.address, READ_BYTES, 'its old packet buffer');
      },
    },
    {
      name: 'write',
      shape: SMALL_POOL,
      appliesTo: guardsSlots,
      play: (scene) => {
        const nic = new NicDriver(scene);
        const disk = new DiskDriver(scene);
        const buffer = nic.postHalfPage(scene.newPages());
        if (buffer === null) return;
        nic.receive(buffer, 1500);
        nic.release(buffer);
        const pages = scene.newPages(REQUESTS);
        const content = new Uint8Array(DISK_REQUEST_BYTES).fill(DELIVERED);
        for (let index = 0; index < REQUESTS; index++) scene.machine.memory.write(pages + index * PAGE_SIZE, content);
        const range = { owner: 'disk', label: "a file's contents", phys: pages, bytes: REQUESTS * PAGE_SIZE };
        scene.watch(range, 'takes what the disk delivers, the same contents as before');
        const requests: Mapping[] = [];
        scene.repeat(REQUESTS, 'the disk delivers into a request that stays in flight', (index) => {
          const request = disk.read(pages + index * PAGE_SIZE, content);
          if (request !== null) requests.push(request);
        });
        scene.device.write(buffer.address, WRITTEN_BYTES, 'its old receive buffer');
        scene.repeat(requests.length, 'the disk driver finishes a request', (index) => disk.finish(requests[index]));
      },
    },
  ],
};
