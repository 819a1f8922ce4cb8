import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openRecording } from 'dmalab-lab/node';
import { closingLines } from './closing-lines.ts';
import { RepeatedTrace } from './repeated-trace.ts';

const GZIP_FIRST_BYTE = 0x1f;

/** A recording, plain or gzip, made ready to follow itself. */
export async function repeatable(path: string): Promise<RepeatedTrace> {
  const bytes = readFileSync(path);
  const text = bytes[0] === GZIP_FIRST_BYTE ? gunzipSync(bytes) : bytes;
  return new RepeatedTrace(text, await closingLines(await openRecording(path)));
}
