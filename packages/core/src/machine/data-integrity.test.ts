import { describe, expect, test } from 'vitest';
import { type Direction, Direction as Directions, type KernelRules, Observed, PAGE_SIZE, Prng } from '../base/index.ts';
import { FaultReason } from '../iommu/index.ts';
import {
  bounceDeferred,
  bounceDeferredMixed,
  bounceLazyUnsafe,
  bounceLink,
  bouncePartial,
  bounceStrict,
  lazy,
  passthrough,
  shadow,
  strict,
  swiotlbForce,
} from '../policy/index.ts';
import { Machine } from './machine.ts';
import { observedOf } from './observed-rows.oracle.ts';
import type { DeviceParameters, MachineParameters } from './parameters.ts';
import { pciDevice, pcMachine } from './pc.ts';

function machineOf(policy: DeviceParameters['policy'], device: Partial<DeviceParameters>, changes: Partial<MachineParameters>): Machine {
  return new Machine(pcMachine([policy], { devices: [{ ...pciDevice(0, policy, 0), ...device }], ...changes }));
}

function bytesAt(machine: Machine, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  machine.memory.read(address, bytes);
  return bytes;
}

/** Index of the first byte that differs, -1 for none. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return a.findIndex((byte, index) => byte !== b[index]);
}

function randomBytes(prng: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => prng.below(255) + 1);
}

/** Which bytes of a buffer driver and device share, because they are not bounced. */
function sharedBytes(policy: DeviceParameters['policy'], buffer: number, length: number, forced: boolean): Uint8Array {
  const unaligned = buffer % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0;
  switch (policy) {
    case bounceStrict:
    case bounceDeferredMixed:
      return new Uint8Array(length).fill(unaligned ? 0 : 1);
    case bouncePartial:
    case bounceLink:
      // The bytes whose page belongs to the buffer alone.
      return Uint8Array.from({ length }, (_, index) => {
        const page = buffer + index - ((buffer + index) % PAGE_SIZE);
        return page >= buffer && page + PAGE_SIZE <= buffer + length ? 1 : 0;
      });
    case strict:
    case lazy:
      return new Uint8Array(length).fill(1);
    case passthrough:
      return new Uint8Array(length).fill(forced ? 0 : 1);
    default:
      return new Uint8Array(length);
  }
}

