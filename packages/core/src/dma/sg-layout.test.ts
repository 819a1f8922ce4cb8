import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateArena } from '../base/index.ts';
import { CallKind, DmaCallTable } from './dma-call.ts';
import { laidOut, type SgEntry, segmentsOf } from './sg-layout.oracle.ts';
import { finaliseSg, layOutSg } from './sg-layout.ts';

interface Layout {
  readonly total: number;
  readonly padded: readonly number[];
  readonly segments: readonly { address: number; bytes: number }[];
}

function layout(list: readonly SgEntry[], start: number, boundaryMask: number, maxSegmentBytes: number): Layout {
  const calls = new DmaCallTable(new StateArena(), 2, 2);
  calls.begin(CallKind.MAP_SG, 0, 0, -1);
  const call = calls.begin(CallKind.MAP_SG, 0, 0, -1);
  const phys = Float64Array.from(list, (entry) => entry.phys);
  const bytes = Float64Array.from(list, (entry) => entry.bytes);
  calls.setEntries(call, phys, bytes, 0, list.length);
  const total = layOutSg(calls, call, boundaryMask);
  const count = finaliseSg(calls, call, start, boundaryMask, maxSegmentBytes);
  const first = call * calls.entriesMax;
  for (let row = first + count; row < first + list.length; row++)
    expect([calls.entryDmaAddr[row], calls.entryDmaBytes[row]]).toEqual([-1, 0]);
  return {
    total,
    padded: [...calls.entryPadded.slice(first, first + list.length)],
    segments: Array.from({ length: count }, (_, index) => ({
      address: calls.entryDmaAddr[first + index],
      bytes: calls.entryDmaBytes[first + index],
    })),
  };
}

const START = 0xfff00000;
const PCI_MASK = 0xffffffff;
const page = (index: number, bytes = 4096, offset = 0): SgEntry => ({ phys: index * 4096 + offset, bytes });

test('whole pages become one segment, wherever they lie', () => {
  expect(layout([page(10), page(20), page(30)], START, PCI_MASK, 65536)).toEqual({
    total: 12288,
    padded: [4096, 4096, 4096],
    segments: [{ address: START, bytes: 12288 }],
  });
});

test('an entry that begins or ends inside a page begins or ends a segment there', () => {
  expect(layout([page(10, 4000, 96), page(20, 4096), page(30, 100), page(40), page(50, 10, 5)], START, PCI_MASK, 65536).segments).toEqual([
    { address: START + 96, bytes: 4000 + 4096 + 100 },
    { address: START + 0x3000, bytes: 4096 },
    { address: START + 0x4005, bytes: 10 },
  ]);
});

test('a segment takes an entry only whole, up to the longest segment inclusive', () => {
  expect(layout([page(10, 8192), page(20, 8192), page(30)], START, PCI_MASK, 16384).segments).toEqual([
    { address: START, bytes: 16384 },
    { address: START + 16384, bytes: 4096 },
  ]);
  expect(layout([page(10, 8192), page(20, 8192)], START, PCI_MASK, 16383).segments).toHaveLength(2);
});

test('with a boundary of 64 KiB the entry before is padded so that none crosses it, and a segment ends there', () => {
  const list = [page(16, 40960), page(64, 40960)];
  expect(layout(list, START, 0xffff, 1 << 20)).toEqual({
    total: 65536 + 40960,
    padded: [65536, 40960],
    segments: [
      { address: START, bytes: 40960 },
      { address: START + 65536, bytes: 40960 },
    ],
  });
});

test('an entry that just fits before the boundary is not padded, and the next begins a segment', () => {
  expect(layout([page(16, 61440), page(64), page(80)], START, 0xffff, 1 << 20)).toEqual({
    total: 69632,
    padded: [61440, 4096, 4096],
    segments: [
      { address: START, bytes: 65536 },
      { address: START + 65536, bytes: 4096 },
    ],
  });
});

test('without a boundary nothing is padded', () => {
  expect(layout([page(1, 1 << 20), page(2000, 1 << 22)], START, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY).segments).toEqual([
    { address: START, bytes: (1 << 20) + (1 << 22) },
  ]);
});

const entry = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 24 }),
    fc.constantFrom(0, 0, 0, 1, 512, 2048, 4095),
    fc.oneof(fc.integer({ min: 1, max: 70000 }), fc.constantFrom(4096, 8192, 65536, 3584, 1)),
  )
  .map(([pfn, offset, bytes]) => ({ phys: pfn * 4096 + offset, bytes }));
const boundaries: readonly (readonly [number, bigint])[] = [
  [0xffff, 0xffffn],
  [0x1ffff, 0x1ffffn],
  [0xfff, 0xfffn],
  [0xffffffff, 0xffffffffn],
  [Number.POSITIVE_INFINITY, 2n ** 64n - 1n],
];

test('any list is laid out as the slow oracle says', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(...boundaries),
      fc.constantFrom(4096, 65536, 131072, 65535),
      (list, [boundary, mask], maxSegmentBytes) => {
        const start = 2 ** 33;
        const made = layout(list, start, boundary, maxSegmentBytes);
        const { lengths, total } = laidOut(list, mask);
        expect(made.total).toBe(Number(total));
        expect(made.padded).toEqual(lengths.map(Number));
        const segments = segmentsOf(list, BigInt(start), mask, BigInt(maxSegmentBytes));
        expect(made.segments).toEqual(segments.map(({ address, bytes }) => ({ address: Number(address), bytes: Number(bytes) })));
        // All bytes are there, and nothing that spans more than one entry is too long or crosses a boundary.
        expect(made.segments.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(list.reduce((sum, { bytes }) => sum + bytes, 0));
        const longestEntry = Math.max(...list.map(({ bytes }) => bytes));
        for (const { bytes } of made.segments) expect(bytes).toBeLessThanOrEqual(Math.max(maxSegmentBytes, longestEntry));
      },
    ),
    { seed: 20190430, numRuns: 600 },
  );
});
