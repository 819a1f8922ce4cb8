import { type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { type Charges, COST_PARTS, emptyCharges, PLAIN_QUANTITIES, QUANTITIES, Quantity } from '../cost/charges.ts';
import { COST_CONSTANT_NAMES, type CostConstantName } from '../cost/cost-constant.ts';
import { priceCharges } from '../cost/price-charges.ts';
import { readProfile } from '../cost/read-profile.ts';
import { RowByRow } from '../cost/row-by-row.oracle.ts';
import { openRecording } from '../replay/open-recording.ts';
import { ownRecordings, recordingsElsewhere, recordingsIn } from '../testing/recordings.ts';
import { AskedRow } from './asked-row.oracle.ts';
import { Comparison } from './compare.ts';
import { closeRow, openAtEnd } from './conservation.ts';
import { Counter } from './counters.ts';
import { everyRow } from './row-share.ts';

const profile = readProfile('vtd-bare');
const values = Object.fromEntries(COST_CONSTANT_NAMES.map((name) => [name, profile.constants[name].value ?? 0])) as Record<
  CostConstantName,
  number
>;

/** Rows of a log by kind, and sums of their columns. */
class RowTotals {
  readonly rows: Float64Array = new Float64Array(Math.max(...Object.values(Observed)) + 1);
  readonly b: Float64Array = this.rows.slice();
  readonly c: Float64Array = this.rows.slice();

  add(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      const kind = log.kind[row];
      this.rows[kind] += 1;
      this.b[kind] += log.b[row];
      this.c[kind] += log.c[row];
    }
  }
}

/** What the meter has to have counted, by the rows of the log. */
function expectCharged(totals: RowTotals, { quantities }: Charges): void {
  const { rows, b, c } = totals;
  const q = (...names: (keyof typeof Quantity)[]): number => names.reduce((total, name) => total + quantities[Quantity[name]], 0);
  const sumOf = (first: number, count: number): number =>
    quantities.subarray(first, first + count).reduce((total, part) => total + part, 0);
  const intervals = QUANTITIES - Quantity.COPIED_BYTES;
  const charged = {
    mapped: [q('MAPPED_RANGES'), q('MAPPED_RANGES', 'MAPPED_NEXT_PAGES')],
    unmapped: [q('UNMAPPED_RANGES'), q('UNMAPPED_RANGES', 'UNMAPPED_NEXT_PAGES')],
    searches: q('SLOT_SEARCHES'),
    slots: [q('SLOTS_TAKEN'), q('SLOT_RELEASES'), q('SLOTS_RETURNED')],
    copies: [sumOf(PLAIN_QUANTITIES, intervals), sumOf(Quantity.COPIED_BYTES, intervals)],
    zeroed: q('ZEROED_BYTES'),
    addresses: [
      q('IOVA_CACHE_ALLOCS', 'IOVA_TREE_ALLOCS'),
      q('IOVA_CACHE_FREES', 'IOVA_TREE_FREES', 'DRAINED_TO_CACHE', 'DRAINED_TO_TREE'),
    ],
    drained: q('DRAINED_TO_CACHE', 'DRAINED_TO_TREE'),
    queued: q('QUEUE_ADDS'),
    invalidations: q('PAGE_INVALIDATIONS', 'DOMAIN_INVALIDATIONS'),
    flushes: q('TIMER_FLUSHES', 'RING_FULL_FLUSHES', 'TEARDOWN_FLUSHES', 'EARLY_FLUSHES_OWN', 'EARLY_FLUSHES_FOREIGN'),
    tables: [q('TABLES_ALLOCATED'), q('TABLES_FREED')],
    shadows: [q('SHADOWS_TAKEN'), q('SHADOWS_RETURNED')],
  };
  expect(charged).toEqual({
    mapped: [rows[Observed.MAPPED], c[Observed.MAPPED] / PAGE_SIZE],
    unmapped: [rows[Observed.UNMAPPED], c[Observed.UNMAPPED] / PAGE_SIZE],
    searches: rows[Observed.SLOT_ALLOCATED] + rows[Observed.SLOT_FAILED],
    slots: [b[Observed.SLOT_ALLOCATED], rows[Observed.SLOT_RELEASED], b[Observed.SLOT_RELEASED]],
    copies: [rows[Observed.COPIED_IN] + rows[Observed.COPIED_OUT], b[Observed.COPIED_IN] + b[Observed.COPIED_OUT]],
    zeroed: b[Observed.ZEROED],
    addresses: [rows[Observed.IOVA_ALLOCATED] + rows[Observed.IOVA_FAILED], rows[Observed.IOVA_FREED]],
    // All that was ever queued has been drained.
    drained: rows[Observed.FLUSH_QUEUED],
    queued: rows[Observed.FLUSH_QUEUED],
    invalidations: rows[Observed.DESCRIPTOR_SUBMITTED] - rows[Observed.FLUSH_STARTED],
    flushes: rows[Observed.FLUSH_STARTED],
    tables: [rows[Observed.TABLE_ALLOCATED], rows[Observed.TABLE_FREED]],
    shadows: [rows[Observed.SHADOW_TAKEN], rows[Observed.SHADOW_RETURNED]],
  });
}

