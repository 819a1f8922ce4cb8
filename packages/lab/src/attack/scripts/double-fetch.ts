import { Direction, PAGE_SIZE, type PhysAddr } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Attack } from '../attack.ts';
import type { Scene } from '../scene.ts';
import { NVME_MIN_ALIGN_MASK, ODD_BYTES, ODD_OFFSET } from '../victims/nvme-driver.ts';

const FIELD_BYTES = 8;

/** A15. */
export const doubleFetch: Attack = {
  id: 'A15',
  name: 'double-fetch',
  statement: 'The device changes a field between the check and the use, while the buffer is mapped.',
  needs: 'a driver that reads a field of a mapped buffer twice',
  hole: 'the driver reads the memory that the device can write',
  source: 'Thunderclap, NDSS 2019; DAMN, ASPLOS 2018, by a secondary source',
  cases: [
    { name: 'a small buffer', play: (scene) => checkAndUse(scene, scene.newPages() + 64, 512, 16) },
    { name: 'a whole page', play: (scene) => checkAndUse(scene, scene.newPages(), PAGE_SIZE, 16) },
    {
      name: 'the middle of a large buffer',
      shape: { minAlignMask: NVME_MIN_ALIGN_MASK },
      play: (scene) => checkAndUse(scene, scene.newPages(3) + ODD_OFFSET, ODD_BYTES, PAGE_SIZE),
    },
  ],
};

/** The device delivers; the driver syncs the buffer, checks the field at `offset`, and uses it later. */
function checkAndUse(scene: Scene, phys: PhysAddr, bytes: number, offset: number): void {
  const request = { device: ATTACKER, phys, bytes, direction: Direction.FROM_DEVICE };
  const buffer = scene.map({ ...request, who: 'driver', what: 'a buffer that stays mapped' });
  if (buffer === null) return;
  scene.device.deliver(buffer, bytes, 'data');
  scene.device.complete(buffer);
  scene.syncForCpu('driver', buffer, bytes);
  const field = { owner: 'driver', label: 'a checked length', phys: phys + offset, bytes: FIELD_BYTES };
  scene.watch(field, 'checks a length in the buffer');
  scene.device.write(scene.device.addressOf(buffer, field.phys), FIELD_BYTES, 'another length over the checked one');
  scene.say('driver', 'reads the length again and uses it');
}
