import type { Machine } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import { DOMAIN_SELECTIVE, IOTLB_INVALIDATION, iotlbDomainId, iotlbGranularity } from '../replay/iotlb-descriptor.ts';
import type { LineQueue } from '../replay/line-queue.ts';
import type { VerifyContext } from './verify-context.ts';

/** Finds the lines with which a flush timer begins to flush a whole lazy domain. */
export class FlushTimerLines {
  private readonly lines: LineQueue;
  private readonly machine: Machine;
  private readonly cacheTags: boolean;
  private readonly domainOfDid = new Map<number, number>();

  constructor(context: VerifyContext) {
    this.lines = context.lines;
    this.machine = context.machine;
    this.cacheTags = context.scope.cacheTags;
    for (const domain of context.machine.domains) this.domainOfDid.set(domain.id, domain.index);
  }

  /** The lazy domain whose flush as a whole begins with line `seq`, -1 when the line begins none. */
  domainOf(seq: number): number {
    const { lines } = this;
    const at = seq & lines.mask;
    if (lines.kind[at] === EventKind.CACHE_TAG_FLUSH_ALL) return this.lazyDomain(lines.v0[at]);
    if (lines.kind[at] !== EventKind.QI_SUBMIT || this.cacheTags || lines.v4[at] !== IOTLB_INVALIDATION) return -1;
    const qw0Low = lines.v1[at];
    return iotlbGranularity(qw0Low) === DOMAIN_SELECTIVE ? this.lazyDomain(iotlbDomainId(qw0Low)) : -1;
  }

  private lazyDomain(did: number): number {
    const domain = this.domainOfDid.get(did) ?? -1;
    return domain >= 0 && this.machine.domains[domain].flushQueue !== null ? domain : -1;
  }
}
