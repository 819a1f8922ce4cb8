import { describe, expect, it } from 'vitest';
import { Terminal, type TerminalStream } from './terminal.ts';

class Recorder implements TerminalStream {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number | undefined;

  constructor(isTTY: boolean, columns?: number) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

function printed(isTTY: boolean, environment: Record<string, string>, lines: readonly string[]): string {
  const out = new Recorder(isTTY, 120);
  new Terminal(out, new Recorder(false), environment).print(lines);
  return out.text;
}

describe('Terminal', () => {
  it('colours the verdict on a terminal, and only there', () => {
    expect(printed(true, {}, ['EQUAL  2 of 2'])).toBe('\u001b[32mEQUAL\u001b[39m  2 of 2\n');
    expect(printed(true, {}, ['DATA  LOSS: x'])).toBe('\u001b[31mDATA  LOSS\u001b[39m: x\n');
    expect(printed(true, { NO_COLOR: '1' }, ['EQUAL  2 of 2'])).toBe('EQUAL  2 of 2\n');
    expect(printed(true, { TERM: 'dumb' }, ['EQUAL  2 of 2'])).toBe('EQUAL  2 of 2\n');
    expect(printed(false, {}, ['EQUAL  2 of 2'])).toBe('EQUAL  2 of 2\n');
  });

  it('colours nothing but the word: the text is the same without colour', () => {
    const lines = ['DATA  clean: 1 event', 'DIFFERS  1 of 2', 'table   3'];
    const escapes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
    expect(printed(true, {}, lines).replace(escapes, '')).toBe(printed(false, {}, lines));
  });

  it('lets no control byte and no trailing blank through', () => {
    expect(printed(true, {}, ['name \u001b]0;title\u0007 \u202e end  '])).toBe('name \\x1b]0;title\\x07 \\u{202e} end\n');
  });

  it('is at most 100 columns wide and takes a narrower terminal as it is', () => {
    expect(new Terminal(new Recorder(true, 200), new Recorder(false), {}).columns).toBe(100);
    expect(new Terminal(new Recorder(true, 72), new Recorder(false), {}).columns).toBe(72);
    expect(new Terminal(new Recorder(false, 72), new Recorder(false), {}).columns).toBe(100);
  });

  it('prints JSON as ASCII that reads back equal', () => {
    const out = new Recorder(false);
    const value = { name: 'a\u202eb\u0007"', list: [1, null] };
    new Terminal(out, new Recorder(false), {}).printJson(value);
    expect(out.text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(JSON.parse(out.text)).toEqual(value);
  });

  it('shows progress only where standard error is a terminal', () => {
    expect(new Terminal(new Recorder(true), new Recorder(false), {}).progressStream).toBeUndefined();
    expect(new Terminal(new Recorder(false), new Recorder(true), {}).progressStream).toBeDefined();
  });
});
