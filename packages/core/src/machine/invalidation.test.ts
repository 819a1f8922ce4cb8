import { expect, test } from 'vitest';
import { Direction, Observed, PAGE_SIZE } from '../base/index.ts';
import { type Capability, QEMU_CAPABILITY, QEMU_EXTENDED_CAPABILITY } from '../iommu/index.ts';
import { bounceStrict, lazy, strict } from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedKinds, observedOf, observedRows } from './observed-rows.oracle.ts';
import { adversarialCaches } from './parameters.ts';
import { pcMachine } from './pc.ts';

// Which invalidations reach the unit, seen as descriptors: qw0 and qw1, low halves.

const DSI = [0, 0x200e2, 0, 0];
const MIB = 1024 * 1024;

function unitWith(capability: Partial<Capability>): Pick<Parameters<typeof pcMachine>[1] & object, 'iommu'> {
  const changed = { ...QEMU_CAPABILITY, ...capability };
  return { iommu: { capability: changed, extendedCapability: QEMU_EXTENDED_CAPABILITY, ...adversarialCaches } };
}

function machineWith(...[policies, changes]: Parameters<typeof pcMachine>): Machine {
  return new Machine(pcMachine(policies, { domains: policies.map(() => ({ reserved: [] })), ...changes }));
}

function descriptors(machine: Machine): number[][] {
  return observedOf(machine.observations, Observed.DESCRIPTOR_SUBMITTED, 4);
}

function mapAndUnmap(machine: Machine, phys: number, bytes: number): void {
  const address = machine.dmaMapPage(0, 0, phys, bytes, Direction.BIDIRECTIONAL);
  machine.observations.clear();
  machine.dmaUnmapPage(0, 0, address, bytes, Direction.BIDIRECTIONAL);
}

test('an unmap of 4 MiB and 12 KiB is two calls of one page size each, so two page-selective invalidations', () => {
  const machine = machineWith([strict]);
  mapAndUnmap(machine, 0x40000000, 4 * MIB + 12 * 1024);
  expect(descriptors(machine)).toEqual([
    [0, 0x200f2, 0, 0xff80004a], // 1024 pages, AM 10, no table freed
    [0, 0x200f2, 0, 0xffc00042], // 3 pages, AM 2
  ]);
});

test('tables emptied by the first of two calls are freed after its flush, so the second flush carries the hint again', () => {
  const machine = machineWith([strict]);
  // Not aligned to 2 MiB: mapped with pages of 4 KiB, unmapped in units of 2 MiB, which frees two leaf tables.
  mapAndUnmap(machine, 0x40001000, 4 * MIB + 12 * 1024);
  expect(observedRows(machine.observations, new Set([Observed.CALL_BEGUN, Observed.CALL_ENDED])).map((row) => row.split(' ')[0])).toEqual([
    'CACHE_TAG_FLUSH_RANGE',
    'DESCRIPTOR_SUBMITTED',
    'INVALIDATION_COMPLETED',
    'TABLE_FREED',
    'TABLE_FREED',
    'UNMAPPED',
    'CACHE_TAG_FLUSH_RANGE',
    'DESCRIPTOR_SUBMITTED',
    'INVALIDATION_COMPLETED',
    'IOVA_FREED',
  ]);
  expect(descriptors(machine).map((words) => words[3])).toEqual([0xff80000a, 0xffc00042]);
});

test('a table that an unmap empties is freed after the flush, and the flush then has no hint', () => {
  const machine = machineWith([strict]);
  mapAndUnmap(machine, 0x40001000, 2 * MIB);
  expect(descriptors(machine)).toEqual([[0, 0x200f2, 0, 0xffe00009]]);
  const kinds = observedKinds(machine.observations);
  expect(kinds.indexOf('TABLE_FREED')).toBeGreaterThan(kinds.indexOf('INVALIDATION_COMPLETED'));
});

test('lazy mode gathers nothing: tables wait in the queue for the one flush of the domain', () => {
  const machine = machineWith([lazy]);
  mapAndUnmap(machine, 0x40001000, 4 * MIB + 12 * 1024);
  expect(observedRows(machine.observations).map((row) => row.split(' ')[0])).toEqual(['UNMAPPED', 'FLUSH_QUEUED']);
  expect(observedKinds(machine.observations)).not.toContain('TABLE_FREED');
  machine.observations.clear();
  machine.advanceTo(100e6);
  expect(descriptors(machine)).toEqual([DSI]);
  const kinds = observedKinds(machine.observations);
  expect(kinds.filter((kind) => kind === 'TABLE_FREED')).toHaveLength(2);
  expect(kinds.indexOf('TABLE_FREED')).toBeGreaterThan(kinds.indexOf('FLUSH_FINISHED'));
});

