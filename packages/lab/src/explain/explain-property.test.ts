import { PAGE_SIZE, Prng, roundDown } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { explainText } from '../testing/explain-text.ts';
import { KernelSimulator } from '../testing/kernel-simulator.ts';
import { type TestMachine, testMachine } from '../testing/test-machine.ts';
import { withHeader } from '../testing/trace-text.ts';
import { plainLives } from './page-lives.oracle.ts';

const CALLS = 800;
const PAGES = 10;

const machine: TestMachine = {
  cpus: 2,
  slots: 1024,
  devices: [
    { address: '0000:00:05.0', protection: 'lazy' },
    { address: '0000:01:00.0', protection: 'strict' },
    { address: '0000:02:00.0', protection: 'untrusted' },
  ],
};

describe('explain on random traces', () => {
  it.each([1, 2, 3])('finds the lives that reading line by line finds, seed %i', async (seed) => {
    const simulator = new KernelSimulator(machine, seed);
    simulator.run(CALLS);
    const text = withHeader(simulator.lines);
    const random = new Prng(seed);
    const addresses = [...text.matchAll(/ dma_addr=([0-9a-f]{8}) /g)].map((match) => Number.parseInt(match[1], 16));
    let lives = 0;
    for (let index = 0; index < PAGES; index++) {
      const page = roundDown(addresses[random.below(addresses.length)], PAGE_SIZE);
      const device = random.below(machine.devices.length);
      const { address } = machine.devices[device];
      const { pages } = await explainText(text, { iova: page.toString(16), device: address }, testMachine(machine));
      const found = pages[0].lives.map(({ number, mapLine, unmapLine, invalidation }) => ({
        number,
        mapLine,
        unmapLine: unmapLine ?? 0,
        flushLine: invalidation?.line ?? 0,
      }));
      expect(found).toEqual(plainLives(text, address, page, simulator.machine.domains[device].id));
      lives += found.length;
    }
    expect(lives).toBeGreaterThan(PAGES);
  });

  it('finds every mapping by its number', async () => {
    const simulator = new KernelSimulator(machine, 9);
    simulator.run(CALLS);
    const text = withHeader(simulator.lines);
    const { gaps } = await explainText(text, { iova: '1000' }, testMachine(machine));
    expect(gaps.mappings).toBeGreaterThan(CALLS / 3);
    for (let number = 1; number <= gaps.mappings; number += 53) {
      const [page] = (await explainText(text, { mapping: `m-${number}` }, testMachine(machine))).pages;
      expect(page.lives[page.chosen]).toMatchObject({ number });
    }
  });
});
