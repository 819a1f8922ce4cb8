import { ceilLog2, Direction } from 'dmalab-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventBatch, TraceNames } from './event-batch.ts';
import { ABSENT, ALL_ONES, ContextLevel, EVENT_FORMS, type EventForm, EventKind, NO_DIRECTION } from './event-kind.ts';
import { exportBatch } from './exporter.ts';
import { importText, rowText } from './row-table.oracle.ts';
import { TraceParser } from './trace-parser.ts';

const address = fc.oneof(
  fc.constant(0),
  fc.constant(ALL_ONES),
  fc.nat({ max: 2 ** 52 }).map((value) => value - (value % 2)),
  fc.nat({ max: 0xffffffff }),
);
const word = fc.nat({ max: 0xffffffff });
const name15 = fc.stringMatching(/^[a-z][a-z0-9/:_.-]{0,14}$/);

interface RandomRow {
  readonly form: EventForm;
  readonly comm: string;
  readonly pid: number;
  readonly cpu: number;
  readonly level: ContextLevel;
  readonly timeNs: number;
  readonly direction: number;
  readonly attrs: number;
  readonly numbers: readonly number[];
  readonly words: readonly number[];
  readonly items: readonly number[];
}

const randomRow: fc.Arbitrary<RandomRow> = fc.record({
  form: fc.constantFrom(...EVENT_FORMS),
  comm: name15,
  pid: fc.nat({ max: 4_000_000 }),
  cpu: fc.nat({ max: 255 }),
  level: fc.constantFrom(ContextLevel.TASK, ContextLevel.SOFTIRQ, ContextLevel.HARDIRQ, ContextLevel.NMI),
  timeNs: fc.nat({ max: 1e12 }),
  direction: fc.constantFrom(Direction.BIDIRECTIONAL, Direction.TO_DEVICE, Direction.FROM_DEVICE, Direction.NONE),
  attrs: fc.nat({ max: 0xffff }),
  numbers: fc.array(address, { minLength: 8, maxLength: 8 }),
  words: fc.array(word, { minLength: 8, maxLength: 8 }),
  items: fc.array(address, { maxLength: 9 }),
});

/** Goal: what is exported is imported again as the same rows, for every kind and any values. */
describe('exporter', () => {
  it('round-trips random rows of every kind', () => {
    fc.assert(
      fc.property(fc.array(randomRow, { minLength: 1, maxLength: 20 }), (rows) => {
        const batch = new EventBatch(new TraceNames(), 32);
        for (const row of rows) addRow(batch, row);
        const imported = importText(exportBatch(batch), 1000, 32);
        const expected = rows.map((_, row) => rowText(batch, row));
        expect(imported.rows).toEqual(expected);
        expect(imported.parser.statistics.notUnderstood).toBe(0);
      }),
      { seed: 612, numRuns: 400 },
    );
  });

  it('writes the line of the kernel', () => {
    const line =
      '    kworker/u4:1-26      [000] .....     5.679672: dma_map_sg: 0000:02:00.0 dir=FROM_DEVICE nents=2/2 ents=1/1 dma_addrs={0xffffd000} sizes={0x2000} phys_addrs={0x10628f000,0x106290000} attrs=SKIP_CPU_SYNC\n';
    expect(exportedText(line)).toBe(line);
  });

  it('keeps long uptimes and bytes of task names', () => {
    const line =
      '           \x80\xff sh-26      [000] ..s.. 99999999.679672001: map: IOMMU: iova=0x0000000000001000 - 0x0000000000002000 paddr=0x0000000000003000 size=4096\n';
    expect(exportedText(line)).toBe(line);
  });
});

function exportedText(line: string): string {
  const texts: string[] = [];
  const parser = new TraceParser((batch) => texts.push(String.fromCharCode(...exportBatch(batch, parser.statistics.timeBaseSeconds))));
  parser.push(Uint8Array.from(line, (character) => character.charCodeAt(0)));
  parser.end();
  return texts.join('');
}

