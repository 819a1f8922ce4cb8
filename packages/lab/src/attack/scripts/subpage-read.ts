import { PAGE_SIZE } from 'dmalab-core';
import type { Attack } from '../attack.ts';
import { NVME_MIN_ALIGN_MASK, NvmeDriver, ODD_BYTES, ODD_OFFSET } from '../victims/nvme-driver.ts';
import { CONTROL_BYTES, UsbStorageDriver } from '../victims/usb-storage-driver.ts';

const SECRET_BYTES = 512;

/** A2. */
export const subpageRead: Attack = {
  id: 'A2',
  name: 'subpage-read',
  statement: 'The device reads what else lies in the pages of the buffers that it is to read.',
  needs: 'a buffer that shares its page: kmalloc memory, the head and tail of a user buffer',
  hole: 'the IOMMU maps whole pages, so what shares a page with the buffer is mapped with it',
  source: 'Characterizing DMA Code Injection Vulnerabilities, EuroSys 2021, type d; Linux commit 907676b13071',
  cases: [
    {
      name: 'a 64-byte command',
      play: (scene) => {
        const usb = new UsbStorageDriver(scene);
        const page = scene.newPages();
        scene.placeSecret('keyring', 'a session key in the same page', page + 1024, SECRET_BYTES);
        const command = usb.sendCommand(page + 5 * CONTROL_BYTES);
        if (command === null) return;
        scene.device.fetch(command, CONTROL_BYTES, 'a command');
        scene.device.readPagesOf(command);
      },
    },
    {
      name: 'head and tail of a user buffer',
      shape: { minAlignMask: NVME_MIN_ALIGN_MASK },
      play: (scene) => {
        const nvme = new NvmeDriver(scene);
        const pages = scene.newPages(3);
        scene.placeSecret('process', 'a password before the buffer', pages, SECRET_BYTES);
        scene.placeSecret('process', 'a password behind the buffer', pages + 3 * PAGE_SIZE - SECRET_BYTES, SECRET_BYTES);
        const command = nvme.submitWrite(pages + ODD_OFFSET, ODD_BYTES);
        if (command === null) return;
        nvme.takeList(command);
        scene.device.readPagesOf(command.data);
      },
    },
  ],
};
