import { Prng, policies } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { RecordedCall } from '../replay/call-records.ts';
import { mapPageText, mapSgText, unmapPageText, unmapSgText } from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { compareRecording } from './compare.ts';
import { unmapKind } from './policy-row.ts';

const DEVICE = '0000:01:00.0';
const MEMORY = 0x100000000;
const PAGE = 4096;
const SIZES = [1, 64, 256, 257, 1514, 2048, 3000, 4096, 5000, 8192, 20000, 65536];

/** Policies whose slots are kept longer than their mapping. */
const KEEP_SLOTS: ReadonlySet<string> = new Set(['bounce-deferred', 'bounce-deferred-mixed', 'shadow']);

interface OpenMapping {
  readonly phys: readonly number[];
  readonly bytes: readonly number[];
}

/** A driver without IOMMU that maps, and at the end unmaps, at random; how much is open at once is bounded by `openMax`. */
function randomTrace(
  seed: number,
  calls: number,
  openMax: number,
): { readonly trace: string; readonly maps: number; readonly lists: number } {
  const random = new Prng(seed);
  const trace = new TraceText();
  const open: OpenMapping[] = [];
  let nextPage = 0;
  let maps = 0;
  let lists = 0;
  const cpuTask = (): ReturnType<typeof task> => task(100 + random.below(2), random.below(2));
  const take = (): [number, number] => {
    const bytes = SIZES[random.below(SIZES.length)];
    const phys = MEMORY + nextPage * PAGE + (random.chance(1, 2) ? 0 : random.below(PAGE));
    nextPage += Math.ceil(bytes / PAGE) + 1;
    return [phys, bytes];
  };
  const unmap = (): void => {
    const [{ phys, bytes }] = open.splice(random.below(open.length), 1);
    if (phys.length === 1) trace.add(cpuTask(), unmapPageText(DEVICE, phys[0], bytes[0], 2));
    else trace.add(cpuTask(), unmapSgText(DEVICE, phys, 2));
  };
  for (let call = 0; call < calls; call++) {
    if (random.chance(1, 20)) trace.waitUs(random.below(30_000));
    if (open.length >= openMax || (open.length > 0 && random.chance(1, 3))) {
      unmap();
      continue;
    }
    const ranges = Array.from({ length: random.chance(1, 4) ? 2 + random.below(4) : 1 }, take);
    const phys = ranges.map(([address]) => address);
    const bytes = ranges.map(([, length]) => length);
    maps += 1;
    if (ranges.length === 1) {
      trace.add(cpuTask(), mapPageText(DEVICE, phys[0], bytes[0], phys[0], 2));
    } else {
      lists += 1;
      const segments = phys.map((address, index) => ({ address, bytes: bytes[index] }));
      trace.add(cpuTask(), mapSgText(DEVICE, phys, segments, 2));
    }
    open.push({ phys, bytes });
  }
  while (open.length > 0) unmap();
  // One more pair long after, so that the lazy row's timer has emptied the queue before it.
  const idle = MEMORY - PAGE;
  trace.waitUs(1_000_000).add(task(100), mapPageText(DEVICE, idle, PAGE, idle, 2), unmapPageText(DEVICE, idle, PAGE, 2));
  return { trace: trace.toString(), maps: maps + 1, lists };
}

const machine = (slots: number, areas: number) =>
  testMachine({ devices: [{ address: DEVICE, protection: 'identity' }], cpus: 2, slots, areas });

