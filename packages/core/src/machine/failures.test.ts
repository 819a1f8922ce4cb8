import { describe, expect, test } from 'vitest';
import { Direction, DMA_MAPPING_ERROR, LabError, Observed, PAGE_SIZE } from '../base/index.ts';
import { DMA_ATTR_SKIP_CPU_SYNC } from '../dma/index.ts';
import { bounceStrict, passthrough, strict } from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedKinds, observedOf, observedRows } from './observed-rows.oracle.ts';
import type { DeviceParameters, MachineParameters } from './parameters.ts';
import { pciDevice, pcMachine } from './pc.ts';

const POOL = { start: 0x7bfd7000, slots: 512, areas: 2, forced: false };
const LOW = 0xffffffff;

/** Leaves `pages` pages below 4 GiB. */
const roomFor = (pages: number): Pick<MachineParameters, 'domains'> => ({
  domains: [{ reserved: [{ loPfn: 1, hiPfn: 0xfffff - pages }] }],
});

function deviceOf(policy: DeviceParameters['policy'], changes: Partial<DeviceParameters>): Pick<MachineParameters, 'devices'> {
  return { devices: [{ ...pciDevice(0, policy, 0), ...changes }] };
}

function takeRows(machine: Machine): string[] {
  const rows = observedRows(machine.observations);
  machine.observations.clear();
  return rows;
}

describe('no I/O address is left for a bounced buffer', () => {
  const full = { ...roomFor(0), ...deviceOf(bounceStrict, { dmaMask: LOW }) };
  test.each([
    ['from the device', Direction.FROM_DEVICE, 0, ['COPIED_OUT 7bfd7000 3c 5010']],
    ['both ways', Direction.BIDIRECTIONAL, 0, ['COPIED_OUT 7bfd7000 3c 5010']],
    ['to the device', Direction.TO_DEVICE, 0, []],
    ['from the device, without CPU sync', Direction.FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC, []],
  ])('%s: the slots go back the way an unmap gives them back', (_, direction, attrs, copies) => {
    const machine = new Machine(pcMachine([bounceStrict], full));
    expect(machine.dmaMapPage(0, 0, 0x5010, 60, direction, attrs)).toBe(DMA_MAPPING_ERROR);
    expect(takeRows(machine)).toEqual([
      'BOUNCED 5010 3c',
      'SLOT_ALLOCATED 0 2 7bfd7000',
      'COPIED_IN 7bfd7000 3c 5010',
      'ZEROED 7bfd703c fc4',
      'IOVA_FAILED 1 fffff',
      ...copies,
      'SLOT_RELEASED 0 2',
    ]);
    expect([machine.pool!.used, machine.domains[0].iovaPages, machine.dma.calls.inFlight]).toEqual([0, 0, 0]);
  });

  test('6.1 has cleared the slots by then, so a failed mapping from the device clears the buffer; 6.12 gives it back', () => {
    const contents = (kernel: '6.1' | '6.12'): Uint8Array => {
      const machine = new Machine(pcMachine([bounceStrict], { ...full, kernel }));
      machine.memory.write(0x5010, Uint8Array.of(1, 2, 3, 4));
      expect(machine.dmaMapPage(0, 0, 0x5010, 3, Direction.FROM_DEVICE)).toBe(DMA_MAPPING_ERROR);
      const seen = new Uint8Array(4);
      machine.memory.read(0x5010, seen);
      return seen;
    };
    expect(contents('6.1')).toEqual(Uint8Array.of(0, 0, 0, 4));
    expect(contents('6.12')).toEqual(Uint8Array.of(1, 2, 3, 4));
  });
});

