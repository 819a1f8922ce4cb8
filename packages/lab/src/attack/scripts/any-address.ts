import type { Attack } from '../attack.ts';

const KEY_BYTES = 256;

/** A1. */
export const anyAddress: Attack = {
  id: 'A1',
  name: 'any-address',
  statement: 'The device reads and writes physical memory that nobody has given to it.',
  needs: 'a device that masters the bus',
  hole: 'nothing stands between the device and memory',
  source: 'Thunderclap, NDSS 2019, stories 1 and 2',
  cases: [
    {
      name: 'read',
      play: (scene) => {
        const phys = scene.newPages();
        scene.placeSecret('keyring', 'a disk key', phys, KEY_BYTES);
        scene.device.read(phys, KEY_BYTES, 'an address that it guesses');
      },
    },
    {
      name: 'write',
      play: (scene) => {
        const phys = scene.newPages();
        scene.watch({ owner: 'kernel', label: 'a table of functions', phys, bytes: KEY_BYTES }, 'keeps a table of functions');
        scene.device.write(phys, KEY_BYTES, 'an address that it guesses');
      },
    },
  ],
};
