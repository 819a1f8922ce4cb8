import { describe, expect, test } from 'vitest';
import { type KernelRules, PAGE_SIZE, Prng } from '../base/index.ts';
import { NOT_MAPPED } from '../iommu/index.ts';
import { passthrough, policies, strict } from '../policy/index.ts';
import { framesOutsideTables, RandomDriver } from './call-sequences.oracle.ts';
import { Machine } from './machine.ts';
import type { MachineParameters } from './parameters.ts';
import { pciDevice, pcMachine } from './pc.ts';

const POLICIES = policies.flatMap((policy) => [[policy.name, '6.12', policy] as const, [policy.name, '6.1', policy] as const]);

const RUNS = 3;
const CALLS = 200;

/** Room for 48 pages below 4 GiB, from which a device with a 32-bit mask cannot escape. */
const CROWDED = [{ loPfn: 1, hiPfn: 0xfffff - 48 }];

const shapes: readonly (readonly [string, Partial<MachineParameters>, number, number])[] = [
  ['roomy', {}, 9000, Number.POSITIVE_INFINITY],
  ['with long buffers', {}, 5 * 1024 * 1024, Number.POSITIVE_INFINITY],
  [
    'short of slots',
    { swiotlb: { start: 0x7bfd7000, slots: 64, areas: 2, forced: true, segmentSlots: 32 } },
    9000,
    Number.POSITIVE_INFINITY,
  ],
  ['short of addresses', { domains: [{ reserved: CROWDED }, { reserved: CROWDED }] }, 20000, 0xffffffff],
  ['with rings of four', { ringEntries: 4 }, 9000, Number.POSITIVE_INFINITY],
];

describe.each(shapes)('a machine %s', (_, changes, longest, mask) => {
  test.each(POLICIES)('%s under %s rules: everything that was taken is given back', (name, kernel: KernelRules, policy) => {
    let failed = 0;
    for (let run = 0; run < RUNS; run++) {
      const devices = [0, 1].map((index) => ({ ...pciDevice(index, policy, index), dmaMask: mask, coherentDmaMask: mask }));
      const domains = changes.domains ?? [{ reserved: [] }, { reserved: [] }];
      const machine = new Machine(pcMachine([policy, policy], { kernel, memory: 'accounting', ...changes, devices, domains }));
      const context = framesOutsideTables(machine);
      const driver = new RandomDriver(machine, new Prng(run * 1000 + 7), longest);
      for (let call = 0; call < CALLS; call++) driver.act();
      failed += driver.failed;
      driver.finish();
      for (let page = 0; page < 64; page++) {
        for (const { hardware } of machine.domains) {
          // Shadow buffers alone stay mapped; what they map lies in the pool.
          const pfn = hardware.lookup(0xfffff - page);
          if (pfn !== NOT_MAPPED) expect(policy.mapNewShadow.length > 0 && machine.pool!.contains(pfn * PAGE_SIZE)).toBe(true);
        }
      }
      machine.removeDevices(1);

      const seed = `${name} ${kernel} run ${run}`;
      expect([seed, machine.pool!.used, machine.dma.calls.inFlight, machine.dma.unmapsOfNothing, machine.dma.entriesAlreadySet]).toEqual([
        seed,
        0,
        0,
        0,
        0,
      ]);
      // All that is left in frames is the unit's own: root table and context tables.
      expect([seed, machine.frames.framesInUse]).toEqual([seed, context]);
      for (const { iovaPages, iova, flushQueue } of machine.domains) {
        expect([seed, iovaPages, flushQueue?.entries ?? 0, flushQueue?.entriesWithSlots ?? 0]).toEqual([seed, 0, 0, 0]);
        expect([seed, iova.cachedPages(), iova.nodePages, iova.nodeCount]).toEqual([seed, 0, 0, iova.reservedNodeCount]);
      }
    }
    // The shapes that are short of something do make calls fail.
    if (longest === 20000 && policy.translated) expect(failed).toBeGreaterThan(0);
    const bounces = policy.bounces(1, 1) || policy === passthrough;
    if (changes.swiotlb !== undefined && bounces && !policy.bouncesEdgesOnly) expect(failed).toBeGreaterThan(0);
  });
});

test('a list under one address range lets the device reach exactly the pages of its entries, padding included', () => {
  const prng = new Prng(64);
  const machine = new Machine(
    pcMachine([strict], { domains: [{ reserved: [] }], devices: [{ ...pciDevice(0, strict, 0), segmentBoundaryMask: 0xffff }] }),
  );
  for (let round = 0; round < 100; round++) {
    const phys = Array.from(
      { length: 1 + prng.below(8) },
      () => prng.below(0x60000) * PAGE_SIZE + (prng.chance(1, 2) ? 0 : prng.below(PAGE_SIZE)),
    );
    const lengths = phys.map(() => (prng.chance(1, 2) ? PAGE_SIZE : 1 + prng.below(60000)));
    const segments = machine.dmaMapSg(0, 0, phys, lengths, 1);
    // Walk the segments byte for byte as a device would, one page at a time, and compare with the list.
    let entry = 0;
    let inEntry = 0;
    for (const { address, bytes } of segments) {
      for (let done = 0; done < bytes; ) {
        expect(machine.deviceAccess(0, address + done, false)).toBe(phys[entry] + inEntry);
        const step = Math.min(lengths[entry] - inEntry, PAGE_SIZE - ((address + done) % PAGE_SIZE));
        done += step;
        inEntry += step;
        if (inEntry === lengths[entry]) {
          entry += 1;
          inEntry = 0;
        }
      }
    }
    expect(entry).toBe(phys.length);
    machine.dmaUnmapSg(0, 0, segments, 1);
  }
  expect(machine.domains[0].iovaPages).toBe(0);
});
