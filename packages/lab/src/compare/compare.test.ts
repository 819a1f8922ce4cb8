import type { MachineDescription } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import {
  allocText,
  bouncedText,
  domainFlushTexts,
  freeText,
  mapPageText,
  mapSgText,
  mapText,
  strictFlushTexts,
  syncText,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { POOL_START, testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { compareRecording } from './compare.ts';
import type { CompareOptions } from './compare-options.ts';
import type { CompareResult, CompareRow, Figure } from './compare-result.ts';

const DEVICE = '0000:01:00.0';
const OTHER = '0000:02:00.0';
const TO_DEVICE = 1;
const FROM_DEVICE = 2;
/** First domain of a machine. */
const DID = 2;
const DRIVER = task(100);
const BUFFER = 0x100000000;

function compare(trace: TraceText, machine: MachineDescription, options: CompareOptions = {}): Promise<CompareResult> {
  return compareRecording(recordingFromText(trace.toString(), machine), options);
}

function rowOf(result: CompareResult, policy: string): CompareRow {
  return result.rows.find((row) => row.policy === policy)!;
}

/** The numbers of an object of figures. */
function numbers(figures: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, figure.value]));
}

/** All figures of a value, with their paths. */
function figuresIn(value: unknown, path = ''): [string, Figure][] {
  if (typeof value !== 'object' || value === null) return [];
  if ('basis' in value && 'unit' in value) return [[path, value as Figure]];
  return Object.entries(value).flatMap(([name, inner]) => figuresIn(inner, `${path}.${name}`));
}

/** One bounced mapping of 100 bytes that the device fills, as an untrusted device's driver makes it. */
function bouncedPair(): TraceText {
  const iova = 0xfffff000;
  return new TraceText()
    .add(
      DRIVER,
      bouncedText(DEVICE, BUFFER + 0x80, 100),
      mapText(iova, POOL_START, 4096),
      mapPageText(DEVICE, iova, 100, BUFFER + 0x80, FROM_DEVICE),
    )
    .add(DRIVER, unmapText(iova, 4096), ...strictFlushTexts(DID, iova), unmapPageText(DEVICE, iova, 100, FROM_DEVICE));
}

