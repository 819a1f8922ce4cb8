import { bounceStrict, Direction, lazy, type ProtectionPolicy, passthrough, pcMachine, policies, strict } from 'dmalab-core';
import { describe, expect, it, test } from 'vitest';
import type { CostConstantName } from '../cost/cost-constant.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { CostFigures } from '../cost/price-charges.ts';
import { flatProfile } from '../testing/flat-profile.ts';
import { type Sharing, saturatedMachine } from './saturated-machine.ts';
import { Saturation } from './saturation.ts';
import type { SaturationResult } from './saturation-result.ts';
import { bufferRingSequence, mapUnmapSequence } from './synthetic-sequence.ts';

const PRICES = {
  mapCall: 10,
  unmapCall: 10,
  iovaCacheAlloc: 30,
  iovaCacheFree: 20,
  iovaTreeAlloc: 30,
  iovaTreeFree: 20,
  mapFirstPage: 60,
  unmapFirstPage: 80,
  slotSearch: 50,
  slotRelease: 40,
  flushQueueAdd: 15,
} as const;
/** Map and unmap of a directly mapped buffer, without the invalidation. */
const DIRECT_NS = 10 + 30 + 60 + (10 + 80 + 20);
const SERVICE_NS = 1000;
const COPY_NS = 100;

/** A profile of these prices, everything else free. */
function profileOf(prices: Partial<Record<CostConstantName, number>>, latency = SERVICE_NS, share = 1): CostProfile {
  return flatProfile({ ...prices, pageInvalidation: latency, domainInvalidation: latency, queueService: share }, COPY_NS);
}

interface Run {
  readonly policy: ProtectionPolicy;
  readonly cpus: number;
  readonly sharing?: Sharing;
  readonly areas?: number;
  readonly slots?: number;
  readonly service?: number;
  readonly bytes?: number;
  readonly depth?: number;
}

function run({
  policy,
  cpus,
  sharing = 'queue-and-pool',
  areas,
  slots = 32768,
  service = SERVICE_NS,
  bytes = 1500,
  depth = 1,
}: Run): SaturationResult {
  const one = pcMachine([policy]);
  const sequence = bufferRingSequence({ bytes, offset: 64, direction: Direction.TO_DEVICE, depth, pairs: 4 * depth });
  const setup = saturatedMachine({ ...one, swiotlb: { ...one.swiotlb!, slots } }, sequence, cpus, sharing, areas);
  return new Saturation(setup, sequence, profileOf(PRICES, service)).measure(policy.name, 300, 510);
}

const valuesOf = ({ split }: CostFigures): Record<string, number | null> =>
  Object.fromEntries(Object.entries(split).map(([part, { value }]) => [part, value]));
const sumOf = (split: object): number => Object.values(split).reduce((sum: number, value: number) => sum + value, 0);

describe('one CPU', () => {
  test('strict: the prices of its steps and one invalidation', () => {
    const { nsPerPair, work, waiting, queueUtilisation } = run({ policy: strict, cpus: 1 });
    expect(valuesOf(work)).toEqual({ call: 20, iova: 50, pageTable: 140, slots: 0, copy: 0, invalidation: SERVICE_NS, lock: 0, flush: 0 });
    expect(waiting).toEqual({ queue: 0, pool: 0, iova: 0, ring: 0 });
    expect(nsPerPair).toBe(DIRECT_NS + SERVICE_NS);
    expect(queueUtilisation).toBeCloseTo(SERVICE_NS / nsPerPair, 3);
  });

  test('bounce-strict: the copy and the slots besides', () => {
    const { nsPerPair, work } = run({ policy: bounceStrict, cpus: 1 });
    expect(valuesOf(work)).toEqual({
      call: 20,
      iova: 50,
      pageTable: 140,
      slots: 90,
      copy: 100,
      invalidation: SERVICE_NS,
      lock: 0,
      flush: 0,
    });
    expect(nsPerPair).toBe(DIRECT_NS + SERVICE_NS + 190);
  });

  test('lazy: one invalidation for each ring of 255', () => {
    const { nsPerPair, flushes, work } = run({ policy: lazy, cpus: 1 });
    expect(flushes).toEqual({ ringFull: 2, timer: 0, poolDry: 0 });
    // What is drained from the ring pays its free there.
    expect(valuesOf(work).flush).toBeCloseTo(15 + 20 + SERVICE_NS / 255, 0);
    expect(nsPerPair).toBeCloseTo(DIRECT_NS + 15 + SERVICE_NS / 255, 0);
  });

  test('passthrough: the calls alone', () => {
    expect(run({ policy: passthrough, cpus: 1 }).nsPerPair).toBe(20);
  });

  it.each(policies.map((policy) => [policy.name, policy] as const))('%s waits for nobody and sums up', (_, policy) => {
    const { nsPerPair, work, waiting, pairsPerCpuPerSecond } = run({ policy, cpus: 1, depth: 32 });
    expect(sumOf(waiting)).toBe(0);
    expect(nsPerPair).toBeCloseTo(work.total.value!, 6);
    expect(pairsPerCpuPerSecond).toBeCloseTo(1e9 / nsPerPair, 6);
  });
});

