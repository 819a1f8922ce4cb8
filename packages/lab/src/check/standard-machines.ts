import { Direction } from 'dmalab-core';
import type { SmallMachine } from './small-machine.ts';

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = Direction;

/** Two devices whose small buffers share a page, one CPU after the other: the neighbourhood. */
const neighbours: SmallMachine = {
  name: 'neighbours',
  summary: 'small buffers of two devices in one page, another of the first in it too',
  cpus: 2,
  devices: 2,
  slots: 4,
  ringEntries: 3,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 1024, direction: FROM_DEVICE, uses: 2, reclaimed: true },
    { name: 'a2', device: 0, page: 0, offset: 1024, bytes: 1024, direction: BIDIRECTIONAL, uses: 1 },
    { name: 'b1', device: 1, page: 0, offset: 2048, bytes: 1024, direction: TO_DEVICE, uses: 2 },
  ],
};

export const standardMachines: readonly SmallMachine[] = [neighbours];