describe('one bounced mapping under each policy', async () => {
  const machine = testMachine({ devices: [{ address: DEVICE, protection: 'untrusted' }], slots: 256 });
  const result = await compare(bouncedPair(), machine);

  it('puts the data grade first and the recorded row before the policies', () => {
    expect(Object.keys(result)[0]).toBe('data');
    expect(result.rows.map(({ policy }) => policy)).toEqual([
      'as-recorded',
      'passthrough',
      'strict',
      'lazy',
      'bounce-strict',
      'bounce-partial',
      'bounce-link',
      'bounce-lazy-unsafe',
      'bounce-deferred',
      'bounce-deferred-mixed',
      'shadow',
      'swiotlb-force',
    ]);
    expect(result.devices).toEqual([
      {
        name: DEVICE,
        driver: 'e1000e',
        untrusted: true,
        group: 0,
        recordedPolicy: 'bounce-strict',
        chosen: true,
        sharesDomainWith: null,
        mapCalls: 1,
        unmapCalls: 1,
        syncsUnseen: false,
      },
    ]);
  });

  it.each(['as-recorded', 'bounce-strict'])('%s copies the buffer, clears the rest of its page and invalidates one page', (policy) => {
    const { total } = rowOf(result, policy);
    expect(numbers(total.bounced)).toEqual({ attempts: 1, directWhenDry: 0, ranges: 1, bytes: 100, rangeShare: 1, byteShare: 1 });
    expect(numbers(total.copied)).toEqual({ inAtMap: 100, inAtSync: 0, outAtSync: 0, outAtUnmap: 100, in: 100, out: 100 });
    expect(total.zeroed.value).toBe(4096 - 100);
    // A root and a table on each of the three levels below it.
    const tables = { tablePages: 4, tablePagesPeak: 4 };
    expect(numbers(total.pageTable)).toEqual({ mapOperations: 1, mappedPages: 1, unmapOperations: 1, unmappedPages: 1, ...tables });
    expect(numbers(total.invalidations)).toEqual({ pageSelective: 1, domainSelective: 0, waits: 1, descriptors: 2 });
    expect(numbers(total.flushes)).toEqual({ timer: null, ringFull: null, earlyOwn: null, earlyForeign: null, queuePeak: null });
    // A page is two slots, and the smallest pool is one segment.
    expect(numbers(total.pool)).toEqual({ slots: 0, slotsPeak: 2, waitingPeak: null, smallestSlots: 128 });
    expect(numbers(total.iova)).toEqual({ pages: 0, pagesPeak: 1 });
  });

  it('passthrough does nothing', () => {
    const { total } = rowOf(result, 'passthrough');
    expect(numbers(total.pageTable)).toEqual({
      mapOperations: 0,
      mappedPages: 0,
      unmapOperations: 0,
      unmappedPages: 0,
      tablePages: 0,
      tablePagesPeak: 0,
    });
    expect(total.invalidations.descriptors.value).toBe(0);
    expect(total.copied.in.value).toBe(0);
    expect(total.pool.smallestSlots.value).toBeNull();
    expect(total.mapped.value).toBe(1);
  });

  it('strict invalidates and copies nothing; lazy leaves the address waiting', () => {
    const strict = rowOf(result, 'strict').total;
    expect(numbers(strict.invalidations)).toEqual({ pageSelective: 1, domainSelective: 0, waits: 1, descriptors: 2 });
    expect(strict.bounced.attempts.value).toBe(0);
    expect(strict.zeroed.value).toBe(0);
    const lazy = rowOf(result, 'lazy').total;
    expect(numbers(lazy.flushes)).toEqual({ timer: 0, ringFull: 0, earlyOwn: 0, earlyForeign: 0, queuePeak: 1 });
    expect(numbers(lazy.iova)).toEqual({ pages: 1, pagesPeak: 1 });
    expect(lazy.iova.pagesPeak.basis).toBe('model');
  });

  it('says of each number what it is', () => {
    const figures = figuresIn(result.rows);
    expect(figures.length).toBeGreaterThan(400);
    for (const [path, { value, unit, basis }] of figures) {
      expect(value === null || Number.isFinite(value), path).toBe(true);
      expect(unit, path).toBeTypeOf('string');
      expect(['recorded', 'replay', 'model', 'given', 'inferred'], path).toContain(basis);
    }
    const asRecorded = rowOf(result, 'as-recorded').total;
    expect(asRecorded.pageTable.mapOperations).toEqual({ value: 1, unit: 'operations', basis: 'recorded', replay: 1 });
    expect(rowOf(result, 'strict').total.pageTable.mapOperations).toEqual({ value: 1, unit: 'operations', basis: 'replay' });
  });

  it('counts sizes by class and alignment', () => {
    expect(result.mappings.ranges.value).toBe(1);
    expect(result.mappings.bytes.value).toBe(100);
    expect(result.mappings.classes[0].unaligned.value).toBe(1);
    expect(result.mappingsByDevice).toEqual([result.mappings]);
  });
});

describe('flush timers', () => {
  const machine = testMachine({ devices: [{ address: DEVICE, protection: 'lazy' }] });

  function lazyPair(iova: number): string[][] {
    return [
      [mapText(iova, BUFFER, 4096), mapPageText(DEVICE, iova, 4096, BUFFER)],
      [unmapText(iova, 4096), unmapPageText(DEVICE, iova, 4096)],
    ];
  }

  it('fire in a what-if when Linux lets them, and in the recorded row when the trace says so', async () => {
    const trace = new TraceText();
    for (const events of lazyPair(0xfffff000)) trace.add(DRIVER, ...events);
    trace
      .waitUs(8_000)
      .add({ pid: 0, cpu: 0, level: 1 }, ...domainFlushTexts(DID))
      .waitUs(2_000);
    for (const events of lazyPair(0xffffe000)) trace.add(DRIVER, ...events);
    const result = await compare(trace, machine);
    expect(result.recording.flushMoments).toBe('recorded');
    const recorded = rowOf(result, 'as-recorded').total;
    // The second unmap finds what the recorded flush has made safe already drained.
    expect(numbers(recorded.flushes)).toEqual({ timer: 1, ringFull: 0, earlyOwn: 0, earlyForeign: 0, queuePeak: 1 });
    expect(recorded.flushes.timer).toMatchObject({ basis: 'recorded', replay: 1 });
    expect(recorded.iova.pagesPeak.basis).toBe('replay');
    // 10 ms have not passed for the model: both wait together.
    const lazy = rowOf(result, 'lazy').total;
    expect(numbers(lazy.flushes)).toEqual({ timer: 0, ringFull: 0, earlyOwn: 0, earlyForeign: 0, queuePeak: 2 });
    expect(lazy.flushes.timer.basis).toBe('model');
  });

  it('are modelled in the recorded row when the trace does not show them', async () => {
    const trace = new TraceText();
    for (const events of lazyPair(0xfffff000)) trace.add(DRIVER, ...events);
    trace.waitUs(20_000);
    for (const events of lazyPair(0xfffff000)) trace.add(DRIVER, ...events);
    const result = await compare(trace, machine);
    expect(result.recording.flushMoments).toBe('model');
    const { flushes, invalidations } = rowOf(result, 'as-recorded').total;
    expect(flushes.timer).toEqual({ value: 1, unit: 'flushes', basis: 'model' });
    expect(invalidations.domainSelective).toEqual({ value: 1, unit: 'descriptors', basis: 'model' });
  });
});

