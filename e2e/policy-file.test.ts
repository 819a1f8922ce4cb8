/** Policy files of a user: the one in the docs works, and whatever a file does wrong is told in words. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { SMALL_MACHINE, smallLines, styleFault, Workbench } from './dmalab.ts';

const bench = new Workbench();
afterAll(() => bench.remove());

const small = bench.trace('small', smallLines());
const page = readFileSync(new URL('../docs/policies.md', import.meta.url), 'utf8');
const example = /```js\n([\s\S]*?)```/.exec(page)![1]!;
bench.write('example.js', example);

/** The example with other text in it. */
function changed(from: string, to: string): string {
  expect(example).toContain(from);
  return example.replace(from, to);
}

const ASKED = 'bounces: (address, bytes) => bytes < 2048';

describe('the example in docs/policies.md', () => {
  it('is short, needs no imports, and gives a row of its own', () => {
    expect(example.split('\n').length).toBeLessThan(60);
    expect(example).not.toContain('import');
    const { code, out, err } = bench.dmalab(['compare', small, '--policy', 'strict,./example.js,bounce-strict']);
    expect([code, err, styleFault(out)]).toEqual([0, '', undefined]);
    const rows = [...out.matchAll(/^(as-recorded|strict|small-bounce|bounce-strict) /gm)].map((match) => match[1]);
    expect(rows.toSorted()).toEqual(['as-recorded', 'bounce-strict', 'small-bounce', 'strict']);
  });

  it('bounces exactly what it says', () => {
    const { out } = bench.dmalab(['compare', small, '--policy', 'example.js', '--json']);
    const { rows, mappings } = JSON.parse(out);
    const belowHalfPage = mappings.classes
      .slice(0, 2)
      .reduce((sum: number, row: Record<'aligned' | 'startAligned' | 'unaligned', { value: number }>) => {
        return sum + row.aligned.value + row.startAligned.value + row.unaligned.value;
      }, 0);
    expect(rows[1].policy).toBe('small-bounce');
    expect(rows[1].total.bounced.ranges.value).toBe(belowHalfPage);
    expect(belowHalfPage).toBeGreaterThan(0);
  });

  it('works from standard input, and as a CommonJS module', () => {
    bench.write('example.cjs', example.replace('export default', 'module.exports ='));
    const text = smallLines().join('\n');
    const piped = bench.dmalab(['compare', '-', '--machine', SMALL_MACHINE, '--policy', './example.cjs'], { input: `${text}\n` });
    expect([piped.code, piped.err]).toEqual([0, '']);
    expect(piped.out).toContain('\nsmall-bounce ');
  });
});

describe('a policy file that', () => {
  const files: readonly (readonly [what: string, code: string, content: string])[] = [
    ['is no JavaScript', 'POL002', 'export default {'],
    ['throws when it is loaded', 'POL002', '\n\nthrow new Error("no luck");\n'],
    ['imports what is not there', 'POL002', "import 'not-to-be-found';\n"],
    ['exports nothing', 'POL004', 'export const x = 1;\n'],
    ['exports a number', 'POL004', 'export default 7;\n'],
    ['has a field too many', 'POL005', changed('lazy:', 'lasy: 1, lazy:')],
    ['lacks a field', 'POL005', changed('lazy: false,', '')],
    ['takes the name of another', 'POL006', changed("'small-bounce'", "'lazy'")],
    ['names no step', 'POL007', changed("'WRITE_TABLE'", "'WRITE_TABEL'")],
    ['leaks addresses', 'POL008', changed(", 'FREE_IOVA'", '')],
    ['copies into no slots', 'POL008', changed("'TAKE_SLOTS', 'COPY_IN'", "'COPY_IN', 'TAKE_SLOTS'")],
    ['answers nonsense', 'POL009', changed(ASKED, "bounces: () => 'perhaps'")],
    ['throws when it is asked', 'POL009', changed(ASKED, 'bounces: () => missing.thing')],
    ['loops when it is asked', 'POL011', changed(ASKED, 'bounces: () => { while (true); }')],
    ['loops when it is loaded', 'POL011', 'while (true);\n'],
    ['never finishes loading', 'POL012', 'await new Promise(() => {});\n'],
    ['ends the process', 'POL012', 'process.exit(0);\n'],
  ];

  it.each(files)('%s is refused', (what, code, content) => {
    const file = `./${what.replaceAll(' ', '-')}.mjs`;
    bench.write(file, content);
    const outcome = bench.dmalab(['compare', small, '--policy', `lazy,${file}`]);
    expect(outcome.out).toBe('');
    expect(outcome.code).toBe(2);
    expect(styleFault(outcome.err)).toBeUndefined();
    expect(outcome.err).toMatch(new RegExp(`^${code} ${file}`));
    expect(outcome.err).toMatchSnapshot();
  });

  it('is missing, or in a language that this Node does not know', () => {
    const missing = bench.dmalab(['compare', small, '--policy', './missing.js']);
    expect([missing.code, missing.out]).toEqual([2, '']);
    expect(missing.err).toMatch(/^POL001 \.\/missing\.js: /);
    bench.write('typed.ts', `const bytes: number = 1;\n${example}`);
    const typed = bench.dmalab(['compare', small, '--policy', './typed.ts']);
    if (typed.code !== 0) expect(typed.err).toMatch(/^POL003 \.\/typed\.ts: /);
  });

  it('prints something does not spoil the result', () => {
    bench.write('chatty.mjs', `console.log('loaded');\n${example}`);
    const { code, out, err } = bench.dmalab(['compare', small, '--policy', './chatty.mjs', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out).format).toBe('dmalab-compare');
    expect(err).toContain('loaded\n');
  });
});
