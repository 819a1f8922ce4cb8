import { TraceParser } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import {
  allocText,
  bouncedText,
  domainFlushTexts,
  flushRangeText,
  freeText,
  interruptDescriptorText,
  mapPageText,
  mapSgText,
  mapText,
  pagesDescriptorText,
  strictFlushTexts,
  syncText,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { hardirq, softirq, TraceText, task } from '../testing/trace-text.ts';
import { CallAssembler } from './call-assembler.ts';
import { RecordedCall } from './call-records.ts';
import { LineState } from './line-queue.ts';

const NIC = '0000:00:05.0';
const DISK = '0000:01:00.0';
const IDENTITY = '0000:02:00.0';
const PAGE = 4096;
const MEMORY = 0x105000000;
const A = 0xfffff000;
const B = 0xffffe000;
const C = 0xffffd000;

const SLOTS = 0x7bc00000;

function isSlot(paddr: number): boolean {
  return paddr >= SLOTS && paddr < SLOTS + 0x200000;
}

const kindNames = Object.fromEntries(Object.entries(RecordedCall).map(([name, kind]) => [kind, name.toLowerCase().replaceAll('_', ' ')]));

interface Assembly {
  readonly assembler: CallAssembler;
  /** What became of each line: `alone`, `open`, or its call, numbered in the order of their first lines. */
  readonly lines: readonly string[];
}

function assemble(trace: TraceText): Assembly {
  const parser = new TraceParser((batch) => {
    for (let row = 0; row < batch.rowCount; row++) assembler.push(batch, row);
  });
  const assembler = new CallAssembler((device) => parser.names.devices.nameOf(device) !== IDENTITY, isSlot);
  const text = trace.toString();
  parser.push(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  parser.end();
  assembler.finish();
  const { lines, calls } = assembler;
  const numbers = new Map<number, number>();
  const described: string[] = [];
  for (let seq = lines.head; seq < lines.tail; seq++) {
    const at = seq & lines.mask;
    if (lines.state[at] !== LineState.IN_CALL) {
      described.push(lines.state[at] === LineState.OPEN ? 'open' : 'alone');
      continue;
    }
    const call = lines.call[at];
    if (!numbers.has(call)) numbers.set(call, numbers.size + 1);
    described.push(`${numbers.get(call)} ${calls.rebuilt[call] === 1 ? 'rebuilt ' : ''}${kindNames[calls.kind[call]]}`);
  }
  return { assembler, lines: described };
}

function pageMapped(device: string, iova: number): string[] {
  return [mapText(iova, MEMORY, PAGE), mapPageText(device, iova, PAGE, MEMORY)];
}

/** Goal: the lines of a call are those that its work has written, and no others. */
describe('calls whose API line comes last', () => {
  it('take the lines before it in their context', () => {
    const trace = new TraceText().add(task(1), ...pageMapped(NIC, A), bouncedText(DISK, MEMORY, 8));
    trace.add(task(1), mapText(A, SLOTS, PAGE), mapPageText(DISK, A, 8, MEMORY));
    trace.add(task(1), syncText(DISK, true, A, 8), unmapText(A, PAGE), ...strictFlushTexts(2, A), unmapPageText(NIC, A, PAGE));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([
      ...Array(2).fill('1 map page'),
      ...Array(3).fill('2 map page'),
      '3 sync for cpu',
      ...Array(4).fill('4 unmap page'),
    ]);
    expect(assembler.mappings.count).toBe(2);
    expect(assembler.counters).toMatchObject({ unknownMapping: 0, strayLines: 0, rebuilt: 0, mappingsReplaced: 0 });
    expect([...assembler.counters.calls]).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 1, 0]);
  });

  it('know their map lines: all runs of coherent memory, of a list as many as it has entries', () => {
    const trace = new TraceText().add(task(1), mapText(A, MEMORY, PAGE), mapText(B, MEMORY, PAGE), allocText(NIC, B, 2 * PAGE));
    const phys = [MEMORY, MEMORY + 2 * PAGE];
    trace.add(task(1), mapText(C - PAGE, MEMORY, PAGE), mapText(C, MEMORY + 2 * PAGE, PAGE));
    trace.add(task(1), mapSgText(NIC, phys, [{ address: C - PAGE, bytes: 2 * PAGE }]));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([...Array(3).fill('1 alloc'), ...Array(3).fill('2 map sg')]);
    const { calls } = assembler;
    expect([calls.mapLines[0], calls.firstSeq[0], calls.apiSeq[0]]).toEqual([[0, 1], 0, 2]);
    expect([calls.mapLines[1], calls.firstSeq[1], calls.apiSeq[1]]).toEqual([[3, 4], 3, 5]);
  });

  it('in caching mode take the flush of the map too', () => {
    const trace = new TraceText().add(task(1), mapText(A, MEMORY, PAGE), flushRangeText(2, A, A + PAGE - 1, A, 0, true));
    trace.add(task(1), pagesDescriptorText(2, A, 0, false), mapPageText(NIC, A, PAGE, MEMORY));
    expect(assemble(trace).lines).toEqual(Array(4).fill('1 map page'));
  });

  it('a full ring is flushed between the unmap line and the API line, and inside dma_unmap_sg after its line', () => {
    const phys = [MEMORY];
    const trace = new TraceText().add(task(1), ...pageMapped(NIC, A), mapText(B, MEMORY, PAGE));
    trace.add(task(1), mapSgText(NIC, phys, [{ address: B, bytes: PAGE }]));
    trace.add(task(1), unmapText(A, PAGE), ...domainFlushTexts(2), unmapPageText(NIC, A, PAGE));
    trace.add(task(1), unmapSgText(NIC, phys), unmapText(B, PAGE), ...domainFlushTexts(2));
    trace.add(softirq(), ...domainFlushTexts(2));
    expect(assemble(trace).lines.slice(4)).toEqual([...Array(4).fill('3 unmap page'), ...Array(4).fill('4 unmap sg'), 'alone', 'alone']);
  });

  it('a failed mapping makes no live mapping and takes no map line', () => {
    const trace = new TraceText().add(task(1), bouncedText(DISK, MEMORY, 8), mapPageText(DISK, -1, 8, MEMORY), allocText(NIC, 0, PAGE));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual(['1 map page', '1 map page', '2 alloc']);
    expect(assembler.mappings.count).toBe(0);
  });
});

