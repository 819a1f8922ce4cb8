/** What a user may get wrong: each has a message of its own, an exit code, and never a stack trace. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { HEADER_LINES, SMALL_MACHINE, smallLines, styleFault, Workbench, withEvents } from './dmalab.ts';

const bench = new Workbench();
afterAll(() => bench.remove());

const lines = smallLines();
const small = bench.trace('small', lines);
const gzip = gzipSync(`${lines.join('\n')}\n`);
bench.write('empty.trace', '');
bench.write(
  'binary.trace',
  Uint8Array.from({ length: 4096 }, (_, index) => (index * 37) & 0xff),
);
bench.write('trace.dat', Uint8Array.from([0x17, 0x08, 0x44, ...Buffer.from('tracing'), 0, 0, 0]));
bench.write('cut.trace.gz', gzip.subarray(0, gzip.length >> 1));
bench.write(
  'damaged.trace.gz',
  Uint8Array.from(gzip, (byte, index) => (index > 200 && index < 230 ? byte ^ 0x5a : byte)),
);
bench.write(
  'other.trace',
  '# tracer: nop\n bash-1 [000] d..1. 1.000000: sched_switch: prev_comm=a\n bash-1 [000] d..1. 1.000001: sys_enter: NR 1\n',
);
bench.write('page.trace', '<!DOCTYPE html>\n<html><body>404</body></html>\n');
bench.write('bad.json', '{ "kernelHz": ');
bench.write('wrong.json', '{ "kernelHz": "fast" }');
bench.write('huge.json', '{ "swiotlb": { "start": "0x100000000000000000", "endExclusive": "0x200000000000000000" } }');

/** A shipped cost profile with one piece of its text changed. */
function writeProfile(name: string, from: string | RegExp, to: string): string {
  const text = readFileSync(new URL('../packages/lab/profiles/vtd-bare.json', import.meta.url), 'utf8');
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`nothing to change in ${name}`);
  return bench.write(name, changed);
}

const PROFILES: readonly string[] = [
  writeProfile('missing-number.json', '"value": 5.9,', ''),
  writeProfile('negative.json', '"value": 5.9,', '"value": -5.9,'),
  writeProfile('no-number.json', '"value": 5.9,', '"value": "fast",'),
  writeProfile('wrong-unit.json', '"unit": "ns/lock"', '"unit": "cycles"'),
  writeProfile('wrong-order.json', '"low": 5.7,', '"low": 6,'),
  writeProfile('no-source.json', /"source": "rIOMMU[^"]*",/, ''),
  writeProfile('unknown-constant.json', '"lock": {', '"locks": {'),
  writeProfile('cut-profile.json', /"constants"[\s\S]*/, ''),
  'missing-profile.json',
];