describe('random calls, all of them unmapped in the end', () => {
  it.each([1, 2, 3, 4, 5, 6])('leave nothing behind in any row (seed %i)', async (seed) => {
    const { trace, maps, lists } = randomTrace(seed, 400, 60);
    const result = await compareRecording(recordingFromText(trace, machine(16384, 2)), {
      policies: ['passthrough', 'strict', 'lazy', 'bounce-strict', 'bounce-link'],
    });
    for (const { policy, total } of result.rows) {
      expect(total.calls.mapPage.value! + total.calls.mapSg.value!, policy).toBe(maps);
      expect(total.calls.mapSg.value, policy).toBe(lists);
      expect(total.mapped.value, policy).toBe(maps);
      expect(total.failed.value, policy).toBe(0);
      expect(total.calls.unmapPage.value! + total.calls.unmapSg.value!, policy).toBe(maps);
      expect(total.pool.slots.value, policy).toBe(0);
      expect(total.departures.leftOpen.value, policy).toBe(0);
      expect(total.pageTable.mappedPages.value, policy).toBe(total.pageTable.unmappedPages.value);
      // What the last pair left on the lazy queue.
      expect(total.iova.pages.value, policy).toBe(policy === 'lazy' ? 1 : 0);
      expect(total.bounced.ranges.value, policy).toBe(total.bounced.attempts.value);
      expect(total.copied.inAtMap.value, policy).toBe(total.bounced.bytes.value);
      // The device writes all of them, so each comes back as it went.
      expect(total.copied.outAtUnmap.value, policy).toBe(total.bounced.bytes.value);
    }
    const { ranges, bytes, classes } = result.mappings;
    const byClass = classes.reduce(
      (sum, { aligned, startAligned, unaligned }) => sum + aligned.value! + startAligned.value! + unaligned.value!,
      0,
    );
    expect(byClass).toBe(ranges.value);
    const bounce = result.rows.find(({ policy }) => policy === 'bounce-strict')!.total;
    const direct = classes.reduce((sum, { aligned }) => sum + aligned.value!, 0);
    expect(bounce.bounced.ranges.value).toBe(ranges.value! - direct);
    expect(bounce.bounced.byteShare.value).toBeCloseTo(bounce.bounced.bytes.value! / bytes.value!, 12);
  });

  const loads = [
    [11, 1, 40],
    [12, 2, 40],
    [13, 1, 120],
    [14, 2, 120],
  ] as const;
  const bouncing = policies.filter(({ bounces }) => bounces(1, 1)).map(({ name }) => name);
  const tries = bouncing.flatMap((policy) => loads.map((load) => [policy, ...load] as const));

  it.each(tries)('name the smallest pool as trying each of them does (%s, seed %i, %i areas)', async (policy, seed, areas, openMax) => {
    const { trace } = randomTrace(seed, 300, openMax);
    const description = machine(16384, areas);
    const named = await compareRecording(recordingFromText(trace, description), { policies: [policy] });
    const smallest = named.rows[1].total.pool.smallestSlots.value!;
    for (let slots = 128 * areas; slots <= smallest; slots *= 2) {
      const tried = await compareRecording(recordingFromText(trace, description), { policies: [policy], pool: `${slots},${areas}` });
      expect(tried.recording.whatIfPool?.slots).toBe(slots);
      const { failures, flushes, pool, bounced } = tried.rows[1].total;
      const direct = bounced.directWhenDry.value!;
      const inVain = failures.poolFull.value! + direct + (flushes.earlyOwn.value ?? 0) + (flushes.earlyForeign.value ?? 0);
      expect(inVain > 0, `${slots} slots`).toBe(slots < smallest);
      // Buffers that went without slots have taken none in the larger pools either.
      if (KEEP_SLOTS.has(policy) || direct > 0) expect(pool.smallestSlots.value).toBe(slots < smallest ? null : smallest);
      // From a pool that is too small the larger ones are still seen.
      else if (slots * 4 >= smallest) expect(pool.smallestSlots.value).toBe(smallest);
    }
    expect(smallest).toBeGreaterThanOrEqual(named.rows[1].total.pool.slotsPeak.value!);
  });
});

describe('the end of a mapping', () => {
  it('is the call that belongs to its beginning', () => {
    expect(unmapKind(RecordedCall.MAP_PAGE)).toBe(RecordedCall.UNMAP_PAGE);
    expect(unmapKind(RecordedCall.MAP_SG)).toBe(RecordedCall.UNMAP_SG);
    expect(unmapKind(RecordedCall.MAP_RESOURCE)).toBe(RecordedCall.UNMAP_RESOURCE);
    expect(unmapKind(RecordedCall.ALLOC)).toBe(RecordedCall.FREE);
  });
});