describe('no slots', () => {
  test('a pool that is full, and a buffer that no pool holds, fail before an address is taken', () => {
    const machine = new Machine(pcMachine([bounceStrict], { swiotlb: { ...POOL, slots: 256, areas: 1 } }));
    expect(machine.dmaMapPage(0, 0, 0x5001, 256 * 1024 + 1, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(observedOf(machine.observations, Observed.SLOT_FAILED, 2)).toEqual([[260 * 1024, 130]]);
    while (machine.dmaMapPage(0, 0, 0x5001, 100, Direction.TO_DEVICE) !== DMA_MAPPING_ERROR);
    expect(machine.pool!.used).toBe(256);
    takeRows(machine);
    expect(machine.dmaMapPage(0, 0, 0x5001, 100, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(observedKinds(machine.observations)).toEqual(['CALL_BEGUN', 'BOUNCED', 'SLOT_FAILED', 'CALL_ENDED']);
    expect(machine.dmaMapPage(0, 0, 0x5000, 4096, Direction.TO_DEVICE)).toBeGreaterThan(0);
  });

  test('without a pool the mapping fails before the kernel speaks of bouncing', () => {
    const machine = new Machine(pcMachine([bounceStrict], { swiotlb: null }));
    expect(machine.dmaMapPage(0, 0, 0x5010, 60, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(observedKinds(machine.observations)).toEqual(['CALL_BEGUN', 'CALL_ENDED']);
    expect(machine.dmaMapPage(0, 0, 0x5000, 8192, Direction.TO_DEVICE)).toBeGreaterThan(0);
  });
});

describe('direct mode', () => {
  const direct = (changes: Partial<DeviceParameters>, parameters: Partial<MachineParameters> = {}): Machine =>
    new Machine(pcMachine([passthrough], { ...deviceOf(passthrough, { domain: -1, ...changes }), ...parameters }));

  test('what the device reaches is mapped as it is, nothing is done', () => {
    const machine = direct({ dmaMask: 0xffffffff });
    expect(machine.dmaMapPage(0, 0, 0xffffff00, 0x100, Direction.TO_DEVICE)).toBe(0xffffff00);
    machine.dmaUnmapPage(0, 0, 0xffffff00, 0x100, Direction.TO_DEVICE);
    expect(takeRows(machine)).toEqual([]);
  });

  test('what it does not reach to the last byte is bounced; unmap copies out, then frees', () => {
    const machine = direct({ dmaMask: 0xffffffff });
    const address = machine.dmaMapPage(0, 0, 0xffffff00, 0x101, Direction.FROM_DEVICE);
    expect(address).toBe(0x7bfd7000);
    machine.dmaUnmapPage(0, 0, address, 0x101, Direction.FROM_DEVICE);
    expect(takeRows(machine)).toEqual([
      'BOUNCED ffffff00 101',
      'SLOT_ALLOCATED 0 1 7bfd7000',
      'COPIED_IN 7bfd7000 101 ffffff00',
      'COPIED_OUT 7bfd7000 101 ffffff00',
      'SLOT_RELEASED 0 1',
    ]);
  });

  test('the bus limit counts as much as the mask', () => {
    const machine = direct({ dmaMask: Number.POSITIVE_INFINITY, busDmaLimit: 0xffffffff });
    expect(machine.dmaMapPage(0, 0, 0x100000000, 1, Direction.TO_DEVICE)).toBe(0x7bfd7000);
  });

  test('swiotlb=force bounces what it could reach, dma-iommu does not care', () => {
    const machine = new Machine(pcMachine([passthrough, strict], { swiotlb: { ...POOL, forced: true } }));
    expect(machine.dmaMapPage(0, 0, 0x5010, 60, Direction.TO_DEVICE)).toBe(0x7bfd7000);
    expect(takeRows(machine)).toContain('BOUNCED 5010 3c 1');
    machine.dmaMapPage(0, 1, 0x5010, 60, Direction.TO_DEVICE);
    expect(observedKinds(machine.observations)).not.toContain('BOUNCED');
  });

  test('slots out of reach are given back once the data is in them', () => {
    const machine = direct({ dmaMask: 0xfffffff });
    expect(machine.dmaMapPage(0, 0, 0x50000010, 60, Direction.FROM_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(takeRows(machine)).toEqual([
      'BOUNCED 50000010 3c',
      'SLOT_ALLOCATED 0 1 7bfd7000',
      'COPIED_IN 7bfd7000 3c 50000010',
      'SLOT_RELEASED 0 1',
    ]);
    expect(machine.pool!.used).toBe(0);
  });

  test('without a pool, device memory and coherent memory out of reach fail', () => {
    const machine = direct({ dmaMask: 0xffffffff, coherentDmaMask: 0xffffff }, { swiotlb: null });
    expect(machine.dmaMapPage(0, 0, 0x100000000, 60, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(machine.dmaMapResource(0, 0, 0x100000000, 60, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(machine.dmaMapResource(0, 0, 0xfffff000, 4096, Direction.TO_DEVICE)).toBe(0xfffff000);
    expect(machine.dmaAllocCoherent(0, 0, 0xfff000, 1)).toBe(0xfff000);
    expect(machine.dmaAllocCoherent(0, 0, 0xfff000, 4097)).toBe(DMA_MAPPING_ERROR);
    expect(machine.dmaAllocCoherent(0, 0, 0x1000000, 1)).toBe(DMA_MAPPING_ERROR);
    machine.dmaFreeCoherent(0, 0, 0xfff000, 1);
    expect(takeRows(machine)).toEqual([]);
  });

  test('a list is never merged, and an entry that fails unwinds the others without a copy', () => {
    const machine = direct({}, { swiotlb: { ...POOL, forced: true } });
    const segments = machine.dmaMapSg(0, 0, [0x5000, 0x6000], [4096, 4096], Direction.FROM_DEVICE);
    expect(segments).toEqual([
      { address: 0x7bfd7000, bytes: 4096 },
      { address: 0x7bfd8000, bytes: 4096 },
    ]);
    machine.dmaUnmapSg(0, 0, segments, Direction.FROM_DEVICE);
    takeRows(machine);
    expect(machine.dmaMapSg(0, 0, [0x5000, 0x6000, 0x7000], [100, 100, 300000], Direction.FROM_DEVICE)).toEqual([]);
    expect(takeRows(machine).slice(-3)).toEqual([expect.stringContaining('SLOT_FAILED'), 'SLOT_RELEASED 4 1', 'SLOT_RELEASED 5 1']);
    expect(machine.pool!.used).toBe(0);
  });
});

describe('an untrusted list of which an entry fails', () => {
  test('unmaps the entries before it in order, each with its flush, and copies nothing out', () => {
    const machine = new Machine(pcMachine([bounceStrict], { domains: [{ reserved: [] }] }));
    const before = machine.domains[0].hardware.lookup(0xfffff);
    expect(machine.dmaMapSg(0, 0, [0x5000, 0x6010, 0x7010], [4096, 100, 300000], Direction.FROM_DEVICE)).toEqual([]);
    expect(takeRows(machine).slice(-13)).toEqual([
      'BOUNCED 7010 493e0',
      expect.stringContaining('SLOT_FAILED'),
      'UNMAPPED fffff000 1000 1000',
      'CACHE_TAG_FLUSH_RANGE fffff000 ffffffff fffff000 1',
      'DESCRIPTOR_SUBMITTED 0 200f2 0 fffff040',
      'INVALIDATION_COMPLETED 2',
      'IOVA_FREED fffff 1 1',
      'UNMAPPED ffffe000 1000 1000',
      'CACHE_TAG_FLUSH_RANGE ffffe000 ffffefff ffffe000 1',
      'DESCRIPTOR_SUBMITTED 0 200f2 0 ffffe040',
      'INVALIDATION_COMPLETED 2',
      'IOVA_FREED ffffe 1 1',
      'SLOT_RELEASED 0 2',
    ]);
    expect([machine.pool!.used, machine.domains[0].iovaPages]).toEqual([0, 0]);
    expect(machine.domains[0].hardware.lookup(0xfffff)).toBe(before);
  });

  test('has nothing to unmap when it is the first', () => {
    const machine = new Machine(pcMachine([bounceStrict]));
    expect(machine.dmaMapSg(0, 0, [0x7010, 0x5000], [300000, 4096], Direction.FROM_DEVICE)).toEqual([]);
    expect(observedKinds(machine.observations)).toEqual(['CALL_BEGUN', 'BOUNCED', 'SLOT_FAILED', 'CALL_ENDED']);
  });
});

describe('which addresses a device gets', () => {
  const bytes = 64 * PAGE_SIZE; // too long for the caches, so that the tree alone decides
  test.each([
    ['6.12', 0xfffffffc0],
    ['6.1', 0xfffc0],
  ] as const)('%s tries below 4 GiB first, and 6.12 no longer once that has failed', (kernel, afterwards) => {
    const machine = new Machine(pcMachine([strict], { kernel, ...roomFor(128) }));
    const map = (): number => machine.dmaMapPage(0, 0, 0x40000000, bytes, Direction.TO_DEVICE) / PAGE_SIZE;
    expect([map(), map()]).toEqual([0xfffc0, 0xfff80]);
    expect(machine.devices[0].triesLowFirst).toBe(true);
    const high = map();
    expect(high).toBe(0xfffffffc0);
    expect(machine.devices[0].triesLowFirst).toBe(kernel === '6.1');
    machine.dmaUnmapPage(0, 0, 0xfffc0 * PAGE_SIZE, bytes, Direction.TO_DEVICE);
    machine.dmaUnmapPage(0, 0, high * PAGE_SIZE, bytes, Direction.TO_DEVICE);
    machine.devices[0].setDmaMask();
    expect(map()).toBe(afterwards);
  });

  test('a device that does not try low, and one that cannot reach high', () => {
    const high = new Machine(pcMachine([strict], deviceOf(strict, { triesLowFirst: false })));
    expect(high.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE)).toBe(2 ** 48 - PAGE_SIZE);
    const limited = new Machine(pcMachine([strict], deviceOf(strict, { triesLowFirst: false, busDmaLimit: 0x3fffffff })));
    expect(limited.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE)).toBe(0x3ffff000);
  });

  test('coherent memory and streaming mappings have masks of their own', () => {
    const machine = new Machine(pcMachine([strict], deviceOf(strict, { dmaMask: 0x3fffffff, coherentDmaMask: 0xffffff })));
    expect(machine.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE)).toBe(0x3ffff000);
    expect(machine.dmaAllocCoherent(0, 0, 0x5000, 1)).toBe(0xfff000);
  });

  test('when the space is used up, what all CPUs have cached is taken back before a mapping fails', () => {
    const machine = new Machine(pcMachine([strict], { ...roomFor(4), ...deviceOf(strict, { dmaMask: LOW }) }));
    const addresses = [0, 1, 2, 3].map(() => machine.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE));
    expect(machine.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    expect(takeRows(machine).slice(-1)).toEqual(['IOVA_FAILED 1 fffff']);
    machine.dmaUnmapPage(1, 0, addresses[2], 1, Direction.TO_DEVICE);
    expect(machine.domains[0].iova.cachedEntries(1, 0)).toBe(1);
    expect(machine.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE)).toBe(addresses[2]);
    expect(machine.domains[0].iova.cachedEntries(1, 0)).toBe(0);
    expect(machine.domains[0].iovaPagesPeak).toBe(4);
  });
});

describe('calls that make no sense', () => {
  test('an unmap of what is not mapped is counted and does nothing', () => {
    const machine = new Machine(pcMachine([bounceStrict]));
    machine.dmaUnmapPage(0, 0, 0xfffff000, 100, Direction.TO_DEVICE);
    machine.dmaUnmapResource(0, 0, 0xfffff000, 100, Direction.TO_DEVICE);
    expect(observedKinds(machine.observations)).toEqual(['CALL_BEGUN', 'CALL_ENDED', 'CALL_BEGUN', 'CALL_ENDED']);
    expect(machine.dma.unmapsOfNothing).toBe(2);
  });

  test('freeing no coherent memory is none of them', () => {
    const machine = new Machine(pcMachine([strict]));
    machine.dmaFreeCoherent(0, 0, 0, 0);
    expect(machine.dma.unmapsOfNothing).toBe(0);
  });

  test('an entry that is already set stays, is counted, and the mapping succeeds', () => {
    const machine = new Machine(pcMachine([strict], { domains: [{ reserved: [] }] }));
    const address = machine.dmaMapPage(0, 0, 0x5000, 1, Direction.TO_DEVICE);
    machine.domains[0].freeIova(address / PAGE_SIZE, 1, 0);
    expect(machine.dmaMapPage(0, 0, 0x9000, 1, Direction.TO_DEVICE)).toBe(address);
    expect([machine.dma.entriesAlreadySet, machine.domains[0].hardware.lookup(address / PAGE_SIZE)]).toEqual([1, 5]);
  });

  test('a device whose policy and domain do not fit is refused', () => {
    const code = (changes: Partial<MachineParameters>, policy = strict): string => {
      try {
        new Machine(pcMachine([policy], changes));
      } catch (error) {
        expect(error).toBeInstanceOf(LabError);
        return (error as LabError).code;
      }
      return 'none';
    };
    expect(code({})).toBe('none');
    expect(code({ domains: [] })).toBe('MCH010');
    expect(code({ iommu: null, domains: [] })).toBe('MCH010');
    expect(code({ domains: [{ reserved: [] }], ...deviceOf(passthrough, { domain: 0 }) }, passthrough)).toBe('MCH011');
  });
});
