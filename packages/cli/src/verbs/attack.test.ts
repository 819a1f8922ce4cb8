import { describe, expect, test } from 'vitest';
import { ExitCode } from '../exit-code.ts';
import { Terminal, type TerminalStream } from '../terminal/terminal.ts';
import { attack } from './attack.ts';

/** What the verb prints on a terminal of so many columns. */
function printed(columns: number, name?: string, options: Parameters<typeof attack>[1] = {}): string[] {
  const parts: string[] = [];
  const out: TerminalStream = { write: (part) => parts.push(part) > 0, isTTY: true, columns };
  expect(attack(name, options, new Terminal(out, { write: () => true }, { NO_COLOR: '1' }))).toBe(ExitCode.FINE);
  return parts.join('').trimEnd().split('\n');
}

const NAMES = printed(100, undefined, { policy: 'lazy' }).flatMap((line) => /^(A\d+) /.exec(line)?.[1] ?? []);

test('there are seventeen attacks', () => {
  expect(NAMES).toHaveLength(17);
});

describe.each(NAMES)('the story of %s', (name) => {
  test.each([100, 60])('fits %i columns, with its bound first and the verdict soon after', (columns) => {
    const lines = printed(columns, name);
    expect(lines.filter((line) => line.length > columns || line !== line.trimEnd() || !/^[ -~]*$/.test(line))).toEqual([]);
    expect(lines[0]).toMatch(/^BOUND {3}/);
    expect(lines.findIndex((line) => line.startsWith('ANSWER'))).toBeLessThan(8);
    const text = lines.join('\n');
    expect(text).not.toMatch(/\b(safe|secure|proved|undefined|NaN|Infinity)\b/i);
    expect(lines.at(-1)).toMatch(/--json|^ /);
  });

  test('marks the steps that gained something, and numbers all of them', () => {
    const lines = printed(100, name);
    const steps = lines.filter((line) => /^[* ] {1,3}\d+ {2} +[\d.,]+ (us|ms) {2}/.test(line));
    expect(steps.map((line) => Number(line.slice(1, 5)))).toEqual(steps.map((_, index) => index + 1));
    const gained = lines.some((line) => /^\S+ +(NOT stopped|partly) /.test(line));
    expect(steps.some((line) => line.startsWith('*'))).toBe(gained);
  });
});

test('the story is that of the first policy asked for', () => {
  expect(printed(100, 'stale-read', { policy: 'bounce-deferred,lazy' }).join('\n')).toContain('story  under bounce-deferred, case');
});
