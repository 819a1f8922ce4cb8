import { describe, expect, test } from 'vitest';
import { Direction, DMA_MAPPING_ERROR, Observed, PAGE_SIZE } from '../base/index.ts';
import { DmaStep } from '../dma/index.ts';
import { bounceLink, bouncePartial } from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedOf, observedRows } from './observed-rows.oracle.ts';
import type { MachineParameters } from './parameters.ts';
import { pciDevice, pcMachine } from './pc.ts';

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = Direction;

function machineWith(policy: typeof bouncePartial, changes: Partial<MachineParameters> = {}): Machine {
  return new Machine(pcMachine([policy], { domains: [{ reserved: [] }], ...changes }));
}

function takeRows(machine: Machine): string[] {
  const rows = observedRows(machine.observations);
  machine.observations.clear();
  return rows;
}

test('head, middle and tail: one address range, two bounces, the middle is the driver’s own memory', () => {
  const machine = machineWith(bouncePartial);
  const address = machine.dmaMapPage(0, 0, 0x40000e08, 3 * PAGE_SIZE, BIDIRECTIONAL);
  expect(address).toBe(0xffffce08);
  expect(takeRows(machine)).toEqual([
    'BOUNCED 40000e08 1f8',
    'SLOT_ALLOCATED 0 2 7bfd7e08',
    'BOUNCED 40003000 e08',
    'SLOT_ALLOCATED 2 2 7bfd8000',
    'COPIED_IN 7bfd7e08 1f8 40000e08',
    'COPIED_IN 7bfd8000 e08 40003000',
    'ZEROED 7bfd7000 e08',
    'ZEROED 7bfd8e08 1f8',
    'IOVA_ALLOCATED ffffc 4',
    'MAPPED ffffc000 7bfd7000 1000 3',
    'MAPPED ffffd000 40001000 2000 3',
    'MAPPED fffff000 7bfd8000 1000 3',
  ]);
  machine.dmaUnmapPage(0, 0, address, 3 * PAGE_SIZE, BIDIRECTIONAL);
  expect(takeRows(machine)).toEqual([
    'UNMAPPED ffffc000 4000 4000',
    'CACHE_TAG_FLUSH_RANGE ffffc000 ffffffff ffffc000 4 2',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 ffffc042',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED ffffc 4 1',
    'COPIED_OUT 7bfd7e08 1f8 40000e08',
    'COPIED_OUT 7bfd8000 e08 40003000',
    'SLOT_RELEASED 0 2',
    'SLOT_RELEASED 2 2',
  ]);
});

test.each([
  ['data in one page: one bounce', 0x40000100, 60, [[0x40000100, 60]]],
  ['data in one page, up to its end', 0x40000100, 0xf00, [[0x40000100, 0xf00]]],
  ['data in one page, from its start', 0x40000000, 60, [[0x40000000, 60]]],
  [
    'empty middle',
    0x40000fff,
    2,
    [
      [0x40000fff, 1],
      [0x40001000, 1],
    ],
  ],
  ['aligned head', 0x40000000, PAGE_SIZE + 1, [[0x40001000, 1]]],
  ['aligned tail', 0x40000ffe, PAGE_SIZE + 2, [[0x40000ffe, 2]]],
  ['aligned at both ends', 0x40000000, 2 * PAGE_SIZE, []],
] as const)('%s', (_, phys, bytes, bounced) => {
  const machine = machineWith(bouncePartial);
  const address = machine.dmaMapPage(0, 0, phys, bytes, TO_DEVICE);
  expect(address % PAGE_SIZE).toBe(phys % PAGE_SIZE);
  expect(observedOf(machine.observations, Observed.BOUNCED, 2)).toEqual(bounced);
  expect(machine.pool!.used).toBe(2 * bounced.length);
  machine.dmaUnmapPage(0, 0, address, bytes, TO_DEVICE);
  expect([machine.pool!.used, machine.domains[0].iovaPages]).toEqual([0, 0]);
});

test('a list is mapped entry by entry, each with its own ends', () => {
  const machine = machineWith(bouncePartial);
  const segments = machine.dmaMapSg(0, 0, [0x40000800, 0x40010000, 0x40020004], [3 * PAGE_SIZE, PAGE_SIZE, 8], FROM_DEVICE);
  expect(segments.map(({ address }) => address % PAGE_SIZE)).toEqual([0x800, 0, 4]);
  expect(machine.pool!.used).toBe(6);
  machine.dmaUnmapSg(0, 0, segments, FROM_DEVICE);
  expect(machine.pool!.used).toBe(0);
});