// A mapped buffer as driver and device each see it, kept as two plain arrays: the obvious model of bouncing. What is
// written to a byte that is not bounced is written to both.
describe.each([
  ['bounce-strict, 6.12', bounceStrict, '6.12', 0, false],
  ['bounce-strict, 6.12, low 12 address bits kept', bounceStrict, '6.12', 4095, false],
  ['bounce-strict, 6.12, low 9 address bits kept', bounceStrict, '6.12', 511, false],
  ['bounce-strict, 6.1', bounceStrict, '6.1', 0, false],
  ['swiotlb=force, 6.12', passthrough, '6.12', 0, true],
  ['swiotlb=force, 6.12, low 12 address bits kept', passthrough, '6.12', 4095, true],
  ['swiotlb=force, 6.1', passthrough, '6.1', 0, true],
  ['swiotlb-force, 6.12', swiotlbForce, '6.12', 0, false],
  ['bounce-partial, 6.12', bouncePartial, '6.12', 0, false],
  ['bounce-partial, 6.12, low 9 address bits kept', bouncePartial, '6.12', 511, false],
  ['bounce-partial, 6.1', bouncePartial, '6.1', 4095, false],
  ['bounce-link, 6.12', bounceLink, '6.12', 0, false],
  ['bounce-link, 6.1', bounceLink, '6.1', 0, false],
  ['bounce-lazy-unsafe, 6.12', bounceLazyUnsafe, '6.12', 4095, false],
  ['bounce-deferred, 6.12', bounceDeferred, '6.12', 0, false],
  ['bounce-deferred, 6.12, low 12 address bits kept', bounceDeferred, '6.12', 4095, false],
  ['bounce-deferred, 6.1', bounceDeferred, '6.1', 0, false],
  ['bounce-deferred-mixed, 6.12', bounceDeferredMixed, '6.12', 511, false],
  ['shadow, 6.12', shadow, '6.12', 0, false],
  ['shadow, 6.12, low 12 address bits kept', shadow, '6.12', 4095, false],
  ['shadow, 6.12, low 14 address bits kept', shadow, '6.12', 16383, false],
  ['shadow, 6.1', shadow, '6.1', 511, false],
  ['strict', strict, '6.12', 0, false],
  ['lazy', lazy, '6.1', 0, false],
  ['passthrough', passthrough, '6.12', 0, false],
] as const)('%s', (_, policy, kernel: KernelRules, minAlignMask, forced) => {
  test('driver and device see each other’s bytes exactly where syncs, map and unmap move them', () => {
    const prng = new Prng(20190502);
    const machine = machineOf(
      policy,
      { minAlignMask },
      { kernel, swiotlb: { start: 0x7bfd7000, slots: 1024, areas: 2, forced }, domains: policy.translated ? [{ reserved: [] }] : [] },
    );
    for (let round = 0; round < 60; round++) {
      const length = prng.chance(1, 4) ? PAGE_SIZE * (1 + prng.below(3)) : 1 + prng.below(9000);
      const buffer = 0x40000000 + round * 0x10000 + (prng.chance(1, 3) ? 0 : prng.below(PAGE_SIZE));
      const direction = prng.below(3) as Direction;
      const before = randomBytes(prng, 64);
      const driver = randomBytes(prng, length);
      machine.memory.write(buffer - 64, before);
      machine.memory.write(buffer, driver);
      machine.memory.write(buffer + length, before);
      const address = machine.dmaMapPage(0, 0, buffer, length, direction);
      expect(address).toBeGreaterThan(0);
      const shared = sharedBytes(policy, buffer, length, forced);
      const bounced = shared.includes(0);
      if (policy !== shadow && !policy.lazy) expect(machine.pool!.used > 0).toBe(bounced);
      const device = driver.slice();
      const keepsData = policy.bouncesEdgesOnly || policy === shadow;
      if (bounced && kernel === '6.1' && policy.translated && !keepsData && direction === Directions.FROM_DEVICE) device.fill(0);
      const set = (mine: Uint8Array, others: Uint8Array, part: Uint8Array, from: number): void => {
        mine.set(part, from);
        for (let index = from; index < from + part.length; index++) if (shared[index] === 1) others[index] = mine[index];
      };

      for (let step = 0; step < 8; step++) {
        const from = prng.below(length);
        const to = from + 1 + prng.below(length - from);
        const part = randomBytes(prng, to - from);
        switch (prng.below(4)) {
          case 0:
            machine.memory.write(buffer + from, part);
            set(driver, device, part, from);
            break;
          case 1: {
            const written = machine.deviceWrite(0, address + from, part);
            const mayWrite = !policy.translated || direction !== Directions.TO_DEVICE;
            expect(written).toBe(mayWrite ? part.length : 0);
            if (mayWrite) set(device, driver, part, from);
            break;
          }
          case 2:
            machine.dmaSyncSingleForDevice(0, 0, address + from, to - from, direction);
            if (direction !== Directions.FROM_DEVICE) device.set(driver.subarray(from, to), from);
            break;
          case 3:
            machine.dmaSyncSingleForCpu(0, 0, address + from, to - from, direction);
            if (direction !== Directions.TO_DEVICE) driver.set(device.subarray(from, to), from);
            break;
        }
        const seen = new Uint8Array(length);
        expect(machine.deviceRead(0, address, seen)).toBe(length);
        expect([round, step, firstDifference(seen, device)]).toEqual([round, step, -1]);
        expect([round, step, firstDifference(bytesAt(machine, buffer, length), driver)]).toEqual([round, step, -1]);
      }

      machine.dmaUnmapPage(0, 0, address, length, direction);
      if (direction !== Directions.TO_DEVICE) driver.set(device);
      expect([round, firstDifference(bytesAt(machine, buffer, length), driver)]).toEqual([round, -1]);
      expect([bytesAt(machine, buffer - 64, 64), bytesAt(machine, buffer + length, 64)]).toEqual([before, before]);
    }
    machine.removeDevices();
    expect(machine.pool!.used).toBe(0);
  });
});