describe('calls whose API line comes first', () => {
  it('dma_free takes one unmap, dma_unmap_sg one per range of its list', () => {
    const phys = [MEMORY, MEMORY + 0x8000];
    const trace = new TraceText().add(task(1), mapText(A, MEMORY, PAGE), allocText(NIC, A, 100), freeText(NIC, A, 100), unmapText(A, PAGE));
    trace.add(task(1), ...strictFlushTexts(2, A), mapText(B, phys[0], PAGE), mapText(C, phys[1], PAGE));
    trace.add(
      task(1),
      mapSgText(DISK, phys, [
        { address: B, bytes: PAGE },
        { address: C, bytes: PAGE },
      ]),
      unmapSgText(DISK, phys),
    );
    trace.add(task(1), unmapText(B, PAGE), ...strictFlushTexts(3, B), unmapText(C, PAGE), ...strictFlushTexts(3, C));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([
      ...Array(2).fill('1 alloc'),
      ...Array(4).fill('2 free'),
      ...Array(3).fill('3 map sg'),
      ...Array(7).fill('4 unmap sg'),
    ]);
    expect(assembler.calls.apiFirst.slice(0, 4)).toEqual(Uint8Array.of(0, 1, 0, 1));
    expect(assembler.mappings.findable()).toEqual([]);
  });

  it('leave the unmap of the next call alone: several segments can have shared one range, a direct device has none', () => {
    const phys = [MEMORY, MEMORY + 0x8200];
    const trace = new TraceText().add(task(1), ...pageMapped(NIC, A), mapText(C, phys[0], PAGE), mapText(B, MEMORY + 0x8000, PAGE));
    trace.add(
      task(1),
      mapSgText(NIC, phys, [
        { address: C, bytes: PAGE },
        { address: B + 0x200, bytes: 512 },
      ]),
    );
    trace.add(task(1), unmapSgText(NIC, phys), unmapText(C, 2 * PAGE), ...strictFlushTexts(2, C, 2));
    trace.add(task(1), unmapText(A, PAGE), ...strictFlushTexts(2, A), unmapPageText(NIC, A, PAGE));
    expect(assemble(trace).lines.slice(5)).toEqual([...Array(4).fill('3 unmap sg'), ...Array(4).fill('4 unmap page')]);

    const direct = new TraceText().add(task(1), ...pageMapped(NIC, A), allocText(IDENTITY, MEMORY, PAGE), freeText(IDENTITY, MEMORY, PAGE));
    direct.add(task(1), unmapText(A, PAGE), ...strictFlushTexts(2, A), unmapPageText(NIC, A, PAGE));
    expect(assemble(direct).lines.slice(2)).toEqual(['2 alloc', '3 free', ...Array(4).fill('4 unmap page')]);
  });

  it('dma_free of nothing is no call', () => {
    const { lines, assembler } = assemble(new TraceText().add(task(1), freeText(NIC, 0, 0), ...pageMapped(NIC, A)));
    expect(lines).toEqual(['alone', '1 map page', '1 map page']);
    expect(assembler.counters).toMatchObject({ emptyFrees: 1, unknownMapping: 0 });
  });

  it('of two live lists with equal physical addresses, the unmap line decides', () => {
    const phys = [MEMORY];
    const trace = new TraceText();
    for (const iova of [A, B, C])
      trace.add(task(1), mapText(iova, MEMORY, PAGE), mapSgText(NIC, phys, [{ address: iova + 8, bytes: 100 }]));
    trace.add(task(1), unmapSgText(NIC, phys), unmapText(B, PAGE), unmapSgText(NIC, phys), unmapText(A, PAGE));
    const { lines, assembler } = assemble(trace);
    expect(lines.slice(6)).toEqual(['4 unmap sg', '4 unmap sg', '5 unmap sg', '5 unmap sg']);
    const { mappings, calls } = assembler;
    expect([calls.mapping[3], calls.mapping[4]].map((row) => mappings.dmaAddr[row])).toEqual([B + 8, A + 8]);
    expect(mappings.findable().map((row) => mappings.dmaAddr[row])).toEqual([C + 8]);
  });

  it('such a list waits for its unmap line, but not beyond the next call of its context', () => {
    const trace = new TraceText();
    for (const iova of [A, B]) trace.add(task(1), mapText(iova, MEMORY, PAGE), mapSgText(NIC, [MEMORY], [{ address: iova, bytes: 100 }]));
    trace.add(task(1), unmapSgText(NIC, [MEMORY]), ...pageMapped(NIC, C));
    const { lines, assembler } = assemble(trace);
    expect(lines.slice(4)).toEqual(['3 unmap sg', '4 map page', '4 map page']);
    expect(assembler.calls.mapping[2]).toBe(-1);
  });
});

