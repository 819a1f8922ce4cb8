const BLANK = /[ \t\r\n]/;

/**
 * The line, from 1, on which the value of each path of a JSON text begins. Paths are written as `JsonReader` does:
 * `devices[0].address`; the empty path is the whole text.
 *
 * @param text  valid JSON
 */
export function jsonLines(text: string): ReadonlyMap<string, number> {
  const scanner = new LineScanner(text);
  scanner.value('');
  return scanner.lines;
}

/** Line of a character of a text, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** Walks over a JSON text that a parser has accepted. */
class LineScanner {
  readonly lines: Map<string, number> = new Map();
  private readonly text: string;
  private at = 0;
  private line = 1;

  constructor(text: string) {
    this.text = text;
  }

  value(path: string): void {
    this.skipBlanks();
    this.lines.set(path, this.line);
    const first = this.text[this.at];
    if (first === '{') this.members(path);
    else if (first === '[') this.elements(path);
    else if (first === '"') this.string();
    else while (this.at < this.text.length && !/[,\]}\s]/.test(this.text[this.at]!)) this.at += 1;
  }

  private members(path: string): void {
    this.at += 1;
    while (this.next() !== '}') {
      const name = this.string();
      this.skipBlanks();
      this.at += 1;
      this.value(path === '' ? name : `${path}.${name}`);
      if (this.next() === ',') this.at += 1;
    }
    this.at += 1;
  }

  private elements(path: string): void {
    this.at += 1;
    for (let index = 0; this.next() !== ']'; index++) {
      this.value(`${path}[${index}]`);
      if (this.next() === ',') this.at += 1;
    }
    this.at += 1;
  }

  private string(): string {
    const start = this.at;
    this.at += 1;
    while (this.text[this.at] !== '"') this.at += this.text[this.at] === '\\' ? 2 : 1;
    this.at += 1;
    return String(JSON.parse(this.text.slice(start, this.at)));
  }

  private next(): string | undefined {
    this.skipBlanks();
    return this.text[this.at];
  }

  private skipBlanks(): void {
    while (this.at < this.text.length && BLANK.test(this.text[this.at]!)) {
      if (this.text[this.at] === '\n') this.line += 1;
      this.at += 1;
    }
  }
}
