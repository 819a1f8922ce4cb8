import { type Machine, type ObservationLog, Observed } from 'dmalab-core';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { ObservationOwners } from '../replay/observation-owners.ts';
import { type Charges, emptyCharges, QUANTITIES, WAIT_POINTS } from './charges.ts';
import { rangeOf } from './constant-range.ts';
import type { CostProfile } from './cost-profile.ts';
import { InvalidationWait } from './invalidation-wait.ts';
import { isPageSelective, RowCharger } from './row-charger.ts';

/**
 * Sums up what the observations of a machine cost, per owner (see ObservationOwners), in quantities that any profile can
 * price. Only the waiting for the invalidation queue is followed with the latencies of one profile.
 */
export class CostMeter implements ObservationConsumer {
  private readonly owners: ObservationOwners;
  private readonly quantities: Float64Array;
  private readonly waitNs: Float64Array;
  private readonly charger: RowCharger;
  /** Undefined when the profile has no latencies. */
  private readonly wait: InvalidationWait | undefined;

  constructor(machine: Machine, profile: CostProfile) {
    this.owners = new ObservationOwners(machine);
    this.quantities = new Float64Array(this.owners.count * QUANTITIES);
    this.waitNs = new Float64Array(this.owners.count * WAIT_POINTS);
    this.charger = new RowCharger(machine.parameters.possibleCpus);
    const page = rangeOf(profile, 'pageInvalidation');
    const domain = rangeOf(profile, 'domainInvalidation');
    const service = rangeOf(profile, 'queueService');
    if (page !== undefined && domain !== undefined && service !== undefined)
      this.wait = new InvalidationWait(machine.parameters.possibleCpus, { page, domain, service });
  }

  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      const owner = this.owners.ownerOf(log, row);
      this.charger.charge(log, row, this.quantities, owner * QUANTITIES);
      if (log.kind[row] === Observed.DESCRIPTOR_SUBMITTED)
        this.wait?.submit(log.cpu[row], log.timeNs[row], !isPageSelective(log, row), this.waitNs, owner * WAIT_POINTS);
    }
  }

  /** What some owners have done together; all of them by default. */
  charges(owners: readonly number[] = Array.from({ length: this.owners.count }, (_, owner) => owner)): Charges {
    const sum = emptyCharges();
    for (const owner of owners) {
      addColumns(sum.quantities, this.quantities, owner * QUANTITIES);
      addColumns(sum.waitNs, this.waitNs, owner * WAIT_POINTS);
    }
    return sum;
  }
}

function addColumns(into: Float64Array, from: Float64Array, at: number): void {
  for (let column = 0; column < into.length; column++) into[column] += from[at + column];
}