describe('contexts', () => {
  it('nested interrupts on one CPU have calls of their own', () => {
    const trace = new TraceText().add(task(1), ...pageMapped(NIC, A), mapText(B, MEMORY, PAGE));
    trace.add(softirq(0, 1), unmapText(A, PAGE), flushRangeText(2, A, A + PAGE - 1, A, 0));
    trace.add(hardirq(0, 1), ...pageMapped(DISK, A));
    trace.add(softirq(0, 1), pagesDescriptorText(2, A, 0), unmapPageText(NIC, A, PAGE));
    trace.add(task(1), mapPageText(NIC, B, PAGE, MEMORY));
    expect(assemble(trace).lines.slice(2)).toEqual([
      '2 map page',
      '3 unmap page',
      '3 unmap page',
      '4 map page',
      '4 map page',
      '3 unmap page',
      '3 unmap page',
      '2 map page',
    ]);
  });

  it('of two CPUs do not mix, and a task keeps its context when it moves', () => {
    const trace = new TraceText().add(task(1, 0), mapText(A, MEMORY, PAGE)).add(task(2, 1), mapText(B, MEMORY, PAGE));
    trace.add(task(1, 1), mapPageText(NIC, A, PAGE, MEMORY)).add(task(2, 0), mapPageText(NIC, B, PAGE, MEMORY));
    trace.add(softirq(0), unmapText(A, PAGE)).add(softirq(1), unmapText(B, PAGE));
    trace.add(softirq(1), unmapPageText(NIC, B, PAGE)).add(softirq(0), unmapPageText(NIC, A, PAGE));
    expect(assemble(trace).lines).toEqual([
      '1 map page',
      '2 map page',
      '1 map page',
      '2 map page',
      '3 unmap page',
      '4 unmap page',
      '4 unmap page',
      '3 unmap page',
    ]);
  });
});

