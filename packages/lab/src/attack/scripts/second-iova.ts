import type { Attack } from '../attack.ts';
import { NicDriver } from '../victims/nic-driver.ts';

const HEADER_BYTES = 64;

/** A6. */
export const secondIova: Attack = {
  id: 'A6',
  name: 'second-iova',
  statement: 'The device changes an unmapped buffer through a second live mapping of the same page.',
  needs: 'several buffers in one page, each mapped by itself (page_frag)',
  hole: 'the page stays mapped under the address of its other buffer',
  source: 'Characterizing DMA Code Injection Vulnerabilities, EuroSys 2021, type c',
  cases: [
    {
      name: 'two buffers in a page',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        const first = nic.postHalfPage(page);
        const second = nic.postOtherHalf(page);
        if (first === null || second === null) return;
        nic.receive(first, 1500);
        nic.release(first);
        const header = { owner: 'kernel', label: 'a checked packet header', phys: first.phys, bytes: HEADER_BYTES };
        scene.watch(header, 'checks the header and takes the packet');
        scene.device.write(scene.device.addressOf(second, first.phys), HEADER_BYTES, 'the header, through the mapping of the other half');
        scene.device.overwritePagesOf(second);
        nic.release(second);
      },
    },
  ],
};
