import { expect, test } from 'vitest';
import { Direction } from '../base/index.ts';
import { bounceStrict, lazy, strict } from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedRows } from './observed-rows.oracle.ts';
import { pcMachine } from './pc.ts';

// Six event sequences as a kernel writes them, with what the trace does not show between them: unit with
// domain id 2, draining reads and writes, page-selective invalidation, no caching mode; no reserved ranges, so that the
// first address is the page below 4 GiB. All values are hexadecimal.

const CPU = 0;
const DEVICE = 0;
const noReservedRanges = { domains: [{ reserved: [] }] };

function machineWith(...[policies, changes]: Parameters<typeof pcMachine>): Machine {
  return new Machine(pcMachine(policies, { ...noReservedRanges, ...changes }));
}

function takeRows(machine: Machine): string[] {
  const rows = observedRows(machine.observations);
  machine.observations.clear();
  return rows;
}

test.each([
  ['6.1', 'fffff000'],
  ['6.12', 'fffff040'],
] as const)('1. an untrusted device maps 60 bytes under %s rules: bounced, then invalidated before anything is freed', (kernel, qw1) => {
  const machine = machineWith([bounceStrict], { kernel });
  const address = machine.dmaMapPage(CPU, DEVICE, 0x103a4c2, 60, Direction.TO_DEVICE);
  expect(address).toBe(0xfffff000);
  expect(takeRows(machine)).toEqual([
    'BOUNCED 103a4c2 3c',
    'SLOT_ALLOCATED 0 2 7bfd7000',
    'COPIED_IN 7bfd7000 3c 103a4c2',
    'ZEROED 7bfd703c fc4',
    'IOVA_ALLOCATED fffff 1',
    'MAPPED fffff000 7bfd7000 1000 1',
  ]);
  machine.dmaUnmapPage(CPU, DEVICE, address, 60, Direction.TO_DEVICE);
  expect(takeRows(machine)).toEqual([
    'UNMAPPED fffff000 1000 1000',
    'CACHE_TAG_FLUSH_RANGE fffff000 ffffffff fffff000 1',
    `DESCRIPTOR_SUBMITTED 0 200f2 0 ${qw1}`,
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED fffff 1 1',
    'SLOT_RELEASED 0 2',
  ]);
});

test.each([
  ['6.1', ['ZEROED 7bfd7000 1000']],
  ['6.12', ['ZEROED 7bfd703c fc4']],
] as const)('1b. for a buffer that the device writes, %s rules clear something else, and unmap copies out last', (kernel, zeroed) => {
  const machine = machineWith([bounceStrict], { kernel });
  const address = machine.dmaMapPage(CPU, DEVICE, 0x103a4c2, 60, Direction.FROM_DEVICE);
  expect(takeRows(machine).filter((row) => row.startsWith('ZEROED'))).toEqual(zeroed);
  machine.dmaUnmapPage(CPU, DEVICE, address, 60, Direction.FROM_DEVICE);
  expect(takeRows(machine).slice(-3)).toEqual(['IOVA_FREED fffff 1 1', 'COPIED_OUT 7bfd7000 3c 103a4c2', 'SLOT_RELEASED 0 2']);
});

test('2. a trusted device in lazy mode: no bounce, nothing invalidated by the unmap, one flush of the domain later', () => {
  const machine = machineWith([lazy]);
  const address = machine.dmaMapPage(CPU, DEVICE, 0x103a4c2, 60, Direction.TO_DEVICE);
  expect(address).toBe(0xfffff4c2);
  expect(takeRows(machine)).toEqual(['IOVA_ALLOCATED fffff 1', 'MAPPED fffff000 103a000 1000 1']);
  machine.dmaUnmapPage(CPU, DEVICE, address, 60, Direction.TO_DEVICE);
  expect(takeRows(machine)).toEqual(['UNMAPPED fffff000 1000 1000', 'FLUSH_QUEUED fffff 1 1']);
  machine.advanceTo(100e6);
  expect(takeRows(machine)).toEqual([
    'FLUSH_STARTED',
    'CACHE_TAG_FLUSH_ALL',
    'DESCRIPTOR_SUBMITTED 0 200e2 0 0',
    'INVALIDATION_COMPLETED 2',
    'FLUSH_FINISHED',
    'IOVA_FREED fffff 1 1',
  ]);
});

