/** Where wrong input was found. `line` counts from 1. */
export interface InputPlace {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
}

/** The parts of a LabError; all texts are one line of plain ASCII. */
export interface LabErrorParts extends InputPlace {
  /** Stable code, three letters for the area and three digits, e.g. `TRC003`; docs/formats.md lists them. */
  readonly code: string;
  /** One sentence: what is wrong. */
  readonly message: string;
  readonly expected?: string | undefined;
  readonly got?: string | undefined;
  /** What the user does next. */
  readonly next?: string | undefined;
}

/** Wrong input from outside: an unreadable trace, an impossible machine description, an unknown policy. */
export class LabError extends Error implements LabErrorParts {
  override readonly name = 'LabError';
  readonly code: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  readonly next: string | undefined;

  constructor(parts: LabErrorParts) {
    super(parts.message);
    this.code = parts.code;
    this.file = parts.file;
    this.line = parts.line;
    this.expected = parts.expected;
    this.got = parts.got;
    this.next = parts.next;
  }

  /** The text for a terminal: place, then sentence, then what was expected and got, then the next step. */
  toText(): string {
    const place = [this.file, this.line === undefined ? undefined : `L${this.line}`].filter((part) => part !== undefined);
    const head = `${this.code} ${place.length > 0 ? `${place.join(':')}: ` : ''}${this.message}`;
    const rows = [head];
    if (this.expected !== undefined) rows.push(`  expected  ${this.expected}`);
    if (this.got !== undefined) rows.push(`  got       ${this.got}`);
    if (this.next !== undefined) rows.push(`  next      ${this.next}`);
    return rows.join('\n');
  }
}
