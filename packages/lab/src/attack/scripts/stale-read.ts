import { PAGE_SIZE } from 'dmalab-core';
import type { Attack } from '../attack.ts';
import type { Scene } from '../scene.ts';
import { DISK_REQUEST_BYTES, DiskDriver } from '../victims/disk-driver.ts';
import { NicDriver } from '../victims/nic-driver.ts';

/** A pool that a busy disk goes through within 64 requests; slots are taken in turn, so reuse needs a round. */
const SMALL_POOL = { slots: 128 };
const DISK_REQUESTS = 80;

/** A8. */
export const staleRead: Attack = {
  id: 'A8',
  name: 'stale-read',
  statement: 'The device reads again at an old address, after the memory behind it has gone to another device.',
  needs: 'a translation used before the unmap, and memory that is soon given to somebody else',
  hole: 'until the invalidation the cached translation reaches the memory, whoever has it now',
  source: 'bu-icsg/IOMMU-DIV, artefact of DATE 2024',
  cases: [
    { name: 'whole pages', shape: SMALL_POOL, play: (scene) => readAgain(scene, PAGE_SIZE) },
    { name: 'unaligned buffers', shape: SMALL_POOL, play: (scene) => readAgain(scene, DISK_REQUEST_BYTES) },
  ],
};

/** A packet is sent and its page freed; the disk driver gets the page, and keeps the disk busy from it. */
function readAgain(scene: Scene, bytes: number): void {
  const nic = new NicDriver(scene);
  const disk = new DiskDriver(scene);
  const page = scene.newPages();
  scene.store(page, bytes, 0x33);
  const packet = nic.transmit(page, bytes);
  if (packet === null) return;
  nic.fetch(packet, bytes);
  nic.release(packet);
  scene.say('kernel', 'frees the page, and the disk driver gets it');
  scene.placeSecret('disk', "a file's contents", page, DISK_REQUEST_BYTES);
  scene.repeat(DISK_REQUESTS, 'the disk driver maps and unmaps it for a request', () => {
    const request = disk.write(page, bytes);
    if (request !== null) disk.finish(request);
  });
  scene.device.read(scene.device.addressOf(packet, page), bytes, 'its old packet buffer');
}