describe('CPUs that share nothing but a serial queue', () => {
  // A closed system of N customers with work L and one server of constant service s.
  it.each([1, 2, 3, 8, 64])('%i of them: the larger of L + s and N s', (cpus) => {
    for (const service of [40, 1000]) {
      const { nsPerPair, queueUtilisation, work, waiting } = run({ policy: strict, cpus, service });
      const expected = Math.max(DIRECT_NS + service, cpus * service);
      expect(Math.abs(nsPerPair / expected - 1)).toBeLessThan(0.005);
      expect(work.total.value! + sumOf(waiting)).toBeCloseTo(nsPerPair, 6);
      expect(work.split.invalidation.value).toBeCloseTo(service, 6);
      expect(queueUtilisation).toBeLessThan(1.001);
      expect(Math.abs(queueUtilisation - (cpus * service) / expected)).toBeLessThan(0.01);
    }
  });

  it.each([1, 4, 16])('%i of them: the queue takes the next descriptor before the last is done', (cpus) => {
    const sequence = mapUnmapSequence(1500);
    const setup = saturatedMachine(pcMachine([strict]), sequence, cpus, 'queue-and-pool');
    const { nsPerPair, work } = new Saturation(setup, sequence, profileOf(PRICES, 1000, 0.25)).measure('strict', 300, 510);
    expect(Math.abs(nsPerPair / Math.max(DIRECT_NS + 1000, cpus * 250) - 1)).toBeLessThan(0.005);
    expect(work.split.invalidation.value).toBeCloseTo(1000, 6);
  });

  it('are never faster with more of them', () => {
    for (const policy of policies) {
      let slower = 0;
      for (const cpus of [1, 3, 9]) {
        const { nsPerPair } = run({ policy, cpus });
        expect(nsPerPair, `${policy.name} on ${cpus}`).toBeGreaterThan(slower * 0.99);
        slower = nsPerPair;
      }
    }
  });

  it('give the same result every time', () => {
    for (const policy of policies) {
      for (const sharing of ['queue-and-pool', 'device'] as const) {
        expect(run({ policy, cpus: 2, sharing })).toEqual(run({ policy, cpus: 2, sharing }));
      }
    }
  });
});

describe('the pool', () => {
  it('with an area per CPU makes nobody wait, with one area it is a serial resource', () => {
    const apart = run({ policy: bounceStrict, cpus: 8, service: 1 });
    expect(apart.waiting.pool).toBe(0);
    const together = run({ policy: bounceStrict, cpus: 8, service: 1, areas: 1 });
    const held = 50 + 40;
    const alone = DIRECT_NS + 1 + 190;
    expect(Math.abs(together.nsPerPair / Math.max(alone, 8 * held) - 1)).toBeLessThan(0.02);
    expect(together.waiting.pool).toBeGreaterThan(200);
  });

  it('that is too small makes maps fail, and the pairs that remain are counted', () => {
    const { failures, measured, nsPerPair } = run({ policy: bounceStrict, cpus: 4, slots: 512, depth: 256 });
    expect(failures).toBeGreaterThan(0);
    expect(measured.pairs + failures).toBeGreaterThanOrEqual(4 * 510);
    expect(nsPerPair).toBeGreaterThan(DIRECT_NS + SERVICE_NS);
  });
});

describe('one device for all CPUs', () => {
  it('makes them take turns at the tree for sizes that are not cached', () => {
    const shared = run({ policy: strict, cpus: 8, sharing: 'device', bytes: 2 ** 18, service: 1 });
    const apart = run({ policy: strict, cpus: 8, bytes: 2 ** 18, service: 1 });
    expect(apart.waiting.iova).toBe(0);
    // Allocating and freeing both hold the tree's lock.
    expect(Math.abs(shared.nsPerPair / Math.max(DIRECT_NS + 1, 8 * (30 + 20)) - 1)).toBeLessThan(0.02);
  });

  it('leaves each its own cache for sizes that are', () => {
    expect(run({ policy: strict, cpus: 8, sharing: 'device' }).waiting.iova).toBeLessThan(5);
  });
});

test('the buffers of the CPUs do not overlap and keep their alignment', () => {
  const sequence = mapUnmapSequence(1500, 64);
  const { shift } = saturatedMachine(pcMachine([strict]), sequence, 4, 'queue-and-pool');
  const last = Math.max(...sequence.phys) + 1500;
  expect(shift[0]).toBe(0);
  for (let cpu = 1; cpu < 4; cpu++) {
    expect(shift[cpu] - shift[cpu - 1]).toBeGreaterThanOrEqual(last);
    expect(shift[cpu] % 2 ** 21).toBe(0);
  }
});

test('a flush timer fires in simulated time and takes its CPU away', () => {
  const one = pcMachine([lazy], { possibleCpus: 2 });
  // So slow that 10 ms pass before a ring is full.
  const sequence = mapUnmapSequence(1500);
  const slow = profileOf({ ...PRICES, mapFirstPage: 200_000 });
  const result = new Saturation(saturatedMachine(one, sequence, 2, 'queue-and-pool'), sequence, slow).measure('lazy', 300, 600);
  expect(result.flushes.ringFull).toBe(0);
  // 10 ms and a tick at HZ 250 take 12 to 16 ms; 600 pairs take 120 ms, in two domains.
  expect(result.flushes.timer).toBeGreaterThanOrEqual(14);
  expect(result.flushes.timer).toBeLessThanOrEqual(20);
});
