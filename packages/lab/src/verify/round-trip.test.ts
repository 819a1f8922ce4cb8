import { Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { KernelSimulator } from '../testing/kernel-simulator.ts';
import { type TestMachine, testMachine } from '../testing/test-machine.ts';
import { withHeader } from '../testing/trace-text.ts';
import { differenceTexts, ledgerTotal, verifyText } from '../testing/verify-text.ts';
import type { VerifyResult } from './verify-result.ts';

const A = '0000:00:05.0';
const B = '0000:01:00.0';
const C = '0000:02:00.0';
const D = '0000:03:00.0';

/** All four ways at once, and one group of two devices. */
const mixed: TestMachine['devices'] = [
  { address: A, protection: 'lazy' },
  { address: B, protection: 'untrusted', driver: 'nvme' },
  { address: C, protection: 'strict', driver: 'nvme', group: 2 },
  { address: D, protection: 'strict', group: 2 },
  { address: '0000:04:00.0', protection: 'identity' },
  { address: '0000:05:00.0', protection: 'untrusted' },
];

const machines: readonly (readonly [string, TestMachine])[] = [
  ['strict, 1 CPU', { devices: [{ address: A, protection: 'strict' }] }],
  ['lazy, 1 CPU', { devices: [{ address: A, protection: 'lazy' }] }],
  ['lazy, 4 CPUs', { devices: [{ address: A, protection: 'lazy' }], cpus: 4 }],
  ['bounced, 1 CPU', { devices: [{ address: B, protection: 'untrusted', driver: 'nvme' }], slots: 4096 }],
  ['bounced, 4 CPUs', { devices: [{ address: B, protection: 'untrusted' }], slots: 8192, areas: 4, cpus: 4 }],
  ['mixed, 1 CPU', { devices: mixed, slots: 8192 }],
  ['mixed, 2 CPUs', { devices: mixed, slots: 8192, areas: 2, cpus: 2 }],
  ['mixed, caching mode', { devices: mixed.filter(({ protection }) => protection !== 'lazy'), slots: 8192, cachingMode: true }],
  ['mixed, forced pool', { devices: mixed, slots: 8192, commandLine: 'swiotlb=force' }],
  ['bounced, full pool', { devices: mixed.filter(({ protection }) => protection === 'untrusted'), slots: 128, cpus: 2 }],
  ['mixed, no low addresses', { devices: mixed, slots: 8192, lowPages: 300 }],
];

function recordingOf(machine: TestMachine, seed: number, calls: number): string[] {
  const simulator = new KernelSimulator(machine, seed);
  simulator.run(calls);
  return simulator.lines;
}

async function verifyLines(lines: readonly string[], machine: TestMachine): Promise<VerifyResult> {
  const result = await verifyText(withHeader(lines), testMachine(machine));
  expect(ledgerTotal(result)).toBe(lines.length);
  return result;
}

/** Goal: what the engine does, written as a trace and read again, is what verify expects. */
describe('machine, trace text, import, verify', () => {
  it.each(machines)('%s: equal', async (_, machine) => {
    for (let seed = 1; seed <= 2; seed++) {
      const lines = recordingOf(machine, seed, 900);
      const result = await verifyLines(lines, machine);
      expect({ seed, differences: differenceTexts(result) }).toEqual({ seed, differences: [] });
      expect(result).toMatchObject({ limits: [], unknownMappings: 0, strayLines: 0, windowCount: 0 });
      expect(result.ledger).toMatchObject({ notModelled: 0, notCompared: 0 });
      // Lists fail where the pool is too small, and nowhere else.
      expect(result.rebuiltCalls > 0).toBe(machine.slots === 128);
    }
  });

  it.each(['6.1'] as const)('kernel %s: outcomes alone are equal', async (kernel) => {
    const machine: TestMachine = { devices: mixed.filter(({ protection }) => protection !== 'identity'), kernel, slots: 8192, cpus: 2 };
    for (let seed = 1; seed <= 2; seed++) {
      const result = await verifyLines(recordingOf(machine, seed, 900), machine);
      expect({ seed, differences: differenceTexts(result) }).toEqual({ seed, differences: [] });
      expect(result.checks.find(({ id }) => id === 'slot')!.equal).toBeGreaterThan(100);
    }
  });
});

/** Ways in which one line can be wrong; the text of a changed line, or undefined where it cannot be wrong in this way. */
const mutations: readonly (readonly [string, (line: string, random: Prng) => string | undefined])[] = [
  ['address of a map line', (line, random) => changedDigit(line, / map: IOMMU: iova=0x0000(\w+) - /, random, / - 0x0000(\w+) /)],
  ['range of an unmap line', (line, random) => changedDigit(line, / unmap: IOMMU: iova=0x0000(\w+) - /, random, / - 0x0000(\w+) /)],
  ['what was unmapped', (line, random) => changedDigit(line, /unmapped_size=(\d+)/, random)],
  ['first word of a descriptor', (line, random) => changedDigit(line, /iotlb_inv dmar0: 0x(\w+)/, random)],
  ['second word of a descriptor', (line, random) => changedDigit(line, /iotlb_inv dmar0: 0x\w+ 0x(\w{3,})/, random)],
  ['domain of a cache_tag line', (line, random) => changedDigit(line, /flush_range.* did (\d+)/, random)],
  ['range of a cache_tag line', (line, random) => changedDigit(line, /-0x(\w+)\] addr/, random)],
  ['address of a cache_tag line', (line, random) => changedDigit(line, /\] addr 0x(\w+)/, random)],
  ['mask of a cache_tag line', (line, random) => changedDigit(line, / mask 0x(\w+)/, random)],
  ['result of a map', (line, random) => changedDigit(line, /dma_(?:map_page|map_resource|alloc): .* dma_addr=(\w{6,8}) /, random)],
  ['segment of a list', (line, random) => changedDigit(line, /dma_map_sg: .* dma_addrs=\{0x(\w+)/, random)],
];

