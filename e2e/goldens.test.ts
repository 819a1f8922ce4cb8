/** Whole outputs of both verbs on a small real recording, to be read in a diff. */

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { dmalab, SMALL_MACHINE, SMALL_TRACE, smallLines, styleFault, Workbench } from './dmalab.ts';

const bench = new Workbench();
afterAll(() => bench.remove());

const small = bench.trace('small', smallLines());
const wrongAddress = bench.trace(
  'wrong',
  smallLines().map((line) => (line.includes('14.322269') ? line.replace('dma_addr=fffdf150', 'dma_addr=fffde150') : line)),
);

describe('output', () => {
  it.each([
    ['verify.txt', ['verify', small], 0],
    ['verify-windows-data.txt', ['verify', small, '--windows', '--data', '--at', 'L60'], 0],
    ['verify-differs.txt', ['verify', wrongAddress], 1],
    ['verify-differences.txt', ['verify', wrongAddress, '--differences'], 1],
    ['compare.txt', ['compare', small], 0],
    ['compare-untrusted.txt', ['compare', small, '--device', 'untrusted', '--by-device', '--sizes'], 0],
    ['compare-pool.txt', ['compare', small, '--policy', 'bounce-strict,lazy', '--pool', '256,2'], 0],
    ['compare-figures.txt', ['compare', small, '--figures', '--data'], 0],
    ['breakeven.txt', ['breakeven'], 0],
    ['breakeven-aligned-cpus.txt', ['breakeven', 'bounce-strict', 'bounce-deferred', '--aligned', '--cpus', '4'], 0],
    ['help-breakeven.txt', ['breakeven', '--help'], 0],
    ['help.txt', ['--help'], 0],
    ['help-compare.txt', ['compare', '--help'], 0],
    ['help-verify.txt', ['help', 'verify'], 0],
    ['help-profile.txt', ['help', 'profile'], 0],
    ['profile-list.txt', ['profile', 'list'], 0],
    ['profile-show.txt', ['profile', 'show', 'vtd-bare'], 0],
    ['help-attack.txt', ['attack', '--help'], 0],
    ['attack.txt', ['attack'], 0],
    ['attack-6.1.txt', ['attack', '--kernel', '6.1', '--policy', 'strict,bounce-strict,bounce-deferred'], 0],
    ['attack-stale-write.txt', ['attack', 'stale-write'], 0],
    ['attack-slot-reuse.txt', ['attack', 'A9', '--policy', 'bounce-lazy-unsafe,bounce-deferred'], 0],
    ['attack-early-free.txt', ['attack', 'A10'], 0],
    ['help-check.txt', ['check', '--help'], 0],
    ['check.txt', ['check'], 1],
    ['check-cell.txt', ['check', 'bounce-lazy-unsafe', 'P3'], 0],
    ['check-stopped.txt', ['check', 'bounce-deferred', 'P1', '--bound', 'states=500'], 0],
  ])('%s', async (golden, args, code) => {
    const outcome = bench.dmalab(args);
    expect(outcome.err).toBe('');
    expect(outcome.code).toBe(code);
    expect(styleFault(outcome.out)).toBeUndefined();
    await expect(outcome.out).toMatchFileSnapshot(`goldens/${golden}`);
  });

  it.each([
    ['example-verify.txt', ['verify']],
    ['example-compare.txt', ['compare']],
    ['example-breakeven.txt', ['breakeven', '--by-device', '--trace']],
  ])('%s, on the example that comes along', async (golden, args) => {
    const outcome = dmalab([...args, 'examples/thunderbolt-nvme.trace.gz']);
    expect(outcome.err).toBe('');
    expect(outcome.code).toBe(0);
    expect(styleFault(outcome.out)).toBeUndefined();
    await expect(outcome.out).toMatchFileSnapshot(`goldens/${golden}`);
  });

  it('says DATA first and the verdict within eight lines', () => {
    for (const args of [
      ['verify', small],
      ['verify', wrongAddress],
      ['compare', small],
    ]) {
      const lines = bench.dmalab(args).out.split('\n');
      expect(lines[0]).toMatch(/^DATA {2}/);
      const verdict = lines.findIndex((line) => /^(EQUAL|DIFFERS|ANSWER) /.test(line));
      expect(verdict).toBeGreaterThan(0);
      expect(verdict).toBeLessThan(8);
    }
  });

  it('accounts for every event', () => {
    const { result, data } = JSON.parse(bench.dmalab(['verify', small, '--json']).out);
    const sum = Object.values<number>(result.ledger).reduce((total, lines) => total + lines, 0);
    expect(sum).toBe(data.events);
  });

  it('puts data first in JSON, and the same sentence as in the text', () => {
    for (const [verb, key, version] of [
      ['verify', 'verdict', 1],
      ['compare', 'answer', 2],
    ] as const) {
      const { out, code } = bench.dmalab([verb, small, '--json']);
      expect(code).toBe(0);
      const report = JSON.parse(out);
      expect(Object.keys(report)[0]).toBe('data');
      expect(report).toMatchObject({ format: `dmalab-${verb}`, version });
      const sentence: string[] = key === 'verdict' ? report.verdict.lines : report.answer;
      expect(sentence.length).toBeLessThanOrEqual(3);
      expect(bench.dmalab([verb, small]).out).toContain(sentence.join('\n'));
    }
  });

  it('gives every figure of compare a value, a unit and a basis', () => {
    let figures = 0;
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('unit' in value) {
        figures += 1;
        expect(value).toMatchObject({ basis: expect.stringMatching(/^(recorded|replay|model|given|inferred)$/) });
        expect('value' in value && (value.value === null || typeof value.value === 'number')).toBe(true);
      }
      for (const part of Object.values(value)) visit(part);
    };
    visit(JSON.parse(bench.dmalab(['compare', small, '--json']).out));
    expect(figures).toBeGreaterThan(100);
  });

  it('accepts the handles that it prints', () => {
    const report = JSON.parse(bench.dmalab(['compare', small, '--json']).out);
    const names: string[] = report.devices.map(({ name }: { name: string }) => name);
    const short = names.map((name) => name.replace(/^0000:/, ''));
    expect(bench.dmalab(['compare', small, '--device', [...names, ...short].join(',')]).code).toBe(0);
    const policies: string[] = report.rows.slice(1).map(({ policy }: { policy: string }) => policy);
    expect(bench.dmalab(['compare', small, '--policy', policies.join(',')]).code).toBe(0);
    const handle = /first at (L[\d,]*\d)/.exec(bench.dmalab(['verify', wrongAddress]).out)![1]!;
    expect(bench.dmalab(['verify', wrongAddress, '--at', handle]).out).toContain(`> ${handle}`);
  });
});

