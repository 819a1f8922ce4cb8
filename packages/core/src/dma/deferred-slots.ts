import { type DomainId, Observed, type StateArena } from '../base/index.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import type { DmaDomain } from './dma-domain.ts';

/**
 * Bounce slots that wait on flush queues, over all domains of the machine: when each was queued, and whose flush can give
 * some back to a mapping that found the pool dry.
 *
 * **Why the search for room ends.** Every entry with slots carries a stamp from one count for the whole machine, and a
 * mapping that finds no slots notes the count once. Only entries with an earlier stamp make a domain worth flushing for
 * it; what other CPUs queue from then on is not its business. Those entries are finitely many, none is added, and one is
 * safe once more flushes have ended than had begun when it was queued. Each flush of the mapping's own raises the number
 * of ended flushes of the chosen domain by one and then drains the rings of all its CPUs, so after a bounded number of
 * them (one, plus one for each flush that was under way on another CPU when the entry was queued) the entry is released.
 * When no earlier entry waits anywhere, the mapping fails.
 */
export class DeferredSlots {
  private readonly parts: DmaApiParts;
  private scalar!: Float64Array<ArrayBuffer>;

  constructor(arena: StateArena, parts: DmaApiParts) {
    this.parts = parts;
    arena.table('deferredSlots.stamp', 1, { stamp: 'f64' }, (columns) => {
      this.scalar = columns.stamp;
    });
    this.scalar[0] = 1;
  }

  /** Stamp of the next slots that are queued. */
  get nextStamp(): number {
    return this.scalar[0];
  }

  /** While no slots wait and no mapping looks for room the count can begin anew: only the order of stamps matters. */
  rewind(): void {
    if (this.parts.domains.some((domain) => domain.flushQueue !== null && domain.flushQueue.entriesWithSlots > 0)) return;
    this.scalar[0] = 1;
  }

  /** Slots have been queued with `nextStamp`. Emits SLOT_DEFERRED. */
  queued(slots: number, cpu: number, device: number, domainId: DomainId, entriesWithSlots: number): void {
    const { pool, log } = this.parts.bounce!;
    const first = pool.firstSlotOf(pool.slotAt(slots));
    this.scalar[0] += 1;
    log.emit(Observed.SLOT_DEFERRED, cpu, device, domainId, first, pool.slotsOfMapping(first), entriesWithSlots);
  }

  /**
   * The domain to flush for a mapping that needs slots: its own while slots stamped before `stamp` wait there, then the
   * one where they have waited longest; null when none wait.
   */
  domainToFlush(own: DmaDomain | null, stamp: number): DmaDomain | null {
    if (own !== null && oldestStamp(own) < stamp) return own;
    let chosen: DmaDomain | null = null;
    let oldest = stamp;
    for (const domain of this.parts.domains) {
      const waiting = oldestStamp(domain);
      if (waiting < oldest) {
        oldest = waiting;
        chosen = domain;
      }
    }
    return chosen;
  }
}

function oldestStamp({ flushQueue }: DmaDomain): number {
  return flushQueue === null ? Number.POSITIVE_INFINITY : flushQueue.oldestSlotStamp();
}