const USAGE: readonly (readonly string[])[] = [
  [],
  ['verfy', small],
  ['comapre', small],
  ['explain'],
  ['breakeven', 'bounce-defered', 'strict'],
  ['breakeven', 'strict'],
  ['breakeven', '--cpus', '1000'],
  ['breakeven', '--cpus', 'many'],
  ['breakeven', '--min-align-mask', '5'],
  ['breakeven', '--profile', 'vtd-bear'],
  ['verify'],
  ['compare'],
  ['verify', small, small],
  ['verify', small, '--jsn'],
  ['verify', small, '--policy', 'lazy'],
  ['verify', small, '--machine'],
  ['verify', small, '--at', 'here'],
  ['compare', small, '--by-devices'],
  ['compare', small, '--policy', 'strikt'],
  ['compare', small, '--policy', 'strict,,lazy'],
  ['compare', small, '--policy', 'bounce'],
  ['compare', small, '--device', '02:00.1'],
  ['compare', small, '--device', 'untrustd'],
  ['compare', small, '--pool', 'big'],
  ['compare', small, '--pool', '0'],
  ['compare', small, '--pool', '-5'],
  ['compare', small, '--pool', '1024,0'],
  ['compare', small, '--pool', '999999999999'],
  ['compare', small, '--pool', '1024,4,2'],
  ['profile'],
  ['profile', 'shw'],
  ['profile', 'show'],
  ['profile', 'show', 'vtd-bair'],
  ['profile', 'list', 'vtd-bare'],
  ['explain', small],
  ['explain', small, '--iova', '0x1000', '--mapping', 'm-1'],
  ['explain', small, '--iova', '0xfffg'],
  ['explain', small, '--fault', 'DMAR: DRHD: handling fault status reg 2'],
  ['explain', small, '--fault', `\u001b]0;title\u0007${'long '.repeat(30)}`],
  ['explain', small, '--iova', '0x1000', '--device', '02:00.9'],
  ['explain', small, '--iova', '0x1000', '--time', 'noon'],
  ['explain', small, '--mapping', '1207'],
  ['explain', small, '--mapping', 'm-99,999'],
  ['explain', small, '--line', 'here'],
  ['explain', small, '--line', 'L99,999'],
  ['explain', '-', '--mapping', 'm-1'],
  ['explain', '-', '--fault', '-'],
  ['attack', 'stale-reed'],
  ['attack', 'A99'],
  ['attack', ''],
  ['attack', 'A17'],
  ['attack', 'A1', 'A2'],
  ['attack', 'A1', '--kernel', '5.4'],
  ['attack', '--policy', 'lasy'],
  ['attack', '\u001b]0;title\u0007'],
  ['check', 'bounce-defered'],
  ['check', 'lazy', 'P7'],
  ['check', 'lazy', 'P1', '--bound', 'deep'],
  ['check', 'lazy', 'P1', '--kernel', '5.4'],
  ['check', '--replay', 'missing.json'],
  ['check', '--replay', 'bad.json'],
];

const UNREADABLE: readonly (readonly string[])[] = [
  ['missing.trace'],
  ['.'],
  ['empty.trace'],
  ['binary.trace'],
  ['trace.dat'],
  ['cut.trace.gz'],
  ['damaged.trace.gz'],
  ['other.trace'],
  ['page.trace'],
  ['-'],
  [small, '--machine', 'missing.json'],
  [small, '--machine', '.'],
  [small, '--machine', 'bad.json'],
  [small, '--machine', 'wrong.json'],
  [small, '--machine', 'huge.json'],
];

describe('wrong usage', () => {
  it.each(USAGE.map((args) => [args.join(' ') || '(nothing)', args] as const))('dmalab %s', (_, args) => {
    const { code, out, err } = bench.dmalab(args);
    expect(out).toBe('');
    expect(code).toBe(2);
    expect(styleFault(err)).toBeUndefined();
    expect(err).toMatchSnapshot();
  });
});

describe('unreadable input', () => {
  it.each(UNREADABLE.map((args) => [args.join(' '), args] as const))('dmalab verify %s', (_, args) => {
    const { code, out, err } = bench.dmalab(['verify', ...args]);
    expect(out).toBe('');
    expect(code).toBe(3);
    expect(styleFault(err)).toBeUndefined();
    expect(err).toMatchSnapshot();
  });
});

describe('a wrong cost profile', () => {
  it.each(PROFILES)('dmalab profile show %s', (file) => {
    const { code, out, err } = bench.dmalab(['profile', 'show', file]);
    expect(out).toBe('');
    expect(code).toBe(3);
    expect(styleFault(err)).toBeUndefined();
    expect(err).toMatchSnapshot();
  });
});