/** Another digit in one place of what the pattern captures; the same change in the second captured text, so that sums stay right. */
function changedDigit(line: string, pattern: RegExp, random: Prng, also?: RegExp): string | undefined {
  const match = pattern.exec(line);
  if (match === null || / dma_map.*0000:04:00/.test(line)) return undefined;
  const isDecimal = /^\d+$/.test(match[1]) && !/0x$/.test(line.slice(0, match.index + match[0].lastIndexOf(match[1])));
  const value = Number.parseInt(match[1], isDecimal ? 10 : 16);
  const step = also === undefined ? 16 ** random.below(match[1].length) : 16 ** (3 + random.below(4));
  const other = value >= step ? value - step : value + step;
  const replaced = replaceIn(line, match, other.toString(isDecimal ? 10 : 16).padStart(match[1].length, '0'));
  if (also === undefined) return replaced;
  const end = also.exec(replaced)!;
  const moved = Number.parseInt(end[1], 16) + other - value;
  return replaceIn(replaced, end, moved.toString(16).padStart(end[1].length, '0'));
}

function replaceIn(line: string, match: RegExpExecArray, text: string): string {
  const at = match.index + match[0].lastIndexOf(match[1]);
  return line.slice(0, at) + text + line.slice(at + match[1].length);
}

/** Goal: one line that is wrong never goes unnoticed. */
describe('one wrong line', () => {
  const machine: TestMachine = { devices: mixed, slots: 8192, areas: 2, cpus: 2 };
  const lines = recordingOf(machine, 9, 250);

  it.each(mutations)('%s: differs', async (_, mutate) => {
    const random = new Prng(77);
    let tried = 0;
    while (tried < 6) {
      const at = random.below(lines.length);
      const line = mutate(lines[at], random);
      if (line === undefined) continue;
      tried += 1;
      const result = await verifyLines([...lines.slice(0, at), line, ...lines.slice(at + 1)], machine);
      expect({ line, was: lines[at], differs: result.differences.length > 0 }).toMatchObject({ differs: true });
    }
  });

  it.each([' unmap: ', ' map: ', 'cache_tag_flush_range', 'qi_submit', 'swiotlb_bounced'])('%s left out: differs', async (name) => {
    const random = new Prng(78);
    const candidates = lines.flatMap((line, index) => (line.includes(name) ? [index] : []));
    for (let trial = 0; trial < 6; trial++) {
      const at = candidates[random.below(candidates.length)];
      const rest = lines.filter((_, index) => index !== at);
      const result = await verifyLines(rest, machine);
      expect({ line: lines[at], differs: result.differences.length > 0 }).toMatchObject({ differs: true });
    }
  });
});
