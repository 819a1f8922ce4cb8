import { PAGE_SIZE } from 'dmalab-core';
import { sizeClasses } from './compare-result.ts';
import type { ReplayCall } from './replay-call.ts';

/** Alignment of a range. */
export const Alignment = { ALIGNED: 0, START_ALIGNED: 1, UNALIGNED: 2 } as const;
export type Alignment = (typeof Alignment)[keyof typeof Alignment];

const ALIGNMENTS = 3;
const CLASSES = sizeClasses.length;
/** Row of a device: the table of classes by alignment, then the bytes. */
const COLUMNS = CLASSES * ALIGNMENTS + 1;

/** Streaming ranges that the drivers asked to map, by device, size class and alignment. */
export class SizeCounts {
  private readonly counts: Float64Array;

  constructor(devices: number) {
    this.counts = new Float64Array(devices * COLUMNS);
  }

  add(call: ReplayCall): void {
    const first = call.device * COLUMNS;
    for (let range = 0; range < call.count; range++) {
      const bytes = call.lengths[range];
      this.counts[first + sizeClassOf(bytes) * ALIGNMENTS + alignmentOf(call.phys[range], bytes)] += 1;
      this.counts[first + COLUMNS - 1] += bytes;
    }
  }

  ranges(device: number, sizeClass: number, alignment: Alignment): number {
    return this.counts[device * COLUMNS + sizeClass * ALIGNMENTS + alignment];
  }

  bytes(device: number): number {
    return this.counts[device * COLUMNS + COLUMNS - 1];
  }
}

function sizeClassOf(bytes: number): number {
  if (bytes <= 256) return 0;
  if (bytes <= 2048) return 1;
  if (bytes < PAGE_SIZE) return 2;
  if (bytes === PAGE_SIZE) return 3;
  if (bytes <= 65536) return 4;
  return bytes <= 262144 ? 5 : 6;
}

function alignmentOf(address: number, bytes: number): Alignment {
  if (address % PAGE_SIZE !== 0) return Alignment.UNALIGNED;
  return bytes % PAGE_SIZE === 0 ? Alignment.ALIGNED : Alignment.START_ALIGNED;
}
