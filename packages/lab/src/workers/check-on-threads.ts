/** Checks policies on threads, each of which takes the next policy that nobody has. */
import { availableParallelism, freemem } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { LabError, type LabErrorParts } from 'dmalab-core';
import { type CheckOptions, type CheckProgress, checkResultOf, type PolicyFacts, undecidedPolicy } from '../check/check.ts';
import type { CheckResult, PolicyCheck, SearchReport } from '../check/check-result.ts';
import type { CounterexampleTrace } from '../check/counterexample-trace.ts';
import { CodeWatcher } from './code-watcher.ts';
import { PolicyQueue } from './policy-queue.ts';
import { startThread } from './start-thread.ts';
import { errorOf, neverEnds, partsOf, threadEnded } from './thread-errors.ts';
import type { CheckMessage, CheckTask } from './worker-messages.ts';

export interface CheckOnThreadsOptions extends Omit<CheckOptions, 'policies'> {
  /** Names of policies and policy files, in the order of the rows; default all that come with dmalab. */
  readonly policies?: readonly string[] | undefined;
  /** Threads, at least 1 and at most one per policy; default one for each processor. */
  readonly threads?: number | undefined;
  /** Whether counterexamples are wanted as traces too. */
  readonly traces?: boolean | undefined;
  readonly onProgress?: ((progress: ThreadedCheckProgress) => void) | undefined;
  /** Aborted: the result is of what was reached by then. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a check has come. */
export interface ThreadedCheckProgress {
  /** States visited by all threads. */
  readonly states: number;
  /** Policies done, and in all. */
  readonly done: number;
  readonly policies: number;
  /** Policies at work. */
  readonly atWork: readonly CheckProgress[];
}

/** What was checked, and how far. */
export interface Checked {
  readonly result: CheckResult;
  /** Of the counterexamples in the result, in their order. */
  readonly traces: readonly CounterexampleTrace[];
  /** What is wrong with a policy of the user's own, whose cells are not decided then. */
  readonly refusals: readonly LabError[];
}

/**
 * Checks policies. The result is that of `check`, whatever the number of threads.
 *
 * @returns undefined when the signal came before any search began
 * @throws LabError CMP001, CMP006, and POL001 to POL008, POL011, POL012 of a file that cannot be loaded; a bug in dmalab as another error
 */
export async function checkOnThreads(options: CheckOnThreadsOptions): Promise<Checked | undefined> {
  return await new ThreadedCheck(options).outcome;
}

class ThreadedCheck {
  readonly outcome: Promise<Checked | undefined>;
  private readonly options: CheckOnThreadsOptions;
  private readonly task: Omit<CheckTask, 'thread'>;
  private readonly queue: PolicyQueue;
  private readonly watcher: CodeWatcher;
  /** By thread; undefined when it has come to its end. */
  private readonly workers: (Worker | undefined)[] = [];
  /** By thread: the policy at work, -1 for none. */
  private readonly atWork: number[] = [];
  private policies: readonly PolicyFacts[] | undefined;
  /** By policy. */
  private readonly progress: CheckProgress[] = [];
  private readonly checks: PolicyCheck[] = [];
  private readonly traces: (readonly CounterexampleTrace[])[] = [];
  private readonly refusals: LabErrorParts[] = [];
  private readonly stop = (): void => this.queue.stop();
  private settle!: (outcome: Checked | undefined) => void;
  private fail!: (error: unknown) => void;
  private ended = false;

  constructor(options: CheckOnThreadsOptions) {
    const { policies, signal, kernel, properties, bound, reductions } = options;
    this.options = options;
    const rows = policies === undefined ? Number.POSITIVE_INFINITY : new Set(policies).size;
    const threads = Math.max(1, Math.min(options.threads ?? availableParallelism(), rows));
    const cells = PolicyQueue.newCells();
    this.queue = new PolicyQueue(cells);
    this.watcher = new CodeWatcher(threads, (thread) => this.lose(thread, neverEnds(policies)));
    // A search that the machine has no memory for is stopped too, before the system ends the process.
    const bytes = Math.min(bound.bytes, Math.floor(freemem() / 2 / threads));
    this.task = {
      policies,
      options: { kernel, properties, bound: { ...bound, bytes }, ...(reductions === undefined ? {} : { reductions }) },
      traces: options.traces === true,
      queue: cells,
      watch: this.watcher.cells,
    };
    this.outcome = new Promise((resolve, reject) => {
      this.settle = (outcome) => this.end(() => resolve(outcome));
      this.fail = (error) => this.end(() => reject(error));
    });
    signal?.addEventListener('abort', this.stop);
    if (signal?.aborted === true) this.stop();
    for (let thread = 0; thread < threads; thread++) this.start(thread);
  }

