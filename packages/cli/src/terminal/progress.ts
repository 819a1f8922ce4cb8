/** A progress bar on a terminal's standard error, for work of more than a second; silent everywhere else. */
import { countText, secondsText } from './format.ts';
import type { TerminalStream } from './terminal.ts';
import { COLUMNS_MAX } from './wrap.ts';

/** Work that is over sooner shows nothing. */
export const QUIET_MS = 800;
export const REDRAW_MS = 100;
const BAR_COLUMNS = 20;
const MEGABYTE = 1e6;
export const ERASE_LINE = '\r\u001b[K';

/** How far reading has come. `totalBytes` is undefined when the input is a pipe. */
export interface ReadProgress {
  readonly bytesRead: number;
  readonly totalBytes: number | undefined;
  readonly events: number;
}

/** Draws how far a job has come; call `show` as often as convenient and `clear` before anything else is printed. */
export class ProgressBar {
  private readonly stream: TerminalStream | undefined;
  private readonly now: () => number;
  private readonly startedMs: number;
  private drawnMs = 0;
  private drawn = false;
  private phase = '';
  private phaseStartedMs = 0;

  constructor(stream: TerminalStream | undefined, now: () => number = () => performance.now()) {
    this.stream = stream;
    this.now = now;
    this.startedMs = now();
  }

  show(what: string, progress: ReadProgress): void {
    this.draw(what, (elapsedSeconds) => progressText(what, progress, elapsedSeconds));
  }

  /** Work that reads nothing. */
  showSteps(what: string, done: number, total: number): void {
    this.draw(what, () => `${what}  ${countText(done)} of ${countText(total)}`);
  }

  private draw(what: string, text: (elapsedSeconds: number) => string): void {
    if (this.stream === undefined) return;
    const nowMs = this.now();
    if (what !== this.phase) {
      this.phase = what;
      this.phaseStartedMs = nowMs;
    }
    if (nowMs - this.startedMs < QUIET_MS || nowMs - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = nowMs;
    this.drawn = true;
    const columns = Math.min(COLUMNS_MAX, this.stream.columns || COLUMNS_MAX) - 1;
    this.stream.write(ERASE_LINE + text((nowMs - this.phaseStartedMs) / 1000).slice(0, columns));
  }

  clear(): void {
    if (this.drawn) this.stream?.write(ERASE_LINE);
    this.drawn = false;
  }
}

/** `verify   34 % [#######.............] 12.3 of 36.1 MB, 412,000 events, 4 s left` */
export function progressText(what: string, progress: ReadProgress, elapsedSeconds: number): string {
  const { bytesRead, totalBytes, events } = progress;
  const read = megabytes(bytesRead);
  if (totalBytes === undefined || totalBytes === 0) return `${what}  ${read} MB, ${countText(events)} events`;
  const done = Math.min(1, bytesRead / totalBytes);
  const percent = `${Math.floor(done * 100)}`.padStart(3);
  const filled = Math.floor(done * BAR_COLUMNS);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}]`;
  const left =
    done === 0 || elapsedSeconds === 0 ? '' : `, ${secondsText(Math.max(1, Math.round((elapsedSeconds * (1 - done)) / done)))} left`;
  return `${what}  ${percent} % ${bar} ${read} of ${megabytes(totalBytes)} MB, ${countText(events)} events${left}`;
}

function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(1);
}
