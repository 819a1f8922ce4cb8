import { PAGE_SIZE, roundDown } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import { DOMAIN_SELECTIVE, IOTLB_INVALIDATION, iotlbDomainId, iotlbGranularity, PAGE_SELECTIVE } from '../replay/iotlb-descriptor.ts';
import type { LineQueue } from '../replay/line-queue.ts';

/** What a line asks the IOTLB to forget. */
export interface Flush {
  /** -1 for all domains. */
  readonly domainId: number;
  /** First address and the one after the last; 0 and Infinity for everything. */
  readonly start: number;
  readonly end: number;
  /** The descriptor itself, not the cross-check line before it. */
  readonly isDescriptor: boolean;
}

/** Low bits of an invalidation's address word: AM. */
const ADDRESS_MASK_BITS = 0x3f;

/** Reads a flush of the IOTLB; undefined for every other line. */
export function flushOf(lines: LineQueue, at: number): Flush | undefined {
  if (lines.isDeviceTlb(at)) return undefined;
  switch (lines.kind[at]) {
    case EventKind.CACHE_TAG_FLUSH_ALL:
      return { domainId: lines.v0[at], start: 0, end: Number.POSITIVE_INFINITY, isDescriptor: false };
    case EventKind.CACHE_TAG_FLUSH_RANGE:
      return { domainId: lines.v0[at], start: lines.v1[at], end: rangeEnd(lines.v2[at]), isDescriptor: false };
    case EventKind.QI_SUBMIT:
      return lines.v4[at] === IOTLB_INVALIDATION ? descriptorFlush(lines, at) : undefined;
    default:
      return undefined;
  }
}

/** `end` of a line is inclusive; a negative one stands for all ones. */
function rangeEnd(last: number): number {
  return last < 0 ? Number.POSITIVE_INFINITY : last + 1;
}

function descriptorFlush(lines: LineQueue, at: number): Flush {
  const granularity = iotlbGranularity(lines.v1[at]);
  const domainId = iotlbDomainId(lines.v1[at]);
  if (granularity !== PAGE_SELECTIVE) {
    const all = granularity !== DOMAIN_SELECTIVE;
    return { domainId: all ? -1 : domainId, start: 0, end: Number.POSITIVE_INFINITY, isDescriptor: true };
  }
  const bytes = PAGE_SIZE * 2 ** (lines.v3[at] & ADDRESS_MASK_BITS);
  const address = lines.v2[at] * 2 ** 32 + lines.v3[at];
  const start = roundDown(address, bytes);
  return { domainId, start, end: start + bytes, isDescriptor: true };
}