  private start(thread: number): void {
    const worker = startThread('check-thread', { ...this.task, thread } satisfies CheckTask);
    this.workers[thread] = worker;
    this.atWork[thread] = -1;
    const isCurrent = (): boolean => this.workers[thread] === worker;
    worker.on('message', (message: CheckMessage) => {
      if (isCurrent()) this.take(thread, message);
    });
    worker.on('error', (error) => {
      if (isCurrent()) this.lose(thread, threadEnded(this.options.policies, error instanceof Error ? error.message : String(error)));
    });
    worker.on('exit', () => {
      if (isCurrent()) this.exited(thread);
    });
  }

  private take(thread: number, message: CheckMessage): void {
    switch (message.kind) {
      case 'policies':
        this.policies ??= message.policies;
        return;
      case 'begun':
        this.atWork[thread] = message.index;
        return;
      case 'progress':
        this.progress[message.index] = message.progress;
        this.showProgress();
        return;
      case 'checked':
        this.checks[message.index] = message.check;
        this.traces[message.index] = message.traces;
        this.atWork[thread] = -1;
        return;
      case 'unchecked':
        this.giveUp(message.index, message.parts);
        this.atWork[thread] = -1;
        return;
      default:
        this.fail(errorOf(message));
    }
  }

  private exited(thread: number): void {
    if (this.atWork[thread] >= 0 || this.policies === undefined) {
      this.lose(thread, threadEnded(this.options.policies, 'the end of a thread without a result'));
      return;
    }
    this.workers[thread] = undefined;
    if (this.workers.every((worker) => worker === undefined)) this.settle(this.joined());
  }

  /** A thread is gone, or has to go. What it worked on is given up if that may be its fault, and another thread takes its place. */
  private lose(thread: number, error: LabError): void {
    const index = this.atWork[thread];
    const worker = this.workers[thread];
    if (index < 0 || !error.code.startsWith('POL')) {
      this.fail(error);
      return;
    }
    this.giveUp(index, partsOf(error));
    this.workers[thread] = undefined;
    void worker?.terminate().then(() => {
      if (this.ended) return;
      this.watcher.replaced(thread);
      this.start(thread);
    });
  }

  /** What was explored so far is shown, and decides nothing. */
  private giveUp(index: number, parts: LabErrorParts): void {
    this.refusals[index] = parts;
    const searches = [...(this.progress[index]?.searches ?? [])];
    const last = searches.pop();
    if (last !== undefined) searches.push({ ...last, stopped: 'policy' });
    this.checks[index] = undecidedPolicy(this.policies![index], this.options.properties, searches);
  }

  private joined(): Checked | undefined {
    const policies = this.policies!;
    if (this.checks.length === 0) return undefined;
    const checks = policies.map((facts, index) => this.checks[index] ?? undecidedPolicy(facts, this.options.properties, []));
    return {
      result: checkResultOf(this.options, checks),
      traces: this.traces.flat(),
      refusals: this.refusals.filter((parts) => parts !== undefined).map((parts) => new LabError(parts)),
    };
  }

  private showProgress(): void {
    const { onProgress } = this.options;
    if (onProgress === undefined || this.policies === undefined) return;
    const done = this.checks.filter((check) => check !== undefined);
    const atWork = this.atWork.flatMap((index) => (index >= 0 && this.progress[index] !== undefined ? [this.progress[index]] : []));
    const states = [...done, ...atWork].reduce((sum, { searches }) => sum + statesOf(searches), 0);
    onProgress({ states, done: done.length, policies: this.policies.length, atWork });
  }

  private end(tell: () => void): void {
    if (this.ended) return;
    this.ended = true;
    this.watcher.end();
    this.options.signal?.removeEventListener('abort', this.stop);
    void Promise.all(this.workers.map((worker) => worker?.terminate())).then(tell);
  }
}

function statesOf(searches: readonly SearchReport[]): number {
  return searches.reduce((sum, { states }) => sum + states, 0);
}
