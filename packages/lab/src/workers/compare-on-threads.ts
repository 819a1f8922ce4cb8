/** Compares policies with the rows shared out over threads, each of which reads the trace by itself. */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { priceComparison } from '../compare/compare.ts';
import type { CompareResult } from '../compare/compare-result.ts';
import { joinShares } from '../compare/row-share.ts';
import type { SaturateLoad, SaturateProgress } from '../compare/saturate-load.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { RecordingProgress } from '../replay/recording.ts';
import { isPolicyFile } from '../user-policy/load-policy-file.ts';
import { BatchLimit } from './batch-limit.ts';
import { CodeWatcher } from './code-watcher.ts';
import { SharedTurn } from './shared-turn.ts';
import { startThread } from './start-thread.ts';
import { errorOf, neverEnds, threadEnded } from './thread-errors.ts';
import type { CompareMessage, CompareTask } from './worker-messages.ts';

/** A smaller trace is read before two threads have started. */
const THREADS_FROM_BYTES = 10e6;
/** Text traces shrink to a tenth and less. */
const THREADS_FROM_GZIP_BYTES = 1e6;

export interface CompareOnThreadsOptions {
  readonly machine?: string | undefined;
  /** Names of policies and policy files, in the order of the rows; default all that come with dmalab. */
  readonly policies?: readonly string[] | undefined;
  readonly devices?: string | undefined;
  readonly pool?: string | undefined;
  readonly profile?: CostProfile | undefined;
  /** Also run the calls on many CPUs at once; needs a profile. */
  readonly saturate?: SaturateLoad | undefined;
  /** Follow exposure and bounce slots over time as well; needs a profile. Default false. */
  readonly series?: boolean | undefined;
  /** Threads, at least 1 and at most one per row; default one for each processor. */
  readonly threads?: number | undefined;
  readonly onProgress?: ((progress: RecordingProgress) => void) | undefined;
  readonly onSaturate?: ((progress: SaturateProgress) => void) | undefined;
  /** Aborted: the result is of what was reached by then. */
  readonly signal?: AbortSignal | undefined;
}

/** What was compared, and how far. */
export interface Compared {
  readonly result: CompareResult;
  readonly reached: RecordingProgress;
}

/**
 * Threads that a comparison is worth: 0 to do it in this one. A file of the user's own always gets a thread, since its
 * code can do anything.
 */
export function threadsFor(path: string, policies: readonly string[] | undefined): number {
  const hasFile = policies?.some(isPolicyFile) ?? false;
  const least = hasFile ? 1 : 0;
  if (path === '-') return least;
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const isLong = bytes >= (path.endsWith('.gz') ? THREADS_FROM_GZIP_BYTES : THREADS_FROM_BYTES);
  return isLong ? Math.max(least, availableParallelism()) : least;
}

/**
 * Compares policies on a trace. Rows, figures and their order are those of `compareRecording`.
 *
 * @returns undefined when the signal came before anything was replayed
 * @throws LabError CMP001 to CMP006, POL001 to POL012, and those of `openRecording`; a bug in dmalab as another error
 */
export async function compareOnThreads(path: string, options: CompareOnThreadsOptions = {}): Promise<Compared | undefined> {
  return await new ThreadedComparison(path, options).outcome;
}

class ThreadedComparison {
  readonly outcome: Promise<Compared | undefined>;
  private readonly options: CompareOnThreadsOptions;
  private readonly workers: Worker[] = [];
  private readonly limit: BatchLimit;
  private readonly threads: number;
  private readonly watcher: CodeWatcher;
  /** By thread: what it said last of its progress, and in the end. */
  private readonly progress: (RecordingProgress | undefined)[] = [];
  private readonly saturating: SaturateProgress[] = [];
  private readonly results: Extract<CompareMessage, { kind: 'result' }>[] = [];
  private readonly stop = (): void => this.interrupt();
  private settle!: (outcome: Compared | undefined) => void;
  private fail!: (error: unknown) => void;

