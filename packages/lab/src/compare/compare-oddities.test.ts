import { type MachineDescription, parseMachineDescription } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import {
  allocText,
  bouncedText,
  domainFlushTexts,
  flushAllText,
  mapPageText,
  mapSgText,
  mapText,
  strictFlushTexts,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { POOL_START, testMachine, testMachineText } from '../testing/test-machine.ts';
import { softirq, TraceText, task } from '../testing/trace-text.ts';
import { compareRecording } from './compare.ts';
import type { CompareOptions } from './compare-options.ts';
import type { CompareResult, RowFigures } from './compare-result.ts';

const DEVICE = '0000:01:00.0';
const DID = 2;
const DRIVER = task(100);
const NAPI = softirq();
const BUFFER = 0x100000000;
const TOP = 0xfffff000;

function compare(trace: TraceText, machine: MachineDescription, options: CompareOptions = {}): Promise<CompareResult> {
  return compareRecording(recordingFromText(trace.toString(), machine), options);
}

function totalOf(result: CompareResult, policy: string): RowFigures {
  return result.rows.find((row) => row.policy === policy)!.total;
}

const one = (protection: 'lazy' | 'strict' | 'untrusted' | 'identity', more: object = {}): MachineDescription =>
  testMachine({ devices: [{ address: DEVICE, protection, ...more }] });

describe('flushes of a lazy domain', () => {
  it('behind the lines of an unmapped list in a softirq are the timer', async () => {
    const phys = [BUFFER];
    const trace = new TraceText()
      .add(NAPI, mapText(TOP, BUFFER, 4096), mapSgText(DEVICE, phys, [{ address: TOP, bytes: 4096 }]))
      .add(NAPI, unmapSgText(DEVICE, phys), unmapText(TOP, 4096))
      .add(NAPI, ...domainFlushTexts(DID));
    const { flushes, invalidations, iova } = totalOf(await compare(trace, one('lazy')), 'as-recorded');
    expect(flushes.timer).toMatchObject({ value: 1, replay: 1, basis: 'recorded' });
    expect(flushes.ringFull).toMatchObject({ value: 0, replay: 0 });
    expect(invalidations.domainSelective).toMatchObject({ value: 1, replay: 1 });
    expect(iova.pages.value).toBe(0);
  });

  it('inside the unmap that found its ring full are of that cause', async () => {
    const trace = new TraceText();
    const addresses = Array.from({ length: 256 }, (_, index) => TOP - index * 4096);
    for (const iova of addresses) trace.add(DRIVER, mapText(iova, BUFFER, 4096), mapPageText(DEVICE, iova, 4096, BUFFER));
    for (const iova of addresses) {
      const flush = iova === addresses[255] ? domainFlushTexts(DID) : [];
      trace.add(DRIVER, unmapText(iova, 4096), ...flush, unmapPageText(DEVICE, iova, 4096));
    }
    const result = await compare(trace, one('lazy'));
    const { flushes } = totalOf(result, 'as-recorded');
    // 255 entries are a full ring; the unmap after them flushes, which frees all of them.
    expect(flushes.ringFull).toMatchObject({ value: 1, replay: 1, basis: 'recorded' });
    expect(flushes.timer).toMatchObject({ value: 0, replay: 0 });
    expect(flushes.queuePeak.value).toBe(255);
    expect(result.rows[0].devices[0].flushes.ringFull.value).toBe(1);
  });

  it('without descriptors are counted by their own lines', async () => {
    const trace = new TraceText()
      .add(DRIVER, mapText(TOP, BUFFER, 4096), mapPageText(DEVICE, TOP, 4096, BUFFER))
      .add(DRIVER, unmapText(TOP, 4096), unmapPageText(DEVICE, TOP, 4096))
      .add(NAPI, flushAllText(DID));
    const { flushes, invalidations } = totalOf(await compare(trace, one('lazy')), 'as-recorded');
    expect(flushes.timer).toMatchObject({ value: 1, basis: 'recorded' });
    expect(invalidations.domainSelective).not.toHaveProperty('replay');
  });
});

describe('what a recording leaves out', () => {
  it('an unmap: the older mapping at a translated address ends when the newer one begins', async () => {
    const trace = new TraceText()
      .add(DRIVER, mapText(TOP, BUFFER, 4096), mapPageText(DEVICE, TOP, 4096, BUFFER))
      .add(DRIVER, mapText(TOP, BUFFER + 4096, 4096), mapPageText(DEVICE, TOP, 4096, BUFFER + 4096));
    const result = await compare(trace, one('strict'));
    expect(result.data.assembly.mappingsReplaced).toBe(1);
    const { departures, pageTable, iova } = totalOf(result, 'strict');
    expect([departures.leftOpen.value, pageTable.unmapOperations.value, iova.pages.value]).toEqual([1, 1, 1]);
  });

  it('a map: its unmap is counted and not replayed', async () => {
    const trace = new TraceText()
      .add(DRIVER, unmapText(TOP, 4096), ...strictFlushTexts(DID, TOP), unmapPageText(DEVICE, TOP, 4096))
      .add(DRIVER, mapText(TOP, BUFFER, 4096), mapPageText(DEVICE, TOP, 4096, BUFFER));
    const result = await compare(trace, one('strict'));
    expect(result.data.assembly.unknownMappings).toBe(1);
    expect(result.devices[0]).toMatchObject({ mapCalls: 1, unmapCalls: 1 });
    const recorded = totalOf(result, 'as-recorded');
    expect(recorded.calls.unmapPage).toMatchObject({ value: 1, replay: 0 });
    expect(recorded.pageTable.unmapOperations).toMatchObject({ value: 1, replay: 0 });
    expect(totalOf(result, 'lazy').calls.unmapPage.value).toBe(0);
  });

  it('a part of a list: the runs of its map lines stand for its entries', async () => {
    const phys = Array.from({ length: 130 }, (_, index) => BUFFER + index * 4096);
    const segments = Array.from({ length: 9 }, (_, index) => ({ address: 0xfff00000 + index * 65536, bytes: index < 8 ? 65536 : 8192 }));
    const trace = new TraceText().add(DRIVER, mapText(0xfff00000, BUFFER, 130 * 4096), mapSgText(DEVICE, phys, segments));
    const result = await compare(trace, one('strict'));
    expect(result.data.assembly.listsCut).toBe(1);
    const recorded = totalOf(result, 'as-recorded');
    expect(recorded.pageTable.mappedPages).toMatchObject({ value: 130, replay: 130 });
    expect(recorded.calls.mapSgEntries).toMatchObject({ value: 130, replay: 1 });
  });

  it('the API line of a failed list: it is rebuilt and fails again, or is released at once', async () => {
    const trace = new TraceText();
    // 63 of 64 pages of slots are taken, so the list's second entry finds none.
    for (let index = 0; index < 63; index++) {
      const iova = TOP - index * 4096;
      const phys = BUFFER + 64;
      trace.add(DRIVER, bouncedText(DEVICE, phys, 64), mapText(iova, POOL_START + index * 4096, 4096), mapPageText(DEVICE, iova, 64, phys));
    }
    const listIova = TOP - 63 * 4096;
    trace
      .add(DRIVER, bouncedText(DEVICE, BUFFER + 0x100, 64), mapText(listIova, POOL_START + 63 * 4096, 4096))
      .add(DRIVER, bouncedText(DEVICE, BUFFER + 0x200, 64))
      .add(DRIVER, unmapText(listIova, 4096), ...strictFlushTexts(DID, listIova))
      .add(DRIVER, mapText(listIova, BUFFER, 4096), mapPageText(DEVICE, listIova, 4096, BUFFER));
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'untrusted' }], slots: 128 });
    const result = await compare(trace, machine);
    expect(result.data.assembly.rebuilt).toBe(1);
    const recorded = totalOf(result, 'as-recorded');
    expect(recorded.failed).toMatchObject({ value: 1, replay: 1 });
    expect(recorded.failures.poolFull.value).toBe(1);
    expect(recorded.calls.mapSg).toMatchObject({ value: 1, replay: 1 });
    expect(recorded.calls.mapSgEntries).toMatchObject({ value: 2, replay: 2 });
    expect(recorded.bounced.attempts).toMatchObject({ value: 65, replay: 65 });
    expect(recorded.pageTable.unmapOperations).toMatchObject({ value: 1, replay: 1 });
    expect(recorded.invalidations.pageSelective).toMatchObject({ value: 1, replay: 1 });
    // What a failed list takes back is not copied out.
    expect(recorded.copied.outAtUnmap.value).toBe(0);
    const strict = totalOf(result, 'strict');
    expect([strict.failed.value, strict.departures.releasedAtOnce.value, strict.pageTable.unmapOperations.value]).toEqual([0, 1, 1]);
  });

  it('the memory of a failed allocation: it is counted and not replayed', async () => {
    const trace = new TraceText().add(DRIVER, allocText(DEVICE, 0, 4096)).add(DRIVER, mapPageText(DEVICE, TOP, 64, BUFFER));
    const result = await compare(trace, one('strict'));
    expect(result.data.assembly.callsWithoutRanges).toBe(1);
    expect(totalOf(result, 'as-recorded').failed).toMatchObject({ value: 1, replay: 0 });
  });
});

