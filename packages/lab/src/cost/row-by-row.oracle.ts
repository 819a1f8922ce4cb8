import { type ObservationLog, Observed } from 'dmalab-core';
import type { CopyKnot } from './copy-table.ts';
import type { CostConstantName } from './cost-constant.ts';

/** Prices a log observation by observation, with one value for each constant. The slow and obvious way; no waiting. */
export class RowByRow {
  ns = 0;
  private readonly of: Readonly<Record<CostConstantName, number>>;
  private readonly knots: readonly CopyKnot[];
  private readonly queued = new Set<string>();
  private readonly busyCalls = new Set<number>();

  constructor(of: Readonly<Record<CostConstantName, number>>, knots: readonly CopyKnot[]) {
    this.of = of;
    this.knots = knots;
  }

  add(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) this.ns += this.row(log, row);
  }

  private row(log: ObservationLog, row: number): number {
    const { of } = this;
    const [a, b, c, e] = [log.a[row], log.b[row], log.c[row], log.e[row]];
    const cpu = log.cpu[row];
    const range = `${log.domain[row]}:${a}`;
    switch (log.kind[row]) {
      case Observed.CALL_BEGUN:
        this.busyCalls.add(cpu);
        if (a >= 8) return 0;
        return a === 1 || a === 3 || a === 5 || a === 7 ? of.unmapCall : of.mapCall;
      case Observed.CALL_ENDED:
        this.busyCalls.delete(cpu);
        return 0;
      case Observed.MAPPED:
        return of.mapFirstPage + (c / 4096 - 1) * of.mapNextPage;
      case Observed.UNMAPPED:
        return of.unmapFirstPage + (c / 4096 - 1) * of.unmapNextPage;
      case Observed.SLOT_ALLOCATED:
        return of.lock + of.slotSearch + e * of.slotLook + b * of.slotTake;
      case Observed.SLOT_FAILED:
        return of.lock + of.slotSearch + c * of.slotLook;
      case Observed.SLOT_RELEASED:
        return of.lock + of.slotRelease + b * of.slotReturn;
      case Observed.COPIED_IN:
      case Observed.COPIED_OUT:
        return this.copy(b) + (this.busyCalls.has(cpu) ? 0 : of.syncCall);
      case Observed.ZEROED:
        return b * of.zeroing;
      case Observed.IOVA_ALLOCATED:
        return c === 1 ? of.lock + of.iovaCacheAlloc : this.treeLocks(b) + of.iovaTreeAlloc;
      case Observed.IOVA_FAILED:
        return this.treeLocks(a) + of.iovaTreeAlloc;
      case Observed.IOVA_FREED: {
        const release = this.queued.delete(range) ? of.flushQueueRelease : 0;
        return release + (c === 1 ? of.lock + of.iovaCacheFree : this.treeLocks(b) + of.iovaTreeFree);
      }
      case Observed.FLUSH_QUEUED:
        this.queued.add(range);
        return of.lock + of.flushQueueAdd;
      case Observed.DESCRIPTOR_SUBMITTED:
        return of.lock + (((b >> 4) & 3) === 3 ? of.pageInvalidation : of.domainInvalidation);
      case Observed.TABLE_ALLOCATED:
        return of.tablePageAlloc;
      case Observed.TABLE_FREED:
        return of.tablePageFree;
      case Observed.SHADOW_TAKEN:
        return of.lock + of.iovaCacheAlloc;
      case Observed.SHADOW_RETURNED:
        return of.lock + of.iovaCacheFree;
      default:
        return 0;
    }
  }

  private treeLocks(pages: number): number {
    return this.of.lock * (pages > 32 ? 1 : 2);
  }

  private copy(bytes: number): number {
    const at = (end: 'hot' | 'cold'): number => {
      const right = this.knots.findIndex((knot) => knot.bytes > bytes);
      if (right === 0) return this.knots[0][end];
      const to = right < 0 ? this.knots.length - 1 : right;
      const [x, y] = [this.knots[to - 1], this.knots[to]];
      return x[end] + ((bytes - x.bytes) / (y.bytes - x.bytes)) * (y[end] - x[end]);
    };
    return at('hot') + this.of.copyState * (at('cold') - at('hot'));
  }
}