  constructor(path: string, options: CompareOnThreadsOptions) {
    const { machine, policies, devices, pool, profile, saturate, series, signal } = options;
    this.options = options;
    const rows = policies === undefined ? Number.POSITIVE_INFINITY : new Set(policies).size + 1;
    // Standard input has one reader.
    const threads = path === '-' ? 1 : Math.max(1, Math.min(options.threads ?? availableParallelism(), rows));
    const limit = BatchLimit.cellsFor(threads);
    const turn = SharedTurn.newCell();
    this.limit = new BatchLimit(limit);
    this.threads = threads;
    this.watcher = new CodeWatcher(threads, () => this.fail(neverEnds(policies)));
    const watch = this.watcher.cells;
    this.outcome = new Promise((resolve, reject) => {
      this.settle = (outcome) => this.end(() => resolve(outcome));
      this.fail = (error) => this.end(() => reject(error));
    });
    signal?.addEventListener('abort', this.stop);
    for (let thread = 0; thread < threads; thread++)
      this.start({ path, machine, policies, devices, pool, profile, saturate, series, thread, threads, limit, turn, watch });
    if (signal?.aborted === true) this.stop();
  }

  private start(task: CompareTask): void {
    const { thread } = task;
    const worker = startThread('compare-thread', task, { stdin: task.path === '-' });
    this.workers.push(worker);
    if (worker.stdin !== null) process.stdin.pipe(worker.stdin);
    worker.on('message', (message: CompareMessage) => this.take(thread, message));
    worker.on('error', (error) => this.fail(threadEnded(this.options.policies, error instanceof Error ? error.message : String(error))));
    worker.on('exit', () => {
      if (this.results[thread] === undefined) this.fail(threadEnded(this.options.policies, 'the end of a thread without a result'));
    });
  }

  private take(thread: number, message: CompareMessage): void {
    switch (message.kind) {
      case 'progress':
        this.progress[thread] = message.progress;
        this.showProgress();
        return;
      case 'saturating':
        this.saturating[thread] = message.progress;
        this.showSaturating();
        return;
      case 'result':
        this.results[thread] = message;
        if (this.results.filter((result) => result !== undefined).length === this.threads) this.settle(this.joined());
        return;
      default:
        this.fail(errorOf(message));
    }
  }

  private joined(): Compared {
    const [first] = this.results;
    const result = joinShares(
      this.results.map((share) => share.result),
      first.policies,
    );
    return { result: priceComparison(result, this.options.profile), reached: first.reached };
  }

  /** All threads are as far as the slowest. */
  private showProgress(): void {
    const { progress } = this;
    const { onProgress } = this.options;
    if (onProgress === undefined) return;
    let slowest = progress[0];
    for (let thread = 0; thread < this.threads; thread++) {
      const own = progress[thread];
      if (own === undefined || slowest === undefined) return;
      if (own.pass !== slowest.pass ? own.pass === 'facts' : own.bytesRead < slowest.bytesRead) slowest = own;
    }
    onProgress(slowest!);
  }

  private showSaturating(): void {
    const seen = this.saturating.filter((progress) => progress !== undefined);
    const sum = (of: (progress: SaturateProgress) => number): number => seen.reduce((all, progress) => all + of(progress), 0);
    this.options.onSaturate?.({ done: sum(({ done }) => done), total: sum(({ total }) => total) });
  }

  private interrupt(): void {
    const allBegun = Array.from({ length: this.threads }, (_, thread) => this.progress[thread]?.pass).every((pass) => pass === 'events');
    if (allBegun) this.limit.freeze();
    else this.settle(undefined);
  }

  private ended = false;

  private end(tell: () => void): void {
    if (this.ended) return;
    this.ended = true;
    this.watcher.end();
    this.options.signal?.removeEventListener('abort', this.stop);
    process.stdin.unpipe();
    void Promise.all(this.workers.map((worker) => worker.terminate())).then(tell);
  }
}
