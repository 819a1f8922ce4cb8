/** What is compared, in the order of the table. */
export const checkIds = ['address', 'bounce', 'slot', 'map', 'unmap', 'descriptor', 'flush', 'cacheTag'] as const;
export type CheckId = (typeof checkIds)[number];

/** One row of the verdict. */
export interface CheckRow {
  readonly id: CheckId;
  readonly label: string;
  /** Predictions made: equal + differ. */
  predictions: number;
  equal: number;
  differ: number;
  /** Taken from the trace to help, never predicted. */
  given: number;
  /** Recorded, but nothing to compare them with. */
  notComparable: number;
  /** Where predictions come from, what was given, why something is not comparable. */
  how: string;
}

/** The first prediction that failed for a cause; what follows from it is not counted again. */
export interface Difference {
  readonly check: CheckId;
  readonly line: number;
  readonly timeNs: number;
  readonly cpu: number;
  readonly device: string;
  /** Domain of the machine that it concerns, -1 for none. */
  readonly domain: number;
  readonly expected: string;
  readonly got: string;
  /** Allocator state around it, one line each. */
  readonly state: readonly string[];
  /** Orders of neighbouring contexts that were tried to explain it. */
  readonly ordersTried: number;
}

/** An ordering window that the recording left open and that was decided by trying. */
export interface DecidedWindow {
  readonly line: number;
  readonly resource: string;
  /** What had to happen earlier or later than printed. */
  readonly moved: string;
  readonly tried: number;
}

/** Lines of the file by what became of them; they add up to the events. */
export interface LineLedger {
  readonly calls: number;
  readonly outcomes: number;
  readonly crossChecks: number;
  readonly notModelled: number;
  readonly notCompared: number;
}

export interface VerifyResult {
  /** What this recording cannot show, one sentence each; empty for a kernel with `dma:*` events on a VT-d machine. */
  readonly limits: readonly string[];
  readonly kernel: string;
  readonly cpus: number;
  readonly checks: readonly CheckRow[];
  readonly differences: readonly Difference[];
  /** Predictions after the first difference that were equal again. */
  readonly equalAfterFirst: number;
  readonly windows: readonly DecidedWindow[];
  /** More than `windows` lists. */
  readonly windowCount: number;
  readonly ledger: LineLedger;
  /** Failed scatter lists that were rebuilt from their inner lines. */
  readonly rebuiltCalls: number;
  readonly unknownMappings: number;
  readonly strayLines: number;
}
