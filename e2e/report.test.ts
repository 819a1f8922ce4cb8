/** `dmalab report` as a user has it: the page, what it carries, and what is left when it cannot be made. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { dmalab, SMALL_MACHINE, smallLines, styleFault, Workbench } from './dmalab.ts';

const bench = new Workbench();
afterAll(() => bench.remove());

const small = bench.trace('small', smallLines());
/** Few CPUs and policies: the load is the same, and done sooner. */
const QUICK: readonly string[] = ['--policy', 'strict,bounce-strict,bounce-deferred,passthrough', '--cpus', '1,4'];
const EXAMPLE_BYTES_MAX = 500_000;

function page(name: string, args: readonly string[] = []): string {
  const outcome = bench.dmalab(['report', small, '-o', name, ...QUICK, ...args]);
  expect(outcome.err).toBe('');
  expect(outcome.code).toBe(0);
  return readFileSync(join(bench.directory, name), 'latin1');
}

/** The page without the object that it carries. */
function visible(html: string): string {
  return html.replace(/<script type="application\/json"[\s\S]*?<\/script>/, '');
}

/** Headings, figures and tables in their order. */
function outline(html: string): string {
  const parts = visible(html).matchAll(/<h([123])>([^<]*)<|<title id="[^"]*">([^<]*)<|<thead>(.*?)<\/thead>/g);
  return [...parts]
    .map(([, level, heading, plot, head]) => {
      if (level !== undefined) return `${'#'.repeat(Number(level))} ${heading}`;
      if (plot !== undefined) return `  plot   ${plot}`;
      return `  table  ${[...head!.matchAll(/<th[^>]*>([^<]*)</g)].map((match) => match[1]).join(' | ')}`;
    })
    .join('\n');
}

