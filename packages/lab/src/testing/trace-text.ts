/** Who writes a line: a task, or an interrupt level of a CPU. */
export interface LineSource {
  readonly pid: number;
  readonly cpu: number;
  /** 0 task, 1 softirq, 2 hardirq. */
  readonly level: 0 | 1 | 2;
}

const LEVEL_FLAGS = ['.....', '..s1.', 'd.h1.'] as const;
const US_PER_SECOND = 1_000_000;

export function task(pid: number, cpu = 0): LineSource {
  return { pid, cpu, level: 0 };
}

/** A softirq on a CPU while `pid` was running. */
export function softirq(cpu = 0, pid = 0): LineSource {
  return { pid, cpu, level: 1 };
}

export function hardirq(cpu = 0, pid = 0): LineSource {
  return { pid, cpu, level: 2 };
}

/** The text of a recording as tracefs prints it, put together line by line. */
export class TraceText {
  /** Time of the next line, microseconds. */
  timeUs = 5 * US_PER_SECOND;
  /** Lines without the header. */
  readonly lines: string[] = [];

  /** Lines of one context, 10 us apart. */
  add(source: LineSource, ...events: readonly string[]): this {
    for (const event of events) {
      this.lines.push(lineText(source, this.timeUs, event));
      this.timeUs += 10;
    }
    return this;
  }

  /** A line that no context writes, such as a mark of lost events. */
  addRaw(line: string): this {
    this.lines.push(line);
    return this;
  }

  waitUs(us: number): this {
    this.timeUs += us;
    return this;
  }

  toString(): string {
    return withHeader(this.lines);
  }
}

/** A line as tracefs prints it, without line end. */
export function lineText(source: LineSource, timeUs: number, event: string): string {
  const name = source.pid === 0 ? '<idle>' : 'worker';
  const cpu = String(source.cpu).padStart(3, '0');
  const time = `${Math.floor(timeUs / US_PER_SECOND)}.${String(timeUs % US_PER_SECOND).padStart(6, '0')}`;
  return `${name.padStart(16)}-${String(source.pid).padEnd(7)} [${cpu}] ${LEVEL_FLAGS[source.level]} ${time.padStart(12)}: ${event}`;
}

/** A whole file of lines. `written` events went into the buffer, of which the file has the last ones. */
export function withHeader(lines: readonly string[], written: number = lines.length): string {
  return ['# tracer: nop', '#', `# entries-in-buffer/entries-written: ${lines.length}/${written}   #P:1`, '#', ...lines, ''].join('\n');
}
