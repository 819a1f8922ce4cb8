/** A thread that replays its share of a comparison's rows. */
import { parentPort, workerData } from 'node:worker_threads';
import { Comparison } from '../compare/compare.ts';
import { shareRows } from '../compare/row-share.ts';
import { openRecording } from '../replay/open-recording.ts';
import { type RecordingProgress, reachedOf } from '../replay/recording.ts';
import { BatchLimit } from './batch-limit.ts';
import { collectGarbage } from './collect-garbage.ts';
import { SharedTurn } from './shared-turn.ts';
import { SharedWatch } from './shared-watch.ts';
import { troubleOf } from './thread-errors.ts';
import { threadPolicies } from './thread-policies.ts';
import type { CompareMessage, CompareTask } from './worker-messages.ts';

/** Small enough that all threads can stop at once, see BatchLimit. */
const BATCH_ROWS = 2048;
const PROGRESS_MS = 100;

const task = workerData as CompareTask;
try {
  await compareShare();
} catch (error) {
  post(troubleOf(error));
}

async function compareShare(): Promise<void> {
  const { path, machine, devices, pool, profile, saturate, series, thread } = task;
  const policies = await threadPolicies(task.policies, new SharedWatch(task.watch, thread));
  const show = progressPoster();
  let batches = 0;
  const recording = await openRecording(path, { machine, batchRows: BATCH_ROWS, onProgress: show });
  const choices = { devices, policies, pool, profile, saturate, series };
  const comparison = new Comparison(recording, choices, (chosen) => shareRows(chosen, task.threads)[thread]);
  const limit = new BatchLimit(task.limit);
  post({ kind: 'progress', progress: reachedOf(recording) });
  for await (const batch of recording.batches()) {
    if (!limit.mayBegin(batches)) break;
    comparison.comparer.push(batch);
    batches += 1;
    limit.reach(thread, batches);
  }
  limit.end(thread);
  if (saturate !== undefined) {
    // Machines of 64 CPUs are large; two at a time would not fit into the memory that a comparison may take.
    const turn = new SharedTurn(task.turn);
    turn.take();
    if (!limit.isFrozen) {
      for (const progress of comparison.saturate()) {
        if (limit.isFrozen) break;
        post({ kind: 'saturating', progress });
        collectGarbage();
      }
    }
    turn.give();
  }
  post({ kind: 'result', result: comparison.finish(), policies: policies.map(({ name }) => name), reached: reachedOf(recording) });
}

function progressPoster(): (progress: RecordingProgress) => void {
  let postedMs = 0;
  return (progress) => {
    const nowMs = performance.now();
    if (nowMs - postedMs < PROGRESS_MS) return;
    postedMs = nowMs;
    post({ kind: 'progress', progress });
  };
}

function post(message: CompareMessage): void {
  parentPort!.postMessage(message);
}
