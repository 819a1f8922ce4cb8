/**
 * Writes a long trace: a recording again and again, with later times, each time followed by the unmaps and frees that it
 * leaves open.
 *
 *     tsx --conditions=source bench/big-trace.ts RECORDING OUT BYTES
 *
 * The machine description beside the recording, if there is one, is copied to stand beside OUT. Only the first repetition
 * is what a kernel did: in the others the caches of freed addresses were not empty.
 */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { machinePathFor } from 'dmalab-trace';
import { repeatable } from './repeatable.ts';

const [recording, out, bytesText] = process.argv.slice(2);
const bytes = Number(bytesText);
if (recording === undefined || out === undefined || !(bytes > 0)) {
  console.error('usage: big-trace RECORDING OUT BYTES');
  process.exitCode = 2;
} else {
  await writeBigTrace(recording, out, bytes);
}

async function writeBigTrace(path: string, target: string, bytes: number): Promise<void> {
  const trace = await repeatable(path);
  const repetitions = trace.repetitionsFor(bytes);
  const file = openSync(target, 'w');
  let written = writeSync(file, trace.headerOf(repetitions));
  for (let index = 0; index < repetitions; index++) written += writeSync(file, trace.repetition(index));
  closeSync(file);
  if (existsSync(machinePathFor(path))) writeFileSync(machinePathFor(target), readFileSync(machinePathFor(path)));
  console.log(`${target}: ${repetitions} repetitions of ${trace.lines} lines, ${written} bytes`);
}