describe('the page', () => {
  const html = page('one.html');

  it('has these parts in this order', () => {
    expect(outline(html)).toMatchInlineSnapshot(`
      "# DMA protection: small.trace
      ## Answer
      ## What was lost or inferred
      ## Policies
        table  policy | us/pair | range | vs rec | inval | copied | foreign | stale max | reuse | gives up
      ## Where the time goes
        plot   CPU time of a map and unmap pair by policy and part
      ## Cost against exposure
        plot   Cost against exposure
      ## With more CPUs
        plot   Pairs per second of all CPUs together, by number of CPUs
      ## Exposure over time
        plot   Exposure over time by device and policy
      ## Break-even over the size of a buffer
        plot   Break-even: cost of a pair by size of the buffer
      ## Bounce pool over time
        plot   Bounce slots in use over time
      ## Worst findings as recorded
      ### Data of another device within reach
        table  device | could reach | of | page | mapped at | data at | how
      ### Mapped again while still reachable
        table  still reachable by | mapped again for | page | unmapped at | mapped at
      ## How we know
      ### The model against this recording
        table  predicted | predictions | equal | differ | given | not compared | how
      ### The cost profile vtd-bare
        table  constant | low | value | high | unit | grade | source
        table  copy of bytes | hot ns | cold ns
      ### The policies
      ### What is modelled
      ### Known gaps
      ### Method"
    `);
  });

  it('says how good the data is before any result, then the verdict of compare, unchanged', () => {
    const { out } = bench.dmalab(['compare', small, '--policy', QUICK[1]!, '--json']);
    const { verdict } = JSON.parse(out) as { verdict: readonly string[] };
    const text = visible(html);
    expect(text.indexOf('403 events')).toBeGreaterThan(0);
    expect(text.indexOf('403 events')).toBeLessThan(text.indexOf(verdict.join(' ')));
  });

  it('has the cells of the text table', () => {
    const { out } = bench.dmalab(['compare', small, '--policy', QUICK[1]!, '--sort', 'cost']);
    const row = out.split('\n').find((line) => line.startsWith('bounce-strict '))!;
    const cells = /<th scope="row">bounce-strict<\/th>(.*?)<\/tr>/.exec(html)![1]!;
    const texts = [...cells.matchAll(/<td[^>]*>([^<]*)</g)].map((match) => match[1]!.replaceAll('&gt;', '>'));
    for (const word of row
      .trim()
      .split(/\s{1,}/)
      .slice(1))
      expect(texts.join(' ')).toContain(word);
  });

  it('needs nothing from elsewhere and runs nothing', () => {
    const text = visible(html);
    expect(text).not.toMatch(/<script|<link|<iframe|<img|<object|<embed|<base|@import|\bon\w+\s*=\s*"/i);
    expect(text).not.toMatch(/\b(?:src|href|srcset|action|data)\s*=/i);
    expect([...text.matchAll(/url\(([^)]*)\)/g)].filter(([, target]) => !target!.startsWith('#'))).toEqual([]);
    expect(text).not.toMatch(/https?:\/\//);
  });

  it('can be read aloud: every plot has a title and a description, every header its scope', () => {
    const svgs = [...html.matchAll(/<svg [^>]*aria-labelledby="(\S+) (\S+)">(.*?)<\/svg>/g)];
    expect(svgs.length).toBeGreaterThan(4);
    for (const [, title, description, inside] of svgs) {
      expect(inside).toMatch(new RegExp(`<title id="${title}">[^<]+</title><desc id="${description}">[^<]+</desc>`));
    }
    expect(html.match(/<svg/g)!.length).toBe(svgs.length);
    expect(visible(html)).not.toMatch(/<th(?![^>]*scope=)[ >]/);
    const ids = [...visible(html).matchAll(/ id="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is plain ASCII with no figure that is none', () => {
    expect(html).toMatch(/^[\x20-\x7e\n]*$/);
    expect(visible(html)).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('is the same whenever and wherever it is made', () => {
    const again = bench.dmalab(['report', small, '-o', 'two.html', ...QUICK], { env: { TZ: 'Asia/Kathmandu', LC_ALL: 'de_DE.UTF-8' } });
    expect(again.code).toBe(0);
    expect(readFileSync(join(bench.directory, 'two.html'), 'latin1')).toBe(html);
  });

  it('gives its result back, as --json printed it', () => {
    const inside = bench.dmalab(['report', 'one.html', '--json']);
    const direct = bench.dmalab(['report', small, '--json', ...QUICK]);
    expect(inside.code).toBe(0);
    expect(inside.out).toBe(direct.out);
    const result = JSON.parse(inside.out) as { data: object; format: string; compare: { rows: { saturation: readonly object[] }[] } };
    expect(Object.keys(result)[0]).toBe('data');
    expect(result.format).toBe('dmalab-report');
    expect(result.compare.rows.map(({ saturation }) => saturation.length)).toEqual([2, 2, 2, 2, 2]);
  });

  it('leaves the check out when asked', () => {
    const unchecked = page('unchecked.html', ['--no-verify']);
    expect(unchecked).toContain('Not checked (--no-verify)');
    expect(unchecked).not.toContain('predictions match');
  });
});

describe('names that are more than names', () => {
  const MARKUP = '<img src=x onerror=alert(1)>';
  const evil = `${MARKUP}\u001b]0;owned\u0007\u202etxt</script>`;
  const machine = readFileSync(SMALL_MACHINE, 'utf8').replace(/"driver": "nvme"/g, `"driver": ${JSON.stringify(evil)}`);

  it('stay text, and stay visible', () => {
    const name = '"><img onerror=x>.trace';
    bench.write(name, `${smallLines().join('\n').replaceAll('kworker/u4:1-26 ', '<img onerror>-26 ')}\n`);
    bench.write('evil.json', machine);
    expect(machine).toContain('onerror');
    const outcome = bench.dmalab(['report', name, '--machine', 'evil.json', '-o', 'evil.html', ...QUICK]);
    expect(outcome.code).toBe(0);
    expect(styleFault(outcome.out)).toBeUndefined();
    const html = readFileSync(join(bench.directory, 'evil.html'), 'latin1');
    expect(html).toMatch(/^[\x20-\x7e\n]*$/);
    expect(visible(html)).not.toMatch(/<img/);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<\/script/g)).toHaveLength(1);
    expect(visible(html)).toContain('&lt;img src=x onerror=alert(1)&gt;\\x1b]0;owned\\x07\\u{202e}txt&lt;/script&gt;');
    expect(JSON.parse(bench.dmalab(['report', 'evil.html', '--json']).out).format).toBe('dmalab-report');
  });
});

describe('a page that cannot be', () => {
  const refused = (args: readonly string[], code: number, message: RegExp): void => {
    const before = readdirSync(bench.directory).sort();
    const outcome = bench.dmalab(args);
    expect(outcome.code).toBe(code);
    expect(outcome.err).toMatch(message);
    expect(outcome.out).toBe('');
    expect(readdirSync(bench.directory).sort()).toEqual(before);
  };

  it.each([
    ['no name', ['report', small], 2, /^RPT002 /],
    ['a pipe', ['report', '-', '-o', 'x.html'], 2, /^RPT001 /],
    ['no directory', ['report', small, '-o', 'nowhere/x.html'], 2, /^RPT003 [\s\S]*no such directory/],
    ['a directory', ['report', small, '-o', '.'], 2, /^RPT003 [\s\S]*a directory/],
    ['the trace itself', ['report', small, '-o', small], 2, /^RPT003 [\s\S]*the input itself/],
    ['CPUs that are none', ['report', small, '-o', 'x.html', '--cpus', '1,many'], 2, /^CMP007 /],
    ['no such trace', ['report', 'missing.trace', '-o', 'x.html'], 3, /^TRC/],
  ])('%s', (_, args, code, message) => refused(args, code, message));

  it('a page of somebody else, and one that was cut', () => {
    bench.write('other.html', '<!doctype html>\n<html><body>404</body></html>\n');
    refused(['report', 'other.html', '--json'], 3, /^RPT004 /);
    const whole = page('whole.html', ['--no-verify']);
    bench.write('cut.html', whole.slice(0, whole.length - 2000));
    refused(['report', 'cut.html', '--json'], 3, /^RPT004 /);
  });

  it('replaces what was there, behind a link too, and writes into a device', () => {
    mkdirSync(join(bench.directory, 'real'));
    bench.write('real/target.html', 'old');
    symlinkSync('real/target.html', join(bench.directory, 'link.html'));
    page('link.html', ['--no-verify']);
    expect(readFileSync(join(bench.directory, 'real/target.html'), 'utf8')).toMatch(/^<!doctype html>/);
    expect(readdirSync(join(bench.directory, 'real'))).toEqual(['target.html']);
    const outcome = bench.dmalab(['report', small, '-o', '/dev/null', ...QUICK, '--no-verify']);
    expect(outcome.code).toBe(0);
  });

  it('leaves nothing when it is interrupted', async () => {
    const program = fileURLToPath(new URL('../packages/cli/bin/dmalab.js', import.meta.url));
    const words = [program, 'report', small, '-o', 'stopped.html'];
    // Too early it does not listen yet (no code), too late it has ended (0): how fast this machine is, nobody knows.
    let outcome: unknown[] = [];
    for (const delayMs of [2500, 1500, 4000, 8000]) {
      const child = spawn(process.execPath, words, { cwd: bench.directory, stdio: ['ignore', 'pipe', 'pipe'] });
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk.toString();
      });
      setTimeout(() => child.kill('SIGINT'), delayMs);
      const [code] = await once(child, 'exit');
      outcome = [code, err];
      if (code !== null && code !== 0) break;
      rmSync(join(bench.directory, 'stopped.html'), { force: true });
    }
    expect(outcome).toEqual([130, 'INTERRUPTED  nothing was written\n']);
    expect(existsSync(join(bench.directory, 'stopped.html'))).toBe(false);
    expect(readdirSync(bench.directory).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});

describe('the example that comes along', () => {
  it('makes a page that a mail can carry', () => {
    const target = join(bench.directory, 'example.html');
    const outcome = dmalab(['report', 'examples/thunderbolt-nvme.trace.gz', '-o', target]);
    expect(outcome.err).toBe('');
    const html = readFileSync(target, 'latin1');
    expect(html.length).toBeLessThan(EXAMPLE_BYTES_MAX);
    const [verdict] = dmalab(['verify', 'examples/thunderbolt-nvme.trace.gz']).out.match(/^EQUAL .*$/m)!;
    // A whole page is no message for a person to read.
    expect(html.includes(verdict.replace(/ +/g, ' '))).toBe(true);
    // What it names can be looked up in the trace.
    const lines = gunzipSync(readFileSync(new URL('../examples/thunderbolt-nvme.trace.gz', import.meta.url)))
      .toString('latin1')
      .split('\n');
    const findings = /<h2>Worst findings[\s\S]*?<\/section>/.exec(html)![0];
    const handles = [...findings.matchAll(/>L([\d,]+)</g)].map((match) => Number(match[1]!.replaceAll(',', '')));
    expect(handles.length).toBeGreaterThan(20);
    for (const line of handles) expect(lines[line - 1]).toMatch(/: (?:dma_|map: |unmap: |swiotlb_|qi_|cache_tag_)/);
    const stories = [...visible(readFileSync(target, 'latin1')).matchAll(/<title id="steps-[^"]*">([^<:]*)/g)].map((match) => match[1]);
    expect(stories).toEqual(['bounce-link breaks P3', 'bounce-lazy-unsafe breaks P3']);
  });
});
