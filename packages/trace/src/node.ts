/** Reads traces from files and standard input under Node; everything else of this package also runs in a browser. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { assert, LabError } from 'dmalab-core';
import { escapeText } from './byte-text.ts';
import type { EventBatch, TraceNames } from './event-batch.ts';
import type { ImportStatistics } from './import-statistics.ts';
import { TraceParser } from './trace-parser.ts';

const CHUNK_BYTES = 256 * 1024;
const BATCH_ROWS = 8192;
/** No event line is shorter, so a slice of this many bytes per row cannot fill two batches. */
const EVENT_LINE_BYTES_MIN = 32;
const SLICE_BYTES_MAX = 64 * 1024;
const GZIP_MAGIC = [0x1f, 0x8b];

/** Options of openTrace. */
export interface OpenTraceOptions {
  /** Rows per batch; default 8192. */
  readonly batchRows?: number;
  /** Also compute the SHA-256 of the bytes of the file. */
  readonly hash?: boolean;
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/**
 * Opens a trace file, plain or gzip (told by its first bytes), or standard input for `-`.
 *
 * @throws LabError TRC009 missing, TRC010 not a file, TRC011 unreadable
 */
export async function openTrace(path: string, options: OpenTraceOptions = {}): Promise<TraceInput> {
  if (path === '-') return new TraceInput('standard input', undefined, options.stdin ?? process.stdin, options);
  let size: number | undefined;
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw notAFile(path);
    if (status.isFile()) size = status.size;
  } catch (error) {
    throw toLabError(error, path);
  }
  return new TraceInput(path, size, createReadStream(path, { highWaterMark: CHUNK_BYTES }), options);
}

/** A trace being read; iterate `batches` once, to its end. */
export class TraceInput {
  /** Name for messages, printable ASCII. */
  readonly file: string;
  /** Size of the file, undefined for pipes. */
  readonly totalBytes: number | undefined;
  /** Bytes of the file read so far, before decompression. */
  bytesRead = 0;
  /** True once the first bytes have shown that the file is gzip. */
  compressed = false;

  private readonly source: AsyncIterable<Uint8Array>;
  private readonly hash: Hash | undefined;
  private readonly batchRows: number;
  private readonly parser: TraceParser;
  private ready: EventBatch | undefined;

  constructor(file: string, totalBytes: number | undefined, source: AsyncIterable<Uint8Array>, options: OpenTraceOptions) {
    this.file = escapeText(file);
    this.totalBytes = totalBytes;
    this.source = source;
    this.hash = options.hash === true ? createHash('sha256') : undefined;
    this.batchRows = options.batchRows ?? BATCH_ROWS;
    this.parser = new TraceParser((batch) => this.take(batch), { file: this.file, batchRows: this.batchRows });
  }

  get statistics(): ImportStatistics {
    return this.parser.statistics;
  }

  get names(): TraceNames {
    return this.parser.names;
  }

  /** SHA-256 of the file's bytes in hexadecimal; only after the end, and only when asked for. */
  sha256(): string | undefined {
    return this.hash?.copy().digest('hex');
  }

  /**
   * The batches in the order of the file. The file is read only as fast as they are taken, and each batch is valid
   * until the next one is asked for.
   *
   * @throws LabError TRC001 to TRC008 for wrong content, TRC005 for damaged gzip, TRC010 and TRC011 when reading fails
   */
  async *batches(): AsyncGenerator<EventBatch, void, void> {
    const sliceBytes = Math.min(SLICE_BYTES_MAX, Math.max(1, this.batchRows - 1) * EVENT_LINE_BYTES_MIN);
    try {
      for await (const chunk of this.textChunks()) {
        for (let start = 0; start < chunk.length; start += sliceBytes) {
          this.parser.push(plainBytes(chunk, start, Math.min(chunk.length, start + sliceBytes)));
          const batch = this.handOver();
          if (batch !== undefined) yield batch;
        }
      }
    } catch (error) {
      throw this.readError(error);
    }
    this.parser.end();
    const last = this.handOver();
    if (last !== undefined) yield last;
  }

  private take(batch: EventBatch): void {
    assert(this.ready === undefined, 'a slice of text filled two batches');
    this.ready = batch;
  }

  private handOver(): EventBatch | undefined {
    const batch = this.ready;
    this.ready = undefined;
    return batch;
  }

  /** The bytes of the text, decompressed when the file is gzip. */
  private async *textChunks(): AsyncGenerator<Uint8Array, void, void> {
    const counted = this.countedChunks();
    const first: Uint8Array[] = [];
    let length = 0;
    while (length < GZIP_MAGIC.length) {
      const next = await counted.next();
      if (next.done === true) break;
      first.push(next.value);
      length += next.value.length;
    }
    const head = joined(first);
    this.compressed = GZIP_MAGIC.every((byte, index) => head[index] === byte);
    const all = prefixed(head, counted);
    if (!this.compressed) {
      yield* all;
      return;
    }
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    // Errors reach the loop below through the iteration itself; the callback only takes them off the process.
    pipeline(Readable.from(all), gunzip, () => {});
    yield* gunzip;
  }

  private async *countedChunks(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of this.source) {
      this.bytesRead += chunk.length;
      this.hash?.update(chunk);
      yield chunk;
    }
  }

  private readError(error: unknown): unknown {
    const code = errorCode(error);
    if (code === undefined || !code.startsWith('Z_')) return toLabError(error, this.file);
    const cutShort = code === 'Z_BUF_ERROR';
    return new LabError({
      code: 'TRC005',
      message: cutShort ? 'The gzip file ends too early.' : 'The gzip file is damaged.',
      file: this.file,
      line: this.statistics.lines + 1,
      expected: 'a complete gzip file',
      got: `${this.statistics.lines} lines, then: ${error instanceof Error ? error.message : code}`,
      next: 'copy the file again; gzip -dc FILE > trace.txt keeps what can be read',
    });
  }
}

async function* prefixed(head: Uint8Array, rest: AsyncGenerator<Uint8Array, void, void>): AsyncGenerator<Uint8Array, void, void> {
  if (head.length > 0) yield head;
  yield* rest;
}

/** One class of array for the parser, whatever the source makes. */
function plainBytes(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset + start, end - start);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function notAFile(path: string): LabError {
  return new LabError({
    code: 'TRC010',
    message: 'This is a directory.',
    file: escapeText(path),
    expected: 'a trace file, plain or gzip, or - for standard input',
    got: 'a directory',
    next: 'name a file in it',
  });
}

function toLabError(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (error instanceof LabError || code === undefined) return error;
  const file = escapeText(path);
  const expected = 'a readable trace file, plain or gzip, or - for standard input';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new LabError({ code: 'TRC009', message: 'There is no such file.', file, expected, got: code, next: 'check the name' });
  }
  if (code === 'EISDIR') return notAFile(path);
  const next = code === 'EACCES' || code === 'EPERM' ? 'check the permissions of the file' : 'check the disk or the pipe';
  return new LabError({ code: 'TRC011', message: 'The file cannot be read.', file, expected, got: code, next });
}
