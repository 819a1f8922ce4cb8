import { createReadStream, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openRecording } from '../replay/open-recording.ts';
import { compareRecording } from './compare.ts';
import type { CompareResult, CompareRow, DeviceFigures, RowFigures } from './compare-result.ts';

const example = fileURLToPath(new URL('../../../../examples/thunderbolt-nvme.trace.gz', import.meta.url));
const machineFile = example.replace('.trace.gz', '.machine.json');

async function compareExample(): Promise<CompareResult> {
  return compareRecording(await openRecording(example));
}

/** Lines of the recording that match, counted without any of our code. */
function linesWith(pattern: RegExp): number {
  return text.split('\n').filter((line) => pattern.test(line)).length;
}

const text = gunzipSync(readFileSync(example)).toString('latin1');
const result = await compareExample();

/** The main numbers of a row, for the golden table. */
function golden(total: RowFigures): string {
  const { copied, pageTable, invalidations, flushes, iova, pool } = total;
  const groups = {
    ok: [total.mapped, total.failed],
    bounced: [total.bounced.ranges, total.bounced.bytes],
    copied: [copied.in, copied.out, total.zeroed],
    table: [pageTable.mapOperations, pageTable.mappedPages, pageTable.unmapOperations, pageTable.unmappedPages, pageTable.tablePagesPeak],
    inval: [invalidations.pageSelective, invalidations.domainSelective],
    flush: [flushes.timer, flushes.ringFull, flushes.queuePeak],
    iova: [iova.pagesPeak],
    pool: [pool.slotsPeak, pool.smallestSlots],
  };
  return Object.entries(groups)
    .map(([name, figures]) => `${name} ${figures.map(({ value, lowerBound }) => `${lowerBound ? '>=' : ''}${value ?? '-'}`).join(' ')}`)
    .join(', ');
}

describe('the recorded row of the example', () => {
  const { total, devices } = result.rows[0];

  it('equals a count of the lines of the trace', () => {
    expect(total.calls.mapPage.value).toBe(linesWith(/ dma_map_page: /));
    expect(total.calls.unmapPage.value).toBe(linesWith(/ dma_unmap_page: /));
    expect(total.calls.mapSg.value).toBe(linesWith(/ dma_map_sg: /));
    expect(total.calls.unmapSg.value).toBe(linesWith(/ dma_unmap_sg: /));
    expect(total.calls.alloc.value).toBe(linesWith(/ dma_alloc: /));
    expect(total.bounced.attempts.value).toBe(linesWith(/ swiotlb_bounced: /));
    expect(total.pageTable.mapOperations.value).toBe(linesWith(/ map: IOMMU: /));
    expect(total.pageTable.unmapOperations.value).toBe(linesWith(/ unmap: IOMMU: /));
    expect(total.invalidations.pageSelective.value! + total.invalidations.domainSelective.value!).toBe(linesWith(/ qi_submit: iotlb_inv /));
    expect(total.flushes.timer.value! + total.flushes.ringFull.value!).toBe(linesWith(/ cache_tag_flush_all: /));
  });

  it('is what the engine counts as well, for all devices and for each', () => {
    let compared = 0;
    const check = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('replay' in value && 'value' in value) {
        expect(value.value, path).toBe(value.replay);
        compared += 1;
      } else {
        for (const [name, inner] of Object.entries(value)) check(inner, `${path}.${name}`);
      }
    };
    check(total, 'total');
    for (const device of devices) check(device, device.name);
    expect(compared).toBeGreaterThan(80);
  });

  it('has device figures that add up to the total', () => {
    const sum = (of: (figures: RowFigures) => number | null): number => devices.reduce((all, device) => all + (of(device) ?? 0), 0);
    for (const row of result.rows) {
      const add = (of: (figures: RowFigures) => number | null): number => row.devices.reduce((all, device) => all + (of(device) ?? 0), 0);
      expect(add((figures) => figures.invalidations.descriptors.value)).toBe(row.total.invalidations.descriptors.value);
      expect(add((figures) => figures.pageTable.mapOperations.value)).toBe(row.total.pageTable.mapOperations.value);
      expect(add((figures) => figures.copied.in.value)).toBe(row.total.copied.in.value);
      expect(add((figures) => figures.mapped.value)).toBe(row.total.mapped.value);
    }
    expect(sum((figures) => figures.iova.pagesPeak.value)).toBe(total.iova.pagesPeak.value);
  });
});

