/** How far a search has come, on a terminal's standard error, for work of more than a second; silent everywhere else. */
import type { CheckProgress } from 'dmalab-lab';
import { countText } from './format.ts';
import { ERASE_LINE, QUIET_MS, REDRAW_MS } from './progress.ts';
import type { TerminalStream } from './terminal.ts';
import { COLUMNS_MAX } from './wrap.ts';

export class StateCounter {
  private readonly stream: TerminalStream | undefined;
  private readonly now: () => number;
  private readonly startedMs: number;
  private drawnMs = 0;
  private drawn = false;
  /** States of the searches that are done, and of the one at work. */
  private doneStates = 0;
  private done = 0;
  private states = 0;

  constructor(stream: TerminalStream | undefined, now: () => number = () => performance.now()) {
    this.stream = stream;
    this.now = now;
    this.startedMs = now();
  }

  show(progress: CheckProgress): void {
    if (progress.done !== this.done) {
      this.doneStates += this.states;
      this.done = progress.done;
    }
    this.states = progress.states;
    const nowMs = this.now();
    if (this.stream === undefined || nowMs - this.startedMs < QUIET_MS || nowMs - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = nowMs;
    this.drawn = true;
    const all = this.doneStates + this.states;
    const rate = Math.round((1000 * all) / (nowMs - this.startedMs));
    const { policy, machine, depth, searches } = progress;
    const text = `check  ${progress.done + 1} of ${searches}  ${policy} on ${machine}: ${countText(progress.states)} states, depth ${depth}; ${countText(rate)} states/s`;
    this.stream.write(ERASE_LINE + text.slice(0, Math.min(COLUMNS_MAX, this.stream.columns || COLUMNS_MAX) - 1));
  }

  clear(): void {
    if (this.drawn) this.stream?.write(ERASE_LINE);
    this.drawn = false;
  }
}
