/** A recording that follows itself again and again, with later times: a trace of any length. */

const LINE_FEED = 0x0a;
const HASH = 0x23;
const SPACE = 0x20;
const SECONDS_COLUMNS_MAX = 12;
/** The time of an event line: seconds before the point, after `[cpu]` and perhaps flags. */
const TIME = /\[\d+\](?: +[^ \d][^ ]*)? +(\d+)\.\d+: /;

/** The event lines of a recording, ready to be repeated. */
export class RepeatedTrace {
  /** Event lines of one repetition. */
  readonly lines: number;
  private readonly text: Buffer;
  private readonly header: string;
  /** First byte of each line, of its seconds with the blanks before them, and of the point behind them. */
  private readonly starts: Uint32Array;
  private readonly fields: Uint32Array;
  private readonly points: Uint32Array;
  private readonly seconds: Float64Array;
  /** Seconds from one repetition to the next. */
  private readonly periodSeconds: number;
  private readonly out: Buffer;

  /**
   * @param text     a plain trace of one recording
   * @param closing  lines to follow it, so that nothing stays mapped
   */
  constructor(text: Uint8Array, closing: Uint8Array) {
    const whole = Buffer.concat([text, closing]);
    const starts: number[] = [];
    const header: string[] = [];
    for (let start = 0; start < whole.length; ) {
      const lineEnd = whole.indexOf(LINE_FEED, start);
      const end = lineEnd < 0 ? whole.length : lineEnd + 1;
      if (whole[start] === HASH) header.push(whole.toString('latin1', start, end));
      else if (end - start > 2) starts.push(start, end);
      start = end;
    }
    this.lines = starts.length / 2;
    this.header = header.join('');
    this.text = whole;
    this.starts = Uint32Array.from(starts);
    this.fields = new Uint32Array(this.lines);
    this.points = new Uint32Array(this.lines);
    this.seconds = new Float64Array(this.lines);
    for (let line = 0; line < this.lines; line++) this.findTime(line);
    this.periodSeconds = this.seconds.reduce((a, b) => Math.max(a, b)) - this.seconds[0] + 1;
    this.out = Buffer.allocUnsafe(whole.length + this.lines * SECONDS_COLUMNS_MAX);
  }

  /** The header of a trace of so many repetitions. */
  headerOf(repetitions: number): string {
    const events = this.lines * repetitions;
    return this.header.replace(/(entries-in-buffer\/entries-written: )\d+\/\d+/, `$1${events}/${events}`);
  }

  /** Repetitions that reach `bytes`, at least one. */
  repetitionsFor(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.text.length));
  }

  /** The text of repetition `index`, from 0; valid until the next call. */
  repetition(index: number): Uint8Array {
    const { text, out, starts, fields, points } = this;
    const shift = index * this.periodSeconds;
    let length = 0;
    for (let line = 0; line < this.lines; line++) {
      const columns = points[line] - fields[line];
      length += text.copy(out, length, starts[line * 2], fields[line]);
      length += out.write(String(this.seconds[line] + shift).padStart(columns), length, 'latin1');
      length += text.copy(out, length, points[line], starts[line * 2 + 1]);
    }
    return out.subarray(0, length);
  }

  private findTime(line: number): void {
    const start = this.starts[line * 2];
    const match = TIME.exec(this.text.toString('latin1', start, this.starts[line * 2 + 1]));
    if (match === null) throw new Error(`no time in line ${line + 1} of the events`);
    const point = start + match.index + match[0].lastIndexOf('.');
    let field = point - match[1].length;
    // One blank stays before a longer number.
    while (this.text[field - 1] === SPACE && this.text[field - 2] === SPACE) field -= 1;
    this.points[line] = point;
    this.fields[line] = field;
    this.seconds[line] = Number(match[1]);
  }
}
