import type { Attack } from '../attack.ts';
import { DISK_REQUEST_BYTES, DiskDriver } from '../victims/disk-driver.ts';

/** A16. */
export const oneDomain: Attack = {
  id: 'A16',
  name: 'one-domain',
  statement: 'The device reads the buffers of another device that is in the same domain.',
  needs: 'one domain for several devices: no isolation between them on the bus (ACS off)',
  hole: 'the translations of a domain hold for all of its devices',
  source: 'Thunderclap, NDSS 2019, story 3, and what it found of ACS',
  cases: [
    {
      name: "a disk's data",
      shape: { sharedDomain: true },
      play: (scene) => {
        const page = scene.newPages();
        scene.placeSecret('disk', "a file's contents", page, DISK_REQUEST_BYTES);
        const request = new DiskDriver(scene).write(page, DISK_REQUEST_BYTES);
        if (request !== null) scene.device.read(request.address, DISK_REQUEST_BYTES, 'an address that the other device was given');
      },
    },
  ],
};
