import { PAGE_SIZE } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { type PairedDifference, pairedDifference } from '../cost/paired-difference.ts';
import { type BufferAlignment, isOfAlignment } from './buffer-alignment.ts';
import type { PairCharges } from './pair-charges.ts';

/** Which of two policies is cheaper for all constants in their ranges. */
export type Cheaper = 'first' | 'second' | 'equal' | 'depends';

/** Sizes between which the cheaper of two policies changes, bytes. */
export interface SizeLimits {
  /** Smallest and largest size that was compared. */
  readonly from: number;
  readonly to: number;
  /** Which is cheaper at those two. */
  readonly atFrom: Cheaper;
  readonly atTo: Cheaper;
  /** At every size up to here the same is cheaper as at `from`; null where that is undecided at `from` already. */
  readonly below: number | null;
  /** At every size from here on the same is cheaper as at `to`; null where that is undecided at `to`. */
  readonly above: number | null;
  /**
   * At the stated constants: the smallest size at which the cheaper is no longer that of `from`, and the size from which on it is
   * that of `to`. The steps of pages and slots make them differ. Null when the same one is cheaper at both ends.
   */
  readonly crossing: { readonly first: number; readonly last: number } | null;
}

/** A tail of one byte on a new page is a dip: it can be followed by a page or two of sizes that hold again. */
const LOOK_BACK_PAGES = 2;

/** A condition on sizes that holds, piece by piece, on an interval. */
type Holds = (bytes: number) => boolean;

/**
 * Compares the work of two policies over sizes.
 *
 * A limit is sought in three steps: among the rows, then by halving the pages between two rows, always with the same part of
 * the last page filled, then from two pages before byte by byte, which pieces make quick. On a piece the work is linear, the
 * lower end of the difference concave and its upper end convex, so that a condition that holds at both ends holds between.
 */
export class SizeComparison {
  private readonly first: PairCharges;
  private readonly second: PairCharges;
  private readonly alignment: BufferAlignment;
  /** Rows that both can map, ascending. */
  private readonly sizes: readonly number[];

  constructor(first: PairCharges, second: PairCharges, alignment: BufferAlignment, rows: readonly number[]) {
    this.first = first;
    this.second = second;
    this.alignment = alignment;
    this.sizes = rows.filter((bytes) => first.at(bytes) !== null && second.at(bytes) !== null);
  }

  /** First cost minus second; null where one of the two cannot map the buffer. */
  difference(bytes: number, profile: CostProfile): PairedDifference | null {
    const [a, b] = [this.first.at(bytes), this.second.at(bytes)];
    return a === null || b === null ? null : pairedDifference(a, b, profile);
  }

  /** Null when a constant is missing in which the two differ, or no size can be compared. */
  limits(profile: CostProfile): SizeLimits | null {
    const { sizes } = this;
    if (sizes.length === 0) return null;
    const differenceAt = (bytes: number): PairedDifference => this.difference(bytes, profile)!;
    if (sizes.some((bytes) => differenceAt(bytes).missing.length > 0)) return null;
    const from = sizes[0];
    const to = sizes[sizes.length - 1];
    const atFrom = cheaperOf(differenceAt(from));
    const atTo = cheaperOf(differenceAt(to));
    const below = this.farthest(holdsFor(atFrom, differenceAt), 1);
    const above = this.farthest(holdsFor(atTo, differenceAt), -1);
    const signFrom = Math.sign(differenceAt(from).mid!);
    const signTo = Math.sign(differenceAt(to).mid!);
    const crossing =
      signFrom === signTo || atFrom === 'equal' || atTo === 'equal'
        ? null
        : {
            first: this.neighbour(this.farthest((bytes) => Math.sign(differenceAt(bytes).mid!) === signFrom, 1)!, 1),
            last: this.farthest((bytes) => Math.sign(differenceAt(bytes).mid!) === signTo, -1)!,
          };
    return { from, to, atFrom, atTo, below, above, crossing };
  }

  /**
   * The last size up to which `holds` at every one, going up (1) from the smallest row or down (-1) from the largest; null where it
   * does not hold at all.
   */
  private farthest(holds: Holds, way: 1 | -1): number | null {
    const rows = way === 1 ? this.sizes : this.sizes.toReversed();
    if (!holds(rows[0])) return null;
    const failing = rows.findIndex((bytes) => !holds(bytes));
    if (failing < 0) return rows[rows.length - 1];
    let [good, bad] = [rows[failing - 1], rows[failing]];
    for (let pages = pagesBetween(good, bad); pages > 1; pages = pagesBetween(good, bad)) {
      const middle = bad - way * Math.floor(pages / 2) * PAGE_SIZE;
      if (holds(middle)) good = middle;
      else bad = middle;
    }
    good -= way * LOOK_BACK_PAGES * PAGE_SIZE;
    const isBeyond = (): boolean => (way === 1 ? good <= rows[0] : good >= rows[0]);
    while (!isBeyond() && !(this.isCompared(good) && holds(good))) good -= way * PAGE_SIZE;
    if (isBeyond()) good = rows[0];
    return this.farthestOfPieces(holds, good, bad, way);
  }

  /** The same between two sizes of which only the first holds. */
  private farthestOfPieces(holds: Holds, good: number, bad: number, way: 1 | -1): number {
    let last = good;
    for (const [near, far] of this.pieces(good, bad, way)) {
      if (!holds(near)) return last;
      if (!holds(far)) return halved(holds, near, far);
      last = far;
    }
    return last;
  }

  /** Runs of compared sizes on which the work of both is linear, in the order of the way, each from its near to its far end. */
  private pieces(from: number, to: number, way: 1 | -1): [near: number, far: number][] {
    const [least, greatest] = way === 1 ? [from, to] : [to, from];
    const pieces: [number, number][] = [];
    for (let begin = least; begin <= greatest; ) {
      const next = Math.min(this.first.nextPiece(begin), this.second.nextPiece(begin));
      const end = Math.min(next - 1, greatest);
      if (this.isCompared(begin)) pieces.push(way === 1 ? [begin, end] : [end, begin]);
      begin = next;
    }
    return way === 1 ? pieces : pieces.reverse();
  }

  /** The next compared size. */
  private neighbour(bytes: number, way: 1 | -1): number {
    let next = bytes + way;
    while (!this.isCompared(next)) next += way;
    return next;
  }

  private isCompared(bytes: number): boolean {
    return isOfAlignment(this.alignment, bytes);
  }
}

/** Whose cost is less, where that holds for all constants. */
export function cheaperOf({ relation }: PairedDifference): Cheaper {
  switch (relation) {
    case 'less':
      return 'first';
    case 'more':
      return 'second';
    case 'equal within 1 %':
      return 'equal';
    case 'undecided':
      return 'depends';
  }
}

function holdsFor(cheaper: Cheaper, differenceAt: (bytes: number) => PairedDifference): Holds {
  switch (cheaper) {
    case 'first':
      return (bytes) => differenceAt(bytes).high! < 0;
    case 'second':
      return (bytes) => differenceAt(bytes).low! > 0;
    case 'equal':
      return (bytes) => differenceAt(bytes).relation === 'equal within 1 %';
    case 'depends':
      return () => false;
  }
}

function pagesBetween(a: number, b: number): number {
  return Math.floor(Math.abs(b - a) / PAGE_SIZE);
}

/** The last size that holds, of a run in which `near` does and `far` does not. */
function halved(holds: Holds, near: number, far: number): number {
  let [good, bad] = [near, far];
  while (Math.abs(bad - good) > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (holds(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