test('a block larger than the unit can name, or a unit that knows no pages, falls back to the whole domain', () => {
  const small = machineWith([strict], unitWith({ maxAddressMask: 3 }));
  mapAndUnmap(small, 0x40000000, 8 * PAGE_SIZE);
  expect(descriptors(small)[0].slice(0, 2)).toEqual([0, 0x200f2]);
  mapAndUnmap(small, 0x40000000, 16 * PAGE_SIZE);
  expect(descriptors(small)).toEqual([DSI]);
  const without = machineWith([strict], unitWith({ pageSelectiveInvalidation: false }));
  mapAndUnmap(without, 0x40000000, PAGE_SIZE);
  expect(descriptors(without)).toEqual([DSI]);
});

test('a unit that cannot drain gets descriptors without the drain bits', () => {
  const machine = machineWith([strict], unitWith({ drainsReads: false, drainsWrites: true }));
  mapAndUnmap(machine, 0x40000000, PAGE_SIZE);
  expect(descriptors(machine)[0][1]).toBe(0x20072);
});

test.each(['6.1', '6.12'] as const)(
  'caching mode under %s rules: one flush per page, list and allocation, per entry when untrusted; never a hint',
  (kernel) => {
    const caching = { kernel, ...unitWith({ cachingMode: true }) };
    const trusted = machineWith([strict], caching);
    const qw1 = (machine: Machine): number[] => descriptors(machine).map((words) => words[3]);
    trusted.dmaMapPage(0, 0, 0x5000, 100, Direction.TO_DEVICE);
    expect(qw1(trusted)).toEqual([0xfffff000]);
    trusted.observations.clear();
    trusted.dmaMapSg(0, 0, [0x10000, 0x30000, 0x50000], [4096, 4096, 4096], Direction.TO_DEVICE);
    expect(observedOf(trusted.observations, Observed.MAPPED, 1)).toHaveLength(3);
    expect(qw1(trusted)).toEqual([0xffff8002]); // 3 pages from ffff8
    trusted.observations.clear();
    trusted.dma.run(trusted.dma.beginAlloc(0, 0, 0x2000, Float64Array.of(0x8000, 0xa0000), Float64Array.of(0x1000, 0x1000), 0, 2));
    expect(qw1(trusted)).toEqual([0xffff6001]);
    const untrusted = machineWith([bounceStrict], caching);
    untrusted.dmaMapSg(0, 0, [0x10000, 0x30010], [4096, 100], Direction.TO_DEVICE);
    expect(qw1(untrusted)).toEqual([0xfffff000, 0xffffe000]);
    expect(observedOf(untrusted.observations, Observed.CACHE_TAG_FLUSH_RANGE_NP, 2)).toHaveLength(2);
  },
);

test('without caching mode a mapping is not announced', () => {
  const machine = machineWith([strict]);
  machine.dmaMapPage(0, 0, 0x5000, 100, Direction.TO_DEVICE);
  expect(descriptors(machine)).toEqual([]);
});

test('a superpage that replaces empty tables is flushed page-selectively before those are freed, in lazy mode too', () => {
  const machine = machineWith([lazy]);
  const bytes = 2 * MIB;
  const small = machine.dmaMapPage(0, 0, 0x5000, PAGE_SIZE, Direction.TO_DEVICE);
  machine.dmaUnmapPage(0, 0, small, PAGE_SIZE, Direction.TO_DEVICE);
  machine.advanceTo(100e6);
  // The small page was the highest below 4 GiB; take the block of 2 MiB around it, whose leaf table is empty now.
  machine.domains[0].iova.allocIovaFast(1, 0xfffff, false, 0);
  machine.domains[0].iova.freeIova(0xfffff);
  machine.observations.clear();
  expect(machine.dmaMapPage(0, 0, 0x40000000, bytes, Direction.TO_DEVICE)).toBe(0xffe00000);
  expect(descriptors(machine)).toEqual([[0, 0x200f2, 0, 0xffe00009]]);
  const kinds = observedKinds(machine.observations);
  expect(kinds.indexOf('TABLE_FREED')).toBeGreaterThan(kinds.indexOf('INVALIDATION_COMPLETED'));
});
