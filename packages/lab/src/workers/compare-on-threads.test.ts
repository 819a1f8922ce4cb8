import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError } from 'dmalab-core';
import { afterAll, describe, expect, it } from 'vitest';
import { Comparison, compareRecording } from '../compare/compare.ts';
import type { CompareResult } from '../compare/compare-result.ts';
import { readProfile } from '../cost/read-profile.ts';
import { openRecording } from '../replay/open-recording.ts';
import { compareOnThreads, threadsFor } from './compare-on-threads.ts';

const LAZY = recording('linux-6.12-parallel-2cpu');
const FORCED = recording('linux-6.12-swiotlb-force');
const BATCH_ROWS = 2048;
const folder = mkdtempSync(join(tmpdir(), 'dmalab-threads-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MINE = `
const map = ['ALLOCATE_IOVA', 'WRITE_TABLE', 'FLUSH_MAP'];
const unmap = ['CLEAR_TABLE', 'QUEUE_IOVA'];
export const policy = {
  name: 'mine', summary: 'every buffer bounced, lazily', translated: true, lazy: true, mapsSgPerEntry: true, bounces: () => true,
  mapDirect: map, mapBounced: ['TAKE_SLOTS', 'COPY_IN', 'ZERO_PADDING', ...map],
  unmapDirect: unmap, unmapBounced: [...unmap, 'COPY_OUT', 'FREE_SLOTS'], unmapCoherent: unmap,
};
`;

describe('rows on threads', () => {
  it.each([
    ['two threads', LAZY, 2, undefined],
    ['a thread per row and more', LAZY, 9, ['lazy', 'bounce-strict']],
    ['one thread', FORCED, 1, undefined],
    ['one policy', FORCED, 2, ['strict']],
  ] as const)('give the same bytes as one: %s', async (_, path, threads, policies) => {
    const apart = await compareOnThreads(path, { threads, policies });
    const together = await compareRecording(await openRecording(path), { policies });
    expect(JSON.stringify(apart?.result)).toBe(JSON.stringify(together));
  });

  it('measure, saturate and show the pool over time as one thread does', async () => {
    const choices = {
      policies: ['strict', 'bounce-deferred', 'bounce-strict'],
      profile: readProfile('vtd-bare'),
      saturate: { cpus: [1, 3] },
      series: true,
    };
    const seen: number[] = [];
    const onSaturate = ({ done, total }: { done: number; total: number }): void => {
      seen.push(done / total);
    };
    const apart = await compareOnThreads(FORCED, { threads: 2, ...choices, onSaturate });
    const together = await compareRecording(await openRecording(FORCED), choices);
    expect(JSON.stringify(apart?.result)).toBe(JSON.stringify(together));
    expect(seen.at(-1)).toBe(1);
    expect(together.saturation).toMatchObject({ cpus: [1, 3], sharing: 'queue-and-pool', obstacle: null });
    for (const { saturation } of together.rows) expect(saturation?.map(({ cpus }) => cpus)).toEqual([1, 3]);
    const deferred = together.rows.find(({ policy }) => policy === 'bounce-deferred')!;
    const peak = Math.max(...deferred.poolSeries!.buckets.map(({ max }) => max));
    expect(peak).toBe(deferred.total.pool.slotsPeak.value);
  });

  it('say why nothing was saturated', async () => {
    const profile = readProfile('vtd-bare');
    const gap = { ...profile, constants: { ...profile.constants, lock: { unit: 'ns/lock', value: null, reason: 'for this test' } } };
    const result = await compareRecording(await openRecording(FORCED), { policies: ['strict'], profile: gap, saturate: {} });
    expect(result.saturation?.obstacle).toBe('the profile has no value for lock');
    expect(result.rows.map(({ saturation }) => saturation)).toEqual([null, null]);
  });

  it('keep the order of the rows, files among them', async () => {
    const file = written('mine.mjs', MINE);
    const apart = await compareOnThreads(FORCED, { threads: 2, policies: ['lazy', file, 'passthrough'] });
    expect(apart?.result.rows.map(({ policy }) => policy)).toEqual(['as-recorded', 'lazy', 'mine', 'passthrough']);
    const [recorded, lazy, mine] = apart!.result.rows;
    expect(mine.total.calls).toEqual({ ...lazy.total.calls });
    expect(mine.total.bounced.rangeShare.value).toBe(1);
    expect(recorded.total.mapped.value).toBe(mine.total.mapped.value);
  });

  it('stop behind the same event when they are interrupted', async () => {
    const controller = new AbortController();
    const onProgress = ({ pass, events }: { pass: string; events: number }): void => {
      if (pass === 'events' && events > 0) controller.abort();
    };
    const stopped = await compareOnThreads(LAZY, { threads: 2, onProgress, signal: controller.signal });
    expect(await cutsThatGive(stopped!.result, LAZY)).toHaveLength(1);
  });

  it('have nothing to show when they are interrupted before the first event', async () => {
    const controller = new AbortController();
    controller.abort();
    expect(await compareOnThreads(LAZY, { threads: 2, signal: controller.signal })).toBeUndefined();
  });

  it.each([
    ['a wrong policy', LAZY, { policies: ['strikt', 'lazy'] }, 'CMP001'],
    ['a wrong device', LAZY, { devices: '77:00.0' }, 'CMP002'],
    ['no file', join(folder, 'missing.trace'), {}, 'TRC009'],
    ['no trace', written('text.trace', 'hello\n'), {}, 'TRC008'],
  ])('refuse %s like one thread', async (_, path, options, code) => {
    const apart = await refusalOf(compareOnThreads(path, { threads: 2, ...options }));
    expect(apart).toEqual(await refusalOf(openRecording(path).then((opened) => compareRecording(opened, options))));
    expect(apart.code).toBe(code);
  });
});

describe('the number of threads', () => {
  it('is none for short traces, and one at least for a policy file', () => {
    expect(threadsFor(LAZY, undefined)).toBe(0);
    expect(threadsFor(LAZY, ['./mine.js'])).toBe(1);
    expect(threadsFor('-', ['strict'])).toBe(0);
    expect(threadsFor('-', ['strict', 'mine.mjs'])).toBe(1);
    expect(threadsFor(join(folder, 'missing.trace'), undefined)).toBe(0);
    expect(threadsFor(written('long.trace', new Uint8Array(11e6)), undefined)).toBeGreaterThan(0);
  });
});

/** Numbers of batches after which one thread has this result. */
async function cutsThatGive(result: CompareResult, path: string): Promise<number[]> {
  const cuts: number[] = [];
  const wanted = JSON.stringify(result.rows);
  const batches = await countBatches(path);
  for (let cut = 1; cut <= batches; cut++) {
    const opened = await openRecording(path, { batchRows: BATCH_ROWS });
    const comparison = new Comparison(opened);
    let seen = 0;
    for await (const batch of opened.batches()) {
      comparison.comparer.push(batch);
      seen += 1;
      if (seen === cut) break;
    }
    if (JSON.stringify(comparison.finish().rows) === wanted) cuts.push(cut);
  }
  return cuts;
}

async function countBatches(path: string): Promise<number> {
  let count = 0;
  for await (const _ of (await openRecording(path, { batchRows: BATCH_ROWS })).batches()) count += 1;
  return count;
}

async function refusalOf(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LabError) return { code: error.code, text: error.toText() };
    throw error;
  }
  return { code: 'accepted', text: '' };
}

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

function recording(name: string): string {
  return fileURLToPath(new URL(`../../../../testdata/${name}.trace.gz`, import.meta.url));
}
