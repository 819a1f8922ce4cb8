import { PAGE_SIZE } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import type { LineQueue } from '../replay/line-queue.ts';
import { Counter, CounterTable } from './counters.ts';

/** `descriptorType` of an IOTLB invalidation. */
const IOTLB_INVALIDATION = 2;
const DOMAIN_SELECTIVE = 2;

/** What the lines of the recording say was done, by the owner of the call or domain that they belong to. */
export class RecordedCounts {
  readonly counters: CounterTable;
  private readonly ownerOfNobody: number;

  constructor(owners: number) {
    this.counters = new CounterTable(owners);
    this.ownerOfNobody = owners - 1;
  }

  /** Counts a line that tells an outcome. `owner` as in the counter table, -1 for nobody known. */
  addLine(lines: LineQueue, seq: number, owner: number): void {
    const { counters } = this;
    const at = seq & lines.mask;
    const of = owner < 0 ? this.ownerOfNobody : owner;
    switch (lines.kind[at]) {
      case EventKind.MAP:
        counters.add(of, Counter.TABLE_MAPS, 1);
        counters.add(of, Counter.TABLE_MAPPED_PAGES, lines.v3[at] / PAGE_SIZE);
        return;
      case EventKind.UNMAP:
        counters.add(of, Counter.TABLE_UNMAPS, 1);
        counters.add(of, Counter.TABLE_UNMAPPED_PAGES, lines.v3[at] / PAGE_SIZE);
        return;
      case EventKind.BOUNCED:
        counters.add(of, Counter.BOUNCE_ATTEMPTS, 1);
        return;
      case EventKind.QI_SUBMIT:
        if (lines.v4[at] === IOTLB_INVALIDATION)
          counters.add(of, isDomainSelective(lines.v1[at]) ? Counter.DOMAIN_SELECTIVE : Counter.PAGE_SELECTIVE, 1);
    }
  }

  addFlush(owner: number, ringFull: boolean): void {
    this.counters.add(owner, ringFull ? Counter.FLUSHES_RING_FULL : Counter.FLUSHES_TIMER, 1);
  }
}

/** Whether the low half of an IOTLB descriptor asks for a whole domain. */
export function isDomainSelective(low: number): boolean {
  return ((low >>> 4) & 3) === DOMAIN_SELECTIVE;
}