describe('mappings that fail', () => {
  const untrusted = testMachine({ devices: [{ address: DEVICE, protection: 'untrusted' }], slots: 128 });

  /** Page buffers that begin 64 bytes into a page, recorded under lazy; each takes one page of slots when bounced. */
  function unalignedMaps(count: number, bytes = 2048): TraceText {
    const trace = new TraceText();
    for (let index = 0; index < count; index++) {
      const iova = 0xfffff000 - index * 0x1000;
      const phys = BUFFER + index * 0x1000 + 64;
      trace.add(DRIVER, mapText(iova, phys - 64, 4096), mapPageText(DEVICE, iova + 64, bytes, phys));
    }
    for (let index = 0; index < count; index++) {
      const iova = 0xfffff000 - index * 0x1000;
      trace.add(DRIVER, unmapText(iova, 4096), unmapPageText(DEVICE, iova + 64, bytes));
    }
    return trace;
  }

  it('for a full pool, their unmaps are skipped and the smallest pool is twice as large', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'lazy' }] });
    const result = await compare(unalignedMaps(65), machine, { pool: '128', policies: ['bounce-strict'] });
    expect(result.recording.whatIfPool).toEqual({ slots: 128, areas: 1, bytes: 262144, basis: 'given' });
    expect(result.recording.pool).toMatchObject({ slots: 1024, basis: 'recorded' });
    const { total } = rowOf(result, 'bounce-strict');
    expect([total.mapped.value, total.failed.value, total.failures.poolFull.value]).toEqual([64, 1, 1]);
    expect(numbers(total.departures)).toEqual({ releasedAtOnce: 0, skippedUnmaps: 1, leftOpen: 0 });
    expect(numbers(total.pool)).toEqual({ slots: 0, slotsPeak: 128, waitingPeak: null, smallestSlots: 256 });
    expect([total.calls.mapPage.value, total.calls.unmapPage.value]).toEqual([65, 64]);
    // The device did not bounce: whether its driver syncs, the trace cannot show.
    expect(total.copied.inAtSync.lowerBound).toBe(true);
    expect(total.copied.in.lowerBound).toBe(true);
    expect(total.copied.inAtMap.lowerBound).toBeUndefined();
    expect(rowOf(result, 'as-recorded').total.copied.in.lowerBound).toBeUndefined();
  });

  it('in the recording and work in a what-if are released at once', async () => {
    const trace = new TraceText();
    const phys = BUFFER + 64;
    for (let index = 0; index < 65; index++) {
      const iova = 0xfffff000 - index * 0x1000;
      const slot = POOL_START + index * 4096;
      if (index < 64) {
        trace.add(DRIVER, bouncedText(DEVICE, phys, 2048), mapText(iova, slot, 4096), mapPageText(DEVICE, iova, 2048, phys));
      } else {
        trace.add(DRIVER, bouncedText(DEVICE, phys, 2048), mapPageText(DEVICE, -1, 2048, phys));
      }
    }
    const result = await compare(trace, untrusted);
    const recorded = rowOf(result, 'as-recorded').total;
    expect(recorded.failed).toEqual({ value: 1, unit: 'calls', basis: 'recorded', replay: 1 });
    expect(recorded.failures.poolFull.value).toBe(1);
    expect(recorded.bounced.attempts).toEqual({ value: 65, unit: 'ranges', basis: 'recorded', replay: 65 });
    expect(recorded.bounced.ranges.value).toBe(64);
    const strict = rowOf(result, 'strict').total;
    expect([strict.mapped.value, strict.failed.value]).toEqual([65, 0]);
    expect(numbers(strict.departures)).toEqual({ releasedAtOnce: 1, skippedUnmaps: 0, leftOpen: 64 });
    expect(strict.pageTable.unmapOperations.value).toBe(1);
  });

  it('because nothing is that long leave the smallest pool alone', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'lazy' }] });
    const bytes = 300 * 1024;
    const iova = 0xfff00000;
    const trace = new TraceText()
      .add(DRIVER, mapText(iova, BUFFER, bytes + 4096), mapPageText(DEVICE, iova + 64, bytes, BUFFER + 64))
      .add(DRIVER, mapText(iova - 0x1000, BUFFER, 4096), mapPageText(DEVICE, iova - 0x1000 + 64, 100, BUFFER + 64));
    const { total } = rowOf(await compare(trace, machine), 'bounce-strict');
    expect(total.failures.neverFits.value).toBe(1);
    expect(total.failures.poolFull.value).toBe(0);
    expect(total.pool.smallestSlots.value).toBe(128);
  });

  it('below 4 GiB only: passthrough bounces what the device cannot reach, and moves coherent memory to where it can', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'lazy', maskBits: 32 }] });
    const trace = new TraceText()
      .add(DRIVER, mapText(0xfffff000, BUFFER, 4096), allocText(DEVICE, 0xfffff000, 4096))
      .add(DRIVER, mapText(0xffffe000, BUFFER + 0x1000, 4096), mapPageText(DEVICE, 0xffffe000, 4096, BUFFER + 0x1000));
    const { total } = rowOf(await compare(trace, machine), 'passthrough');
    expect(total.failed.value).toBe(0);
    expect(numbers(total.bounced)).toMatchObject({ ranges: 1, bytes: 4096, rangeShare: 1 });
    expect(total.pool.slotsPeak.value).toBe(2);
  });
});

