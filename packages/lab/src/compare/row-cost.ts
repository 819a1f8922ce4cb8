import { type Charges, chargesPer } from '../cost/charges.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { type DeviceAccessCounts, priceDeviceAccesses } from '../cost/device-accesses.ts';
import { type PairedDifference, pairedDifference } from '../cost/paired-difference.ts';
import { type CostFigure, type CostFigures, costPerPair, priceCharges } from '../cost/price-charges.ts';
import { Counter } from './counters.ts';
import { chosenOwners, type PolicyRow } from './policy-row.ts';

/** What the chosen devices did in a row, as far as it is priced. */
export interface RowWork {
  readonly charges: Charges;
  /** Mappings and allocations that worked. Costs are divided by them; one still there at the end has had its first half only. */
  readonly pairs: number;
  /** Null when the profile does not describe the translation caches. */
  readonly accesses: DeviceAccessCounts | null;
}

/** The price of a row's work. */
export interface RowCost {
  readonly total: CostFigures;
  /** By mapping and its end. */
  readonly perPair: CostFigures;
  /** A pair of this row minus a pair of as-recorded, both at the same constants, ns; null in the row as-recorded itself. */
  readonly versusRecorded: PairedDifference | null;
  /** Copies at syncs that the trace does not show come on top. */
  readonly lowerBound: boolean;
  /** Misses of the devices' own accesses, and the latency that they add; no CPU time. Null when the profile does not tell. */
  readonly deviceAccesses: (DeviceAccessCounts & { readonly latency: CostFigure }) | null;
}

/** Work of some devices and of their domains; null for a row that only counts. */
export function rowWork(row: PolicyRow, devices: ReadonlySet<number>): RowWork | null {
  const { measures, machine, counters } = row;
  if (measures === undefined) return null;
  const indexes = machine.devices.map(({ index }) => index).filter((index) => devices.has(index));
  return {
    charges: measures.cost.charges(chosenOwners(row, devices)),
    pairs: indexes.reduce((sum, index) => sum + counters.get(index, Counter.MAPPED), 0),
    accesses: measures.accesses?.countsOf(indexes) ?? null,
  };
}

/** @param recorded  work of the row as-recorded, undefined when this is it */
export function rowCost(work: RowWork, recorded: RowWork | undefined, lowerBound: boolean, profile: CostProfile): RowCost {
  const { charges, pairs, accesses } = work;
  const total = priceCharges(charges, profile);
  return {
    total,
    perPair: costPerPair(total, pairs),
    versusRecorded:
      recorded === undefined ? null : pairedDifference(chargesPer(charges, pairs), chargesPer(recorded.charges, recorded.pairs), profile),
    lowerBound,
    deviceAccesses: accesses === null ? null : { ...accesses, latency: priceDeviceAccesses(accesses, profile) },
  };
}
