/** How far a search has come, on a terminal's standard error, for work of more than a second; silent everywhere else. */
import type { ThreadedCheckProgress } from 'dmalab-lab/node';
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

  constructor(stream: TerminalStream | undefined, now: () => number = () => performance.now()) {
    this.stream = stream;
    this.now = now;
    this.startedMs = now();
  }

  show(progress: ThreadedCheckProgress): void {
    const nowMs = this.now();
    if (this.stream === undefined || nowMs - this.startedMs < QUIET_MS || nowMs - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = nowMs;
    this.drawn = true;
    const { states, done, policies, atWork } = progress;
    const rate = Math.round((1000 * states) / (nowMs - this.startedMs));
    const names = atWork.map(({ policy, searches }) => `${policy} on ${searches.at(-1)?.machine} depth ${searches.at(-1)?.depth}`);
    const text = `check  ${done} of ${policies} done; ${countText(states)} states, ${countText(rate)} states/s; ${names.join(', ')}`;
    this.stream.write(ERASE_LINE + text.slice(0, Math.min(COLUMNS_MAX, this.stream.columns || COLUMNS_MAX) - 1));
  }

  clear(): void {
    if (this.drawn) this.stream?.write(ERASE_LINE);
    this.drawn = false;
  }
}
