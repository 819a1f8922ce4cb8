import { EventKind, TraceParser } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import { mapSgText, mapText, type Range } from '../testing/kernel-lines.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { LineQueue } from './line-queue.ts';
import { SgEntries } from './sg-entries.ts';

const DEVICE = '0000:00:05.0';
const PAGE = 4096;
const IOVA = 0xfff00000;

/** Reads the entries of a list from its map lines (runs of physical memory) and its API line. */
function read(runs: readonly Range[], phys: readonly number[], segments: readonly Range[], entries = new SgEntries()): SgEntries {
  const trace = new TraceText();
  let iova = IOVA;
  for (const { address, bytes } of runs) {
    trace.add(task(1), mapText(iova, address, bytes));
    iova += bytes;
  }
  trace.add(task(1), mapSgText(DEVICE, phys, segments));
  const lines = new LineQueue();
  const mapLines: number[] = [];
  const parser = new TraceParser((batch) => {
    for (let row = 0; row < batch.rowCount; row++) {
      const seq = lines.push(batch, row, 0, -1);
      if (batch.kind[row] === EventKind.MAP) mapLines.push(seq);
    }
  });
  parser.push(Uint8Array.from(trace.toString(), (character) => character.charCodeAt(0)));
  parser.end();
  entries.read(lines, lines.tail - 1, mapLines);
  return entries;
}

function ranges(entries: SgEntries): Range[] {
  return Array.from({ length: entries.count }, (_, index) => ({ address: entries.phys[index], bytes: entries.bytes[index] }));
}

/** Goal: the entries that a driver gave, from what its lines show of them. */
describe('entries of a mapped scatter list', () => {
  it('with a segment for each, the sizes are the lengths', () => {
    const given = [
      { address: 0x105000200, bytes: 512 },
      { address: 0x107000000, bytes: 100 },
    ];
    const segments = given.map(({ bytes }, index) => ({ address: IOVA + index * PAGE, bytes }));
    const entries = read(
      [{ address: 0x105000000, bytes: PAGE }],
      given.map(({ address }) => address),
      segments,
    );
    expect(ranges(entries)).toEqual(given);
    expect([entries.given, entries.truncated]).toEqual([false, false]);
  });

  it.each<[string, Range[], Range[], Range[]]>([
    [
      'two runs in one segment',
      [
        { address: 0x105000000, bytes: 2 * PAGE },
        { address: 0x109000000, bytes: PAGE },
      ],
      [
        { address: 0x105000000, bytes: 2 * PAGE },
        { address: 0x109000000, bytes: PAGE },
      ],
      [{ address: IOVA, bytes: 3 * PAGE }],
    ],
    [
      'entries that follow each other in memory share a run',
      [{ address: 0x105000000, bytes: 4 * PAGE }],
      [
        { address: 0x105000000, bytes: PAGE },
        { address: 0x105001000, bytes: 2 * PAGE },
        { address: 0x105003000, bytes: PAGE },
      ],
      [{ address: IOVA, bytes: 4 * PAGE }],
    ],
    [
      'a first entry that starts inside its page, a last one that ends inside',
      [
        { address: 0x105000000, bytes: PAGE },
        { address: 0x109000000, bytes: PAGE },
      ],
      [
        { address: 0x105000200, bytes: PAGE - 0x200 },
        { address: 0x109000000, bytes: 1000 },
      ],
      [{ address: IOVA + 0x200, bytes: PAGE - 0x200 + 1000 }],
    ],
    [
      'two segments, the first of two entries and ending inside its page',
      [
        { address: 0x105000000, bytes: PAGE },
        { address: 0x109000000, bytes: PAGE },
        { address: 0x10b000000, bytes: PAGE },
      ],
      [
        { address: 0x105000000, bytes: PAGE },
        { address: 0x109000000, bytes: 512 },
        { address: 0x10b000400, bytes: 512 },
      ],
      [
        { address: IOVA, bytes: PAGE + 512 },
        { address: IOVA + 2 * PAGE + 0x400, bytes: 512 },
      ],
    ],
  ])('with fewer segments, lengths come from the runs: %s', (_, runs, given, segments) => {
    const entries = read(
      runs,
      given.map(({ address }) => address),
      segments,
    );
    expect(ranges(entries)).toEqual(given);
    expect([entries.given, entries.truncated]).toEqual([true, false]);
  });

  it('of a list that the kernel cut, the runs are taken as entries', () => {
    const runs = Array.from({ length: 3 }, (_, index) => ({ address: 0x105000000 + index * 0x100000, bytes: 64 * PAGE }));
    const phys = Array.from({ length: 192 }, (_, index) => runs[Math.floor(index / 64)].address + (index % 64) * PAGE);
    const entries = read(runs, phys, [{ address: IOVA, bytes: 192 * PAGE }]);
    expect(ranges(entries)).toEqual(runs);
    expect([entries.given, entries.truncated]).toEqual([true, true]);
  });

  it('a cut list without map lines (no translation) keeps what was printed', () => {
    const phys = Array.from({ length: 200 }, (_, index) => 0x105000000 + index * 2 * PAGE);
    const entries = read(
      [],
      phys,
      phys.map((address) => ({ address, bytes: 512 })),
    );
    expect(entries.truncated).toBe(true);
    expect(ranges(entries)).toEqual(phys.slice(0, 128).map((address) => ({ address, bytes: 512 })));
  });

  it('grows, and is as good as new for the next list', () => {
    const entries = new SgEntries();
    const runs = Array.from({ length: 700 }, (_, index) => ({ address: 0x105000000 + index * 2 * PAGE, bytes: PAGE }));
    read(
      runs,
      runs.map(({ address }) => address),
      [{ address: IOVA, bytes: 700 * PAGE }],
      entries,
    );
    expect(ranges(entries)).toEqual(runs);
    const short = [{ address: 0x200000000, bytes: 8 }];
    read(
      [{ address: 0x200000000, bytes: PAGE }],
      [0x200000000],
      short.map(({ bytes }) => ({ address: IOVA, bytes })),
      entries,
    );
    expect(ranges(entries)).toEqual(short);
    expect([entries.given, entries.truncated]).toEqual([false, false]);
  });
});
