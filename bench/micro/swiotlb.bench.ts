import { allocateSlots, NO_SLOT, Prng, releaseSlots, StateArena, SwiotlbPool } from 'dmalab-core';
import type { MicroBench } from './micro-bench.ts';

const START = 0x7bfd7000;
const SLOTS = 32768;
const ORIGINAL = 0x10000000;
const FOUR_GIB = 0xffffffff;
const SEED = 12;

const SIZES: readonly [string, number][] = [
  ['512 B', 512],
  ['4 KiB', 4096],
  ['64 KiB', 65536],
  ['256 KiB', 262144],
];

/** Name, share of the pool in use in percent, size of the mappings that use it. */
const FILLINGS: readonly [string, number, number][] = [
  ['empty', 0, 2048],
  ['50 %, single-slot holes', 50, 2048],
  ['90 %, single-slot holes', 90, 2048],
  ['50 %, 256 KiB blocks', 50, 262144],
  ['90 %, 256 KiB blocks', 90, 262144],
];

/** A pool of 64 MiB and one area, filled with mappings of one size of which a random share is then released. */
function poolOf(usedPercent: number, mappingBytes: number): SwiotlbPool {
  const pool = new SwiotlbPool(new StateArena(), { start: START, slots: SLOTS, areas: 1, kernel: '6.12' });
  if (usedPercent === 0) return pool;
  const prng = new Prng(SEED);
  const live: number[] = [];
  for (;;) {
    const tlb = map(pool, mappingBytes);
    if (tlb === NO_SLOT) break;
    live.push(tlb);
  }
  for (let left = Math.round((live.length * (100 - usedPercent)) / 100); left > 0; left--) {
    const pick = prng.below(live.length);
    releaseSlots(pool, live[pick], 0);
    live[pick] = live[live.length - 1];
    live.pop();
  }
  return pool;
}

function map(pool: SwiotlbPool, bytes: number): number {
  return allocateSlots(pool, ORIGINAL, bytes, 0, 0, FOUR_GIB, 0);
}

function mapAndUnmap(filling: string, pool: SwiotlbPool, sizeName: string, bytes: number): MicroBench {
  const probe = map(pool, bytes);
  if (probe !== NO_SLOT) releaseSlots(pool, probe, 0);
  return {
    name: `swiotlb: ${sizeName}, ${filling}${probe === NO_SLOT ? ': fails' : ''}`,
    unit: 'ns/op',
    iterations: 500_000,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const tlb = map(pool, bytes);
        if (tlb !== NO_SLOT) releaseSlots(pool, tlb, 0);
      }
    },
  };
}

/** Allocation and release of slots without the copy: the rows and the pools of the native baseline. */
export const swiotlbBenches: MicroBench[] = FILLINGS.flatMap(([filling, usedPercent, mappingBytes]) => {
  const pool = poolOf(usedPercent, mappingBytes);
  return SIZES.map(([sizeName, bytes]) => mapAndUnmap(filling, pool, sizeName, bytes));
});
