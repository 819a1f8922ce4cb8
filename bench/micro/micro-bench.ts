/** One row of a micro benchmark: a loop over one operation whose time per turn is of interest. */
export interface MicroBench {
  readonly name: string;
  readonly unit: 'ns/op';
  /** Does the operation `iterations` times or, where it comes in rounds, in whole rounds that reach that number. */
  run(iterations: number): void;
  /** Enough for one timed batch. */
  readonly iterations: number;
  readonly note?: string;
}