describe('scatter lists, coherent memory and syncs', () => {
  it('takes lists apart entry by entry only where the policy does', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'strict' }] });
    const iova = 0xffffc000;
    const phys = [BUFFER, BUFFER + 0x10000];
    const segments = [
      { address: iova, bytes: 4096 },
      { address: iova + 4096, bytes: 512 },
    ];
    const trace = new TraceText()
      .add(DRIVER, mapText(iova, phys[0], 4096), mapText(iova + 4096, phys[1], 4096), mapSgText(DEVICE, phys, segments, TO_DEVICE))
      .add(DRIVER, unmapSgText(DEVICE, phys, TO_DEVICE), unmapText(iova, 8192), ...strictFlushTexts(DID, iova, 2));
    const result = await compare(trace, machine);
    const recorded = rowOf(result, 'as-recorded').total;
    expect(numbers(recorded.calls)).toMatchObject({ mapSg: 1, mapSgEntries: 2, unmapSg: 1, mapPage: 0 });
    expect(recorded.pageTable.mapOperations).toMatchObject({ value: 2, replay: 2 });
    expect(recorded.pageTable.unmapOperations).toMatchObject({ value: 1, replay: 1 });
    expect(recorded.invalidations.pageSelective).toMatchObject({ value: 1, replay: 1 });
    const bounced = rowOf(result, 'bounce-strict').total;
    expect(numbers(bounced.bounced)).toEqual({
      attempts: 1,
      directWhenDry: 0,
      ranges: 1,
      bytes: 512,
      rangeShare: 0.5,
      byteShare: 512 / 4608,
    });
    expect(bounced.pageTable.unmapOperations.value).toBe(2);
    expect(bounced.invalidations.pageSelective.value).toBe(2);
    expect(result.mappings.classes[3].aligned.value).toBe(1);
    expect(result.mappings.classes[1].startAligned.value).toBe(1);
  });

  it('replays coherent memory from its runs, never bounced', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'strict' }] });
    const iova = 0xffffe000;
    const trace = new TraceText()
      .add(DRIVER, mapText(iova, BUFFER, 4096), mapText(iova + 4096, BUFFER + 0x8000, 4096), allocText(DEVICE, iova, 5000))
      .add(DRIVER, freeText(DEVICE, iova, 5000), unmapText(iova, 8192), ...strictFlushTexts(DID, iova, 2));
    const result = await compare(trace, machine);
    for (const policy of ['as-recorded', 'strict', 'bounce-strict']) {
      const { total } = rowOf(result, policy);
      expect(numbers(total.calls), policy).toMatchObject({ alloc: 1, free: 1 });
      expect(numbers(total.pageTable), policy).toMatchObject({ mapOperations: 2, mappedPages: 2, unmapOperations: 1, unmappedPages: 2 });
      expect(total.invalidations.pageSelective.value, policy).toBe(1);
      expect(total.bounced.attempts.value, policy).toBe(0);
    }
    expect(rowOf(result, 'as-recorded').total.pageTable.unmappedPages.replay).toBe(2);
  });

  it('copies the synced part of a bounced mapping, found by any address inside it', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'untrusted' }] });
    const iova = 0xfffff000;
    const trace = new TraceText()
      .add(
        DRIVER,
        bouncedText(DEVICE, BUFFER + 64, 2000),
        mapText(iova, POOL_START, 4096),
        mapPageText(DEVICE, iova, 2000, BUFFER + 64, FROM_DEVICE),
      )
      .add(DRIVER, syncText(DEVICE, true, iova + 100, 300, FROM_DEVICE), syncText(DEVICE, false, iova + 100, 300, FROM_DEVICE))
      .add(DRIVER, syncText(DEVICE, true, 0x1000, 300, FROM_DEVICE));
    const result = await compare(trace, machine);
    const { calls, copied, departures } = rowOf(result, 'bounce-strict').total;
    // For the CPU it copies; for the device there is nothing to copy, since only the device writes.
    expect(numbers(copied)).toEqual({ inAtMap: 2000, inAtSync: 0, outAtSync: 300, outAtUnmap: 0, in: 2000, out: 300 });
    expect(calls.sync.value).toBe(2);
    expect(departures.leftOpen.value).toBe(1);
    expect(result.data.assembly.unknownMappings).toBe(1);
    expect(rowOf(result, 'strict').total.copied.out.value).toBe(0);
  });

  it('replays what was recorded without translation', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'identity' }] });
    const trace = new TraceText()
      .add(DRIVER, allocText(DEVICE, BUFFER, 8192), mapPageText(DEVICE, BUFFER + 0x4040, 64, BUFFER + 0x4040))
      .add(DRIVER, unmapPageText(DEVICE, BUFFER + 0x4040, 64), freeText(DEVICE, BUFFER, 8192));
    const result = await compare(trace, machine);
    expect(rowOf(result, 'as-recorded').total.pageTable.mapOperations.value).toBe(0);
    const strict = rowOf(result, 'strict').total;
    expect(numbers(strict.pageTable)).toMatchObject({ mapOperations: 2, mappedPages: 3, unmapOperations: 2, unmappedPages: 3 });
    expect(rowOf(result, 'bounce-strict').total.bounced.ranges.value).toBe(1);
    expect(strict.departures.leftOpen.value).toBe(0);
  });
});

