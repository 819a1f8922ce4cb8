import { Prng } from 'dmalab-core';
import { expect, it } from 'vitest';
import { CpuHeap } from './cpu-heap.ts';

it.each([1, 2, 3, 7, 64])('names the earliest of %i CPUs, the lower number of equals', (cpus) => {
  const heap = new CpuHeap(cpus);
  const random = new Prng(cpus);
  const times = new Float64Array(cpus);
  for (let round = 0; round < 500; round++) {
    let earliest = 0;
    for (let cpu = 1; cpu < cpus; cpu++) if (times[cpu] < times[earliest]) earliest = cpu;
    expect(heap.earliest).toBe(earliest);
    // Most often the earliest moves, sometimes a timer delays another.
    const moved = random.chance(3, 4) ? earliest : random.below(cpus);
    times[moved] += random.below(5);
    heap.delay(moved, times[moved]);
  }
});