/** Replays a recording under every policy, ends what it leaves open, and balances the books. */
async function expectConserved(path: string): Promise<void> {
  const recording = await openRecording(path);
  if (!recording.facts.hasApiLines) return;
  const comparison = new Comparison(recording, { profile }, everyRow, AskedRow);
  const rows = comparison.comparer.rows as readonly AskedRow[];
  const followed = rows.map((row) => {
    const totals = new RowTotals();
    const prices = new RowByRow(values, profile.copy.knots);
    row.followForgone();
    row.consumers.push({
      observe(log): void {
        totals.add(log);
        prices.add(log);
      },
    });
    return { row, totals, prices };
  });
  for await (const batch of recording.batches()) comparison.comparer.push(batch);
  const { rows: figures } = comparison.finish();
  const { open } = comparison.comparer;
  for (const [index, { row, totals, prices }] of followed.entries()) {
    const { name, machine, counters, measures } = row;
    const left = openAtEnd(row, open);
    // A mapping that failed in the row is open in the recording alone.
    expect([name, counters.total(Counter.LEFT_OPEN) <= left.length]).toEqual([name, true]);
    expect([name, figures[index].total.departures.leftOpen.value]).toEqual([name, counters.total(Counter.LEFT_OPEN)]);
    const holds = closeRow(row, open);
    const frames = row.framesAtFirst - machine.domains.length;
    expect({ name, ...holds }).toEqual({ name, slots: 0, iovaPages: 0, queued: 0, tablePages: 0, frames });
    expect([name, machine.dma.calls.inFlight, machine.dma.unmapsOfNothing, machine.dma.entriesAlreadySet]).toEqual([name, 0, 0, 0]);
    for (const { index: device } of machine.devices) {
      const copied = [Counter.COPIED_IN_MAP, Counter.COPIED_IN_SYNC, Counter.COPIED_OUT_SYNC, Counter.COPIED_OUT_UNMAP].map((counter) =>
        counters.get(device, counter),
      );
      const asked = [row.copiedIn[device], row.copiedOut[device]];
      expect([name, device, copied[0] + copied[1], copied[2] + copied[3]]).toEqual([name, device, ...asked]);
      expect([name, device, row.counts.slotsUsed[device], row.counts.slotsWaiting[device]]).toEqual([name, device, 0, 0]);
    }
    const charges = measures!.cost.charges();
    expectCharged(totals, charges);
    // Waiting for the queue depends on more than the rows.
    const { total, split } = priceCharges({ ...charges, waitNs: emptyCharges().waitNs }, profile);
    expect(total.value! / prices.ns || 1).toBeCloseTo(1, 9);
    expect(COST_PARTS.reduce((sum, part) => sum + split[part].value!, 0) / total.value! || 1).toBeCloseTo(1, 12);
  }
}

describe('what a row takes it gives back, what the calls ask for is copied, and every observation is charged once', () => {
  it.each(ownRecordings)('%s', async (_, path) => {
    await expectConserved(path);
  });

  if (recordingsElsewhere === undefined) it.skip('DMALAB_TRACES names no folder; with it, every *.trace.gz there', () => undefined);
  else
    it.each(recordingsIn(recordingsElsewhere))('%s', async (path) => {
      await expectConserved(path);
    });
});
