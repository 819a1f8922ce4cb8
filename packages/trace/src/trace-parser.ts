import { asciiBytes, skipSpaces } from './byte-text.ts';
import { EventBatch, TraceNames } from './event-batch.ts';
import { EVENT_FORMS, type EventKind, eventForm } from './event-kind.ts';
import { EventText } from './event-text.ts';
import { ImportStatistics, type LineCause } from './import-statistics.ts';
import { refuseMagic, refuseTraceless, refuseUnreadable } from './input-refusal.ts';
import { HeaderResult, LineHeader } from './line-header.ts';
import { OtherLine, OtherLines } from './other-line.ts';
import { TextRemark, TextResult } from './text-result.ts';
import { WordTable } from './word-table.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const HASH = 0x23;
const SPACE = 0x20;

const CARRY_BYTES_START = 16 * 1024;
/** A longer line is no event: the longest, an uncut scatter list, has some 20 KB. */
const LINE_BYTES_MAX = 1024 * 1024;
/** Bytes that tell a foreign file format. */
const HEAD_BYTES = 64;
/** Lines without a single trace line after which the file is refused without reading on. */
const UNKNOWN_LINES_MAX = 1000;
const LIST_ITEMS_PER_BATCH = 256 * 1024;
/** Above this many seconds the times of a trace are counted from its first event. */
const EXACT_SECONDS_MAX = 9_000_000;
const NS_PER_SECOND = 1e9;

const eventKinds = new WordTable(eventNames());
const perfSystems = new WordTable(['iommu', 'swiotlb', 'intel_iommu', 'dma']);
const UTF8_MARK = [0xef, 0xbb, 0xbf];

const LINE_CAUSE: Readonly<Record<number, LineCause>> = {
  [TextResult.CUT]: 'cut line',
  [TextResult.UNKNOWN_FORM]: 'unknown form',
  [TextResult.BAD_NUMBER]: 'bad number',
  [TextResult.BEYOND_2_53]: 'number beyond 2^53',
};

/** Takes the batches of a trace in the order of the file; each is valid until the next call. */
export type BatchSink = (batch: EventBatch) => void;

/** Options of a TraceParser. */
export interface TraceParserOptions {
  /** Name of the input, for messages. */
  readonly file?: string;
  /** Rows per batch; default 8192. */
  readonly batchRows?: number;
}

/**
 * Turns the text of a kernel trace into event columns, from byte chunks that may end anywhere.
 *
 * Accepts the text of tracefs, `trace-cmd report` and `perf script`, told apart line by line. Whatever is not an event
 * of ours is counted in `statistics`; a file that is no such text at all is refused.
 *
 * @throws LabError TRC001 to TRC008, from `push` or `end`
 */
export class TraceParser {
  readonly statistics: ImportStatistics = new ImportStatistics();
  readonly names: TraceNames = new TraceNames();

  private readonly sink: BatchSink;
  private readonly file: string | undefined;
  private readonly header: LineHeader = new LineHeader();
  private readonly text: EventText = new EventText();
  private readonly otherLines: OtherLines = new OtherLines();
  private batch: EventBatch;
  /** The batch that the sink has seen last. */
  private spare: EventBatch;
  /** Start of a line whose end is in a later chunk. */
  private carry: Uint8Array = new Uint8Array(CARRY_BYTES_START);
  private carryLength = 0;
  private lineTooLong = false;
  private readonly head: Uint8Array = new Uint8Array(HEAD_BYTES);
  private headLength = 0;
  private lastTimeNs = -1;
  /** Lines that belong to a trace: headers, marks, events of any kind. */
  private traceLines = 0;

  constructor(sink: BatchSink, options: TraceParserOptions = {}) {
    this.sink = sink;
    this.file = options.file;
    this.batch = new EventBatch(this.names, options.batchRows);
    this.spare = new EventBatch(this.names, options.batchRows);
  }

  /** Reads the next bytes of the file; `chunk` may be reused afterwards. */
  push(chunk: Uint8Array): void {
    this.statistics.bytes += chunk.length;
    if (this.headLength < HEAD_BYTES) this.keepHead(chunk);
    let start = 0;
    if (this.carryLength > 0 || this.lineTooLong) {
      const lineEnd = chunk.indexOf(LINE_FEED);
      this.addToCarry(chunk, 0, lineEnd < 0 ? chunk.length : lineEnd);
      if (lineEnd < 0) return;
      this.lineFromCarry();
      start = lineEnd + 1;
    }
    while (start < chunk.length) {
      const next = this.usualLine(chunk, start);
      if (next >= 0) {
        start = next;
        continue;
      }
      const lineEnd = chunk.indexOf(LINE_FEED, start);
      if (lineEnd < 0) break;
      this.line(chunk, start, lineEnd);
      start = lineEnd + 1;
    }
    if (start < chunk.length) this.addToCarry(chunk, start, chunk.length);
  }

  /** The file is complete: reads a last line without line end, hands out the last rows, refuses a file without events. */
  end(): void {
    refuseMagic(this.head.subarray(0, this.headLength), this.file);
    if (this.carryLength > 0 || this.lineTooLong) this.lineFromCarry();
    this.flush();
    refuseTraceless(this.statistics, this.head.subarray(0, this.headLength), this.file);
    this.checkHeaderCount();
  }

