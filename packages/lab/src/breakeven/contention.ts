import { rangeOf } from '../cost/constant-range.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { priceCharges } from '../cost/price-charges.ts';
import type { BreakevenContention, ContentionCrossing, ContentionRow } from './breakeven-result.ts';
import { type BufferAlignment, isOfAlignment } from './buffer-alignment.ts';
import type { PairCharges } from './pair-charges.ts';

/** How exactly a crossing is found. */
const RESOLUTION = 0.01;

/** Waiting below this is what rounding leaves of none, ns. */
const ROUNDING_NS = 1e-3;

/** One policy at one size with several CPUs. */
interface Contended {
  readonly nsPerPair: number;
  readonly waitingNs: number;
  readonly poolDryPerPair: number;
}

/** The rows with N CPUs at the stated constants: the first policy against each of the others. */
export function contentionOf(
  work: readonly PairCharges[],
  sizes: readonly number[],
  alignment: BufferAlignment,
  cpus: number,
  profile: CostProfile,
): BreakevenContention {
  const rows = sizes.map((bytes): ContentionRow => {
    const results = work.map((one) => contended(one, bytes, cpus, profile));
    const costs = results.map((result) => result?.nsPerPair ?? Number.POSITIVE_INFINITY);
    const least = Math.min(...costs);
    return {
      bytes,
      nsPerPair: results.map((result) => result?.nsPerPair ?? null),
      waitingNs: results.map((result) => result?.waitingNs ?? null),
      poolDryPerPair: results.map((result) => result?.poolDryPerPair ?? null),
      cheapest: Number.isFinite(least) ? work[costs.indexOf(least)].policy.name : null,
    };
  });
  const [first, ...others] = work;
  const comparisons = others.map((second, index): ContentionCrossing => {
    const savesAt = (bytes: number): number =>
      contended(first, bytes, cpus, profile)!.nsPerPair - contended(second, bytes, cpus, profile)!.nsPerPair;
    const differences = rows.flatMap(({ bytes, nsPerPair }) => {
      const [a, b] = [nsPerPair[0], nsPerPair[index + 1]];
      return a === null || b === null ? [] : [{ bytes, saves: a - b }];
    });
    const nameOf = (saves: number | undefined): string | null => {
      if (saves === undefined) return null;
      return saves > 0 ? second.policy.name : first.policy.name;
    };
    return {
      first: first.policy.name,
      second: second.policy.name,
      atFrom: nameOf(differences[0]?.saves),
      atTo: nameOf(differences.at(-1)?.saves),
      crossing: crossingOf(differences, savesAt, alignment),
    };
  });
  return { cpus, unit: 'ns/pair', basis: 'model', rows, comparisons };
}

function contended(work: PairCharges, bytes: number, cpus: number, profile: CostProfile): Contended | null {
  const { failures, nsPerPair, waiting, charges, flushes, measured } = work.contended(bytes, cpus);
  const isPriced = priceCharges(charges, profile).total.missing.length === 0 && rangeOf(profile, 'queueService') !== undefined;
  if (failures > 0 || !isPriced) return null;
  const waitingNs = waiting.queue + waiting.pool + waiting.iova + waiting.ring;
  return { nsPerPair, waitingNs: waitingNs < ROUNDING_NS ? 0 : waitingNs, poolDryPerPair: flushes.poolDry / measured.pairs };
}

/** Between the last two rows whose sign differs. */
function crossingOf(
  rows: readonly { readonly bytes: number; readonly saves: number }[],
  savesAt: (bytes: number) => number,
  alignment: BufferAlignment,
): number | null {
  const changed = rows.findLastIndex(({ saves }, index) => index > 0 && Math.sign(saves) !== Math.sign(rows[index - 1].saves));
  if (changed < 0) return null;
  const sign = Math.sign(rows[changed].saves);
  let [before, after] = [rows[changed - 1].bytes, rows[changed].bytes];
  while (after - before > RESOLUTION * after) {
    const middle = near(Math.floor((before + after) / 2), alignment);
    if (middle <= before || middle >= after) break;
    if (Math.sign(savesAt(middle)) === sign) after = middle;
    else before = middle;
  }
  return after;
}

/** The next size of the alignment. */
function near(bytes: number, alignment: BufferAlignment): number {
  let size = bytes;
  while (!isOfAlignment(alignment, size)) size += 1;
  return size;
}