describe('several devices', () => {
  const trace = new TraceText()
    .add(DRIVER, mapText(0xfffff000, BUFFER, 4096), mapPageText(DEVICE, 0xfffff040, 64, BUFFER + 64))
    .add(DRIVER, mapText(0xffffe000, BUFFER, 4096), mapPageText(OTHER, 0xffffe080, 64, BUFFER + 128));

  it('keeps those that were not chosen in their recorded mode', async () => {
    const machine = testMachine({
      devices: [
        { address: DEVICE, protection: 'lazy' },
        { address: OTHER, protection: 'lazy' },
      ],
    });
    const result = await compare(trace, machine, { devices: '02:00.0', policies: ['bounce-strict'] });
    const row = rowOf(result, 'bounce-strict');
    expect(row.devices.map(({ name, policy, bounced }) => [name, policy, bounced.ranges.value])).toEqual([
      [DEVICE, 'lazy', 0],
      [OTHER, 'bounce-strict', 1],
    ]);
    expect(result.devices.map(({ chosen }) => chosen)).toEqual([false, true]);
  });

  it('treats a group as one domain, whose figures stand once', async () => {
    const machine = testMachine({
      devices: [
        { address: DEVICE, protection: 'lazy', group: 3 },
        { address: OTHER, protection: 'lazy', group: 3 },
      ],
    });
    const result = await compare(trace, machine, { devices: OTHER, policies: ['strict'] });
    const row = rowOf(result, 'strict');
    expect(row.devices.map(({ policy }) => policy)).toEqual(['strict', 'strict']);
    expect(result.devices.map(({ sharesDomainWith }) => sharesDomainWith)).toEqual([null, DEVICE]);
    expect(row.devices.map(({ iova }) => iova.pagesPeak.value)).toEqual([2, null]);
    expect(row.total.iova.pagesPeak.value).toBe(2);
    expect(row.total.pageTable.tablePagesPeak.value).toBe(4);
  });
});

describe('a recording that lost events', () => {
  it('gives lower bounds and uncertain peaks', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'untrusted' }] });
    const trace = bouncedPair().addRaw('CPU:0 [LOST 9 EVENTS]');
    const result = await compare(trace, machine);
    expect(result.data.level).toBe('LOSS');
    const { total } = rowOf(result, 'strict');
    expect(total.invalidations.pageSelective.lowerBound).toBe(true);
    expect(total.iova.pagesPeak.uncertain).toBe(true);
    expect(result.mappings.ranges.lowerBound).toBe(true);
  });
});
