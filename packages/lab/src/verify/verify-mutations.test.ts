import { describe, expect, it } from 'vitest';
import {
  bouncedText,
  domainFlushTexts,
  mapPageText,
  mapSgText,
  mapText,
  strictFlushTexts,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { POOL_START, testMachine } from '../testing/test-machine.ts';
import { softirq, TraceText, task, withHeader } from '../testing/trace-text.ts';
import { differenceTexts, ledgerTotal, verifyText } from '../testing/verify-text.ts';
import type { VerifyResult } from './verify-result.ts';

const NIC = '0000:00:05.0';
const DISK = '0000:01:00.0';
const LAZY = '0000:02:00.0';
const PAGE = 4096;
const MEMORY = 0x105000000;

const machine = testMachine({
  devices: [
    { address: NIC, protection: 'strict' },
    { address: DISK, protection: 'untrusted', driver: 'nvme' },
    { address: LAZY, protection: 'lazy' },
  ],
});

/** A recording in which nothing is wrong, with the two addresses that the strict device gets first; `L` numbers are lines of the file. */
function sound(first = 0xfffff000, second = 0xffffe000): string[] {
  const trace = new TraceText();
  const source = task(10);
  // L5 to L8: two pages of the strict device
  trace.add(source, mapText(first, MEMORY, PAGE), mapPageText(NIC, first + 0x10, 100, MEMORY + 0x10));
  trace.add(source, mapText(second, MEMORY, PAGE), mapPageText(NIC, second + 0x10, 100, MEMORY + 0x10));
  // L9 to L12: the first one ends
  trace.add(source, unmapText(first, PAGE), ...strictFlushTexts(2, first), unmapPageText(NIC, first + 0x10, 100));
  // L13 to L15: a bounced page; L16 to L19: it ends
  trace.add(source, bouncedText(DISK, MEMORY + 0x200, 512), mapText(0xfffff000, POOL_START, PAGE));
  trace.add(source, mapPageText(DISK, 0xfffff200, 512, MEMORY + 0x200));
  trace.add(source, unmapText(0xfffff000, PAGE), ...strictFlushTexts(3, 0xfffff000), unmapPageText(DISK, 0xfffff200, 512));
  // L20 to L22: a list of two entries as one segment; L23 to L26: it ends
  const phys = [MEMORY, MEMORY + 0x8000];
  trace.add(source, mapText(0xffffc000, phys[0], PAGE), mapText(0xffffd000, phys[1], PAGE));
  trace.add(source, mapSgText(NIC, phys, [{ address: 0xffffc000, bytes: 2 * PAGE }]));
  trace.add(softirq(), unmapSgText(NIC, phys), unmapText(0xffffc000, 2 * PAGE), ...strictFlushTexts(2, 0xffffc000, 2));
  // L27, L28: a page of the lazy device; L29, L30: it ends; L31, L32: its domain is flushed
  trace.add(source, mapText(0xfffff000, MEMORY, PAGE), mapPageText(LAZY, 0xfffff000, PAGE, MEMORY));
  trace.add(source, unmapText(0xfffff000, PAGE), unmapPageText(LAZY, 0xfffff000, PAGE));
  trace.waitUs(12_000).add(softirq(), ...domainFlushTexts(4));
  // L33 to L38: what was freed is used again
  trace.add(source, mapText(0xfffff000, MEMORY, PAGE), mapPageText(LAZY, 0xfffff000, PAGE, MEMORY));
  trace.add(source, mapText(first, MEMORY, PAGE), mapPageText(NIC, first, PAGE, MEMORY));
  trace.add(source, mapText(0xfffff000, MEMORY, PAGE), mapPageText(DISK, 0xfffff000, PAGE, MEMORY));
  return trace.lines;
}

/** Replaces a text that must be there, in line `number` of the file. */
function changed(lines: readonly string[], number: number, from: string, to: string): string[] {
  const line = lines[number - 5];
  expect(line).toContain(from);
  return lines.map((each) => (each === line ? line.replace(from, to) : each));
}

function without(lines: readonly string[], ...numbers: readonly number[]): string[] {
  return lines.filter((_, index) => !numbers.includes(index + 5));
}

function predictions(result: VerifyResult): number {
  return result.checks.reduce((sum, check) => sum + check.predictions, 0);
}

function equals(result: VerifyResult): number {
  return result.checks.reduce((sum, check) => sum + check.equal, 0);
}

async function verifyLines(lines: readonly string[]): Promise<VerifyResult> {
  const result = await verifyText(withHeader(lines), machine);
  expect(ledgerTotal(result)).toBe(lines.length);
  return result;
}

/** Goal: a field that is wrong in one line is one difference in its own check, and everything else stays equal. */
describe('one wrong field', () => {
  it('none: all equal', async () => {
    const result = await verifyLines(sound());
    expect(differenceTexts(result)).toEqual([]);
    expect(result).toMatchObject({ limits: [], equalAfterFirst: 0, strayLines: 0, unknownMappings: 0, windowCount: 0 });
    expect(predictions(result)).toBe(39);
  });

  it.each([
    ['paddr of a map', 7, 'paddr=0x0000000105000000', 'paddr=0x0000000105001000', 'map', 'map iova ffffe000 paddr 105000000 size 4096'],
    ['end and size of a map', 5, '0x0000000100000000', '0x0000000100001000', 'map', 'map iova fffff000 paddr 105000000 size 4096'],
    ['slot of a bounced map', 14, '7bc00000', '7bc01000', 'slot', '7bc00000'],
    ['dma_addr of a map', 8, 'dma_addr=ffffe010', 'dma_addr=ffffe030', 'address', 'ffffe010'],
    ['unmapped size', 9, 'unmapped_size=4096', 'unmapped_size=0', 'unmap', 'unmap iova fffff000 size 4096 unmapped 4096'],
    [
      'domain of a cache_tag line',
      10,
      'did 2',
      'did 3',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    [
      'start of a cache_tag line',
      10,
      '[0xfffff000',
      '[0xffffe000',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    [
      'end of a cache_tag line',
      10,
      '-0xffffffff',
      '-0xfffffffe',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    [
      'address of a cache_tag line',
      10,
      'addr 0xfffff000',
      'addr 0xffffe000',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    [
      'pages of a cache_tag line',
      10,
      'pages 0x1',
      'pages 0x2',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    [
      'mask of a cache_tag line',
      10,
      'mask 0x0',
      'mask 0x1',
      'cacheTag',
      'cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0',
    ],
    ['domain of a descriptor', 11, '0x200f2', '0x300f2', 'descriptor', 'qi_submit 0x200f2 0xfffff040'],
    ['granularity of a descriptor', 11, '0x200f2', '0x200e2', 'descriptor', 'qi_submit 0x200f2 0xfffff040'],
    ['address of a descriptor', 11, '0xfffff040', '0xffffe040', 'descriptor', 'qi_submit 0x200f2 0xfffff040'],
    ['hint of a descriptor', 11, '0xfffff040', '0xfffff000', 'descriptor', 'qi_submit 0x200f2 0xfffff040'],
    ['mask of a descriptor', 26, '0xffffc041', '0xffffc042', 'descriptor', 'qi_submit 0x200f2 0xffffc041'],
    ['domain of a flush descriptor', 32, '0x400e2', '0x500e2', 'descriptor', 'qi_submit 0x400e2 0x0'],
  ] as const)('%s', async (_, number, from, to, check, expected) => {
    const text = changed(sound(), number, from, to);
    const whole = number === 5 ? changed(text, 5, 'size=4096', 'size=8192') : text;
    const result = await verifyLines(whole);
    // Whether a slot is right is decided at the bounce line before the map line that shows it.
    const line = check === 'slot' ? number - 1 : number;
    expect(result.differences).toMatchObject([{ check, expected, line }]);
    expect(result.differences[0].got).not.toBe(expected);
    expect(result.checks.filter(({ differ }) => differ > 0)).toMatchObject([{ id: check, differ: 1 }]);
    expect(equals(result)).toBe(38);
    expect(result.equalAfterFirst).toBeGreaterThan(5);
  });
});

/** Goal: one cause is one row, also when it shows in many lines. */
describe('one cause in many lines', () => {
  it('another address than predicted, consistent in all its lines: the recorded one is adopted', async () => {
    const result = await verifyLines(sound(0xffff7000, 0xfffff000));
    expect(differenceTexts(result)).toEqual(['L5 address: page fffff; got page ffff7']);
    expect(result.differences[0].state).toEqual(['domain 2, CPU 0 cache of order 0: 0 entries, top none; depot 0 magazines']);
    expect(equals(result)).toBe(39);
  });

  it('other slots than predicted, consistent in all lines: they are adopted and freed', async () => {
    const result = await verifyLines(changed(sound(), 14, '7bc00000', '7bc34000'));
    expect(differenceTexts(result)).toEqual(['L13 slot: 7bc00000; got 7bc34000']);
    expect(equals(result)).toBe(38);
  });

  it('a wrong segment: the lines of its unmap, which name the right address, cannot be joined to it', async () => {
    const result = await verifyLines(changed(sound(), 22, '{0xffffc000}', '{0xffffb000}'));
    expect(result.differences).toMatchObject([{ check: 'address', line: 22 }]);
    expect(differenceTexts(result)[0]).toContain('1 segments from ffffc000; got dma_map_sg');
    expect(result.ledger.notCompared).toBeGreaterThan(0);
  });

  it('a missing unmap line: its invalidation cannot be told apart from others, the mapping ends all the same', async () => {
    const result = await verifyLines(without(sound(), 9));
    expect(differenceTexts(result)).toEqual([
      'L11 unmap: unmap iova fffff000 size 4096 unmapped 4096; got no such line before the end of the dma_unmap_page',
      'L11 cacheTag: cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0; got no such line before the end of the dma_unmap_page',
      'L11 descriptor: qi_submit 0x200f2 0xfffff040; got no such line before the end of the dma_unmap_page',
    ]);
    expect(equals(result)).toBe(36);
  });

  it('an unmap without invalidation', async () => {
    const result = await verifyLines(without(sound(), 10, 11));
    expect(differenceTexts(result)).toEqual([
      'L10 cacheTag: cache_tag_flush_range did 2 [fffff000-ffffffff] addr fffff000 mask 0; got no such line before the end of the dma_unmap_page',
      'L10 descriptor: qi_submit 0x200f2 0xfffff040; got no such line before the end of the dma_unmap_page',
    ]);
    expect(equals(result)).toBe(37);
  });

  it('a second unmap line before the call: no call asks for it, it is counted and not compared', async () => {
    const lines = sound();
    const result = await verifyLines([...lines.slice(0, 5), lines[4], ...lines.slice(5)]);
    expect(differenceTexts(result)).toEqual([]);
    expect(result).toMatchObject({ strayLines: 1, ledger: { notCompared: 1 } });
    expect(equals(result)).toBe(39);
  });

  it('a second map line inside a call', async () => {
    const lines = sound();
    const result = await verifyLines([...lines.slice(0, 16), lines[16], ...lines.slice(16)]);
    expect(result.differences[0]).toMatchObject({ check: 'address', line: 21 });
    expect(result.strayLines).toBe(1);
  });

  it('an invalidation that nothing asked for, inside a strict unmap', async () => {
    const lines = sound();
    const result = await verifyLines([...lines.slice(0, 7), lines[6], ...lines.slice(7)]);
    expect(differenceTexts(result)).toEqual([
      'L12 descriptor: nothing more from this dma_unmap_page; got qi_submit qw0High 0 qw0Low 200f2 qw1High 0 qw1Low fffff040 descriptorType 2',
    ]);
    expect(equals(result)).toBe(39);
  });

  it('a flush of a domain whose timer is not armed', async () => {
    const lines = sound();
    const again = new TraceText().add(softirq(), ...domainFlushTexts(4)).lines;
    const result = await verifyLines([...lines, ...again]);
    expect(differenceTexts(result)).toEqual(['L39 flush: no flush: nothing waits in domain 4; got a flush of the whole domain']);
    expect(equals(result)).toBe(41);
  });

  it('a trusted device that bounced, and an untrusted one that did not', async () => {
    const lines = sound();
    const bounce = new TraceText().add(task(10), bouncedText(NIC, MEMORY + 0x10, 100)).lines;
    const bounced = await verifyLines([...bounce, ...lines]);
    expect(bounced.differences[0]).toMatchObject({ check: 'bounce', line: 5, expected: 'mapped as it is' });
    const direct = await verifyLines(without(changed(lines, 14, '000000007bc00000', '0000000105000000'), 13));
    expect(direct.differences[0]).toMatchObject({ check: 'bounce', line: 13, expected: 'bounced' });
  });
});