/** Goal: a list that failed has left lines but no API line; they are its call all the same. */
describe('failed scatter lists', () => {
  const unwound = [unmapText(A, PAGE), ...strictFlushTexts(3, A)];

  it('are rebuilt from bounce and map lines when the first unmap begins', () => {
    const trace = new TraceText().add(task(1), bouncedText(DISK, MEMORY + 0x200, 512), mapText(A, SLOTS, PAGE));
    trace.add(task(1), mapText(B, MEMORY + 0x3000, PAGE), bouncedText(DISK, MEMORY + 0x5000, 100));
    trace.add(task(1), ...unwound, unmapText(B, PAGE), ...strictFlushTexts(3, B), ...pageMapped(NIC, C));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([...Array(10).fill('1 rebuilt map sg'), '2 map page', '2 map page']);
    expect(assembler.counters).toMatchObject({ rebuilt: 1, strayLines: 0 });
    expect(assembler.calls.entries[0]).toEqual({
      phys: Float64Array.of(MEMORY + 0x200, MEMORY + 0x3000, MEMORY + 0x5000),
      bytes: Float64Array.of(512, PAGE, 100),
    });
    expect(assembler.calls.apiSeq[0]).toBe(-1);
  });

  it('are rebuilt from a lone bounce line when the next bounce begins', () => {
    const trace = new TraceText().add(task(1), bouncedText(DISK, MEMORY + 0x200, 512), bouncedText(DISK, MEMORY + 0x400, 512));
    trace.add(task(1), mapText(A, SLOTS, PAGE), mapPageText(DISK, A, 512, MEMORY + 0x400));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual(['1 rebuilt map sg', ...Array(3).fill('2 map page')]);
    expect(assembler.calls.entries[0]).toEqual({ phys: Float64Array.of(MEMORY + 0x200), bytes: Float64Array.of(512) });
  });

  it('are rebuilt from a lone bounce line when another mapping follows that is not of its buffer', () => {
    const trace = new TraceText().add(task(1), bouncedText(DISK, MEMORY + 0x200, 512), ...pageMapped(NIC, A));
    trace.add(task(1), bouncedText(DISK, MEMORY + 0x200, 512), ...pageMapped(DISK, A));
    // The slots of the next line can be of its own bounce only.
    trace.add(task(1), bouncedText(DISK, MEMORY + 0x200, 512), mapText(B, SLOTS, PAGE), mapPageText(DISK, B, 8, MEMORY + 0x200));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([
      '1 rebuilt map sg',
      '2 map page',
      '2 map page',
      '3 rebuilt map sg',
      '4 map page',
      '4 map page',
      ...Array(3).fill('5 map page'),
    ]);
    expect(assembler.counters).toMatchObject({ rebuilt: 2, strayLines: 0 });
  });

  it('take no lines beyond the entries that they had mapped', () => {
    const trace = new TraceText().add(task(1), ...pageMapped(NIC, B), bouncedText(DISK, MEMORY, 512), mapText(A, SLOTS, PAGE));
    trace.add(task(1), bouncedText(DISK, MEMORY + PAGE, 512), ...unwound, unmapText(B, PAGE), ...strictFlushTexts(2, B));
    trace.add(task(1), unmapPageText(NIC, B, PAGE));
    expect(assemble(trace).lines.slice(2)).toEqual([...Array(6).fill('2 rebuilt map sg'), ...Array(4).fill('3 unmap page')]);
  });
});

