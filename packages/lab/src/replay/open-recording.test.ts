import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { mapPageText, mapText } from '../testing/kernel-lines.ts';
import { testMachineText } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { openRecording } from './open-recording.ts';
import type { RecordingProgress } from './recording.ts';

const DEVICE = '0000:01:00.0';
const folder = mkdtempSync(join(tmpdir(), 'dmalab-recording-'));
const trace = new TraceText().add(task(1), mapText(0xfffff000, 0x10000, 4096), mapPageText(DEVICE, 0xfffff000, 4096, 0x10000)).toString();
const machine = testMachineText({ devices: [{ address: DEVICE, protection: 'lazy' }], hz: 1000 });

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function eventsOf(recording: Awaited<ReturnType<typeof openRecording>>): Promise<number> {
  let events = 0;
  for await (const batch of recording.batches()) events += batch.rowCount;
  return events;
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

describe('opening a recording', () => {
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes the description that lies beside the trace', async () => {
    const path = file('beside.trace.gz', gzipSync(trace));
    const beside = file('beside.machine.json', machine);
    const recording = await openRecording(path);
    expect(recording.machineFile).toBe(beside);
    expect(recording.inference.kernelHz).toBe(1000);
    expect(await eventsOf(recording)).toBe(2);
    expect(recording.grade().lines.join(' ')).toContain('machine:');
    expect(recording.bytesRead).toBe(recording.totalBytes);
  });

  it('does without one, and takes another one when it is named', async () => {
    const path = file('alone.trace', trace);
    const alone = await openRecording(path);
    expect(alone.machineFile).toBeUndefined();
    expect(alone.description).toBeUndefined();
    expect(alone.machine().devices.map(({ name }) => name)).toEqual([DEVICE]);
    const named = await openRecording(path, { machine: file('other.json', machine) });
    expect(named.inference.kernelHz).toBe(1000);
  });

  it('refuses a named description that is missing, a folder, or not JSON', async () => {
    const path = file('refused.trace', trace);
    await expect(openRecording(path, { machine: join(folder, 'none.json') })).rejects.toMatchObject({ code: 'MCH006', got: 'ENOENT' });
    await expect(openRecording(path, { machine: folder })).rejects.toMatchObject({ code: 'MCH007', got: 'EISDIR' });
    await expect(openRecording(path, { machine: file('bad.json', 'no') })).rejects.toMatchObject({ code: 'MCH001' });
    await expect(openRecording(join(folder, 'none.trace'))).rejects.toMatchObject({ code: 'TRC009' });
  });

  it.each([1, 7, 100_000])('reads standard input in pieces of %i bytes, plain and gzip', async (size) => {
    for (const bytes of [new TextEncoder().encode(trace), new Uint8Array(gzipSync(trace))]) {
      const recording = await openRecording('-', { stdin: chunksOf(bytes, size) });
      expect(recording.facts.devices.has(DEVICE)).toBe(true);
      expect(await eventsOf(recording)).toBe(2);
    }
  });

  it('goes on behind the part of standard input that it keeps for the facts', async () => {
    const line = `${trace.split('\n').find((text) => text.includes('dma_map_page'))}\n`;
    const block = new TextEncoder().encode(line.repeat(10_000));
    const blocks = Math.ceil((40 * 2 ** 20) / block.length);
    async function* long(): AsyncGenerator<Uint8Array, void, void> {
      for (let index = 0; index < blocks; index++) yield block;
    }
    const recording = await openRecording('-', { stdin: long() });
    const { DMA_MAP_PAGE } = (await import('dmalab-trace')).EventKind;
    expect(recording.facts.eventsByKind[DMA_MAP_PAGE]).toBeLessThan(blocks * 10_000);
    expect(await eventsOf(recording)).toBe(blocks * 10_000);
  });

  it('reports how far both passes are', async () => {
    const seen: RecordingProgress[] = [];
    const recording = await openRecording(file('progress.trace', trace), { onProgress: (progress) => seen.push(progress) });
    await eventsOf(recording);
    expect(seen.map(({ pass, events }) => [pass, events])).toEqual([
      ['facts', 2],
      ['events', 2],
    ]);
    expect(seen[1].bytesRead).toBe(seen[1].totalBytes);
  });
});
