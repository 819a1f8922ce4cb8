/** `dmalab explain` as a user sees it: whole outputs, handles fed back, logs and hostile names. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { dmalab, smallLines, styleFault, Workbench } from './dmalab.ts';

const EXAMPLE = 'examples/thunderbolt-nvme.trace.gz';
const bench = new Workbench();
afterAll(() => bench.remove());
const small = bench.trace('small', smallLines());

/** Faults on pages of the example, as different kernels and loggers would print them; the times are those of its mappings. */
const AFTER_UNMAP = faultLine('16.223200', 'Write', 'fffc0000');
const LOG = [
  '[    0.000000] Linux version 6.12',
  faultLine('16.223200', 'Write', 'fffc0000'),
  '[   11.000001] DMAR:[DMA Read] Request device [02:00.0] fault addr fffc0000 ',
  '[   11.000001] DMAR:[fault reason 06] PTE Read access is not set',
  'Jan 04 23:12:54 host kernel: DMAR: [DMA Write] Request device [03:00.0] fault addr 1000 [fault reason 05] PTE Write access is not set',
  '[   11.500000] DMAR: [INTR-REMAP] Request device [09:00.0] fault index 0x8080 [fault reason 0x25] Blocked a compatibility format',
  '[   11.500000] dmar_fault: 17 callbacks suppressed',
  'nvme 0000:09:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0010 address=0xfffc0040 flags=0x0000]',
].join('\n');

function faultLine(seconds: string, access: string, address: string): string {
  return `[   ${seconds}] DMAR: [DMA ${access} NO_PASID] Request device [02:00.0] fault addr 0x${address} [fault reason 0x05] PTE Write access is not set`;
}

function checked(args: readonly string[], input?: string): string {
  const { out, err, code } = dmalab(['explain', EXAMPLE, ...args], input === undefined ? {} : { input });
  expect(err).toBe('');
  expect(code).toBe(0);
  if (!args.includes('--json')) expect(styleFault(out)).toBeUndefined();
  return out;
}

describe('explain on the example', () => {
  it.each([
    ['explain-iova.txt', ['--iova', '0xfffc0000']],
    ['explain-iova-time.txt', ['--iova', 'fffc0000', '--device', '02:00.0', '--time', '15.530000']],
    ['explain-mapping.txt', ['--mapping', 'm-1207']],
    ['explain-after-unmap.txt', ['--fault', AFTER_UNMAP]],
    ['explain-never-mapped.txt', ['--fault', faultLine('11.000000', 'Read', 'e0000000')]],
    ['explain-iova-data.txt', ['--iova', '0x1000', '--data']],
  ])('%s', async (golden, args) => {
    await expect(checked(args)).toMatchFileSnapshot(`goldens/${golden}`);
  });

  it('explain-log.txt: one paragraph for each fault of a log', async () => {
    await expect(checked(['--fault', '-'], LOG)).toMatchFileSnapshot('goldens/explain-log.txt');
  });

  it('explain-help.txt', async () => {
    await expect(dmalab(['explain', '--help']).out).toMatchFileSnapshot('goldens/help-explain.txt');
  });

  it('says DATA first and the answer, of at most three lines, within eight', () => {
    for (const args of [
      ['--iova', '0xfffc0000'],
      ['--mapping', 'm-1207'],
      ['--fault', AFTER_UNMAP],
    ]) {
      const lines = checked(args).split('\n');
      expect(lines[0]).toMatch(/^DATA {2}/);
      const answer = lines.findIndex((line) => line.startsWith('ANSWER'));
      expect(answer).toBeGreaterThan(0);
      const end = lines.indexOf('', answer);
      expect(end).toBeLessThanOrEqual(8);
      expect(end - answer).toBeLessThanOrEqual(3);
    }
  });

  it('gives in JSON the sentence of the text, data first', () => {
    const report = JSON.parse(checked(['--fault', AFTER_UNMAP, '--json']));
    expect(Object.keys(report).slice(0, 4)).toEqual(['data', 'format', 'version', 'answer']);
    expect(report).toMatchObject({ format: 'dmalab-explain', version: 1 });
    expect(checked(['--fault', AFTER_UNMAP])).toContain(report.answer.join('\n'));
    expect(report.pages[0].lives[report.pages[0].chosen].events.length).toBeGreaterThan(2);
  });

  it('counts what it cuts, and shows it with --all', () => {
    const cut = checked(['--iova', '0xfffc0000']);
    const more = Number(/^\(([\d,]+) more: --all\)$/m.exec(cut)![1]!.replaceAll(',', ''));
    const { lives } = JSON.parse(checked(['--iova', '0xfffc0000', '--json'])).pages[0];
    const all = checked(['--iova', '0xfffc0000', '--all']);
    expect(all).not.toContain('more: --all');
    expect(all.match(/^[> ] m-\d+ /gm)).toHaveLength(lives.length);
    expect(cut.match(/^[> ] m-\d+ /gm)).toHaveLength(lives.length - more);
  });
});