function addRow(batch: EventBatch, from: RandomRow): void {
  const row = batch.rowCount++;
  const { form } = from;
  batch.line[row] = row + 1;
  batch.timeNs[row] = from.timeNs + row * 1e12;
  batch.cpu[row] = from.cpu;
  batch.pid[row] = from.pid;
  batch.comm[row] = batch.names.comms.internText(from.comm);
  batch.level[row] = from.level;
  batch.kind[row] = form.kind;
  const hasUnit =
    form.name.startsWith('cache_tag') ||
    form.kind === EventKind.QI_SUBMIT ||
    form.kind === EventKind.PRQ_REPORT ||
    form.kind === EventKind.IO_PAGE_FAULT;
  const hasDevice = form.kind !== EventKind.MAP && form.kind !== EventKind.UNMAP && form.kind !== EventKind.QI_SUBMIT;
  batch.unit[row] = hasUnit ? batch.names.units.internText('dmar1') : -1;
  const owner =
    form.name.startsWith('cache_tag') && from.pid % 2 === 0 ? -1 : batch.names.devices.internText(`0000:0${from.pid % 10}:00.0`);
  batch.device[row] = hasDevice ? owner : -1;
  const dma = form.system === 'dma';
  batch.direction[row] = dma && from.pid % 5 !== 0 ? from.direction : NO_DIRECTION;
  const hasAttrs = dma && !form.name.startsWith('dma_sync') && form.kind !== EventKind.DMA_FREE_SGT;
  batch.attrs[row] = hasAttrs ? from.attrs : 0;
  for (const values of batch.values) values[row] = ABSENT;
  for (const [index, name] of form.values.entries()) batch.values[index]![row] = columnValue(name, index, from);
  batch.dmaAddrsCount[row] = 0;
  batch.sizesCount[row] = 0;
  batch.physAddrsCount[row] = 0;
  for (const list of form.lists) {
    batch[`${list}Offset`][row] = batch.listLength;
    batch[`${list}Count`][row] = from.items.length;
    for (const item of from.items) batch.pushListItem(item);
  }
  if (form.values[0] === 'nents' && form.kind !== EventKind.DMA_MAP_SG) deriveCounts(batch, row);
}

/** Kinds whose line has no counts: the importer takes them from the lists. */
function deriveCounts(batch: EventBatch, row: number): void {
  batch.v0[row] = Math.max(batch.physAddrsCount[row]!, batch.dmaAddrsCount[row]!);
  batch.v1[row] = batch.dmaAddrsCount[row]!;
  batch.v2[row] = 0;
}

/** A value that the kind can have in this column. */
function columnValue(name: string, index: number, from: RandomRow): number {
  const small = from.words[index]!;
  const pages = Math.abs(from.numbers[0]! - (from.numbers[0]! % 4096)) / 2;
  switch (name) {
    case 'iova':
      return from.form.kind === EventKind.IO_PAGE_FAULT ? from.numbers[index]! : pages;
    case 'end':
      return from.form.name.startsWith('cache_tag') ? from.numbers[index]! : pages + from.words[from.form.kind === EventKind.MAP ? 3 : 2]!;
    case 'err':
      return -(small % 4096);
    case 'truncated':
      return small % 2;
    case 'forced':
      return small % 3;
    case 'descriptorType':
      return small % 10;
    case 'tagType':
      return small % 4;
    case 'dmaMask':
      return 2 ** (1 + (ceilLog2(small) % 52)) - 1;
    case 'pages':
      return small % 3 === 0 ? ABSENT : small;
    case 'physAddr':
      return from.form.name.startsWith('dma_alloc') && small % 2 === 0 ? ABSENT : from.numbers[index]!;
    case 'paddr':
    case 'dmaAddr':
    case 'origAddr':
    case 'start':
    case 'addr':
      return from.numbers[index]!;
    default:
      return small;
  }
}
