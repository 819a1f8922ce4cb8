import type { Direction } from 'dmalab-core';
import type { CompareData } from '../compare/compare-result.ts';
import type { RangeCount } from '../compare/size-histogram.ts';
import type { CostConstantName } from '../cost/cost-constant.ts';
import type { PairedDifference } from '../cost/paired-difference.ts';
import type { CostFigure } from '../cost/price-charges.ts';
import type { RecordingFacts } from '../replay/recording-facts.ts';
import type { BufferAlignment } from './buffer-alignment.ts';
import type { SizeLimits } from './size-limits.ts';

export const BREAKEVEN_RESULT_VERSION = 1;

/** Over the size of a buffer, what a map and unmap pair costs under some policies, and from which size on another one is cheaper. */
export interface BreakevenResult {
  readonly format: 'dmalab-breakeven';
  readonly version: typeof BREAKEVEN_RESULT_VERSION;
  /** Name of the cost profile. */
  readonly profile: string;
  readonly buffers: {
    readonly alignment: BufferAlignment;
    /** Where in its page each begins, bytes. */
    readonly offset: number;
    readonly direction: Direction;
    /** Low address bits that the device wants kept through a bounce. */
    readonly minAlignMask: number;
    /** Longest buffer that bounce slots take for such a device, bytes. */
    readonly longestBounced: number;
  };
  /** In the order of the columns. */
  readonly policies: readonly string[];
  readonly rows: readonly BreakevenRow[];
  /** The first policy against each of the others. */
  readonly comparisons: readonly BreakevenComparison[];
  /** bounce-deferred against other answers, when no policies were chosen. */
  readonly summary: readonly BreakevenComparison[];
  /** The same rows with several CPUs at it; null for one CPU alone. */
  readonly contention: BreakevenContention | null;
  /** Which of those sizes a recording has; null without one. */
  readonly trace: BreakevenTrace | null;
}

/** One size on one CPU. */
export interface BreakevenRow {
  readonly bytes: number;
  /** By policy; null where it cannot map such a buffer. A figure without a value names the constants that it misses. */
  readonly costs: readonly (CostFigure | null)[];
  /** Cheapest at the stated constants; null when none has a cost. */
  readonly cheapest: string | null;
  /** It is cheaper than each other one for all constants in their ranges. */
  readonly isClear: boolean;
  /** Policies that cost the same within 1 % for all constants. */
  readonly equals: readonly string[];
}

/** Two policies over all rows. */
export interface BreakevenComparison {
  readonly first: string;
  readonly second: string;
  /** By row: the first cost minus the second, ns per pair; null where one of the two cannot map such a buffer. */
  readonly differences: readonly (PairedDifference | null)[];
  /** With all constants over their ranges; null when constants are missing, or no row can be compared. */
  readonly limits: SizeLimits | null;
  /** With the cache state of the copies fixed and all other constants over their ranges. */
  readonly byCacheState: readonly CacheStateLimits[];
  /** Constants without a basis in which the two differ. */
  readonly missing: readonly CostConstantName[];
}

/** Limits at one cache state. */
export interface CacheStateLimits {
  readonly state: 'hot' | 'profile' | 'cold';
  /** The constant `copyState`: 0 with both ends of all copies in cache, 1 with neither. */
  readonly copyState: number;
  readonly limits: SizeLimits | null;
}

/** What N CPUs that share the invalidation queue and the bounce pool cost each other, at the stated constants. */
export interface BreakevenContention {
  readonly cpus: number;
  readonly unit: 'ns/pair';
  readonly basis: 'model';
  readonly rows: readonly ContentionRow[];
  readonly comparisons: readonly ContentionCrossing[];
}

/** One size with several CPUs. */
export interface ContentionRow {
  readonly bytes: number;
  /** By policy: CPU time of a pair with waiting, ns; null where it cannot map such a buffer, or the profile has gaps. */
  readonly nsPerPair: readonly (number | null)[];
  /** By policy: of that, waiting for other CPUs. */
  readonly waitingNs: readonly (number | null)[];
  /** By policy: flushes because the pool was dry, per pair. */
  readonly poolDryPerPair: readonly (number | null)[];
  readonly cheapest: string | null;
}

/** Where the cheaper of two policies changes with several CPUs. */
export interface ContentionCrossing {
  readonly first: string;
  readonly second: string;
  /** Name of the cheaper one at the smallest and at the largest row that both can map. */
  readonly atFrom: string | null;
  readonly atTo: string | null;
  /** Size at which it changes, to 1 %, bytes; null when it does not. */
  readonly crossing: number | null;
}

/** Shares on both sides of the limits of the first comparison. A limit that there is not puts nothing on its side. */
export interface LimitShares {
  readonly below: RangeCount;
  readonly between: RangeCount;
  readonly above: RangeCount;
}

/** One device of a recording. */
export interface BreakevenDevice {
  readonly device: string;
  readonly driver: string | null;
  readonly all: RangeCount;
  /** Of the alignment of the rows. */
  readonly aligned: RangeCount;
  readonly sides: LimitShares | null;
}

/** What a recording has of the sizes in the rows; each entry of a scatter list is a range of its own. */
export interface BreakevenTrace {
  readonly data: CompareData;
  readonly recording: RecordingFacts;
  readonly basis: 'recorded';
  /** Something was lost: all counts are lower bounds. */
  readonly lowerBound: boolean;
  /** All streaming ranges. */
  readonly all: RangeCount;
  /** By alignment. */
  readonly byAlignment: Readonly<Record<BufferAlignment, RangeCount>>;
  /** By row: ranges of the alignment above the row before and up to this one. */
  readonly rows: readonly RangeCount[];
  /** Longer than the last row. */
  readonly longer: RangeCount;
  readonly sides: LimitShares | null;
  readonly devices: readonly BreakevenDevice[];
  readonly mix: BreakevenMix;
}

/** All ranges of a recording, of every alignment, priced as pairs of one CPU alone. */
export interface BreakevenMix {
  readonly unit: 'ns';
  readonly basis: 'model';
  /** Total of each policy; null where a constant is missing. */
  readonly totals: readonly { readonly policy: string; readonly cost: CostFigure }[];
  readonly cheapest: string | null;
  readonly isClear: boolean;
  readonly equals: readonly string[];
  /** Ranges that some policy cannot map; they are in no total. */
  readonly tooLong: RangeCount;
  /** Sizes that were priced; a recording with more different ones has its neighbours put together. */
  readonly sizes: number;
}