// Every way in which a short range can lie about page edges, in both directions, against the bytes themselves.
test.each([
  ['bounce-partial', bouncePartial, '6.12', 0],
  ['bounce-partial, low 12 address bits kept', bouncePartial, '6.12', 4095],
  ['bounce-partial, 6.1', bouncePartial, '6.1', 0],
  ['bounce-link', bounceLink, '6.12', 0],
  ['bounce-deferred', bounceDeferred, '6.12', 4095],
  ['shadow', shadow, '6.12', 511],
] as const)(
  '%s: ranges about page edges arrive whole, and nothing around them is seen or changed',
  (_, policy, kernel: KernelRules, mask) => {
    const machine = machineOf(policy, { minAlignMask: mask }, { kernel });
    const area = 0x40000000;
    const pattern = Uint8Array.from({ length: 6 * PAGE_SIZE }, (_byte, index) => (index % 251) + 1);
    const written = Uint8Array.from({ length: 4 * PAGE_SIZE }, (_byte, index) => (index % 241) + 10);
    for (const offset of [0, 1, 511, 2047, 2048, 2049, 4094, 4095]) {
      for (const pages of [0, 1, 2]) {
        for (const end of [0, 1, 2, 2048, 4095]) {
          const length = pages * PAGE_SIZE + end - offset;
          if (length <= 0) continue;
          const buffer = area + PAGE_SIZE + offset;
          const where = [offset, pages, end, length];
          machine.memory.write(area, pattern);
          const address = machine.dmaMapPage(0, 0, buffer, length, Directions.BIDIRECTIONAL);
          const first = address - (address % PAGE_SIZE);
          const seen = new Uint8Array(Math.ceil((address + length - first) / PAGE_SIZE) * PAGE_SIZE);
          expect([where, machine.deviceRead(0, first, seen)]).toEqual([where, seen.length]);
          const expected = new Uint8Array(seen.length);
          const from = buffer - area;
          expected.set(pattern.subarray(from, from + length), address - first);
          expect([where, firstDifference(seen, expected)]).toEqual([where, -1]);

          machine.deviceWrite(0, address, written.subarray(0, length));
          machine.dmaUnmapPage(0, 0, address, length, Directions.BIDIRECTIONAL);
          const after = pattern.slice();
          after.set(written.subarray(0, length), from);
          expect([where, firstDifference(bytesAt(machine, area, after.length), after)]).toEqual([where, -1]);
        }
      }
    }
    machine.removeDevices();
    expect(machine.pool!.used).toBe(0);
  },
);