describe('what is printed', () => {
  it('is accepted as input', () => {
    // The small recording: each question is a process of its own.
    const asked = (args: readonly string[]): string => {
      const { out, err, code } = bench.dmalab(['explain', small, ...args]);
      expect([err, code]).toEqual(['', 0]);
      return out;
    };
    const text = asked(['--mapping', 'm-30']);
    const mappings = [...new Set(text.match(/\bm-\d+/g))];
    const places = [...new Set(text.match(/\bL\d[\d,]*/g))];
    const [device] = text.match(/\b\d\d:\d\d\.\d\b/)!;
    expect([mappings.length > 1, places.length > 2]).toEqual([true, true]);
    for (const mapping of mappings.slice(0, 3)) expect(asked(['--mapping', mapping])).toContain(`${mapping},`);
    for (const line of places.slice(0, 4)) expect(asked(['--line', line])).toContain('ANSWER');
    const [, page] = /^ANSWER {2}Page ([0-9a-f]+) /m.exec(text)!;
    expect(asked(['--iova', page!, '--device', device])).toContain('ANSWER');
  });

  it('by verify and compare is accepted, too', () => {
    const { out } = bench.dmalab(['verify', small, '--at', 'L60']);
    const [handle] = out.match(/\bL\d+/)!;
    expect(bench.dmalab(['explain', small, '--line', handle]).code).toBe(0);
  });

  it('has no control bytes of a task name', () => {
    const hostile = smallLines().map((line, index) => (index < 12 ? line : line.replace(/^ *\S+?-(\d+)/, 'a\u001b]0;x\u0007\u202e<b>-$1')));
    const trace = bench.trace('hostile', hostile);
    const { out, err, code } = bench.dmalab(['explain', trace, '--mapping', 'm-3']);
    expect([err, code]).toEqual(['', 0]);
    expect(styleFault(out)).toBeUndefined();
    expect(out).toContain('\\x1b]0;x');
  });

  it('is the same for plain text, gzip and standard input', () => {
    const plain = bench.dmalab(['explain', small, '--iova', 'fffdf000', '--json']);
    const piped = bench.dmalab(['explain', '-', '--machine', 'small.machine.json', '--iova', 'fffdf000', '--json'], {
      input: readFileSync(`${bench.directory}/small.trace`),
    });
    expect(JSON.parse(piped.out).pages).toEqual(JSON.parse(plain.out).pages);
  });
});

describe('a recording that is not complete', () => {
  it('says LOSS first, and never that a page was never mapped', () => {
    const lines = smallLines();
    const trace = bench.trace('lossy', [...lines.slice(0, 200), 'CPU:0 [LOST 9 EVENTS]', ...lines.slice(200)]);
    const { out } = bench.dmalab(['explain', trace, '--iova', '0x5000']);
    expect(out).toMatch(/^DATA {2}LOSS/);
    expect(out).toContain('No mapping of page 5000 is in the recording, which is not complete: 9 events lost');
    expect(out).not.toContain('never mapped');
  });
});
