import { expect, test } from 'vitest';
import { Direction, FlushCause, Observed, PAGE_SIZE } from '../base/index.ts';
import { lazy } from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedKinds, observedOf, observedRows } from './observed-rows.oracle.ts';
import { pcMachine } from './pc.ts';

const MS = 1e6;
/** Ranges that a magazine holds. */
const MAGAZINE = 127;

function lazyMachine(changes: Parameters<typeof pcMachine>[1] = {}): Machine {
  return new Machine(pcMachine([lazy], changes));
}

function mapPages(machine: Machine, cpu: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    machine.dmaMapPage(cpu, 0, 0x100000 + index * PAGE_SIZE, PAGE_SIZE, Direction.TO_DEVICE),
  );
}

function unmap(machine: Machine, cpu: number, address: number): void {
  machine.dmaUnmapPage(cpu, 0, address, PAGE_SIZE, Direction.TO_DEVICE);
}

/** Times at which flushes began. */
function flushTimes(machine: Machine): number[] {
  const { observations: log } = machine;
  return [...log.timeNs.slice(0, log.length)].filter((_, row) => log.kind[row] === Observed.FLUSH_STARTED);
}

test.each([
  [100, 10, 20],
  [250, 12, 16],
  [1000, 10, 11],
])('at HZ %i the timer fires more than %i ms and at most %i ms after the first unmap, at a tick', (hz, more, atMost) => {
  const delays: number[] = [];
  for (let microseconds = 0; microseconds < 20000; microseconds += 637) {
    const machine = lazyMachine({ hz });
    const [address] = mapPages(machine, 0, 1);
    const now = 1000 * MS + microseconds * 1000;
    machine.advanceTo(now);
    unmap(machine, 0, address);
    machine.advanceTo(now + 100 * MS);
    const times = flushTimes(machine);
    expect(times).toHaveLength(1);
    expect(times[0] % (1e9 / hz)).toBe(0);
    delays.push((times[0] - now) / MS);
  }
  expect(Math.min(...delays)).toBeGreaterThan(more);
  expect(Math.max(...delays)).toBeLessThanOrEqual(atMost);
});

test('the timer is armed by the first unmap and not moved by later ones; ranges queued after its flush arm it anew', () => {
  const machine = lazyMachine();
  const addresses = mapPages(machine, 0, 4);
  machine.advanceTo(1 * MS);
  unmap(machine, 0, addresses[0]);
  machine.advanceTo(11 * MS);
  unmap(machine, 0, addresses[1]);
  machine.advanceTo(15.9 * MS);
  expect(flushTimes(machine)).toEqual([]);
  machine.advanceTo(21 * MS);
  unmap(machine, 0, addresses[2]);
  machine.advanceTo(500 * MS);
  expect(flushTimes(machine)).toEqual([16 * MS, 36 * MS]);
  expect(machine.domains[0].iovaPages).toBe(1);
});

test('nothing fires when nothing was unmapped', () => {
  const machine = lazyMachine();
  mapPages(machine, 0, 3);
  machine.observations.clear();
  machine.advanceTo(5000 * MS);
  expect(observedKinds(machine.observations)).toEqual([]);
});

test('the timer runs on the CPU that armed it, and the addresses of all CPUs land in the caches of that CPU', () => {
  const machine = lazyMachine({ possibleCpus: 4, onlineCpus: 4 });
  const addresses = mapPages(machine, 0, 4);
  for (const [index, cpu] of [2, 0, 3, 1].entries()) unmap(machine, cpu, addresses[index]);
  machine.observations.clear();
  machine.advanceTo(20 * MS);
  const { observations: log, domains } = machine;
  const freed = [...log.kind.slice(0, log.length).keys()].filter((row) => log.kind[row] === Observed.IOVA_FREED);
  expect(freed.map((row) => [log.cpu[row], log.a[row] * PAGE_SIZE])).toEqual([
    [2, addresses[1]],
    [2, addresses[3]],
    [2, addresses[0]],
    [2, addresses[2]],
  ]);
  expect([0, 1, 2, 3].map((cpu) => domains[0].iova.cachedEntries(cpu, 0))).toEqual([0, 0, 4, 0]);
});

test('the 256th unmap on a CPU finds its ring full: it flushes, drains that ring only, and queues itself', () => {
  const machine = lazyMachine();
  const addresses = mapPages(machine, 0, 258);
  const [domain] = machine.domains;
  const queue = domain.flushQueue!;
  unmap(machine, 1, addresses[257]);
  for (const address of addresses.slice(0, 255)) unmap(machine, 0, address);
  expect(observedKinds(machine.observations)).not.toContain('FLUSH_STARTED');
  expect([queue.entriesOn(0), queue.entriesOn(1), queue.entries]).toEqual([255, 1, 256]);

  machine.observations.clear();
  unmap(machine, 0, addresses[255]);
  const pfn = (address: number): string => (address / PAGE_SIZE).toString(16);
  expect(observedRows(machine.observations)).toEqual([
    `UNMAPPED ${addresses[255].toString(16)} 1000 1000`,
    `FLUSH_STARTED ${FlushCause.RING_FULL}`,
    'CACHE_TAG_FLUSH_ALL',
    'DESCRIPTOR_SUBMITTED 0 200e2 0 0',
    'INVALIDATION_COMPLETED 2',
    `FLUSH_FINISHED ${FlushCause.RING_FULL}`,
    ...addresses.slice(0, 255).map((address) => `IOVA_FREED ${pfn(address)} 1 1`),
    `FLUSH_QUEUED ${pfn(addresses[255])} 1 1`,
  ]);
  expect([queue.entriesOn(0), queue.entriesOn(1), queue.flushesStarted, queue.flushesFinished]).toEqual([1, 1, 1, 1]);
  // 127 filled one magazine, 127 the next, and the 255th sent the first to the depot.
  expect([domain.iova.cachedEntries(0, 0), domain.iova.depotSize(0)]).toEqual([MAGAZINE + 1, 1]);

  // What waits on another CPU's ring is safe now, and goes at that CPU's next unmap.
  machine.observations.clear();
  unmap(machine, 1, addresses[256]);
  expect(observedRows(machine.observations)).toEqual([
    `UNMAPPED ${addresses[256].toString(16)} 1000 1000`,
    `IOVA_FREED ${pfn(addresses[257])} 1 1`,
    `FLUSH_QUEUED ${pfn(addresses[256])} 1 1`,
  ]);
  expect(domain.iova.cachedEntries(1, 0)).toBe(1);

  // The timer stayed armed through all that.
  machine.observations.clear();
  machine.advanceTo(20 * MS);
  expect(observedOf(machine.observations, Observed.FLUSH_STARTED, 1)).toEqual([[FlushCause.TIMER]]);
  expect([queue.entries, domain.iovaPages]).toEqual([0, 0]);
});

test('the depot is trimmed 100 ms after a magazine was pushed to it, while there are more magazines than CPUs', () => {
  const machine = lazyMachine({ possibleCpus: 1, onlineCpus: 1 });
  const [domain] = machine.domains;
  for (const address of mapPages(machine, 0, 5 * MAGAZINE)) unmap(machine, 0, address);
  machine.advanceTo(20 * MS);
  const before = domain.iova.depotSize(0);
  expect(before).toBeGreaterThan(1);
  machine.advanceTo(100 * MS);
  expect(domain.iova.depotSize(0)).toBe(before);
  machine.advanceTo(2000 * MS);
  expect(domain.iova.depotSize(0)).toBe(1);
});
