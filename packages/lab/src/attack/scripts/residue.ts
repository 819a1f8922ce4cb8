import { type Attack, usesSlots } from '../attack.ts';
import { bytesWord } from '../story.ts';
import { UsbStorageDriver } from '../victims/usb-storage-driver.ts';

const DATA_BYTES = 512;
/** What the device really writes of them. */
const WRITTEN_BYTES = 8;

/** A12. */
export const residue: Attack = {
  id: 'A12',
  name: 'residue',
  statement: 'The device writes less than it reports, so that old bytes of the slot come back as data.',
  needs: 'slots that are neither filled nor cleared before the device gets them',
  hole: 'the slot holds old bytes that nobody has overwritten',
  source: 'Linux mailing lists, March 2022: residue of DMA_FROM_DEVICE in swiotlb, and the regression of its first fix',
  cases: [
    {
      name: 'old slot contents',
      appliesTo: usesSlots,
      play: (scene) => {
        const usb = new UsbStorageDriver(scene);
        const phys = scene.newPages() + 64;
        const data = usb.askForData(phys, DATA_BYTES);
        if (data === null) return;
        const text = `a sector, and reports ${bytesWord(DATA_BYTES)}`;
        scene.device.deliver(data, scene.hostile ? WRITTEN_BYTES : DATA_BYTES, text);
        scene.device.readPagesOf(data);
        scene.unmap('driver', data);
        scene.handOver('process', `receives ${bytesWord(DATA_BYTES)} as data of the drive: `, phys, DATA_BYTES);
      },
    },
    {
      name: "the buffer's former contents",
      hole: "the driver's buffer is copied into the slot although the device is only to write, and the page is readable for it",
      appliesTo: usesSlots,
      play: (scene) => {
        const usb = new UsbStorageDriver(scene);
        const phys = scene.newPages() + 64;
        scene.placeSecret('process', 'what the memory of the buffer held before', phys, DATA_BYTES);
        const data = usb.askForData(phys, DATA_BYTES);
        if (data === null) return;
        scene.device.read(data.address, DATA_BYTES, 'the buffer that it is only to write');
        scene.device.deliver(data, DATA_BYTES, 'a sector');
        scene.unmap('driver', data);
      },
    },
  ],
};