/** Recordings with something wrong in them that can be read all the same: the head of the output says what. */
describe('damaged recordings', () => {
  const header = lines.slice(0, HEADER_LINES);
  const events = lines.slice(HEADER_LINES);
  const untilUnmap = events.findLastIndex((line) => line.includes(' unmap: '));
  const machine = JSON.parse(readFileSync(SMALL_MACHINE, 'utf8'));
  const elsewhere = { start: '0x1000000', endExclusive: '0x5000000', slots: 32768, areas: 1 };
  bench.write('other.machine.json', JSON.stringify({ ...machine, swiotlb: elsewhere }));
  bench.write('alone.trace', `${lines.join('\n')}\n`);

  function withLine(at: number, line: string): string[] {
    return [...header, ...events.slice(0, at), line, ...events.slice(at)];
  }

  function changed(change: (line: string, at: number) => string): string[] {
    return [...header, ...events.map(change)];
  }

  function without(unwanted: RegExp): string[] {
    return withEvents(events.filter((line) => !unwanted.test(line)));
  }

  const recordings: readonly (readonly [what: string, args: readonly string[], word?: string])[] = [
    ['lost events', [bench.trace('lost', withLine(200, 'CPU:0 [LOST 9 EVENTS]'))], 'EQUAL'],
    [
      'overwritten events',
      [bench.trace('overwritten', [...header.map((line) => line.replace('403/403', '403/1636')), ...events])],
      'EQUAL',
    ],
    ['fewer events than the header says', [bench.trace('fewer', [...header, ...events.slice(0, -20)])], 'EQUAL'],
    [
      'cut lines',
      [
        bench.trace(
          'cutlines',
          changed((line, at) => (at % 100 === 50 ? line.slice(0, 70) : line)),
        ),
      ],
    ],
    ['a last line cut', [bench.trace('lastline', [...header, ...events.slice(0, -1), events.at(-1)!.slice(0, 60)])], 'EQUAL'],
    [
      'unknown attributes',
      [
        bench.trace(
          'attrs',
          changed((line) => line.replace(/attrs=$/, 'attrs=QUANTUM')),
        ),
      ],
      'EQUAL',
    ],
    ['the middle of a life', [bench.trace('midlife', withEvents(events.slice(300)))]],
    ['numbers beyond 2^53', [bench.trace('huge', withLine(100, events[2]!.replace('size=4096', 'size=99999999999999999999')))], 'EQUAL'],
    ['text between the lines', [bench.trace('text', withLine(100, 'hello there'))], 'EQUAL'],
    [
      'names with escapes',
      [
        bench.trace(
          'names',
          changed((line) => line.replace('modprobe-', '\u001b]0;x\u0007\u202e<b>-')),
        ),
        '--data',
      ],
      'EQUAL',
    ],
    ['a stop in the middle of a call', [bench.trace('stop', withEvents(events.slice(0, untilUnmap)))], 'EQUAL'],
    ['no dma events', [bench.trace('nodma', without(/: dma_/))], 'EQUAL'],
    ['no qi_submit events', [bench.trace('noqi', without(/: (qi_submit|cache_tag)/))]],
    ['interrupt remapping only', [bench.trace('iec', withEvents(events.filter((line) => line.includes('iec_inv'))))], 'NOTHING'],
    ['no description', ['alone.trace']],
    ['a contradicting description', [small, '--machine', 'other.machine.json']],
  ];

  it.each(recordings.map(([what, args, word]) => [what, { args, word }] as const))('with %s', (_, { args, word }) => {
    for (const verb of ['verify', 'compare']) {
      const { code, out, err } = bench.dmalab([verb, ...args]);
      expect([styleFault(out), styleFault(err)]).toEqual([undefined, undefined]);
      if (err !== '') {
        expect(code).toBe(3);
        expect(err).toMatchSnapshot();
        continue;
      }
      const rows = out.split('\n');
      const verdict = rows.findIndex((line) => /^(EQUAL|DIFFERS|NOTHING|ANSWER) /.test(line));
      expect(verdict).toBeGreaterThan(0);
      expect(verdict).toBeLessThan(8);
      expect(code).toBe(rows[verdict]!.startsWith('DIFFERS') ? 1 : 0);
      if (word !== undefined && verb === 'verify') expect(rows[verdict]).toContain(word);
      expect(rows.slice(0, verdict).join('\n')).toMatchSnapshot(`${verb} data`);
    }
  });
});
