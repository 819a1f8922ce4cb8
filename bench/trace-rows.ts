/** Rows about traces: import, verify, compare. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { assert, policies } from 'dmalab-core';
import { compareRecording, verifyRecording } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';
import { machinePathFor, TraceParser } from 'dmalab-trace';
import { type BenchRow, benchRow } from './bench-row.ts';
import { repeatable } from './repeatable.ts';
import { Stopwatch } from './stopwatch.ts';

const MB = 1e6;
const RUNS = 9;
const LONG_TRACE_BYTES = 200 * MB;

/** A row to be measured. */
export interface TraceBench {
  readonly name: string;
  run(quick: boolean): Promise<BenchRow>;
}

/** @param recording  trace with a machine description beside it */
export function traceBenches(recording: string): TraceBench[] {
  return [
    { name: 'gunzip', run: (quick) => gunzipRow(recording, quick) },
    { name: 'import: plain text', run: (quick) => importRow(recording, quick) },
    { name: 'verify', run: (quick) => fileRow('verify', recording, quick, verify) },
    ...policies.map(({ name }) => compareBench(`compare: as recorded and ${name}`, recording, [name])),
    compareBench('compare: all rows', recording, undefined),
  ];
}

async function gunzipRow(recording: string, quick: boolean): Promise<BenchRow> {
  const bytes = readFileSync(recording);
  const packed = bytes[0] === 0x1f ? bytes : gzipSync(bytes);
  const rates: number[] = [];
  for (let run = 0; run < (quick ? 1 : RUNS); run++) {
    const watch = new Stopwatch();
    const { length } = gunzipSync(packed);
    rates.push(length / MB / watch.seconds);
  }
  return benchRow('gunzip', 'MB/s', rates, 'bytes of plain text');
}

/** Import alone: the text is made between the timed parts. */
async function importRow(recording: string, quick: boolean): Promise<BenchRow> {
  const trace = await repeatable(recording);
  const repetitions = quick ? 1 : Math.max(RUNS, trace.repetitionsFor(LONG_TRACE_BYTES));
  const parser = new TraceParser(() => {});
  const rates: number[] = [];
  for (let index = 0; index < repetitions; index++) {
    const text = trace.repetition(index);
    const watch = new Stopwatch();
    parser.push(text);
    rates.push(trace.lines / watch.seconds);
  }
  assert(parser.statistics.notUnderstood === 0, 'every line of the trace is understood');
  return benchRow('import: plain text', 'events/s', rates, `${repetitions} times ${trace.lines} events`);
}

function compareBench(name: string, recording: string, names: readonly string[] | undefined): TraceBench {
  return {
    name,
    run: (quick) =>
      fileRow(name, recording, quick, async (path) => {
        const opened = await openRecording(path);
        const watch = new Stopwatch();
        await compareRecording(opened, names === undefined ? {} : { policies: names });
        return opened.statistics.events / watch.seconds;
      }),
  };
}

async function verify(path: string): Promise<number> {
  const opened = await openRecording(path);
  const watch = new Stopwatch();
  await verifyRecording(opened);
  return opened.statistics.events / watch.seconds;
}

/** Runs a verb on the plain text of the recording; it gives the events per second of its pass over the events. */
async function fileRow(name: string, recording: string, quick: boolean, verb: (path: string) => Promise<number>): Promise<BenchRow> {
  const folder = mkdtempSync(join(tmpdir(), 'dmalab-bench-'));
  try {
    const path = join(folder, 'recording.trace');
    const bytes = readFileSync(recording);
    writeFileSync(path, bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
    if (existsSync(machinePathFor(recording))) copyFileSync(machinePathFor(recording), machinePathFor(path));
    const rates: number[] = [];
    if (!quick) await verb(path);
    for (let run = 0; run < (quick ? 1 : RUNS); run++) rates.push(await verb(path));
    return benchRow(name, 'events/s', rates, 'import included');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
