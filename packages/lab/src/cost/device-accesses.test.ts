import { bounceStrict, Direction, lazy, Machine, type ProtectionPolicy, passthrough, pcMachine, strict } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { changedProfile } from '../testing/changed-profile.ts';
import { DeviceAccesses, priceDeviceAccesses } from './device-accesses.ts';
import { readProfile } from './read-profile.ts';

const profile = readProfile('broadwell-iotlb');

/** Maps, lets the device touch, and unmaps buffers of a size, one after the other or `held` at a time. */
function accesses(policy: ProtectionPolicy, buffers: number, bytes: number, held = 1, used = profile): DeviceAccesses {
  const machine = new Machine(pcMachine([policy], { memory: 'accounting' }));
  const device = DeviceAccesses.of(machine, used)!;
  const mapped: number[] = [];
  const end = (): void => {
    const address = mapped.shift()!;
    device.mappingEnds(0, Float64Array.of(address), Float64Array.of(bytes), 0, 1);
    machine.dmaUnmapPage(0, 0, address, bytes, Direction.FROM_DEVICE);
    device.observe(machine.observations);
    machine.observations.clear();
  };
  for (let buffer = 0; buffer < buffers; buffer++) {
    mapped.push(machine.dmaMapPage(0, 0, 0x100000 + buffer * 0x10000, bytes, Direction.FROM_DEVICE));
    if (mapped.length === held) end();
  }
  while (mapped.length > 0) end();
  return device;
}

describe('accesses of a device', () => {
  it('miss once per page of a mapping when each unmap invalidates', () => {
    // 6.12 keeps the paging-structure entries (IH): only the first walk reads the three levels above the leaf.
    expect(accesses(strict, 100, 8192).countsOf([0])).toEqual({ pages: 200, iotlbMisses: 200, walkReads: 3 });
  });

  it('hit what a lazy domain has not yet flushed only if the address comes again', () => {
    // Queued addresses are not handed out again before the flush, so every page is new.
    expect(accesses(lazy, 100, 4096).countsOf([0])).toMatchObject({ pages: 100, iotlbMisses: 100 });
  });

  it('count each page that a segment touches', () => {
    expect(accesses(bounceStrict, 10, 1500).countsOf([0])).toMatchObject({ pages: 10, iotlbMisses: 10 });
    expect(accesses(strict, 10, 4097).countsOf([0]).pages).toBe(20);
  });

  it('are not translated under passthrough', () => {
    expect(accesses(passthrough, 10, 4096).countsOf([0])).toEqual({ pages: 0, iotlbMisses: 0, walkReads: 0 });
  });

  it('lose what does not fit: a mapping touched twice stays only within the capacity', () => {
    for (const [pages, misses] of [
      [64, 64],
      [65, 130],
    ]) {
      const machine = new Machine(pcMachine([strict], { memory: 'accounting' }));
      const device = DeviceAccesses.of(machine, profile)!;
      const address = machine.dmaMapPage(0, 0, 0x100000, pages * 4096, Direction.FROM_DEVICE);
      for (let round = 0; round < 2; round++) device.mappingEnds(0, Float64Array.of(address), Float64Array.of(pages * 4096), 0, 1);
      expect(device.countsOf([0]).iotlbMisses).toBe(misses);
    }
  });

  it('cost the profile what a miss and a read cost', () => {
    const figure = priceDeviceAccesses({ pages: 10, iotlbMisses: 4, walkReads: 2 }, profile);
    expect(figure).toMatchObject({ value: 4 * 280 + 2 * 197, unit: 'ns', basis: 'model', dominant: null });
    const missing = changedProfile(profile, { walkStep: null });
    expect(priceDeviceAccesses({ pages: 1, iotlbMisses: 1, walkReads: 1 }, missing)).toMatchObject({ value: null, missing: ['walkStep'] });
    expect(priceDeviceAccesses({ pages: 1, iotlbMisses: 1, walkReads: 0 }, missing).value).toBe(280);
  });

  it('are not followed without a geometry', () => {
    const machine = new Machine(pcMachine([strict]));
    expect(DeviceAccesses.of(machine, readProfile('smmuv3-server'))).toBeNull();
  });
});
