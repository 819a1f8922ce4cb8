import { Direction, PAGE_SIZE, type PhysAddr } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Attack } from '../attack.ts';
import type { Scene } from '../scene.ts';
import { NicDriver, RX_BUFFER_BYTES } from '../victims/nic-driver.ts';
import { NVME_MIN_ALIGN_MASK, ODD_BYTES, ODD_OFFSET } from '../victims/nvme-driver.ts';

const SECRET_BYTES = 512;
const WITHHELD_NS = 100e6;

/** A13. */
export const withheld: Attack = {
  id: 'A13',
  name: 'withheld',
  statement: 'The device withholds a completion, and reads what is stored in the mapped pages meanwhile.',
  needs: 'memory that is used for other things while it is mapped: a neighbour, a process that goes on writing',
  hole: 'the pages stay mapped for as long as the device likes',
  source: 'Thunderclap, NDSS 2019, story 7',
  cases: [
    {
      name: 'the other half of a page',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        const buffer = nic.postHalfPage(page);
        if (buffer === null) return;
        if (scene.hostile) withhold(scene);
        else {
          nic.receive(buffer, 1500);
          nic.release(buffer);
        }
        scene.placeSecret('keyring', 'a key stored later in the other half', page + RX_BUFFER_BYTES, SECRET_BYTES);
        scene.device.readPagesOf(buffer);
      },
    },
    {
      name: 'the middle of a user buffer',
      shape: { minAlignMask: NVME_MIN_ALIGN_MASK },
      play: (scene) => send(scene, scene.newPages(3) + ODD_OFFSET, ODD_BYTES, PAGE_SIZE - ODD_OFFSET),
    },
    {
      name: 'an aligned user buffer',
      shape: { minAlignMask: NVME_MIN_ALIGN_MASK },
      play: (scene) => send(scene, scene.newPages(2), 2 * PAGE_SIZE, PAGE_SIZE),
    },
  ],
};

/** A user's buffer is given to the device, and the process goes on writing into it at `offset`. */
function send(scene: Scene, phys: PhysAddr, bytes: number, offset: number): void {
  const request = { device: ATTACKER, phys, bytes, direction: Direction.TO_DEVICE };
  const data = scene.map({ ...request, who: 'driver', what: "a user's buffer, without a copy" });
  if (data === null) return;
  if (scene.hostile) withhold(scene);
  else {
    scene.device.fetch(data, bytes, 'the data');
    scene.unmap('driver', data);
  }
  scene.placeSecret('process', 'a key stored later in the buffer', phys + offset, SECRET_BYTES);
  scene.device.readPagesOf(data);
}

function withhold(scene: Scene): void {
  scene.say('device', 'does not report the buffer done; the driver waits');
  scene.passTime(WITHHELD_NS);
}