describe('the smallest pool', () => {
  it('is not asked to hold what failed in the recording', async () => {
    const trace = new TraceText();
    for (let index = 0; index < 100; index++)
      trace.add(DRIVER, bouncedText(DEVICE, BUFFER + 64, 64), mapPageText(DEVICE, -1, 64, BUFFER + 64));
    const { pool, departures } = totalOf(await compare(trace, one('untrusted')), 'bounce-strict');
    expect(departures.releasedAtOnce.value).toBe(100);
    expect(pool.smallestSlots.value).toBe(128);
    expect(pool.slotsPeak.value).toBe(2);
  });

  it('is not asked to hold what fails for want of addresses', async () => {
    const machine = testMachine({ devices: [{ address: DEVICE, protection: 'identity', maskBits: 32 }], lowPages: 8 });
    const trace = new TraceText();
    for (let index = 0; index < 100; index++) {
      const phys = 0x10000000 + index * 4096 + 64;
      trace.add(DRIVER, mapPageText(DEVICE, phys, 64, phys));
    }
    const { mapped, failures, pool } = totalOf(await compare(trace, machine), 'bounce-strict');
    expect([mapped.value, failures.addressSpaceExhausted.value]).toEqual([8, 92]);
    expect(pool.slots.value).toBe(16);
    expect(pool.smallestSlots.value).toBe(128);
  });
});

