import { EventKind, eventForm } from 'dmalab-trace';
import type { LineQueue } from '../replay/line-queue.ts';
import type { PredictedLine } from './predicted-lines.ts';

/** A recorded line in words, for a difference. */
export function describeLine(lines: LineQueue, seq: number): string {
  const at = seq & lines.mask;
  const values = [lines.v0[at], lines.v1[at], lines.v2[at], lines.v3[at], lines.v4[at], lines.v5[at]];
  const form = eventForm(lines.kind[at]);
  const parts = form.values.slice(0, 6).map((name, index) => `${name} ${formatAddress(values[index])}`);
  return `${form.name} ${parts.join(' ')}`.trim();
}

/** A predicted line in words. */
export function describePrediction(line: PredictedLine): string {
  const name = eventForm(line.event).name;
  switch (line.event) {
    case EventKind.MAP:
      return `${name} iova ${formatAddress(line.a)} paddr ${formatAddress(line.b)} size ${line.c}`;
    case EventKind.UNMAP:
      return `${name} iova ${formatAddress(line.a)} size ${line.b} unmapped ${line.c}`;
    case EventKind.BOUNCED:
      return `${name} dev_addr ${formatAddress(line.a)} size ${line.b}`;
    case EventKind.QI_SUBMIT:
      return `${name} ${formatDescriptor(line.a, line.b, line.c, line.d)}`;
    default:
      return `${name} did ${line.domain} [${formatAddress(line.a)}-${formatAddress(line.b)}] addr ${formatAddress(line.c)} mask ${line.e}`;
  }
}

/** Both quadwords of an invalidation descriptor, given in 32-bit halves. */
export function formatDescriptor(qw0High: number, qw0Low: number, qw1High: number, qw1Low: number): string {
  return `0x${(qw0High * 2 ** 32 + qw0Low).toString(16)} 0x${(qw1High * 2 ** 32 + qw1Low).toString(16)}`;
}

export function formatAddress(address: number): string {
  return address < 0 ? 'none' : address.toString(16);
}

const callNames: readonly string[] = [
  'dma_map_page',
  'dma_unmap_page',
  'dma_map_sg',
  'dma_unmap_sg',
  'dma_map_resource',
  'dma_unmap_resource',
  'dma_alloc',
  'dma_free',
  'sync for the CPU',
  'sync for the device',
];

/** Name of a RecordedCall, or of what is none. */
export function callName(kind: number): string {
  return callNames[kind] ?? 'flush timer';
}