  private keepHead(chunk: Uint8Array): void {
    const more = chunk.subarray(0, HEAD_BYTES - this.headLength);
    this.head.set(more, this.headLength);
    this.headLength += more.length;
    refuseMagic(this.head.subarray(0, this.headLength), this.file);
  }

  private addToCarry(bytes: Uint8Array, start: number, end: number): void {
    const length = this.carryLength + (end - start);
    if (length > LINE_BYTES_MAX) this.lineTooLong = true;
    if (this.lineTooLong) return;
    if (length > this.carry.length) {
      const larger = new Uint8Array(Math.min(LINE_BYTES_MAX, Math.max(length, this.carry.length * 2)));
      larger.set(this.carry.subarray(0, this.carryLength));
      this.carry = larger;
    }
    this.carry.set(bytes.subarray(start, end), this.carryLength);
    this.carryLength = length;
  }

  private lineFromCarry(): void {
    const length = this.carryLength;
    const tooLong = this.lineTooLong;
    this.carryLength = 0;
    this.lineTooLong = false;
    if (!tooLong) {
      this.line(this.carry, 0, length);
      return;
    }
    this.statistics.lines++;
    this.lineProblem('line too long', undefined, this.carry, 0, length);
  }

  /**
   * The line at `start`, when it begins like the lines before it and is complete; spares most lines the search for their
   * end.
   *
   * @returns start of the next line, or -1 when nothing was done
   */
  private usualLine(bytes: Uint8Array, start: number): number {
    const header = this.header;
    const limit = bytes.length;
    if (!header.parseUsual(bytes, start, limit) || header.systemEnd > header.systemStart) return -1;
    const comm = this.names.comms.find(bytes, header.commStart, header.commEnd);
    if (comm < 0) return -1;
    const kind = eventKinds.find(bytes, header.nameStart, header.nameEnd);
    if (kind >= 0) {
      const textEnd = this.text.parseUsual(kind as EventKind, bytes, header.textStart, limit, this.batch, this.batch.rowCount);
      if (textEnd >= 0) {
        this.statistics.lines++;
        this.addRow(kind, comm, bytes, start, textEnd);
        return bytes[textEnd] === CARRIAGE_RETURN ? textEnd + 2 : textEnd + 1;
      }
    }
    const lineEnd = bytes.indexOf(LINE_FEED, header.textStart);
    if (lineEnd < 0) return -1;
    this.statistics.lines++;
    this.event(kind, bytes, start, bytes[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd);
    return lineEnd + 1;
  }

  /** One line without its line feed. */
  private line(bytes: Uint8Array, lineStart: number, lineEnd: number): void {
    const statistics = this.statistics;
    statistics.lines++;
    let start = lineStart;
    let end = lineEnd;
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (statistics.lines === 1 && hasUtf8Mark(bytes, start, end)) start += UTF8_MARK.length;
    if (skipSpaces(bytes, start, end) === end) {
      statistics.blankLines++;
      return;
    }
    if (bytes[start] === HASH && (end === start + 1 || bytes[start + 1] === SPACE || bytes[start + 1] === HASH)) {
      this.otherLines.readHeader(bytes, start, end, statistics);
      this.traceLines++;
      return;
    }
    switch (this.header.parse(bytes, start, end)) {
      case HeaderResult.OK:
        this.traceLines++;
        this.event(eventKinds.find(bytes, this.header.nameStart, this.header.nameEnd), bytes, start, end);
        break;
      case HeaderResult.NO_EVENT_NAME:
        this.traceLines++;
        statistics.addForeignName('function or stack trace');
        break;
      case HeaderResult.OTHER_CLOCK:
        this.lineProblem('time without seconds', undefined, bytes, start, end);
        break;
      case HeaderResult.CUT:
        this.lineProblem('cut line', undefined, bytes, start, end);
        break;
      default:
        this.otherLine(bytes, start, end);
    }
  }

  /** An event line whose front part has been read; `kind` is -1 for an event that is not ours. */
  private event(kind: number, bytes: Uint8Array, start: number, end: number): void {
    const header = this.header;
    const foreignSystem = header.systemEnd > header.systemStart && perfSystems.find(bytes, header.systemStart, header.systemEnd) < 0;
    if (kind < 0 || foreignSystem) {
      this.statistics.addForeign(bytes, foreignSystem ? header.systemStart : header.nameStart, header.nameEnd);
      return;
    }
    const result = this.text.parse(kind as EventKind, bytes, header.textStart, end, this.batch, this.batch.rowCount);
    if (result === TextResult.OK) this.addRow(kind, this.names.comms.intern(bytes, header.commStart, header.commEnd), bytes, start, end);
    else this.lineProblem(LINE_CAUSE[result]!, eventForm(kind).name, bytes, start, end);
  }

  /** Completes the row whose text has just been read. */
  private addRow(kind: number, comm: number, bytes: Uint8Array, start: number, end: number): void {
    const header = this.header;
    const statistics = this.statistics;
    const batch = this.batch;
    const row = batch.rowCount;
    batch.line[row] = statistics.lines;
    batch.timeNs[row] = this.timeNs(bytes, start, end);
    batch.cpu[row] = header.cpu;
    batch.pid[row] = header.pid;
    batch.comm[row] = comm;
    batch.level[row] = header.level;
    batch.kind[row] = kind;
    batch.rowCount = row + 1;
    statistics.eventsByKind[kind]!++;
    if (header.cpu > statistics.cpuMax) statistics.cpuMax = header.cpu;
    if (!header.hasFlags) statistics.addRemark('no flags, context taken as task', undefined, bytes, start, end);
    if (this.text.remarks !== 0) this.addRemarks(eventForm(kind).name, bytes, start, end);
    if (batch.rowCount === batch.capacity || batch.listLength > LIST_ITEMS_PER_BATCH) this.flush();
  }

  /** Time of the line in the header reader; counts steps back. */
  private timeNs(bytes: Uint8Array, start: number, end: number): number {
    const statistics = this.statistics;
    const first = Number.isNaN(statistics.firstTimeNs);
    if (first && this.header.seconds > EXACT_SECONDS_MAX) statistics.timeBaseSeconds = this.header.seconds;
    const timeNs = (this.header.seconds - statistics.timeBaseSeconds) * NS_PER_SECOND + this.header.nanoseconds;
    if (first) {
      statistics.firstTimeNs = timeNs;
    } else if (timeNs < this.lastTimeNs) {
      statistics.addRemark('time goes backwards', undefined, bytes, start, end);
      statistics.backwardNsMax = Math.max(statistics.backwardNsMax, this.lastTimeNs - timeNs);
    }
    this.lastTimeNs = timeNs;
    statistics.lastTimeNs = timeNs;
    return timeNs;
  }

  private addRemarks(event: string, bytes: Uint8Array, start: number, end: number): void {
    const remarks = this.text.remarks;
    const statistics = this.statistics;
    if (remarks & TextRemark.UNKNOWN_ATTRIBUTE) statistics.addRemark('unknown attribute name', event, bytes, start, end);
    if (remarks & TextRemark.UNKNOWN_FIELD) statistics.addRemark('unknown field name', event, bytes, start, end);
    if (remarks & TextRemark.UNKNOWN_DIRECTION) statistics.addRemark('unknown direction', event, bytes, start, end);
    if (remarks & TextRemark.LIST_CUT_BY_KERNEL) statistics.addRemark('list cut by the kernel', event, bytes, start, end);
    if (remarks & TextRemark.DESCRIPTOR_WORDS) statistics.addRemark('descriptor words 2 and 3 not kept', event, bytes, start, end);
  }

  /** A line that is neither header nor event. */
  private otherLine(bytes: Uint8Array, start: number, end: number): void {
    const statistics = this.statistics;
    const kind = this.otherLines.read(bytes, start, end);
    if (kind === OtherLine.UNKNOWN) {
      this.lineProblem('not a trace line', undefined, bytes, start, end);
      return;
    }
    this.traceLines++;
    if (kind === OtherLine.LOST) {
      const timeNs = this.lastTimeNs;
      statistics.addLoss({ cpu: this.otherLines.cpu, count: this.otherLines.count, line: statistics.lines, timeNs });
    } else if (kind === OtherLine.CPUS) {
      statistics.headerCpus = this.otherLines.count;
      statistics.headerLines++;
    } else if (kind === OtherLine.HEADER) {
      statistics.headerLines++;
    } else {
      statistics.addForeignName(kind === OtherLine.FUNCTION_GRAPH ? 'function_graph' : 'stack trace');
    }
  }

  private lineProblem(cause: LineCause, event: string | undefined, bytes: Uint8Array, start: number, end: number): void {
    this.statistics.addLineProblem(cause, event, bytes, start, end);
    if (this.traceLines > 0) return;
    const hopeless = cause === 'line too long' || this.statistics.lines >= UNKNOWN_LINES_MAX || bytes.subarray(start, end).includes(0);
    if (hopeless) refuseUnreadable(this.head.subarray(0, this.headLength), this.file);
  }

  private flush(): void {
    if (this.batch.rowCount === 0) return;
    const full = this.batch;
    this.batch = this.spare;
    this.spare = full;
    this.batch.clear();
    this.sink(full);
  }

  private checkHeaderCount(): void {
    const statistics = this.statistics;
    const eventLines = statistics.events + statistics.foreignLines + statistics.notUnderstood;
    if (statistics.entriesInBuffer <= eventLines) return;
    const text = asciiBytes(`entries-in-buffer ${statistics.entriesInBuffer}, event lines in the file ${eventLines}`);
    statistics.addRemark('fewer events than the header says', undefined, text, 0, text.length);
  }
}

function eventNames(): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const form of EVENT_FORMS) names[form.kind] = form.name;
  return names;
}

function hasUtf8Mark(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= UTF8_MARK.length && UTF8_MARK.every((byte, offset) => bytes[start + offset] === byte);
}
