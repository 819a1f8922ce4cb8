import { type ObservationLog, Observed } from 'dmalab-core';
import { grownColumn } from '../replay/grown-column.ts';
import { QUANTITIES } from './charges.ts';
import { rangeOf } from './constant-range.ts';
import type { CostConstantName } from './cost-constant.ts';
import type { CostProfile } from './cost-profile.ts';
import { priceTerms } from './price-list.ts';
import { isPageSelective, QUANTITIES_OF_KIND, RowCharger } from './row-charger.ts';

/** What CPUs have to share. */
export const SharedResource = {
  /** The unit's invalidation queue; index 0 for pages, 1 for a whole domain. */
  INVALIDATION_QUEUE: 0,
  /** An area of the bounce pool; index its first slot that was touched, -1 when the search failed in every area. */
  SLOT_AREA: 1,
  /** The red-black tree of a domain's addresses; index the domain id. */
  IOVA_TREE: 2,
} as const;
export type SharedResource = (typeof SharedResource)[keyof typeof SharedResource];

/** Constants without which steps cannot be priced, none for a profile without gaps. */
export function missingForSteps(profile: CostProfile): CostConstantName[] {
  const missing = priceTerms(profile).flatMap(({ name, prices }) => (prices === undefined ? [name] : []));
  return rangeOf(profile, 'queueService') === undefined ? [...missing, 'queueService'] : missing;
}

/**
 * The uses of shared resources in a slice of the log, in order, at the stated constants of a profile; what lies between
 * them needs nobody else. Columns are replaced when they grow.
 *
 * Exchanges with a depot of magazines are not among them: no observation shows them.
 */
export class StepPrice {
  /** Uses in the slice. */
  length = 0;
  resource: Uint8Array = new Uint8Array(64);
  /** Which one of its kind; see SharedResource. */
  index: Float64Array = new Float64Array(64);
  /** CPU time between the use before (or the beginning) and this one, ns. */
  localNs: Float64Array = new Float64Array(64);
  /** How long the resource is busy, ns. */
  busyNs: Float64Array = new Float64Array(64);
  /** How long the CPU is at it, from the moment that it has it, ns. For all but invalidations the same as `busyNs`. */
  usedNs: Float64Array = new Float64Array(64);
  /** CPU time behind the last use, ns. */
  tailNs = 0;
  private readonly charger: RowCharger;
  private readonly prices: Float64Array;
  /** Of the row at work; all 0 between two rows. */
  private readonly amounts: Float64Array = new Float64Array(QUANTITIES);
  private readonly serviceShare: number;

  /** `cpus`: CPU numbers in the logs are below it. Null when a constant is missing that some row could need. */
  static of(profile: CostProfile, cpus: number): StepPrice | null {
    if (missingForSteps(profile).length > 0) return null;
    return new StepPrice(profile, cpus, rangeOf(profile, 'queueService')!.mid);
  }

  private constructor(profile: CostProfile, cpus: number, serviceShare: number) {
    this.charger = new RowCharger(cpus);
    this.serviceShare = serviceShare;
    this.prices = new Float64Array(QUANTITIES);
    for (const term of priceTerms(profile)) {
      for (const [index, quantity] of term.quantities.entries()) this.prices[quantity] += term.prices![index].mid;
    }
  }

  /** Prices rows `from` to `to` - 1; slices of a machine have to come in order. */
  price(log: ObservationLog, from: number, to: number): void {
    this.length = 0;
    this.tailNs = 0;
    for (let row = from; row < to; row++) {
      const ns = this.rowNs(log, row);
      switch (log.kind[row]) {
        case Observed.DESCRIPTOR_SUBMITTED:
          this.use(SharedResource.INVALIDATION_QUEUE, isPageSelective(log, row) ? 0 : 1, ns * this.serviceShare, ns);
          break;
        case Observed.SLOT_ALLOCATED:
        case Observed.SLOT_RELEASED:
          this.use(SharedResource.SLOT_AREA, log.a[row], ns, ns);
          break;
        case Observed.SLOT_FAILED:
          this.use(SharedResource.SLOT_AREA, -1, ns, ns);
          break;
        case Observed.IOVA_FAILED:
          this.use(SharedResource.IOVA_TREE, log.domain[row], ns, ns);
          break;
        case Observed.IOVA_ALLOCATED:
        case Observed.IOVA_FREED:
          if (log.c[row] === 0) this.use(SharedResource.IOVA_TREE, log.domain[row], ns, ns);
          else this.tailNs += ns;
          break;
        default:
          this.tailNs += ns;
      }
    }
  }

  private rowNs(log: ObservationLog, row: number): number {
    const { amounts, prices } = this;
    this.charger.charge(log, row, amounts, 0);
    const quantities = QUANTITIES_OF_KIND[log.kind[row]];
    let ns = 0;
    for (let index = 0; index < quantities.length; index++) {
      const quantity = quantities[index];
      ns += amounts[quantity] * prices[quantity];
      amounts[quantity] = 0;
    }
    return ns;
  }

  private use(resource: SharedResource, index: number, busyNs: number, usedNs: number): void {
    const at = this.length;
    if (at === this.resource.length) this.grow();
    this.length = at + 1;
    this.resource[at] = resource;
    this.index[at] = index;
    this.localNs[at] = this.tailNs;
    this.busyNs[at] = busyNs;
    this.usedNs[at] = usedNs;
    this.tailNs = 0;
  }

  private grow(): void {
    const rows = this.resource.length * 2;
    this.resource = grownColumn(this.resource, new Uint8Array(rows));
    this.index = grownColumn(this.index, new Float64Array(rows));
    this.localNs = grownColumn(this.localNs, new Float64Array(rows));
    this.busyNs = grownColumn(this.busyNs, new Float64Array(rows));
    this.usedNs = grownColumn(this.usedNs, new Float64Array(rows));
  }
}
