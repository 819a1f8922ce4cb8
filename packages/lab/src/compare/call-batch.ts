import type { PolicyRow } from './policy-row.ts';
import { ReplayCall } from './replay-call.ts';

/** Enough that a row's machine stays in the processor's caches for a while, few enough that the calls do too. */
const CALLS_MAX = 256;

/** Calls that wait until each row replays all of them in one go. */
export class CallBatch {
  private readonly calls: ReplayCall[] = Array.from({ length: CALLS_MAX + 1 }, () => new ReplayCall());
  private count = 0;

  /** The next call, to be filled; without `push` it is given out again. */
  get next(): ReplayCall {
    return this.calls[this.count];
  }

  /** Takes the next call in. @returns whether there is no room for another */
  push(): boolean {
    this.count += 1;
    return this.count >= CALLS_MAX;
  }

  /** Takes a call in before the next one, once for each at most. @returns the call, to be filled at once */
  pushBefore(): ReplayCall {
    const { calls, count } = this;
    const call = calls[count + 1];
    calls[count + 1] = calls[count];
    calls[count] = call;
    this.count += 1;
    return call;
  }

  /** Lets the rows replay the calls, and forgets them. */
  replayIn(rows: readonly PolicyRow[]): void {
    for (const row of rows) {
      for (let index = 0; index < this.count; index++) row.replay(this.calls[index]);
    }
    this.count = 0;
  }
}
