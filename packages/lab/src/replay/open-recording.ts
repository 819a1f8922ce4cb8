/** Opens recordings under Node. */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LabError } from 'dmalab-core';
import {
  type DataGrade,
  dataGrade,
  type EventBatch,
  type ImportStatistics,
  inferMachine,
  type MachineDescription,
  type MachineInference,
  machinePathFor,
  parseMachineDescription,
  TraceFacts,
  type TraceNames,
} from 'dmalab-trace';
import { openTrace, type TraceInput } from 'dmalab-trace/node';
import { type PolicyChoice, type RecordedMachine, recordedMachine } from './recorded-machine.ts';
import type { Recording, RecordingProgress } from './recording.ts';

/** With a machine description this many events show all that it leaves open. */
const FACT_EVENTS_MAX = 300_000;
/** Bytes of standard input that are kept for the pass over the facts. */
const BUFFERED_BYTES_MAX = 32 * 2 ** 20;

export interface OpenRecordingOptions {
  /** Machine description to use; default the file beside the trace, if there is one. */
  readonly machine?: string | undefined;
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** Rows per batch of the pass of the caller; default that of openTrace. */
  readonly batchRows?: number | undefined;
  /** Called after each batch of either pass. */
  readonly onProgress?: ((progress: RecordingProgress) => void) | undefined;
}

/**
 * Opens a trace with the machine description beside it and finds out what machine it is of.
 *
 * A file is read twice, the first time only as far as needed. Standard input cannot be: what its first 32 MB show has to
 * do.
 *
 * @param path  file, plain or gzip, or `-` for standard input
 * @throws LabError MCH006 when the named description is missing, MCH007 when it cannot be read; those of openTrace and
 *   parseMachineDescription
 */
export async function openRecording(path: string, options: OpenRecordingOptions = {}): Promise<Recording> {
  const machineFile = options.machine ?? machineBeside(path);
  const description = machineFile === undefined ? undefined : readDescription(machineFile);
  const facts = new TraceFacts();
  const eventsMax = description === undefined ? Number.POSITIVE_INFINITY : FACT_EVENTS_MAX;
  const { onProgress, batchRows } = options;
  const batching = batchRows === undefined ? {} : { batchRows };
  if (path !== '-') {
    await gatherFacts(await openTrace(path), facts, eventsMax, onProgress);
    return new OpenRecording(await openTrace(path, batching), machineFile, description, facts, onProgress);
  }
  const head = await BufferedHead.read(options.stdin ?? process.stdin);
  await gatherHead(head, facts, eventsMax, onProgress);
  return new OpenRecording(await openTrace('-', { ...batching, stdin: head.whole() }), machineFile, description, facts, onProgress);
}

class OpenRecording implements Recording {
  readonly machineFile: string | undefined;
  readonly description: MachineDescription | undefined;
  readonly inference: MachineInference;
  readonly facts: TraceFacts;
  private readonly input: TraceInput;
  private readonly onProgress: OpenRecordingOptions['onProgress'];

  constructor(
    input: TraceInput,
    machineFile: string | undefined,
    description: MachineDescription | undefined,
    facts: TraceFacts,
    onProgress: OpenRecordingOptions['onProgress'],
  ) {
    this.input = input;
    this.machineFile = machineFile;
    this.description = description;
    this.facts = facts;
    this.inference = inferMachine(facts, description);
    this.onProgress = onProgress;
  }

  get file(): string {
    return this.input.file;
  }

  get names(): TraceNames {
    return this.input.names;
  }

  get statistics(): ImportStatistics {
    return this.input.statistics;
  }

  get bytesRead(): number {
    return this.input.bytesRead;
  }

  get totalBytes(): number | undefined {
    return this.input.totalBytes;
  }

  async *batches(): AsyncGenerator<EventBatch, void, void> {
    let events = 0;
    for await (const batch of this.input.batches()) {
      yield batch;
      events += batch.rowCount;
      this.onProgress?.(progressOf('events', this.input, events));
    }
  }

  machine(choose?: PolicyChoice): RecordedMachine {
    return recordedMachine(this.description, this.inference, choose);
  }

  grade(): DataGrade {
    const { rows, contradictions } = this.inference;
    return dataGrade({
      statistics: this.statistics,
      inferred: rows.length,
      contradictions: contradictions.length + (this.description?.contradictions.length ?? 0),
      machine: this.machineFile === undefined ? undefined : basename(this.machineFile),
    });
  }
}

/** Standard input whose beginning has been read ahead. */
class BufferedHead {
  readonly chunks: Uint8Array[] = [];
  /** Whether the chunks are all there is. */
  complete = false;
  private readonly rest: AsyncIterator<Uint8Array>;

  private constructor(source: AsyncIterable<Uint8Array>) {
    this.rest = source[Symbol.asyncIterator]();
  }

  static async read(source: AsyncIterable<Uint8Array>): Promise<BufferedHead> {
    const head = new BufferedHead(source);
    for (let bytes = 0; bytes < BUFFERED_BYTES_MAX; ) {
      const next = await head.rest.next();
      if (next.done === true) {
        head.complete = true;
        break;
      }
      head.chunks.push(next.value);
      bytes += next.value.length;
    }
    return head;
  }

  async *beginning(): AsyncGenerator<Uint8Array, void, void> {
    yield* this.chunks;
  }

  /** Everything, once; gives the chunks read ahead away as it goes. */
  async *whole(): AsyncGenerator<Uint8Array, void, void> {
    this.chunks.reverse();
    while (this.chunks.length > 0) yield this.chunks.pop()!;
    while (!this.complete) {
      const next = await this.rest.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
}

/** Facts of the beginning; where that was cut off, what is wrong with its end is no error of the input. */
async function gatherHead(
  head: BufferedHead,
  facts: TraceFacts,
  eventsMax: number,
  onProgress: OpenRecordingOptions['onProgress'],
): Promise<void> {
  try {
    await gatherFacts(await openTrace('-', { stdin: head.beginning() }), facts, eventsMax, onProgress);
  } catch (error) {
    if (head.complete || !(error instanceof LabError)) throw error;
  }
}

async function gatherFacts(
  input: TraceInput,
  facts: TraceFacts,
  eventsMax: number,
  onProgress: OpenRecordingOptions['onProgress'],
): Promise<void> {
  let events = 0;
  for await (const batch of input.batches()) {
    facts.add(batch);
    events += batch.rowCount;
    onProgress?.(progressOf('facts', input, events));
    if (events >= eventsMax) return;
    // Lets an interruption through: batches from a buffered file never leave the microtasks.
    await setImmediate();
  }
}

function progressOf(pass: RecordingProgress['pass'], input: TraceInput, events: number): RecordingProgress {
  return { pass, bytesRead: input.bytesRead, totalBytes: input.totalBytes, events };
}

function machineBeside(path: string): string | undefined {
  if (path === '-') return undefined;
  const beside = machinePathFor(path);
  return existsSync(beside) ? beside : undefined;
}

function readDescription(file: string): MachineDescription {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const got = error instanceof Error && 'code' in error ? String(error.code) : 'no text';
    const missing = got === 'ENOENT' || got === 'ENOTDIR';
    throw new LabError({
      code: missing ? 'MCH006' : 'MCH007',
      message: missing ? 'There is no such machine description.' : 'The machine description cannot be read.',
      file,
      expected: 'a machine description, see docs/formats.md',
      got,
      next: missing ? 'check the name, or leave --machine out' : 'check the permissions of the file',
    });
  }
  return parseMachineDescription(text, file);
}