describe('what else a device reaches in the pages of its buffer', () => {
  const PATTERN = Uint8Array.from({ length: PAGE_SIZE }, (_, index) => (index % 250) + 1);
  const pageSeenBy = (policy: typeof strict, kernel: KernelRules, minAlignMask: number): Uint8Array => {
    const machine = machineOf(policy, { minAlignMask }, { kernel });
    machine.memory.write(0x50000000, PATTERN);
    machine.memory.write(0x7bfd7000, PATTERN); // what an earlier owner left in the slots
    const address = machine.dmaMapPage(0, 0, 0x50000100, 60, Directions.TO_DEVICE);
    const page = new Uint8Array(PAGE_SIZE);
    expect(machine.deviceRead(0, address - (address % PAGE_SIZE), page)).toBe(PAGE_SIZE);
    return page;
  };

  test('without bouncing: the whole page', () => {
    expect(pageSeenBy(strict, '6.12', 0)).toEqual(PATTERN);
  });

  test('bounced: nothing but the buffer', () => {
    for (const minAlignMask of [0, 4095]) {
      const page = pageSeenBy(bounceStrict, '6.12', minAlignMask);
      const offset = minAlignMask === 0 ? 0 : 0x100;
      expect(page.subarray(offset, offset + 60)).toEqual(PATTERN.subarray(0x100, 0x100 + 60));
      page.fill(0, offset, offset + 60);
      expect(page).toEqual(new Uint8Array(PAGE_SIZE));
    }
  });

  test('bounced with kept address bits, 6.1: what was in the slot before the buffer', () => {
    const page = pageSeenBy(bounceStrict, '6.1', 4095);
    expect(page.subarray(0, 0x100)).toEqual(PATTERN.subarray(0, 0x100));
    expect(page.subarray(0x100 + 60)).toEqual(new Uint8Array(PAGE_SIZE - 0x100 - 60));
  });
});

describe('after unmap', () => {
  const machineWithMapping = (policy: typeof strict): { machine: Machine; address: number } => {
    const machine = machineOf(policy, {}, {});
    const address = machine.dmaMapPage(0, 0, 0x50000100, 60, Directions.BIDIRECTIONAL);
    expect(machine.deviceRead(0, address, new Uint8Array(60))).toBe(60);
    machine.dmaUnmapPage(0, 0, address, 60, Directions.BIDIRECTIONAL);
    return { machine, address };
  };

  test.each([strict, bounceStrict])('$name: the next access faults, by its kind', (policy) => {
    const { machine, address } = machineWithMapping(policy);
    const { faults } = machine.unit!;
    expect(machine.deviceWrite(0, address, new Uint8Array(4))).toBe(0);
    expect([faults.reasonAt(0), faults.isWriteAt(0), faults.sourceIdAt(0), faults.iovaPfnAt(0)]).toEqual([
      FaultReason.NO_WRITE,
      true,
      0x100,
      Math.floor(address / PAGE_SIZE),
    ]);
    expect(observedOf(machine.observations, Observed.FAULTED, 3)).toEqual([[address - (address % PAGE_SIZE), FaultReason.NO_WRITE, 0]]);
    faults.clearRecord(0);
    machine.observations.clear();
    expect(machine.deviceRead(0, address, new Uint8Array(4))).toBe(0);
    expect(observedOf(machine.observations, Observed.FAULTED, 3)).toEqual([[address - (address % PAGE_SIZE), FaultReason.NO_READ, 1]]);
  });

  test('lazy: what is cached still translates, up to the flush, and reaches memory that the driver owns again', () => {
    const { machine, address } = machineWithMapping(lazy);
    machine.memory.write(0x50000100, Uint8Array.of(42));
    const seen = new Uint8Array(1);
    expect(machine.deviceRead(0, address, seen)).toBe(1);
    expect(seen[0]).toBe(42);
    expect(machine.deviceWrite(0, address, Uint8Array.of(66))).toBe(1);
    expect(bytesAt(machine, 0x50000100, 1)[0]).toBe(66);
    machine.advanceTo(15e6);
    expect(machine.deviceRead(0, address, seen)).toBe(1);
    machine.advanceTo(20e6);
    expect(machine.deviceRead(0, address, seen)).toBe(0);
    expect(machine.unit!.faults.reasonAt(0)).toBe(FaultReason.NO_READ);
  });

  test('lazy: what was never accessed is gone at once', () => {
    const machine = machineOf(lazy, {}, {});
    const address = machine.dmaMapPage(0, 0, 0x50000000, PAGE_SIZE, Directions.TO_DEVICE);
    machine.dmaUnmapPage(0, 0, address, PAGE_SIZE, Directions.TO_DEVICE);
    expect(machine.deviceRead(0, address, new Uint8Array(1))).toBe(0);
  });

  test('lazy: cached paths through emptied tables are read until the flush, so those tables are kept till then', () => {
    const machine = machineOf(lazy, {}, { domains: [{ reserved: [] }] });
    const bytes = 512 * PAGE_SIZE;
    const address = machine.dmaMapPage(0, 0, 0x50001000, bytes, Directions.TO_DEVICE);
    expect(machine.deviceRead(0, address, new Uint8Array(1))).toBe(1);
    machine.dmaUnmapPage(0, 0, address, bytes, Directions.TO_DEVICE);
    // Another page of the range: no IOTLB entry, but the cached pointer to its leaf table, which keeps its contents.
    expect(machine.deviceRead(0, address + 7 * PAGE_SIZE, new Uint8Array(1))).toBe(1);
    machine.advanceTo(20e6);
    expect(machine.deviceRead(0, address + 7 * PAGE_SIZE, new Uint8Array(1))).toBe(0);
  });
});

