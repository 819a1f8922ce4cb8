/** Files that are no kernel trace in text form, each refused with what it is and what to do instead. */
import { LabError } from 'dmalab-core';
import { asciiBytes, escapeBytes, startsWith } from './byte-text.ts';
import type { ImportStatistics } from './import-statistics.ts';

const EXPECTED = 'kernel trace as text: tracefs `trace`, `trace-cmd report` or `perf script`, plain or gzip';
const RECORD = 'trace-cmd record -e dma -e iommu -e swiotlb -e intel_iommu, then trace-cmd report > FILE';
const SHOWN_BYTES = 40;

interface Magic {
  readonly code: string;
  readonly bytes: Uint8Array;
  readonly message: string;
  readonly next: string;
}

const MAGICS: readonly Magic[] = [
  magic(
    'TRC002',
    [0x17, 0x08, 0x44, ...asciiBytes('tracing')],
    'a binary trace.dat file of trace-cmd',
    'trace-cmd report FILE > trace.txt, then read trace.txt',
  ),
  magic('TRC003', [...asciiBytes('PERFILE2')], 'a binary perf.data file', 'perf script -i FILE > trace.txt, then read trace.txt'),
  magic('TRC004', [0x1f, 0x8b], 'gzip data inside the text', 'decompress the file once and try again'),
  magic('TRC004', [0xfd, ...asciiBytes('7zXZ')], 'xz-compressed data', 'xz -d FILE, or pipe: xz -dc FILE | dmalab ... -'),
  magic('TRC004', [0x28, 0xb5, 0x2f, 0xfd], 'zstd-compressed data', 'zstd -d FILE, or pipe: zstd -dc FILE | dmalab ... -'),
  magic('TRC004', [...asciiBytes('BZh')], 'bzip2-compressed data', 'bzip2 -d FILE, or pipe: bzip2 -dc FILE | dmalab ... -'),
  magic('TRC004', [...asciiBytes('PK'), 3, 4], 'a zip archive', 'unzip it and name the trace inside'),
  magic('TRC004', [0x7f, ...asciiBytes('ELF')], 'a program', RECORD),
  magic('TRC004', [0xff, 0xfe], 'UTF-16 text', 'iconv -f UTF-16 -t UTF-8 FILE > trace.txt'),
  magic('TRC004', [0xfe, 0xff], 'UTF-16 text', 'iconv -f UTF-16 -t UTF-8 FILE > trace.txt'),
];

/** @throws LabError TRC002 to TRC004 when the first bytes are those of a known binary format */
export function refuseMagic(head: Uint8Array, file: string | undefined): void {
  for (const known of MAGICS) {
    if (startsWith(head, 0, head.length, known.bytes)) {
      throw new LabError({
        code: known.code,
        message: `This is ${known.message}.`,
        file,
        expected: EXPECTED,
        got: shown(head),
        next: known.next,
      });
    }
  }
}

/** @throws LabError TRC004 for binary data, TRC008 for other text; called when nothing of a trace was seen */
export function refuseUnreadable(head: Uint8Array, file: string | undefined): never {
  if (head.includes(0)) {
    throw new LabError({ code: 'TRC004', message: 'This is binary data.', file, expected: EXPECTED, got: shown(head), next: RECORD });
  }
  throw new LabError({
    code: 'TRC008',
    message: `This is ${textSort(head)}, not a kernel trace.`,
    file,
    line: 1,
    expected: EXPECTED,
    got: shown(head),
    next: RECORD,
  });
}

/**
 * Refuses a file that was read to its end without one event of ours.
 *
 * @throws LabError TRC001 empty, TRC006 only other events, TRC007 another tracer, TRC008 no trace at all
 */
export function refuseTraceless(statistics: ImportStatistics, head: Uint8Array, file: string | undefined): void {
  if (statistics.events > 0) return;
  if (statistics.lines === statistics.blankLines) {
    throw new LabError({
      code: 'TRC001',
      message: 'The file is empty.',
      file,
      expected: EXPECTED,
      got: `${statistics.bytes} bytes, no text`,
      next: RECORD,
    });
  }
  const otherTracer = statistics.tracer !== '' && statistics.tracer !== 'nop' ? statistics.tracer : drawnTracer(statistics);
  if (otherTracer !== undefined) {
    throw new LabError({
      code: 'TRC007',
      message: `This is the output of the ${otherTracer} tracer, which shows functions, not DMA events.`,
      file,
      expected: 'events dma:*, iommu:*, swiotlb:* or intel_iommu:*',
      got: `tracer ${otherTracer}, ${statistics.lines} lines, 0 events of these systems`,
      next: RECORD,
    });
  }
  const otherEvents = statistics.foreignLines + statistics.headerLines + statistics.lostMarkLines;
  const failed = [...statistics.problems.values()].find(
    (problem) => problem.event !== undefined || problem.cause === 'time without seconds',
  );
  if (otherEvents === 0 && failed === undefined) refuseUnreadable(head, file);
  throw new LabError({
    code: 'TRC006',
    message: 'The trace has no event that dmalab understands.',
    file,
    line: failed?.firstLine,
    expected:
      failed?.cause === 'time without seconds'
        ? 'times in seconds (trace_clock local, global or mono)'
        : 'events dma:*, iommu:*, swiotlb:* or intel_iommu:*',
    got: failed === undefined ? otherNames(statistics) : `${failed.count} lines: ${failed.cause}; first: ${failed.sample}`,
    next: RECORD,
  });
}

function magic(code: string, bytes: readonly number[], message: string, next: string): Magic {
  return { code, bytes: Uint8Array.from(bytes), message, next };
}

function shown(head: Uint8Array): string {
  return `begins with ${escapeBytes(head, 0, Math.min(head.length, SHOWN_BYTES))}`;
}

function textSort(head: Uint8Array): string {
  const text = escapeBytes(head, 0, head.length).replace(/^(\\x0[9ad]|\s)+/, '');
  if (/^[{[]/.test(text)) return 'JSON';
  if (/^<(!|\?|html)/i.test(text)) return 'HTML or XML';
  return 'other text';
}

function drawnTracer(statistics: ImportStatistics): string | undefined {
  return statistics.foreignByName.has('function_graph') ? 'function_graph' : undefined;
}

function otherNames(statistics: ImportStatistics): string {
  const names = [...statistics.foreignByName.entries()].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`);
  if (names.length === 0) return `${statistics.lines} lines, no events`;
  const more = names.length > 3 ? ` and ${names.length - 3} more names` : '';
  return `${statistics.foreignLines} other events: ${names.slice(0, 3).join(', ')}${more}`;
}
