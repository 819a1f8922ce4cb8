import { Direction } from 'dmalab-core';
import type { BufferSpec, SmallMachine } from './small-machine.ts';

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = Direction;

/**
 * The machines that every policy is checked on. Each is there for one group of dangers and small enough for all its
 * interleavings; the quick ones have a buffer, a use or a CPU less.
 */

const neighbours: SmallMachine = {
  name: 'neighbours',
  summary: 'small buffers of two devices in one page, with bytes of the kernel between them',
  cpus: 2,
  devices: 2,
  slots: 4,
  ringEntries: 3,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 1024, direction: FROM_DEVICE, uses: 1, reclaimed: true },
    { name: 'a2', device: 0, page: 0, offset: 1024, bytes: 1024, direction: BIDIRECTIONAL, uses: 1 },
    { name: 'b1', device: 1, page: 0, offset: 2048, bytes: 1024, direction: TO_DEVICE, uses: 2 },
  ],
};

const dryPool: SmallMachine = {
  name: 'dry-pool',
  summary: 'a pool of two pages for three buffers, each used twice but one: slots go from device to device, or wait',
  cpus: 2,
  devices: 2,
  slots: 4,
  ringEntries: 3,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 1024, direction: FROM_DEVICE, uses: 2 },
    { name: 'b1', device: 1, page: 1, offset: 0, bytes: 1024, direction: TO_DEVICE, uses: 2 },
    { name: 'b2', device: 1, page: 2, offset: 1024, bytes: 2048, direction: FROM_DEVICE, uses: 1 },
  ],
};

const wholePages: SmallMachine = {
  name: 'whole-pages',
  summary: 'a page-aligned buffer and coherent memory, both given to somebody else afterwards, beside a small buffer',
  cpus: 2,
  devices: 2,
  slots: 4,
  ringEntries: 3,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 4096, direction: FROM_DEVICE, uses: 2, reclaimed: true },
    { name: 'a2', device: 0, page: 1, offset: 0, bytes: 4096, direction: BIDIRECTIONAL, coherent: true, uses: 1, reclaimed: true },
    { name: 'b1', device: 1, page: 2, offset: 0, bytes: 1024, direction: FROM_DEVICE, uses: 1, reclaimed: true },
  ],
};

const edges: SmallMachine = {
  name: 'edges',
  summary: 'a buffer with a partial page at each end and a whole one between, beside a small one',
  cpus: 2,
  devices: 2,
  slots: 8,
  ringEntries: 3,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 3072, bytes: 6144, direction: BIDIRECTIONAL, uses: 1, reclaimed: true },
    { name: 'b1', device: 1, page: 0, offset: 0, bytes: 1024, direction: FROM_DEVICE, uses: 2 },
    { name: 'b2', device: 1, page: 2, offset: 2048, bytes: 1024, direction: TO_DEVICE, uses: 1 },
  ],
};

const alignment: SmallMachine = {
  name: 'alignment',
  summary: 'devices that need the offset in the page kept (min_align_mask 4095, as NVMe), with a pool that both use',
  cpus: 2,
  devices: 2,
  slots: 4,
  ringEntries: 3,
  minAlignMask: 4095,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 1024, bytes: 4096, direction: TO_DEVICE, uses: 1 },
    { name: 'b1', device: 1, page: 2, offset: 0, bytes: 3072, direction: BIDIRECTIONAL, uses: 2 },
  ],
};

const data: SmallMachine = {
  name: 'data',
  summary: 'devices that write and drivers that sync, in whole and in part',
  cpus: 1,
  devices: 2,
  slots: 8,
  ringEntries: 2,
  movesData: true,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 3072, bytes: 6144, direction: BIDIRECTIONAL, uses: 1 },
    { name: 'b1', device: 1, page: 2, offset: 1024, bytes: 2048, direction: FROM_DEVICE, uses: 2 },
  ],
};

export const standardMachines: readonly SmallMachine[] = [neighbours, dryPool, wholePages, edges, alignment, data];

/** The same dangers with less of everything. */
export const quickMachines: readonly SmallMachine[] = [
  { ...dryPool, name: 'quick-dry-pool', slots: 2, cpus: 1, buffers: [once(dryPool, 'a1'), dryPool.buffers[1]] },
  { ...wholePages, name: 'quick-whole-pages', cpus: 1, buffers: [once(wholePages, 'a1'), once(wholePages, 'a2')] },
  { ...dryPool, name: 'quick-two-cpus', slots: 2, buffers: [once(dryPool, 'a1'), once(dryPool, 'b1')] },
  { ...edges, name: 'quick-edges', cpus: 1, buffers: [once(edges, 'a1'), once(edges, 'b1')] },
  { ...data, name: 'quick-data', buffers: [once(data, 'a1')] },
];

function once(machine: SmallMachine, name: string): BufferSpec {
  return { ...machine.buffers.find((buffer) => buffer.name === name)!, uses: 1 };
}