describe('all rows of the example', () => {
  it('are these', () => {
    expect(result.data.level).toBe('usable');
    expect(result.recording).toMatchObject({ kernelRules: '6.12', cpus: 1, hz: 250, flushMoments: 'recorded' });
    expect(Object.fromEntries(result.rows.map(({ policy, total }) => [policy, golden(total)]))).toMatchInlineSnapshot(`
      {
        "as-recorded": "ok 2726 0, bounced 564 1128470, copied 1128470 102912 1660906, table 8797 13986 5508 13282 26, inval 4412 52, flush 52 0 69, iova 1580, pool 510 512",
        "bounce-deferred": "ok 2726 0, bounced 8619 53170220, copied >=53170220 >=33063936 3321812, table 8797 13986 8109 13282 27, inval 0 115, flush 107 8 510, iova 1708, pool 1216 2048",
        "bounce-deferred-mixed": "ok 2726 0, bounced 1128 2150444, copied >=2150444 >=205824 3321812, table 8797 13986 8109 13282 26, inval 7491 39, flush 39 0 216, iova 1370, pool 1020 1024",
        "bounce-lazy-unsafe": "ok 2726 0, bounced 8619 53170220, copied >=53170220 >=33063936 3321812, table 8797 13986 8109 13282 27, inval 0 115, flush 107 8 510, iova 1708, pool 1020 1024",
        "bounce-link": "ok 2726 0, bounced 1128 1298476, copied >=1298476 >=205824 3321812, table 8814 13986 8109 13282 26, inval 8109 0, flush - - -, iova 1370, pool 1020 1024",
        "bounce-partial": "ok 2726 0, bounced 1128 1298476, copied >=1298476 >=205824 3321812, table 8814 13986 8109 13282 26, inval 8109 0, flush - - -, iova 1370, pool 1020 1024",
        "bounce-strict": "ok 2726 0, bounced 1128 2150444, copied >=2150444 >=205824 3321812, table 8797 13986 8109 13282 26, inval 8109 0, flush - - -, iova 1370, pool 1020 1024",
        "lazy": "ok 2726 0, bounced 0 0, copied 0 0 0, table 8797 13986 2192 13282 26, inval 0 107, flush 107 0 136, iova 1791, pool 0 -",
        "passthrough": "ok 2726 0, bounced 0 0, copied 0 0 0, table 0 0 0 0 0, inval 0 0, flush - - -, iova 0, pool 0 -",
        "shadow": "ok 2726 0, bounced 8619 53170220, copied >=53170220 >=33063936 11309012, table 1236 2144 0 0 26, inval 0 0, flush - - -, iova 2144, pool 3900 4096",
        "strict": "ok 2726 0, bounced 0 0, copied 0 0 0, table 8797 13986 2192 13282 26, inval 2192 0, flush - - -, iova 1370, pool 0 -",
        "swiotlb-force": "ok 2726 0, bounced 8619 53170220, copied >=53170220 >=33063936 0, table 0 0 0 0 0, inval 0 0, flush - - -, iova 0, pool 666 1024",
      }
    `);
  });

  it('are the same from standard input, and without the description only by inference', async () => {
    const piped = await compareRecording(await openRecording('-', { stdin: createReadStream(example), machine: machineFile }));
    expect(piped.rows).toEqual(result.rows);
    expect(piped.recording.file).toBe('standard input');
    const bare = await compareRecording(await openRecording('-', { stdin: createReadStream(example) }));
    expect(bare.recording.machine).toBeNull();
    expect(bare.data.inferred.length).toBeGreaterThan(result.data.inferred.length);
    // What was done is counted in the trace; that the drive is untrusted is inferred rightly.
    const [recorded] = bare.rows;
    expect(recorded.total.pageTable.mapOperations.value).toBe(result.rows[0].total.pageTable.mapOperations.value);
    const drive = (row: CompareRow): DeviceFigures => row.devices.find(({ name }) => name === '0000:02:00.0')!;
    expect(drive(recorded).policy).toBe('bounce-strict');
    expect(drive(recorded).bounced).toEqual(drive(result.rows[0]).bounced);
  });
});
