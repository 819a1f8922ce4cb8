import { bounceDeferred, Direction } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { RecordedCall } from '../replay/call-records.ts';
import { mapPageText, unmapPageText } from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { type TestMachine, testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { compareRecording } from './compare.ts';
import type { RowFigures } from './compare-result.ts';
import { PolicyRow } from './policy-row.ts';
import { ReplayCall } from './replay-call.ts';

const A = '0000:01:00.0';
const B = '0000:02:00.0';
const DRIVER = task(100);
const BUFFER = 0x100000000;
const PAGE = 4096;
/** A pool of one segment: 64 pages. */
const POOL_PAGES = 64;

function addressOf(page: number): number {
  return BUFFER + page * PAGE + 64;
}

/** Maps 100 bytes in each of these pages, without IOMMU, as a driver without one would. */
function mapped(trace: TraceText, device: string, first: number, count: number): void {
  for (let page = first; page < first + count; page++) trace.add(DRIVER, mapPageText(device, addressOf(page), 100, addressOf(page)));
}

function unmapped(trace: TraceText, device: string, first: number, count: number): void {
  for (let page = first; page < first + count; page++) trace.add(DRIVER, unmapPageText(device, addressOf(page), 100));
}

interface Row {
  readonly total: RowFigures;
  readonly a: RowFigures;
  readonly b: RowFigures;
}

async function rowOf(trace: TraceText, policy: string, machine: Partial<TestMachine> = {}): Promise<Row> {
  const description = testMachine({
    devices: [A, B].map((address) => ({ address, protection: 'identity' })),
    slots: 2 * POOL_PAGES,
    ...machine,
  });
  const { rows } = await compareRecording(recordingFromText(trace.toString(), description), { policies: [policy] });
  const [a, b] = rows[1].devices;
  return { total: rows[1].total, a, b };
}

describe('early flushes', () => {
  const trace = new TraceText();
  mapped(trace, A, 0, POOL_PAGES);
  unmapped(trace, A, 0, POOL_PAGES);
  mapped(trace, B, 100, 1);
  unmapped(trace, B, 100, 1);
  mapped(trace, A, 0, POOL_PAGES - 1);
  unmapped(trace, A, 0, POOL_PAGES - 1);
  mapped(trace, A, 0, 1);

  it('have figures of their own, at the device that asks, and are no timer flushes', async () => {
    const { total, a, b } = await rowOf(trace, 'bounce-deferred');
    expect([total, a, b].map(({ flushes }) => [flushes.earlyOwn.value, flushes.earlyForeign.value, flushes.timer.value])).toEqual([
      [1, 1, 0],
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect(total.flushes.earlyOwn).toEqual({ value: 1, unit: 'flushes', basis: 'model' });
    expect(total.failed.value).toBe(0);
    const strict = await rowOf(trace, 'bounce-strict');
    expect([strict.total.flushes.earlyOwn.value, strict.total.flushes.earlyForeign.value]).toEqual([null, null]);
  });

  it('give slots back in the name of those who had them', async () => {
    const { total, a, b } = await rowOf(trace, 'bounce-deferred');
    expect([total, a, b].map(({ pool }) => [pool.slots.value, pool.slotsPeak.value])).toEqual([
      [4, 128],
      [2, 128],
      [2, 2],
    ]);
  });

  it('let no more slots wait; what waited at most is a figure, where slots wait at all', async () => {
    const { total, a, b } = await rowOf(trace, 'bounce-deferred');
    expect([total, a, b].map(({ pool }) => pool.waitingPeak.value)).toEqual([128, 128, 2]);
    expect((await rowOf(trace, 'bounce-strict')).total.pool.waitingPeak.value).toBeNull();
  });
});

describe('what a search in vain counts for', () => {
  it('is nothing when an early flush then gave the call its slots', async () => {
    const trace = new TraceText();
    // Four addresses for A, all in use; the rest of the pool waits for B's flush.
    mapped(trace, A, 0, 4);
    mapped(trace, B, 100, POOL_PAGES - 4);
    unmapped(trace, B, 100, POOL_PAGES - 4);
    mapped(trace, A, 4, 1);
    const devices = [
      { address: A, protection: 'identity', maskBits: 32 },
      { address: B, protection: 'identity' },
    ] as const;
    const { a } = await rowOf(trace, 'bounce-deferred', { devices, lowPages: 4 });
    expect(a.flushes.earlyForeign.value).toBe(1);
    expect([a.failed.value, a.failures.poolFull.value, a.failures.addressSpaceExhausted.value]).toEqual([1, 0, 1]);
  });
});

describe('other pools', () => {
  it('are filled for a policy that bounces without translation', async () => {
    const trace = new TraceText();
    mapped(trace, A, 0, 3);
    expect((await rowOf(trace, 'swiotlb-force', { slots: 1024 })).total.pool.smallestSlots.value).toBe(128);
  });

  it('take the slots of a mapping that failed in a pool of the same policy', async () => {
    const trace = new TraceText();
    mapped(trace, A, 0, 2 * POOL_PAGES + 1);
    const { total } = await rowOf(trace, 'swiotlb-force');
    // Without translation a slot is enough for 100 bytes.
    expect([total.failures.poolFull.value, total.pool.smallestSlots.value]).toEqual([1, 256]);
  });
});

describe('timers', () => {
  const CPUS = 4;
  const RING = 255;

  function deferredRow(): PolicyRow {
    const description = testMachine({
      devices: [A, B].map((address) => ({ address, protection: 'identity' })),
      cpus: CPUS,
      slots: 2048,
    });
    const trace = new TraceText().add(DRIVER, mapPageText(A, BUFFER, 100, BUFFER));
    return new PolicyRow(
      'row',
      'of a test',
      recordingFromText(trace.toString(), description).machine(() => bounceDeferred),
      false,
      undefined,
    );
  }

  function call(row: PolicyRow, kind: RecordedCall, device: number, mapping: number, timeNs: number, cpu: number, bytes = 100): void {
    const replayed = new ReplayCall();
    replayed.kind = kind;
    replayed.device = device;
    replayed.mapping = mapping;
    replayed.timeNs = timeNs;
    replayed.cpu = cpu;
    replayed.bytes = bytes;
    replayed.direction = Direction.TO_DEVICE;
    replayed.setRange(addressOf(mapping), bytes);
    row.reserve(mapping + 1);
    row.replay(replayed);
  }

  it('of a domain that a call of another device has flushed begin to run with that call', () => {
    const row = deferredRow();
    const pairs = CPUS * RING;
    for (let mapping = 0; mapping < pairs; mapping++) call(row, RecordedCall.MAP_PAGE, 0, mapping, 0, 0);
    for (let mapping = 0; mapping < pairs; mapping++) call(row, RecordedCall.UNMAP_PAGE, 0, mapping, 0, mapping % CPUS);
    const { iova } = row.machine.domains[0];
    call(row, RecordedCall.MAP_PAGE, 1, pairs, 0, 0, 5 * PAGE);
    const pushed = iova.depotSize(0);
    expect(pushed).toBeGreaterThan(CPUS);
    // 100 ms and a tick of 4 ms after the flush; the flush timer, which would see to it too, is 16 ms later.
    call(row, RecordedCall.UNMAP_PAGE, 1, pairs, 110e6, 0, 5 * PAGE);
    expect(iova.depotSize(0)).toBe(pushed - 1);
  });
});
