import { PAGE_SIZE } from 'dmalab-core';
import { type Attack, guardsSlots } from '../attack.ts';
import { DISK_REQUEST_BYTES, DiskDriver } from '../victims/disk-driver.ts';
import { NVME_MIN_ALIGN_MASK, NvmeDriver } from '../victims/nvme-driver.ts';
import { CONTROL_BYTES, UsbStorageDriver } from '../victims/usb-storage-driver.ts';

/** A buffer that fills its last page but for a few bytes: in the rules of 6.1 its pages hold a slot more than it took. */
const OFFSET = 0xa10;
/** Memory that an old disk controller does not reach: its data goes through slots that need not begin at a page. */
const HIGH_PHYS = 2 ** 33;

/** A11. */
export const nextSlot: Attack = {
  id: 'A11',
  name: 'next-slot',
  statement: 'The device reads the slots beside its own in the same page, which hold data of another device.',
  needs: 'slots smaller than a page of the IOMMU, and an allocation that does not round up to pages',
  hole: 'the pages that are mapped for the device hold slots that somebody else has',
  source: 'D. Stevens, Linux mailing lists, 2021-09-29, 20210929023300.335969-1-stevensd@google.com',
  cases: [
    {
      name: 'a 64-byte command',
      appliesTo: guardsSlots,
      play: (scene) => {
        const disk = new DiskDriver(scene);
        const page = scene.newPages();
        scene.placeSecret('disk', "a file's contents", page, DISK_REQUEST_BYTES);
        disk.write(page, DISK_REQUEST_BYTES);
        const command = new UsbStorageDriver(scene).sendCommand(scene.newPages() + CONTROL_BYTES);
        disk.write(page, DISK_REQUEST_BYTES);
        if (command !== null) scene.device.readPagesOf(command);
      },
    },
    {
      name: 'a page at an odd offset',
      shape: { minAlignMask: NVME_MIN_ALIGN_MASK, oldBystander: true },
      appliesTo: guardsSlots,
      play: (scene) => {
        const disk = new DiskDriver(scene);
        const nvme = new NvmeDriver(scene);
        scene.placeSecret('disk', "a file's contents", HIGH_PHYS, DISK_REQUEST_BYTES);
        const command = nvme.submitWrite(scene.newPages(2) + OFFSET, PAGE_SIZE);
        disk.write(HIGH_PHYS, DISK_REQUEST_BYTES);
        if (command === null) return;
        nvme.takeList(command);
        scene.device.readPagesOf(command.data);
      },
    },
  ],
};
