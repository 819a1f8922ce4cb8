import { PAGE_SIZE } from 'dmalab-core';
import type { Attack } from '../attack.ts';
import type { Mapping } from '../mapping.ts';
import type { Scene } from '../scene.ts';
import { NicDriver } from '../victims/nic-driver.ts';

const HEADER_BYTES = 64;
const MILLISECOND = 1e6;
/** Longer than any flush timer of a kernel with HZ 100 or more. */
const RACE_MS = 24;

/** A7. */
export const staleWrite: Attack = {
  id: 'A7',
  name: 'stale-write',
  statement: 'The device changes a packet header after the driver has unmapped and checked it.',
  needs: 'a translation that the device used before the unmap, and a cache that keeps it',
  hole: 'until the invalidation the cached translation works, though the entry is cleared',
  source: 'D. Anderson, Linux mailing lists, 2021; True IOMMU Protection from DMA Attacks, ASPLOS 2016',
  cases: [
    {
      name: 'half-page buffer',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const buffer = nic.postHalfPage(scene.newPages());
        if (buffer !== null) race(scene, nic, buffer, 1500);
      },
    },
    {
      name: 'whole-page buffer',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const buffer = nic.postWholePage(scene.newPages());
        if (buffer !== null) race(scene, nic, buffer, PAGE_SIZE / 2);
      },
    },
  ],
};

/** The packet arrives, is unmapped and checked; then the device writes to the header until it is refused. */
function race(scene: Scene, nic: NicDriver, buffer: Mapping, packetBytes: number): void {
  nic.receive(buffer, packetBytes);
  nic.release(buffer);
  const header = { owner: 'kernel', label: 'a checked packet header', phys: buffer.phys, bytes: HEADER_BYTES };
  scene.watch(header, 'checks the header and takes the packet');
  const address = scene.device.addressOf(buffer, buffer.phys);
  scene.device.write(address, HEADER_BYTES, 'another header over the checked one');
  for (let ms = 1; ms <= RACE_MS; ms++) {
    scene.passTime(MILLISECOND);
    if (!scene.device.stillReaches(address)) break;
  }
}
