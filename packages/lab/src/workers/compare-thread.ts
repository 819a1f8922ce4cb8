/** A thread that replays its share of a comparison's rows. */
import { parentPort, workerData } from 'node:worker_threads';
import { LabError, type ProtectionPolicy, policies as shipped } from 'dmalab-core';
import { Comparison } from '../compare/compare.ts';
import { choosePolicies } from '../compare/compare-options.ts';
import { shareRows } from '../compare/row-share.ts';
import { openRecording } from '../replay/open-recording.ts';
import { type RecordingProgress, reachedOf } from '../replay/recording.ts';
import { isPolicyFile, loadPolicyFile } from '../user-policy/load-policy-file.ts';
import { BatchLimit } from './batch-limit.ts';
import { SharedWatch } from './shared-watch.ts';
import type { CompareMessage, CompareTask } from './worker-messages.ts';

/** Small enough that all threads can stop at once, see BatchLimit. */
const BATCH_ROWS = 2048;
const PROGRESS_MS = 100;

const task = workerData as CompareTask;
try {
  await compareShare();
} catch (error) {
  if (error instanceof LabError) {
    const { code, message, file, line, expected, got, next } = error;
    post({ kind: 'refusal', parts: { code, message, file, line, expected, got, next } });
  } else {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    post({ kind: 'failure', message, stack });
  }
}

async function compareShare(): Promise<void> {
  const { path, machine, devices, pool, profile, saturate, series, thread } = task;
  const policies = await loadPolicies();
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
  if (!limit.isFrozen) {
    for (const progress of comparison.saturate()) {
      if (limit.isFrozen) break;
      post({ kind: 'saturating', progress });
    }
  }
  post({ kind: 'result', result: comparison.finish(), policies: policies.map(({ name }) => name), reached: reachedOf(recording) });
}

/** The policies of all rows: every thread has to know them, to share them out alike. */
async function loadPolicies(): Promise<readonly ProtectionPolicy[]> {
  const wanted: (string | ProtectionPolicy)[] = [];
  const taken: string[] = [];
  const watch = new SharedWatch(task.watch, task.thread);
  for (const word of task.policies ?? shipped.map(({ name }) => name)) {
    const policy = isPolicyFile(word) ? await loadPolicyFile(word, taken, watch) : word;
    if (typeof policy !== 'string') taken.push(policy.name);
    wanted.push(policy);
  }
  return choosePolicies(wanted);
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
