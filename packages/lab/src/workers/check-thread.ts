/** A thread that checks policies as long as there are any that no other thread has. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ProtectionPolicy } from 'dmalab-core';
import { type CheckProgress, PolicyChecker, policyFactsOf } from '../check/check.ts';
import type { PolicyCheck } from '../check/check-result.ts';
import { type CounterexampleTrace, counterexampleTrace } from '../check/counterexample-trace.ts';
import { policyRefusal } from '../user-policy/policy-refusal.ts';
import { isUserPolicy } from '../user-policy/user-policy.ts';
import { PolicyQueue } from './policy-queue.ts';
import { SharedWatch } from './shared-watch.ts';
import { partsOf, troubleOf } from './thread-errors.ts';
import { threadPolicies } from './thread-policies.ts';
import type { CheckMessage, CheckTask } from './worker-messages.ts';

const PROGRESS_MS = 100;

const task = workerData as CheckTask;
const watch = new SharedWatch(task.watch, task.thread);
const queue = new PolicyQueue(task.queue);
try {
  const policies = await threadPolicies(task.policies, watch);
  post({ kind: 'policies', policies: policies.map(policyFactsOf) });
  while (!queue.isStopped) {
    const index = queue.next();
    if (index >= policies.length) break;
    post({ kind: 'begun', index });
    checkOne(policies[index], index);
  }
} catch (error) {
  post(troubleOf(error));
}

function checkOne(policy: ProtectionPolicy, index: number): void {
  let machine = '';
  try {
    const check = checked(policy, index, (progress) => {
      machine = progress.searches.at(-1)!.machine;
    });
    const traces = task.traces ? watched(policy, () => tracesOf(policy, check)) : [];
    post({ kind: 'checked', index, check, traces });
  } catch (error) {
    if (!isUserPolicy(policy)) throw error;
    post({ kind: 'unchecked', index, parts: partsOf(policyRefusal(error, policy, `on the machine ${machine}`)) });
  }
}

function checked(policy: ProtectionPolicy, index: number, onProgress: (progress: CheckProgress) => void): PolicyCheck {
  const checker = new PolicyChecker(policy, task.options);
  const search = checker.run();
  let postedMs = 0;
  let searches = 0;
  let step = watched(policy, () => search.next());
  while (step.done !== true) {
    const progress = step.value;
    onProgress(progress);
    const nowMs = performance.now();
    if (progress.searches.length > searches || nowMs - postedMs >= PROGRESS_MS) {
      post({ kind: 'progress', index, progress });
      postedMs = nowMs;
      searches = progress.searches.length;
    }
    if (queue.isStopped) checker.interrupt();
    step = watched(policy, () => search.next());
  }
  return step.value;
}

/** Does some of a search. A file's code is asked many times in it, and the watch looks at all of it. */
function watched<T>(policy: ProtectionPolicy, work: () => T): T {
  if (!isUserPolicy(policy)) return work();
  watch.enter();
  try {
    return work();
  } finally {
    watch.leave();
  }
}

function tracesOf(policy: ProtectionPolicy, { cells }: PolicyCheck): CounterexampleTrace[] {
  return cells.flatMap(({ counterexample }) => (counterexample === undefined ? [] : [counterexampleTrace(counterexample, policy)]));
}

function post(message: CheckMessage): void {
  parentPort!.postMessage(message);
}
