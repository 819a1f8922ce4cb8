import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { LabError } from 'dmalab-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenTraceOptions, openTrace, type TraceInput } from './node.ts';

const LINES = 20_000;
const text = Array.from(
  { length: LINES },
  (_, index) =>
    `   task-${index % 7}   [000] ..... ${index}.000001: map: IOMMU: iova=0x${(index * 4096).toString(16)} paddr=0x3000 size=4096\n`,
).join('');
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dmalab-trace-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function readAll(path: string, options: OpenTraceOptions = {}): Promise<{ input: TraceInput; lines: number[] }> {
  const input = await openTrace(path, options);
  const lines: number[] = [];
  for await (const batch of input.batches()) lines.push(...batch.line.subarray(0, batch.rowCount));
  return { input, lines };
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function refusal(reading: Promise<unknown>): Promise<LabError> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

const everyLine = Array.from({ length: LINES }, (_, index) => index + 1);

/** Goal: all rows in order from every sort of input, in bounded memory, and a refusal for what cannot be read. */
describe('openTrace', () => {
  it('reads a plain file and reports its size and hash', async () => {
    const { input, lines } = await readAll(await file('plain.txt', text), { hash: true });
    expect(lines).toEqual(everyLine);
    expect([input.bytesRead, input.totalBytes, input.compressed]).toEqual([text.length, text.length, false]);
    expect(input.sha256()).toBe(createHash('sha256').update(text).digest('hex'));
    expect(input.statistics.lines).toBe(LINES);
  });

  it('knows gzip by its content, not its name, and reads all members', async () => {
    const half = text.indexOf('\n', text.length / 2) + 7;
    const members = Buffer.concat([gzipSync(text.slice(0, half)), gzipSync(text.slice(half))]);
    const { input, lines } = await readAll(await file('members.txt', members));
    expect(lines).toEqual(everyLine);
    expect([input.bytesRead, input.compressed]).toEqual([members.length, true]);
    expect((await readAll(await file('plain.trace.gz', text))).lines).toEqual(everyLine);
  });

  it.each([1, 1000, 1 << 20])('reads standard input in chunks of %i bytes', async (size) => {
    const bytes = Buffer.from(text.slice(0, size === 1 ? 5000 : undefined));
    const plain = await readAll('-', { stdin: inChunks(bytes, size) });
    expect(plain.input.file).toBe('standard input');
    expect(plain.lines.length).toBeGreaterThan(50);
    expect((await readAll('-', { stdin: inChunks(gzipSync(bytes), size) })).lines).toEqual(plain.lines);
  });

  it('fills small batches without losing rows', async () => {
    expect((await readAll(await file('small.txt', text), { batchRows: 3 })).lines).toEqual(everyLine);
  });

  it('reads only as fast as batches are taken, and stops when they are not', async () => {
    const big = await file('big.txt', text.repeat(10));
    const input = await openTrace(big);
    for await (const batch of input.batches()) {
      expect(batch.rowCount).toBe(8192);
      expect(input.bytesRead).toBeLessThan(text.length * 2);
      break;
    }
  });

  it('tells how far a cut or damaged gzip file could be read', async () => {
    const whole = gzipSync(text);
    const cut = await refusal(readAll(await file('cut.gz', whole.subarray(0, whole.length - 2000))));
    expect([cut.code, cut.message]).toEqual(['TRC005', 'The gzip file ends too early.']);
    expect(cut.line).toBeGreaterThan(100);
    expect(cut.got).toMatch(/^\d+ lines, then: /);
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, 3000, 3100);
    expect((await refusal(readAll(await file('damaged.gz', damaged)))).code).toBe('TRC005');
  });

  it('refuses what is missing, a directory, and what is no trace', async () => {
    const missing = await refusal(openTrace(join(folder, 'missing\x1b')));
    expect([missing.code, missing.file?.endsWith('missing\\x1b')]).toEqual(['TRC009', true]);
    expect((await refusal(openTrace(join(folder, 'plain.txt', 'x')))).code).toBe('TRC009');
    expect((await refusal(openTrace(folder))).code).toBe('TRC010');
    expect((await refusal(readAll(await file('empty', '')))).code).toBe('TRC001');
    expect((await refusal(readAll(await file('empty.gz', gzipSync(''))))).code).toBe('TRC001');
    expect((await refusal(readAll(await file('x.json', '{}')))).code).toBe('TRC008');
    expect((await refusal(readAll(await file('x.dat', '\x17\x08\x44tracing6')))).code).toBe('TRC002');
  });

  it('reports a failing pipe', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text.slice(0, 1000));
      throw Object.assign(new Error('i/o error'), { code: 'EIO' });
    };
    expect((await refusal(readAll('-', { stdin: failing() }))).code).toBe('TRC011');
  });
});
