import { describe, expect, it } from 'vitest';
import { ReceiveLoad } from './receive-load.ts';
import { FAST_AND_SAFE_RECEIVER, type ReceiveParameters, setAssociative } from './receive-parameters.ts';

const PACKETS = 10_240;

function counts(changes: Partial<ReceiveParameters> = {}): ReturnType<ReceiveLoad['receive']> {
  const load = new ReceiveLoad({ ...FAST_AND_SAFE_RECEIVER, ...changes });
  load.receive(5120);
  return load.receive(PACKETS);
}

describe('pages that are mapped for one packet', () => {
  it('miss once each, and so does every acknowledgement, when nothing is ever evicted', () => {
    for (const flows of [5, 40]) {
      const { iotlbMisses, acks } = counts({ flows, iotlb: setAssociative(4096, 256) });
      // The rings of the cores stay in the IOTLB once they are there.
      expect(Math.abs(iotlbMisses - (1 + acks))).toBeLessThan(0.005);
    }
  });

  it('are read through one level of the tables as long as unmaps leave the upper ones cached', () => {
    const { l1Misses, l2Misses, l3Misses } = counts({ kernel: '6.12' });
    expect(l1Misses).toBeLessThan(0.001);
    expect(l2Misses).toBeLessThan(0.001);
    expect(l3Misses).toBeLessThan(0.01);
  });

  it('need the upper levels again after an unmap that drops them', () => {
    const { l1Misses, l2Misses, l3Misses, iotlbMisses, reads } = counts();
    expect(l1Misses).toBeGreaterThan(0.05);
    expect(l2Misses).toBeGreaterThanOrEqual(l1Misses);
    expect(l3Misses).toBeGreaterThanOrEqual(l2Misses);
    expect(l3Misses).toBeLessThanOrEqual(iotlbMisses);
    expect(reads).toBeCloseTo(iotlbMisses + l1Misses + l2Misses + l3Misses, 12);
  });
});

describe('acknowledgements', () => {
  it('grow with the flows, as fewer packets of each are in one poll', () => {
    const few = counts({ flows: 5 }).acks;
    const some = counts({ flows: 20 }).acks;
    const many = counts({ flows: 40 }).acks;
    expect(few).toBeLessThan(some);
    expect(some).toBeLessThan(many);
    // One for two packets at most.
    expect(many).toBeLessThan(0.5);
  });

  it('are one for each merged lot when a flow has a core for itself and a poll takes that many packets', () => {
    const { acks } = counts({ flows: 1, cores: 1, pollPackets: 16, pollDelayNs: 1e6 });
    expect(acks).toBeCloseTo(1 / 16, 3);
  });
});

it('a small cache of few ways misses more', () => {
  const large = counts({ flows: 40 }).iotlbMisses;
  const small = counts({ flows: 40, iotlb: setAssociative(16, 2) }).iotlbMisses;
  expect(small).toBeGreaterThan(large);
});

it('gives the same counts every time', () => {
  expect(counts()).toEqual(counts());
});
