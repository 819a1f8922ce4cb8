import { EventKind } from 'dmalab-trace';
import { type CheckId, type CheckRow, checkIds, type Difference } from './verify-result.ts';

const labels: Readonly<Record<CheckId, string>> = {
  address: 'DMA address of a map or alloc',
  bounce: 'bounce or not',
  slot: 'bounce slot address',
  map: 'page-table map line',
  unmap: 'page-table unmap line',
  descriptor: 'invalidation descriptor',
  flush: 'flush-queue flush',
  cacheTag: 'cache_tag line',
};

/** Differences that are described; all are counted. */
const DESCRIBED_MAX = 100;

/** Counts of every check, and the descriptions of what failed. */
export class Checks {
  readonly rows: Readonly<Record<CheckId, CheckRow>>;
  readonly differences: Difference[] = [];
  private equalTotal = 0;
  private equalBeforeFirst = -1;

  constructor() {
    const rows = {} as Record<CheckId, CheckRow>;
    for (const id of checkIds) {
      rows[id] = { id, label: labels[id], predictions: 0, equal: 0, differ: 0, given: 0, notComparable: 0, how: '' };
    }
    this.rows = rows;
  }

  equal(id: CheckId): void {
    const row = this.rows[id];
    row.predictions += 1;
    row.equal += 1;
    this.equalTotal += 1;
  }

  differ(difference: Difference): void {
    const row = this.rows[difference.check];
    row.predictions += 1;
    row.differ += 1;
    if (this.equalBeforeFirst < 0) this.equalBeforeFirst = this.equalTotal;
    if (this.differences.length < DESCRIBED_MAX) this.differences.push(difference);
  }

  /** Takes the differences of a check back for a domain (-1: for all) whose state turns out to be unknown: they are not comparable. */
  forgive(id: CheckId, domain: number): void {
    const row = this.rows[id];
    for (let index = this.differences.length - 1; index >= 0; index--) {
      const difference = this.differences[index];
      if (difference.check !== id || (domain >= 0 && difference.domain !== domain)) continue;
      this.differences.splice(index, 1);
      row.differ -= 1;
      row.predictions -= 1;
      row.notComparable += 1;
    }
  }

  given(id: CheckId): void {
    this.rows[id].given += 1;
  }

  notComparable(id: CheckId): void {
    this.rows[id].notComparable += 1;
  }

  /** Equal predictions after the first difference. */
  get equalAfterFirst(): number {
    return this.equalBeforeFirst < 0 ? 0 : this.equalTotal - this.equalBeforeFirst;
  }

  get differTotal(): number {
    let total = 0;
    for (const id of checkIds) total += this.rows[id].differ;
    return total;
  }
}

/** The check to which a line inside a call belongs, by its EventKind. */
export function checkOfLine(kind: number): CheckId {
  switch (kind) {
    case EventKind.BOUNCED:
      return 'bounce';
    case EventKind.MAP:
      return 'map';
    case EventKind.UNMAP:
      return 'unmap';
    case EventKind.QI_SUBMIT:
      return 'descriptor';
    default:
      return 'cacheTag';
  }
}
