import { escapeBytes } from './byte-text.ts';
import { EVENT_FORMS, EVENT_KIND_COUNT } from './event-kind.ts';

/** How much a problem takes away from a result. */
export type Severity = 'info' | 'error' | 'dataLoss';

/** Why a line did not become an event. */
export type LineCause =
  | 'cut line'
  | 'line too long'
  | 'unknown form'
  | 'bad number'
  | 'number beyond 2^53'
  | 'time without seconds'
  | 'not a trace line';

/** What was odd about an event that was kept, or about the file as a whole. */
export type RemarkCause =
  | 'unknown attribute name'
  | 'unknown field name'
  | 'unknown direction'
  | 'list cut by the kernel'
  | 'descriptor words 2 and 3 not kept'
  | 'no flags, context taken as task'
  | 'time goes backwards'
  | 'fewer events than the header says';

const SEVERITY: Readonly<Record<LineCause | RemarkCause, Severity>> = {
  'cut line': 'dataLoss',
  'line too long': 'dataLoss',
  'unknown form': 'error',
  'bad number': 'error',
  'number beyond 2^53': 'error',
  'time without seconds': 'error',
  'not a trace line': 'error',
  'unknown attribute name': 'info',
  'unknown field name': 'info',
  'unknown direction': 'error',
  'list cut by the kernel': 'error',
  'descriptor words 2 and 3 not kept': 'info',
  'no flags, context taken as task': 'info',
  'time goes backwards': 'error',
  'fewer events than the header says': 'dataLoss',
};

const SAMPLE_BYTES = 80;
const FOREIGN_NAMES_MAX = 50;
const LOSSES_MAX = 64;
const OTHER_FOREIGN = '(other names)';

/** One kind of trouble, with how often and where first. */
export interface ImportProblem {
  readonly cause: LineCause | RemarkCause;
  /** Name of the event, when the line had a known one. */
  readonly event: string | undefined;
  readonly severity: Severity;
  /** True when its lines are not among the events. */
  readonly lineLost: boolean;
  count: number;
  readonly firstLine: number;
  /** Start of the first such line, printable ASCII. */
  readonly sample: string;
}

/** A mark in the trace where a buffer overflowed. `count` is -1 when the tool did not say how many. */
export interface LostEvents {
  readonly cpu: number;
  readonly count: number;
  readonly line: number;
  /** Time of the event before the mark; -1 at the start of the trace. */
  readonly timeNs: number;
}

/** One row of the account of all lines. */
export interface LedgerRow {
  readonly what: string;
  readonly lines: number;
}

/** Counts of everything that was read; each line of the file is counted in exactly one row of the ledger. */
export class ImportStatistics {
  lines = 0;
  headerLines = 0;
  blankLines = 0;
  /** Events that dmalab does not use, and their stack traces. */
  foreignLines = 0;
  lostMarkLines = 0;
  /** By EventKind. */
  readonly eventsByKind: Float64Array = new Float64Array(EVENT_KIND_COUNT);
  readonly foreignByName: Map<string, number> = new Map();
  readonly problems: Map<string, ImportProblem> = new Map();

  /** First 64 marks; `lostEvents` and `lostMarkLines` count all. */
  readonly losses: LostEvents[] = [];
  /** Sum over the marks that give a number. */
  lostEvents = 0;
  /** Marks without a number. */
  lostUnknownMarks = 0;
  /** Sums over all `entries-in-buffer/entries-written` headers, -1 without one. */
  entriesInBuffer = -1;
  entriesWritten = -1;
  /** The `#P:` number of the header or the `cpus=` line, -1 without one. */
  headerCpus = -1;
  /** `nop`, `function_graph`, ...; empty without a header. */
  tracer = '';

