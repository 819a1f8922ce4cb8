/** In which phase of its life the translation is that an access goes through: mapped, unmapped, invalidated. */
import { type DmaAddr, type DomainId, type Ns, type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';

/** When, in the life of a translation, a device used it. */
export type AccessPhase = 'not translated' | 'never mapped' | 'mapped' | 'unmapped, still cached' | 'invalidated' | 'claimed translated';

interface PageLife {
  phase: AccessPhase;
  unmappedNs: Ns;
}

/** Follows the observations of a machine, page by page of each domain. */
export class TranslationPhases {
  private readonly lives: Map<DomainId, Map<number, PageLife>> = new Map();

  /** Takes in what happened since the last call. */
  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      const pages = this.pagesOf(log.domain[row]);
      if (log.kind[row] === Observed.MAPPED) {
        forEachPage(log.a[row], log.c[row], (page) => pages.set(page, { phase: 'mapped', unmappedNs: -1 }));
      } else if (log.kind[row] === Observed.UNMAPPED) {
        const unmappedNs = log.timeNs[row];
        forEachPage(log.a[row], log.b[row], (page) => pages.set(page, { phase: 'unmapped, still cached', unmappedNs }));
      } else if (log.kind[row] === Observed.INVALIDATION_COMPLETED) {
        for (const life of pages.values()) if (life.phase === 'unmapped, still cached') life.phase = 'invalidated';
      }
    }
  }

  phaseOf(domain: DomainId, address: DmaAddr): AccessPhase {
    return this.lives.get(domain)?.get(Math.floor(address / PAGE_SIZE))?.phase ?? 'never mapped';
  }

  /** When the page was unmapped, -1 while it is mapped or if it never was. */
  unmappedNs(domain: DomainId, address: DmaAddr): Ns {
    return this.lives.get(domain)?.get(Math.floor(address / PAGE_SIZE))?.unmappedNs ?? -1;
  }

  private pagesOf(domain: DomainId): Map<number, PageLife> {
    const known = this.lives.get(domain);
    if (known !== undefined) return known;
    const pages = new Map<number, PageLife>();
    this.lives.set(domain, pages);
    return pages;
  }
}

function forEachPage(address: number, bytes: number, visit: (page: number) => void): void {
  for (let page = Math.floor(address / PAGE_SIZE); page * PAGE_SIZE < address + bytes; page++) visit(page);
}