describe('syncs that do nothing', () => {
  const copies = (machine: Machine): number =>
    observedOf(machine.observations, Observed.COPIED_IN, 1).length + observedOf(machine.observations, Observed.COPIED_OUT, 1).length;

  test.each([
    ['6.12', 0],
    ['6.1', 2],
  ] as const)('%s: a driver that sets its mask makes the device skip syncs again, live mapping or not', (kernel, expected) => {
    const machine = machineOf(bounceStrict, {}, { kernel });
    const [device] = machine.devices;
    expect(device.skipsSync).toBe(true);
    const address = machine.dmaMapPage(0, 0, 0x5010, 60, Directions.BIDIRECTIONAL);
    expect(device.skipsSync).toBe(false);
    device.setDmaMask();
    machine.observations.clear();
    machine.dmaSyncSingleForCpu(0, 0, address, 60, Directions.BIDIRECTIONAL);
    machine.dmaSyncSingleForDevice(0, 0, address, 60, Directions.BIDIRECTIONAL);
    expect(copies(machine)).toBe(expected);
  });

  test('an entry that was not bounced, an address that is not mapped', () => {
    const machine = machineOf(bounceStrict, {}, {});
    machine.dmaMapPage(0, 0, 0x5010, 60, Directions.TO_DEVICE);
    const whole = machine.dmaMapPage(0, 0, 0x6000, PAGE_SIZE, Directions.TO_DEVICE);
    machine.observations.clear();
    machine.dmaSyncSingleForDevice(0, 0, whole, 10, Directions.TO_DEVICE);
    machine.dmaSyncSingleForDevice(0, 0, 0x123000, 10, Directions.TO_DEVICE);
    expect(machine.observations.length).toBe(0);
  });
});

test('a list is synced entry by entry, with the lengths of its entries', () => {
  const machine = machineOf(bounceStrict, {}, {});
  const phys = [0x5010, 0x6000, 0x7020];
  const lengths = [60, PAGE_SIZE, 80];
  const segments = machine.dmaMapSg(0, 0, phys, lengths, Directions.BIDIRECTIONAL);
  const addresses = Float64Array.from(segments, ({ address }) => address);
  machine.observations.clear();
  machine.dma.syncSgForDevice(0, 0, addresses, Float64Array.from(lengths), 0, 3, Directions.BIDIRECTIONAL);
  machine.dma.syncSgForCpu(0, 0, addresses, Float64Array.from(lengths), 1, 2, Directions.BIDIRECTIONAL);
  expect(observedOf(machine.observations, Observed.COPIED_IN, 3).map(([, bytes, original]) => [bytes, original])).toEqual([
    [60, 0x5010],
    [80, 0x7020],
  ]);
  expect(observedOf(machine.observations, Observed.COPIED_OUT, 3).map(([, bytes, original]) => [bytes, original])).toEqual([[80, 0x7020]]);
});