/** Goal: what cannot be joined is counted. */
describe('lines of no call', () => {
  it('stray map and unmap lines, flushes of timers, interrupt remapping', () => {
    const trace = new TraceText().add(task(1), mapText(A, MEMORY, PAGE), mapText(B, MEMORY, PAGE), mapPageText(NIC, B, PAGE, MEMORY));
    trace.add(task(1), unmapText(C, PAGE), unmapText(B, PAGE), unmapPageText(NIC, B, PAGE), interruptDescriptorText());
    trace.add(softirq(), ...domainFlushTexts(2)).add(task(2), unmapText(A, PAGE));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual([
      'alone',
      '1 map page',
      '1 map page',
      'alone',
      '2 unmap page',
      '2 unmap page',
      'alone',
      'alone',
      'alone',
      'alone',
    ]);
    expect(assembler.counters).toMatchObject({ strayLines: 3, firstStrayLine: 5 });
  });

  it('unmaps of mappings that nobody made here', () => {
    const trace = new TraceText().add(
      task(1),
      unmapText(A, PAGE),
      unmapPageText(NIC, A, PAGE),
      unmapSgText(NIC, [MEMORY]),
      unmapText(B, PAGE),
    );
    trace.add(task(1), freeText(NIC, C, PAGE), unmapText(C, PAGE));
    const { lines, assembler } = assemble(trace);
    expect(lines).toEqual(['1 unmap page', '1 unmap page', '2 unmap sg', '2 unmap sg', '3 free', '3 free']);
    expect(assembler.counters).toMatchObject({ unknownMapping: 3, firstUnknownMappingLine: 6, strayLines: 0 });
    expect([...assembler.calls.mapping.slice(0, 3)]).toEqual([-1, -1, -1]);
  });

  it('a mapping at an address that is still mapped replaces the older one, under translation', () => {
    const replaced = assemble(new TraceText().add(task(1), ...pageMapped(NIC, A), ...pageMapped(NIC, A)));
    expect(replaced.assembler.counters.mappingsReplaced).toBe(1);
    expect(replaced.assembler.mappings.count).toBe(1);
    const direct = new TraceText().add(task(1), mapPageText(IDENTITY, MEMORY, 8, MEMORY), mapPageText(IDENTITY, MEMORY, 8, MEMORY));
    const shared = assemble(direct);
    expect(shared.assembler.counters.mappingsReplaced).toBe(0);
    expect(shared.assembler.mappings.count).toBe(2);
  });

  it('lines are not ready before their call is known', () => {
    const ready: boolean[] = [];
    const parser = new TraceParser((batch) => {
      for (let row = 0; row < batch.rowCount; row++) {
        assembler.push(batch, row);
        ready.push(assembler.ready);
      }
    });
    const assembler = new CallAssembler(() => true, isSlot);
    const trace = new TraceText().add(task(1), mapText(A, MEMORY, PAGE)).add(task(2), interruptDescriptorText());
    trace.add(task(1), mapPageText(NIC, A, PAGE, MEMORY));
    parser.push(Uint8Array.from(trace.toString(), (character) => character.charCodeAt(0)));
    parser.end();
    expect(ready).toEqual([false, false, true]);
  });
});
