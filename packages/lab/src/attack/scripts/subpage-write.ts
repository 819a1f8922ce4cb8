import type { Attack } from '../attack.ts';
import { NicDriver, RX_BUFFER_BYTES } from '../victims/nic-driver.ts';

/** A3. */
export const subpageWrite: Attack = {
  id: 'A3',
  name: 'subpage-write',
  statement: 'The device writes over what else lies in the page of its receive buffer.',
  needs: 'receive buffers of half a page whose other half belongs to somebody else',
  hole: 'the IOMMU maps whole pages, so the other half of the page is writable with the buffer',
  source: 'Thunderclap, NDSS 2019, story 6',
  cases: [
    {
      name: 'half-page buffer',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        const range = { owner: 'kernel', label: 'a table of connections', phys: page + RX_BUFFER_BYTES, bytes: RX_BUFFER_BYTES };
        scene.watch(range, 'keeps a table of connections in the other half of the page');
        const buffer = nic.postHalfPage(page);
        if (buffer === null) return;
        scene.device.overwritePagesOf(buffer);
        nic.receive(buffer, 1500);
        nic.release(buffer);
      },
    },
  ],
};