test('3. two entries that adjoin after page alignment: one map, one segment', () => {
  const machine = machineWith([strict]);
  const segments = machine.dmaMapSg(CPU, DEVICE, [0x104a31200, 0x104a32000], [3584, 4096], Direction.TO_DEVICE);
  expect(segments).toEqual([{ address: 0xffffe200, bytes: 7680 }]);
  expect(takeRows(machine)).toEqual(['IOVA_ALLOCATED ffffe 2', 'MAPPED ffffe000 104a31000 2000 1']);
  machine.dmaUnmapSg(CPU, DEVICE, segments, Direction.TO_DEVICE);
  expect(takeRows(machine)).toEqual([
    'UNMAPPED ffffe000 2000 2000',
    'CACHE_TAG_FLUSH_RANGE ffffe000 ffffffff ffffe000 2 1',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 ffffe041',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED ffffe 2 1',
  ]);
});

test('4. a first entry that ends inside a page: two maps with adjoining addresses, two segments', () => {
  const machine = machineWith([strict]);
  const segments = machine.dmaMapSg(CPU, DEVICE, [0x104a31000, 0x204a32000], [1000, 4096], Direction.TO_DEVICE);
  expect(segments).toEqual([
    { address: 0xffffe000, bytes: 1000 },
    { address: 0xfffff000, bytes: 4096 },
  ]);
  expect(takeRows(machine)).toEqual(['IOVA_ALLOCATED ffffe 2', 'MAPPED ffffe000 104a31000 1000 1', 'MAPPED fffff000 204a32000 1000 1']);
});

test('5. an untrusted list of three: three maps, three addresses, three unmaps each with its flush', () => {
  const machine = machineWith([bounceStrict]);
  const segments = machine.dmaMapSg(CPU, DEVICE, [0x104a31200, 0x104a32000, 0x5300], [3584, 4096, 100], Direction.TO_DEVICE);
  expect(segments).toEqual([
    { address: 0xfffff000, bytes: 3584 },
    { address: 0xffffe000, bytes: 4096 },
    { address: 0xffffd000, bytes: 100 },
  ]);
  expect(takeRows(machine)).toEqual([
    'BOUNCED 104a31200 e00',
    'SLOT_ALLOCATED 0 2 7bfd7000',
    'COPIED_IN 7bfd7000 e00 104a31200',
    'ZEROED 7bfd7e00 200',
    'IOVA_ALLOCATED fffff 1',
    'MAPPED fffff000 7bfd7000 1000 1',
    'IOVA_ALLOCATED ffffe 1',
    'MAPPED ffffe000 104a32000 1000 1',
    'BOUNCED 5300 64',
    'SLOT_ALLOCATED 2 2 7bfd8000',
    'COPIED_IN 7bfd8000 64 5300',
    'ZEROED 7bfd8064 f9c',
    'IOVA_ALLOCATED ffffd 1',
    'MAPPED ffffd000 7bfd8000 1000 1',
  ]);
  machine.dmaUnmapSg(CPU, DEVICE, segments, Direction.TO_DEVICE);
  expect(takeRows(machine)).toEqual([
    'UNMAPPED fffff000 1000 1000',
    'CACHE_TAG_FLUSH_RANGE fffff000 ffffffff fffff000 1',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 fffff040',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED fffff 1 1',
    'SLOT_RELEASED 0 2',
    'UNMAPPED ffffe000 1000 1000',
    'CACHE_TAG_FLUSH_RANGE ffffe000 ffffefff ffffe000 1',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 ffffe040',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED ffffe 1 1',
    'UNMAPPED ffffd000 1000 1000',
    'CACHE_TAG_FLUSH_RANGE ffffd000 ffffdfff ffffd000 1',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 ffffd040',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED ffffd 1 1',
    'SLOT_RELEASED 2 2',
  ]);
});

test('6. coherent memory of 64 KiB in three runs: three maps with adjoining, naturally aligned addresses and one unmap', () => {
  const machine = machineWith([bounceStrict]);
  const { dma } = machine;
  const phys = Float64Array.of(0x40000000, 0x50000000, 0x50004000, 0x7000);
  const bytes = Float64Array.of(0x4000, 0x4000, 0x4000, 0x4000);
  const address = dma.run(dma.beginAlloc(CPU, DEVICE, 0x10000, phys, bytes, 0, 4));
  expect(address).toBe(0xffff0000);
  expect(takeRows(machine)).toEqual([
    'IOVA_ALLOCATED ffff0 10',
    'MAPPED ffff0000 40000000 4000 3',
    'MAPPED ffff4000 50000000 8000 3',
    'MAPPED ffffc000 7000 4000 3',
  ]);
  machine.dmaFreeCoherent(CPU, DEVICE, address, 0x10000);
  expect(takeRows(machine)).toEqual([
    'UNMAPPED ffff0000 10000 10000',
    'CACHE_TAG_FLUSH_RANGE ffff0000 ffffffff ffff0000 10 4',
    'DESCRIPTOR_SUBMITTED 0 200f2 0 ffff0044',
    'INVALIDATION_COMPLETED 2',
    'IOVA_FREED ffff0 10 1',
  ]);
});
