import { blockStart, DescriptorType, Granularity, join32, PAGE_SIZE } from 'dmalab-core';

/** An invalidation on its way: it covers what was cleared before it was submitted. */
export interface PendingInvalidation {
  cpu: number;
  /** -1 for all domains. */
  domainId: number;
  firstPfn: number;
  /** Infinity for everything of the domain. */
  pages: number;
  sequence: number;
}

/**
 * IOTLB descriptors between submission and completion, as a rule one per CPU. They take effect when the CPU that
 * submitted them has seen its wait descriptor complete.
 *
 * @source Intel VT-d specification, "IOTLB Invalidate Descriptor"
 */
export class PendingInvalidations {
  private readonly pending: PendingInvalidation[] = [];
  private count = 0;

  /** @param sequence  number of the next clearing */
  submit(cpu: number, qw0Low: number, qw1High: number, qw1Low: number, sequence: number): void {
    if ((qw0Low & 15) !== DescriptorType.IOTLB) return;
    const granularity = (qw0Low >>> 4) & 3;
    const row = this.nextRow();
    row.cpu = cpu;
    row.sequence = sequence;
    row.domainId = granularity === Granularity.GLOBAL ? -1 : qw0Low >>> 16;
    row.firstPfn = 0;
    row.pages = Number.POSITIVE_INFINITY;
    if (granularity !== Granularity.SELECTIVE) return;
    const order = qw1Low & 63;
    row.firstPfn = blockStart(Math.floor(join32(qw1High, qw1Low) / PAGE_SIZE), order);
    row.pages = 2 ** order;
  }

  /** Hands those of `cpu` to `done`, in order, and forgets them. */
  complete(cpu: number, done: (invalidation: PendingInvalidation) => void): void {
    let kept = 0;
    for (let index = 0; index < this.count; index++) {
      const row = this.pending[index];
      if (row.cpu === cpu) {
        done(row);
        continue;
      }
      this.pending[index] = this.pending[kept];
      this.pending[kept] = row;
      kept += 1;
    }
    this.count = kept;
  }

  private nextRow(): PendingInvalidation {
    if (this.count === this.pending.length) this.pending.push({ cpu: 0, domainId: 0, firstPfn: 0, pages: 0, sequence: 0 });
    this.count += 1;
    return this.pending[this.count - 1];
  }
}