describe('a cost profile', () => {
  it('that is printed as JSON can be read again', () => {
    const printed = bench.dmalab(['profile', 'show', 'smmuv3-server', '--json']).out;
    bench.write('mine.json', printed);
    const again = bench.dmalab(['profile', 'show', 'mine.json', '--json']);
    expect(again).toEqual({ code: 0, out: printed, err: '' });
    expect(bench.dmalab(['profile', 'show', './mine.json']).out).toContain('dmalab profile show ./mine.json --json');
    const all: { name: string }[] = JSON.parse(bench.dmalab(['profile', 'list', '--json']).out);
    expect(all.map(({ name }) => name)).toContain('smmuv3-server');
  });
});

describe('the same input gives the same bytes', () => {
  const plain = dmalab(['verify', '-', '--machine', SMALL_MACHINE], { input: readFileSync(SMALL_TRACE) });

  it.each([
    ['CR LF', Buffer.from(`${smallLines().join('\r\n')}\r\n`)],
    ['gzip', gzipSync(readFileSync(SMALL_TRACE))],
  ])('as %s', (_, input) => {
    expect(dmalab(['verify', '-', '--machine', SMALL_MACHINE], { input })).toEqual(plain);
  });

  it('in every time zone and locale, with and without colour', () => {
    const env = { TZ: 'Asia/Kathmandu', LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8', NO_COLOR: '1' };
    for (const verb of ['verify', 'compare']) expect(bench.dmalab([verb, small], { env })).toEqual(bench.dmalab([verb, small]));
  });

  it('from standard input', () => {
    const fromFile = bench.dmalab(['compare', small, '--json']);
    const fromPipe = bench.dmalab(['compare', '-', '--machine', 'small.machine.json', '--json'], { input: readFileSync(SMALL_TRACE) });
    expect(JSON.parse(fromPipe.out).rows).toEqual(JSON.parse(fromFile.out).rows);
  });
});
