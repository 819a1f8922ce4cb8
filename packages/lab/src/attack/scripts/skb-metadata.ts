import type { Attack } from '../attack.ts';
import { CALLBACK_BYTES, NicDriver } from '../victims/nic-driver.ts';

const PACKET_BYTES = 1500;

/** A4. */
export const skbMetadata: Attack = {
  id: 'A4',
  name: 'skb-metadata',
  statement: 'The device changes the callback in the metadata that the kernel keeps at the end of a receive buffer.',
  needs: 'a driver that builds the packet in the buffer itself (build_skb)',
  hole: 'metadata of the kernel lies in a page that the device can still write',
  source: 'Characterizing DMA Code Injection Vulnerabilities, EuroSys 2021, type b; Thunderclap, NDSS 2019, stories 4 and 5',
  cases: [
    {
      name: 'half-page buffers',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const page = scene.newPages();
        const buffer = nic.postHalfPage(page);
        const other = nic.postOtherHalf(page);
        if (buffer === null || other === null) return;
        nic.receive(buffer, PACKET_BYTES);
        nic.release(buffer);
        const metadata = nic.buildSkb(buffer);
        scene.device.write(scene.device.addressOf(other, metadata), CALLBACK_BYTES, 'the callback, through the mapping of the other half');
        scene.device.overwritePagesOf(other);
        nic.release(other);
      },
    },
    {
      name: 'whole-page buffer',
      play: (scene) => {
        const nic = new NicDriver(scene);
        const buffer = nic.postWholePage(scene.newPages());
        if (buffer === null) return;
        nic.receive(buffer, PACKET_BYTES);
        const metadata = nic.buildSkb(buffer);
        scene.device.write(scene.device.addressOf(buffer, metadata), CALLBACK_BYTES, 'the callback, before the driver unmaps');
        nic.release(buffer);
      },
    },
  ],
};