describe('a pool whose place is not known', () => {
  const inferred = JSON.parse(testMachineText({ devices: [{ address: DEVICE, protection: 'untrusted', maskBits: 32 }] })) as Record<
    string,
    unknown
  >;
  delete inferred.swiotlb;
  const machine = parseMachineDescription(JSON.stringify(inferred));
  const bounce = [bouncedText(DEVICE, BUFFER + 64, 64), mapText(TOP, POOL_START, 4096), mapPageText(DEVICE, TOP, 64, BUFFER + 64)];

  it('is inferred from the slots, and by default as large as a kernel makes it', async () => {
    const result = await compare(new TraceText().add(DRIVER, ...bounce), machine);
    expect(result.recording.pool).toEqual({ slots: 32768, areas: 1, bytes: 2 ** 26, basis: 'inferred' });
    const none = await compare(new TraceText().add(DRIVER, mapPageText(DEVICE, TOP, 4096, BUFFER)), machine);
    expect(none.recording.pool).toBeNull();
    expect(none.recording.whatIfPool).toEqual({ slots: 32768, areas: 1, bytes: 2 ** 26, basis: 'inferred' });
  });

  it('never takes the memory of a driver for slots', async () => {
    // Inside the 64 MiB below 4 GiB where the model puts an inferred pool, outside of the 256 KiB of the pool asked for.
    const phys = 0xfc100000;
    const trace = new TraceText()
      .add(DRIVER, ...bounce)
      .add(DRIVER, mapText(TOP - 4096, phys, 4096), mapPageText(DEVICE, TOP - 4096, 4096, phys))
      .add(DRIVER, unmapText(TOP - 4096, 4096), ...strictFlushTexts(DID, TOP - 4096), unmapPageText(DEVICE, TOP - 4096, 4096));
    const result = await compare(trace, machine, { pool: '128' });
    const recorded = totalOf(result, 'as-recorded');
    expect(recorded.copied.out.value).toBe(0);
    expect(recorded.pageTable.unmapOperations).toMatchObject({ value: 1, replay: 1 });
    expect(totalOf(result, 'passthrough').bounced.attempts.value).toBe(1);
    const inPool = new TraceText()
      .add(DRIVER, ...bounce)
      .add(DRIVER, mapText(TOP - 4096, TOP, 4096), mapPageText(DEVICE, TOP - 4096, 4096, TOP))
      .add(DRIVER, unmapText(TOP - 4096, 4096), ...strictFlushTexts(DID, TOP - 4096), unmapPageText(DEVICE, TOP - 4096, 4096));
    const { departures, copied } = totalOf(await compare(inPool, machine, { pool: '128' }), 'bounce-strict');
    expect([departures.leftOpen.value, copied.out.value]).toEqual([1, 0]);
  });
});