  firstTimeNs: number = Number.NaN;
  lastTimeNs: number = Number.NaN;
  /** Largest step back in time. */
  backwardNsMax = 0;
  /** Highest CPU number of an event, -1 before the first. */
  cpuMax = -1;
  /**
   * Seconds taken off every time, 0 unless the machine had been up for more than 100 days: integer nanoseconds of longer
   * times have no exact double.
   */
  timeBaseSeconds = 0;
  /** Bytes pushed. */
  bytes = 0;

  /** Events in the columns. */
  get events(): number {
    let events = 0;
    for (const count of this.eventsByKind) events += count;
    return events;
  }

  /** Lines that should have been understood and were not. */
  get notUnderstood(): number {
    let lines = 0;
    for (const problem of this.problems.values()) if (problem.lineLost) lines += problem.count;
    return lines;
  }

  /** Events overwritten in the ring buffer before the file was written. */
  get overwritten(): number {
    return Math.max(0, this.entriesWritten - this.entriesInBuffer);
  }

  /** Events that the recording is known to have lost; more than this when `lostUnknownMarks` is not 0. */
  get lost(): number {
    return this.lostEvents + this.overwritten;
  }

  /** All lines, by what became of them; `lines` of the rows add up to `lines`. */
  ledger(): LedgerRow[] {
    const rows: LedgerRow[] = [];
    for (const form of EVENT_FORMS) rows.push({ what: `${form.system}:${form.name}`, lines: this.eventsByKind[form.kind]! });
    for (const [name, lines] of this.foreignByName) rows.push({ what: `not used: ${name}`, lines });
    rows.push({ what: 'header', lines: this.headerLines });
    rows.push({ what: 'blank', lines: this.blankLines });
    rows.push({ what: 'lost-events mark', lines: this.lostMarkLines });
    for (const problem of this.problems.values()) {
      if (problem.lineLost) rows.push({ what: `not understood: ${describeProblem(problem)}`, lines: problem.count });
    }
    return rows.filter((row) => row.lines > 0);
  }

  /** Counts a line that is no event of ours. `bytes[start..end)` is its name. */
  addForeign(bytes: Uint8Array, start: number, end: number): void {
    this.addForeignName(escapeBytes(bytes, start, Math.min(end, start + SAMPLE_BYTES)));
  }

  addForeignName(name: string): void {
    this.foreignLines++;
    const known = this.foreignByName.has(name) || this.foreignByName.size < FOREIGN_NAMES_MAX;
    const key = known ? name : OTHER_FOREIGN;
    this.foreignByName.set(key, (this.foreignByName.get(key) ?? 0) + 1);
  }

  /** Counts a line that was not understood; `bytes[start..end)` is the line. */
  addLineProblem(cause: LineCause, event: string | undefined, bytes: Uint8Array, start: number, end: number): void {
    this.add(cause, event, true, bytes, start, end);
  }

  /** Counts an oddity of an event that is in the columns; `bytes[start..end)` is the line. */
  addRemark(cause: RemarkCause, event: string | undefined, bytes: Uint8Array, start: number, end: number): void {
    this.add(cause, event, false, bytes, start, end);
  }

  /** Counts a lost-events mark. */
  addLoss(loss: LostEvents): void {
    this.lostMarkLines++;
    if (loss.count < 0) this.lostUnknownMarks++;
    else this.lostEvents += loss.count;
    if (this.losses.length < LOSSES_MAX) this.losses.push(loss);
  }

  private add(
    cause: LineCause | RemarkCause,
    event: string | undefined,
    lineLost: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const key = `${cause} ${event ?? ''}`;
    const known = this.problems.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const sample = escapeBytes(bytes, start, Math.min(end, start + SAMPLE_BYTES)).slice(0, SAMPLE_BYTES);
    this.problems.set(key, { cause, event, severity: SEVERITY[cause], lineLost, count: 1, firstLine: this.lines, sample });
  }
}

/** `unknown form of dma_map_sg`. */
export function describeProblem(problem: ImportProblem): string {
  return problem.event === undefined ? problem.cause : `${problem.cause} (${problem.event})`;
}