describe('a mapping that cannot be made', () => {
  const tiny = { swiotlb: { start: 0x7bfd7000, slots: 2, areas: 1, forced: false } };

  test.each([bouncePartial, bounceLink])('$name: a tail without slots gives the head’s back, and leaves the buffer alone', (policy) => {
    const machine = machineWith(policy, tiny);
    machine.memory.write(0x7bfd7e08, Uint8Array.of(1, 2, 3));
    machine.memory.write(0x40000e08, Uint8Array.of(7, 8, 9));
    expect(machine.dmaMapPage(0, 0, 0x40000e08, PAGE_SIZE, BIDIRECTIONAL)).toBe(DMA_MAPPING_ERROR);
    expect(takeRows(machine)).toEqual([
      'BOUNCED 40000e08 1f8',
      'SLOT_ALLOCATED 0 2 7bfd7e08',
      'BOUNCED 40001000 e08',
      'SLOT_FAILED 1000 2',
      'SLOT_RELEASED 0 2',
    ]);
    const seen = new Uint8Array(3);
    machine.memory.read(0x40000e08, seen);
    expect([seen, machine.pool!.used]).toEqual([Uint8Array.of(7, 8, 9), 0]);
  });

  test('without an address both ends go back', () => {
    const devices = [{ ...pciDevice(0, bouncePartial, 0), dmaMask: 0xffffffff }];
    const machine = machineWith(bouncePartial, { devices, domains: [{ reserved: [{ loPfn: 1, hiPfn: 0xfffff }] }] });
    expect(machine.dmaMapPage(0, 0, 0x40000e08, PAGE_SIZE, TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(machine.pool!.used).toBe(0);
  });
});

test('syncs copy the bounced parts that they touch, and nothing of the middle', () => {
  const machine = machineWith(bouncePartial);
  const bytes = 3 * PAGE_SIZE;
  const address = machine.dmaMapPage(0, 0, 0x40000e08, bytes, BIDIRECTIONAL);
  const copied = (from: number, to: number): number[][] => {
    machine.observations.clear();
    machine.dmaSyncSingleForDevice(0, 0, address + from, to - from, BIDIRECTIONAL);
    machine.dmaSyncSingleForCpu(0, 0, address + from, to - from, BIDIRECTIONAL);
    const rows = observedOf(machine.observations, Observed.COPIED_IN, 3).map(([, length, original]) => [original - 0x40000e08, length]);
    expect(observedOf(machine.observations, Observed.COPIED_OUT, 3).map(([, length, original]) => [original - 0x40000e08, length])).toEqual(
      rows,
    );
    return rows;
  };
  const middle = 0x1f8;
  const tail = middle + 2 * PAGE_SIZE;
  expect(copied(0, 10)).toEqual([[0, 10]]);
  expect(copied(middle - 1, middle + 1)).toEqual([[middle - 1, 1]]);
  expect(copied(middle, tail)).toEqual([]);
  expect(copied(middle + 5, tail + 1)).toEqual([[tail, 1]]);
  expect(copied(tail + 1, tail + 3)).toEqual([[tail + 1, 2]]);
  expect(copied(0, bytes)).toEqual([
    [0, middle],
    [tail, bytes - tail],
  ]);
});

test('an end keeps all address bits that the device asks for', () => {
  const devices = [{ ...pciDevice(0, bouncePartial, 0), minAlignMask: 16383 }];
  const machine = machineWith(bouncePartial, { devices });
  machine.dmaMapPage(0, 0, 0x40003e08, 5 * PAGE_SIZE, TO_DEVICE);
  const addresses = observedOf(machine.observations, Observed.SLOT_ALLOCATED, 3).map(([, , tlb]) => tlb);
  expect(addresses.map((tlb) => tlb % 16384)).toEqual([0x3e08, 0]);
});

test('bounce-link: slots are somebody else’s while the device still reaches them', () => {
  const machine = new Machine(
    pcMachine([bounceLink, bounceLink], {
      domains: [{ reserved: [] }, { reserved: [] }],
      swiotlb: { start: 0x7bfd7000, slots: 2, areas: 1, forced: false },
    }),
  );
  const { dma } = machine;
  machine.memory.write(0x50000100, Uint8Array.of(77));
  const address = machine.dmaMapPage(0, 0, 0x40000100, 60, BIDIRECTIONAL);
  const unmap = dma.beginUnmapPage(0, 0, address, 60, BIDIRECTIONAL, 0);
  while (dma.nextStep(unmap) !== DmaStep.CLEAR_TABLE) dma.step(unmap);
  expect(machine.dmaMapPage(1, 1, 0x50000100, 60, TO_DEVICE)).toBeGreaterThan(0);
  const seen = new Uint8Array(1);
  expect(machine.deviceRead(0, address, seen)).toBe(1);
  expect(seen[0]).toBe(77);
  dma.run(unmap);
  expect(machine.deviceRead(0, address, seen)).toBe(0);
});
