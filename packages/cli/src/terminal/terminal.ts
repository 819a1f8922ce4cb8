/** The three ends of a command: results on standard output, everything else on standard error. */
import { styleText } from 'node:util';
import { asciiText } from './ascii.ts';
import { COLUMNS_MAX } from './wrap.ts';

/** What of a process's stream is used. */
export interface TerminalStream {
  write(text: string): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** What of a process's environment is used. */
export interface TerminalEnvironment {
  readonly NO_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

const COLUMNS_MIN = 40;

/** Words that are coloured at the beginning of a line; the colour says no more than the word. */
const COLOURED_WORDS: ReadonlyMap<string, 'green' | 'red' | 'yellow'> = new Map([
  ['EQUAL', 'green'],
  ['DIFFERS', 'red'],
  ['INTERRUPTED', 'yellow'],
  ['REFUTED', 'red'],
]);
const LOSS = /^DATA {2}LOSS/;

/** Where a verb writes; made once from the process. */
export class Terminal {
  /** Columns for results (a terminal that does not know its width says 0): at most 100, fewer on a narrower terminal. */
  readonly columns: number;
  private readonly out: TerminalStream;
  private readonly err: TerminalStream;
  private readonly colour: boolean;

  constructor(out: TerminalStream, err: TerminalStream, environment: TerminalEnvironment) {
    this.out = out;
    this.err = err;
    const own = out.isTTY === true ? out.columns || COLUMNS_MAX : COLUMNS_MAX;
    this.columns = Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, own));
    this.colour = out.isTTY === true && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
  }

  /** Standard error when it is a terminal that can redraw a line, for progress. */
  get progressStream(): TerminalStream | undefined {
    return this.err.isTTY === true ? this.err : undefined;
  }

  /** Prints the lines of a result. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.out.write(`${lines.map((line) => this.line(line)).join('\n')}\n`);
  }

  /** Prints a result object; its strings are escaped as JSON wants it, beyond ASCII too. */
  printJson(value: unknown): void {
    const text = JSON.stringify(value, null, 2);
    this.out.write(`${text.replace(/[^\x20-\x7e\n]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`);
  }

  /** Prints lines that are no result. */
  remark(lines: readonly string[]): void {
    this.err.write(`${lines.map(asciiText).join('\n')}\n`);
  }

  private line(line: string): string {
    const plain = asciiText(line).trimEnd();
    if (!this.colour) return plain;
    const word = /^[A-Z]+/.exec(plain)?.[0] ?? '';
    const colour = LOSS.test(plain) ? 'red' : COLOURED_WORDS.get(word);
    if (colour === undefined) return plain;
    const end = LOSS.test(plain) ? 'DATA  LOSS'.length : word.length;
    return styleText(colour, plain.slice(0, end), { validateStream: false }) + plain.slice(end);
  }
}
