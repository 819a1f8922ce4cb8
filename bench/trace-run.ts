/**
 * Runs one verb over a trace file in this process and prints one JSON line: events, seconds, events per second,
 * CPU seconds of the process, peak memory. A fresh process for each run, since peak memory never goes down.
 *
 *     tsx --conditions=source bench/trace-run.ts import|verify|compare TRACE
 */
import { compareRecording, verifyRecording } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';
import { dataGrade } from 'dmalab-trace';
import { openTrace } from 'dmalab-trace/node';

const MIB = 2 ** 20;
const KIB = 1024;

/** What a run reports. */
interface TraceRun {
  readonly events: number;
  /** Pass over the events, without the pass over the facts before it. */
  readonly seconds: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

const runs: Readonly<Record<string, (path: string) => Promise<TraceRun>>> = { import: importOnly, verify, compare };

const [verb, path] = process.argv.slice(2);
const run = runs[verb];
if (run === undefined || path === undefined) {
  console.error(`usage: trace-run ${Object.keys(runs).join('|')} TRACE`);
  process.exitCode = 2;
} else {
  const { events, seconds, detail } = await run(path);
  const { user, system } = process.cpuUsage();
  const peakRssMib = Math.round((process.resourceUsage().maxRSS * KIB) / MIB);
  console.log(
    JSON.stringify({
      verb,
      path,
      events,
      seconds,
      eventsPerSecond: Math.round(events / seconds),
      cpuSeconds: (user + system) / 1e6,
      peakRssMib,
      ...detail,
    }),
  );
}

async function importOnly(path: string): Promise<TraceRun> {
  const started = performance.now();
  const input = await openTrace(path);
  let events = 0;
  for await (const batch of input.batches()) events += batch.rowCount;
  return { events, seconds: secondsSince(started), detail: { grade: dataGrade({ statistics: input.statistics }).level } };
}

async function verify(path: string): Promise<TraceRun> {
  const recording = await openRecording(path);
  const started = performance.now();
  const { checks, windowCount, unknownMappings, strayLines } = await verifyRecording(recording);
  const seconds = secondsSince(started);
  const differ = checks.reduce((sum, check) => sum + check.differ, 0);
  const detail = { grade: recording.grade().level, differ, windowCount, unknownMappings, strayLines };
  return { events: recording.statistics.events, seconds, detail };
}

async function compare(path: string): Promise<TraceRun> {
  const recording = await openRecording(path);
  const started = performance.now();
  const { data, rows } = await compareRecording(recording);
  const seconds = secondsSince(started);
  return { events: recording.statistics.events, seconds, detail: { grade: data.level, rows: rows.length } };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
