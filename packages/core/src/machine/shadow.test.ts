import { describe, expect, test } from 'vitest';
import { Direction, DMA_MAPPING_ERROR, FlushCause, Observed, PAGE_SIZE } from '../base/index.ts';
import { bounceDeferred, lazy, policies, shadow } from '../policy/index.ts';
import { framesOutsideTables } from './call-sequences.oracle.ts';
import { Machine } from './machine.ts';
import { observedOf, observedRows } from './observed-rows.oracle.ts';
import type { MachineParameters } from './parameters.ts';
import { pcMachine } from './pc.ts';

const { BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE } = Direction;
const BUFFER = 0x40000000;

function machineWith(changes: Partial<MachineParameters> = {}): Machine {
  return new Machine(pcMachine([shadow, shadow], { domains: [{ reserved: [] }, { reserved: [] }], ...changes }));
}

function takeRows(machine: Machine): string[] {
  const rows = observedRows(machine.observations);
  machine.observations.clear();
  return rows;
}

describe('shadow buffers', () => {
  test('the first mapping makes one, later ones of the size use it again, and nothing is unmapped', () => {
    const machine = machineWith();
    const address = machine.dmaMapPage(0, 0, BUFFER + 0x10, 60, BIDIRECTIONAL);
    expect(address).toBe(0xfffff000);
    expect(takeRows(machine)).toEqual([
      'BOUNCED 40000010 3c',
      'SLOT_ALLOCATED 0 2 7bfd7000',
      'ZEROED 7bfd7000 1000',
      'IOVA_ALLOCATED fffff 1',
      'MAPPED fffff000 7bfd7000 1000 3',
      'SHADOW_TAKEN 7bfd7000 3c 1 1000',
      'COPIED_IN 7bfd7000 3c 40000010',
      'ZEROED 7bfd703c fc4',
    ]);
    machine.dmaUnmapPage(0, 0, address, 60, BIDIRECTIONAL);
    expect(takeRows(machine)).toEqual(['COPIED_OUT 7bfd7000 3c 40000010', 'SHADOW_RETURNED 7bfd7000 3c']);
    expect(machine.dmaMapPage(1, 0, BUFFER + 0x2000, PAGE_SIZE, BIDIRECTIONAL)).toBe(address);
    expect(takeRows(machine)).toEqual(['BOUNCED 40002000 1000', 'SHADOW_TAKEN 7bfd7000 1000 0 1000', 'COPIED_IN 7bfd7000 1000 40002000']);
  });

  test('a buffer belongs to one device, one size class and one set of rights', () => {
    const machine = machineWith();
    const use = (device: number, bytes: number, direction: Direction): number => {
      const address = machine.dmaMapPage(0, device, BUFFER, bytes, direction);
      const mayWrite = machine.deviceAccess(device, address, true) >= 0;
      expect(mayWrite).toBe(direction !== TO_DEVICE);
      machine.dmaUnmapPage(0, device, address, bytes, direction);
      return observedOf(machine.observations, Observed.SHADOW_TAKEN, 3).at(-1)![2];
    };
    expect([use(0, 60, TO_DEVICE), use(1, 60, TO_DEVICE), use(0, 60, FROM_DEVICE), use(0, 60, BIDIRECTIONAL)]).toEqual([1, 1, 1, 1]);
    expect([use(0, 5000, TO_DEVICE), use(0, 9000, TO_DEVICE), use(0, 16000, TO_DEVICE)]).toEqual([1, 1, 0]);
    expect([use(0, 4000, TO_DEVICE), use(1, 1, TO_DEVICE), use(0, 8192, TO_DEVICE)]).toEqual([0, 0, 0]);
    expect(machine.pool!.used).toBe(4 * 2 + 4 + 8);
  });

  test('two mappings at once have two buffers; the one given back last is taken first', () => {
    const machine = machineWith();
    const addresses = [0, 1].map(() => machine.dmaMapPage(0, 0, BUFFER, 60, TO_DEVICE));
    expect(new Set(addresses).size).toBe(2);
    machine.dmaUnmapPage(0, 0, addresses[1], 60, TO_DEVICE);
    machine.dmaUnmapPage(0, 0, addresses[0], 60, TO_DEVICE);
    expect([0, 1].map(() => machine.dmaMapPage(0, 0, BUFFER, 60, TO_DEVICE))).toEqual(addresses);
  });

  test('after unmap the device still reaches the buffer, and nothing that it writes comes through', () => {
    const machine = machineWith();
    machine.memory.write(BUFFER, Uint8Array.of(5));
    const address = machine.dmaMapPage(0, 0, BUFFER, 60, BIDIRECTIONAL);
    machine.dmaUnmapPage(0, 0, address, 60, BIDIRECTIONAL);
    expect(machine.deviceWrite(0, address, Uint8Array.of(66))).toBe(1);
    machine.dmaSyncSingleForCpu(0, 0, address, 60, BIDIRECTIONAL);
    const seen = new Uint8Array(1);
    machine.memory.read(BUFFER, seen);
    expect(seen[0]).toBe(5);
  });

  test('around the data its pages are clear; further pages hold what this device had there', () => {
    const machine = machineWith();
    machine.memory.write(BUFFER, new Uint8Array(4 * PAGE_SIZE).fill(9));
    const long = machine.dmaMapPage(0, 0, BUFFER, 4 * PAGE_SIZE, TO_DEVICE);
    machine.dmaUnmapPage(0, 0, long, 4 * PAGE_SIZE, TO_DEVICE);
    const address = machine.dmaMapPage(0, 0, BUFFER, 2 * PAGE_SIZE + 60, TO_DEVICE);
    expect(address).toBe(long);
    const seen = new Uint8Array(4 * PAGE_SIZE);
    machine.deviceRead(0, address, seen);
    expect([seen[2 * PAGE_SIZE + 59], seen[2 * PAGE_SIZE + 60], seen[3 * PAGE_SIZE - 1], seen[3 * PAGE_SIZE]]).toEqual([9, 0, 0, 9]);
  });

  test('above the segment limit a request fails at once; an unmap of an idle buffer does nothing', () => {
    const machine = machineWith();
    expect(machine.dmaMapPage(0, 0, BUFFER, 256 * 1024 + 1, TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    const whole = machine.dmaMapPage(0, 0, BUFFER, 256 * 1024, TO_DEVICE);
    machine.dmaUnmapPage(0, 0, whole, 256 * 1024, TO_DEVICE);
    machine.dmaUnmapPage(0, 0, whole, 256 * 1024, TO_DEVICE);
    expect([machine.dma.unmapsOfNothing, machine.pool!.used]).toEqual([1, 128]);
  });

  test('a pool that is full fails the mapping, and slots without an address go back', () => {
    const full = machineWith({ swiotlb: { start: 0x7bfd7000, slots: 4, areas: 1, forced: false } });
    const held = full.dmaMapPage(0, 0, BUFFER, 5000, TO_DEVICE);
    full.dmaUnmapPage(0, 0, held, 5000, TO_DEVICE);
    expect(full.dmaMapPage(0, 1, BUFFER, 60, TO_DEVICE)).toBe(DMA_MAPPING_ERROR);
    const crowded = machineWith({ domains: [{ reserved: [{ loPfn: 1, hiPfn: 2 ** 36 - 1 }] }, { reserved: [] }] });
    expect(crowded.dmaMapPage(0, 0, BUFFER, 60, BIDIRECTIONAL)).toBe(DMA_MAPPING_ERROR);
    expect(observedOf(crowded.observations, Observed.COPIED_OUT, 1)).toEqual([]);
    expect(crowded.pool!.used).toBe(0);
  });
});

describe('the devices are removed', () => {
  test('shadow buffers are unmapped, invalidated and given back', () => {
    const machine = machineWith();
    const address = machine.dmaMapPage(0, 0, BUFFER, 60, BIDIRECTIONAL);
    machine.deviceAccess(0, address, true);
    machine.dmaUnmapPage(0, 0, address, 60, BIDIRECTIONAL);
    machine.observations.clear();
    machine.removeDevices();
    expect(takeRows(machine).slice(0, 6)).toEqual([
      'UNMAPPED fffff000 1000 1000',
      'CACHE_TAG_FLUSH_RANGE fffff000 ffffffff fffff000 1',
      'DESCRIPTOR_SUBMITTED 0 200f2 0 fffff040',
      'INVALIDATION_COMPLETED 2',
      'IOVA_FREED fffff 1 1',
      'SLOT_RELEASED 0 2',
    ]);
    expect(machine.deviceAccess(0, address, true)).toBeLessThan(0);
  });

  test.each([lazy, bounceDeferred])('$name: each domain is flushed once, and its timer fires no more', (policy) => {
    const machine = new Machine(pcMachine([policy, policy]));
    const address = machine.dmaMapPage(0, 0, BUFFER, 60, TO_DEVICE);
    machine.dmaUnmapPage(0, 0, address, 60, TO_DEVICE);
    machine.observations.clear();
    machine.removeDevices(1);
    expect(observedOf(machine.observations, Observed.FLUSH_STARTED, 1)).toEqual([[FlushCause.TEARDOWN], [FlushCause.TEARDOWN]]);
    machine.observations.clear();
    machine.advanceTo(1e9);
    expect(machine.observations.length).toBe(0);
    expect(machine.pool!.used).toBe(0);
  });

  test('a state from before can be restored', () => {
    const machine = new Machine(pcMachine(policies));
    const address = machine.dmaMapPage(0, 9, BUFFER, 60, TO_DEVICE);
    const context = framesOutsideTables(machine);
    const state = machine.save();
    machine.dmaUnmapPage(0, 9, address, 60, TO_DEVICE);
    machine.removeDevices();
    expect(machine.frames.framesInUse).toBe(context);
    machine.restore(state);
    expect(machine.deviceAccess(9, address, false)).toBeGreaterThan(0);
    machine.dmaUnmapPage(0, 9, address, 60, TO_DEVICE);
    machine.removeDevices();
    expect(machine.frames.framesInUse).toBe(context);
  });
});
