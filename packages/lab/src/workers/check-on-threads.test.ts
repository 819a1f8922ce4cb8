import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policies } from 'dmalab-core';
import { afterAll, describe, expect, it } from 'vitest';
import { check } from '../check/check.ts';
import { checkOptionsOf } from '../check/check-options.ts';
import type { CheckResult } from '../check/check-result.ts';
import { checkOnThreads } from './check-on-threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'dmalab-check-'));
afterAll(() => rmSync(folder, { recursive: true }));
const NAMES = ['strict', 'bounce-link', 'bounce-deferred'];
const quick = checkOptionsOf({});

/** Frees slots before the wait: what it promises does not hold. */
function policyFile(name: string, bounces: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `const map = ['ALLOCATE_IOVA', 'WRITE_TABLE', 'FLUSH_MAP'];
     const unmap = ['CLEAR_TABLE', 'SUBMIT_INVALIDATION', 'WAIT_INVALIDATION', 'FREE_TABLES', 'FREE_IOVA'];
     export default {
       name: '${name}', summary: 'slots freed first', translated: true, lazy: false, mapsSgPerEntry: true, promises: ['P3', 'P5'],
       bounces: ${bounces},
       mapDirect: map, mapBounced: ['TAKE_SLOTS', 'COPY_IN', 'ZERO_PADDING', ...map],
       unmapDirect: unmap, unmapBounced: ['COPY_OUT', 'FREE_SLOTS', ...unmap], unmapCoherent: unmap,
     };`,
  );
  return file;
}

function verdicts({ policies: rows }: CheckResult): string[] {
  return rows.map(({ policy, cells }) => `${policy}: ${cells.map(({ property, verdict }) => `${property} ${verdict}`).join(', ')}`);
}

describe('a check on threads', () => {
  it('gives the same bytes as one thread, in the order of the policies', async () => {
    const chosen = NAMES.map((name) => policies.find((policy) => policy.name === name)!);
    const search = check({ ...quick, policies: chosen });
    let step = search.next();
    while (step.done !== true) step = search.next();
    for (const threads of [1, 2]) {
      const apart = await checkOnThreads({ ...quick, policies: NAMES, threads });
      expect(JSON.stringify(apart!.result)).toBe(JSON.stringify(step.value));
    }
  });

  it("holds a user's policy to its promises, and makes a trace of what breaks them", async () => {
    const file = policyFile('hasty', '() => true');
    const { result, traces, refusals } = (await checkOnThreads({
      ...checkOptionsOf({ properties: 'P3' }),
      policies: [file],
      traces: true,
    }))!;
    expect(verdicts(result)).toEqual(['hasty: P3 refuted']);
    expect(result.policies[0].cells[0].promised).toBe(true);
    expect([traces.length, refusals.length]).toEqual([1, 0]);
  });

  it.each([
    ['throws', "(address, bytes) => { if (bytes > 4096) throw new Error('no'); return true; }", 'POL009', 3],
    ['ends its thread', '(address, bytes) => (bytes > 4096 ? process.exit(0) : true)', 'POL012', 3],
    ['never comes back', '(address, bytes) => { while (bytes > 4096); return true; }', 'POL011', 3],
  ])(
    'gives up a policy that %s, with what was explored, and keeps the others',
    async (what, bounces, code, searches) => {
      const file = policyFile(what.replaceAll(' ', '-'), bounces);
      const { result, refusals } = (await checkOnThreads({
        ...checkOptionsOf({ properties: 'P1' }),
        policies: [file, 'lazy'],
        threads: 1,
      }))!;
      expect(refusals.map((error) => error.code)).toEqual([code]);
      expect(result.policies[1].cells[0].verdict).toBe('refuted');
      const given = result.policies[0];
      expect(given.cells[0].verdict).toBe('not-decided');
      expect(given.searches.length).toBeGreaterThanOrEqual(searches);
      expect(given.searches.map(({ states }) => states > 1).slice(0, searches)).toEqual(Array(searches).fill(true));
      expect(given.searches.at(-1)!.stopped).toBe('policy');
    },
    60_000,
  );

  it('shows what it has come to when it is interrupted', async () => {
    const controller = new AbortController();
    const { result } = (await checkOnThreads({
      ...checkOptionsOf({ bound: 'standard' }),
      policies: ['bounce-deferred', 'bounce-strict'],
      threads: 1,
      onProgress: ({ states }) => {
        if (states > 4000) controller.abort();
      },
      signal: controller.signal,
    }))!;
    expect(new Set(result.policies.flatMap(({ cells }) => cells.map(({ verdict }) => verdict)))).toEqual(new Set(['not-decided']));
    expect(result.policies[0].searches.map(({ stopped }) => stopped)).toEqual(['interrupt']);
    expect(result.policies[0].searches[0].states).toBeGreaterThan(4000);
    expect(result.policies[1].searches).toEqual([]);
  });

  it('has nothing to show when it is interrupted before it begins', async () => {
    expect(await checkOnThreads({ ...quick, policies: NAMES, signal: AbortSignal.abort() })).toBeUndefined();
  });

  it('is stopped before it takes more memory than it may, however large the bound on states', async () => {
    const { bound, ...rest } = checkOptionsOf({ properties: 'P1', bound: 'states=1e9' });
    const { result } = (await checkOnThreads({ ...rest, bound: { ...bound, bytes: 200_000 }, policies: ['bounce-deferred'] }))!;
    expect(verdicts(result)).toEqual(['bounce-deferred: P1 not-decided']);
    const [first] = result.policies[0].searches;
    expect(first.stopped).toBe('memory');
    expect(first.states * first.bytesPerState).toBeLessThanOrEqual(200_000);
    expect(first.frontier).toBeGreaterThan(0);
  });

  it.each([
    [['strikt'], 'CMP001'],
    [['./missing.mjs'], 'POL001'],
  ])('refuses %o', async (words, code) => {
    await expect(checkOnThreads({ ...quick, policies: words })).rejects.toMatchObject({ code });
  });
});
