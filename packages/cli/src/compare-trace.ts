/** One comparison of a trace as the verbs start it: in this thread, or shared out over threads when the trace is long. */
import { setImmediate } from 'node:timers/promises';
import {
  Comparison,
  type CostProfile,
  chooseCpus,
  type CompareOptions as LabOptions,
  priceComparison,
  type RecordingProgress,
  reachedOf,
  type SaturateLoad,
  type SaturateProgress,
} from 'dmalab-lab';
import { type Compared, compareOnThreads, readProfile, threadsFor } from 'dmalab-lab/node';
import { Interrupted, type Interruption } from './interruption.ts';
import { openTraceWithProgress } from './open-trace.ts';
import type { ProgressBar } from './terminal/progress.ts';

/** Options of the command line that say what is compared. */
export interface ComparisonWords {
  readonly machine?: string | undefined;
  /** `all`, `untrusted`, or PCI addresses separated by commas. */
  readonly device?: string | undefined;
  /** Names of policies and policy files separated by commas. */
  readonly policy?: string | undefined;
  /** `SLOTS[,AREAS]` of the what-if rows. */
  readonly pool?: string | undefined;
  /** Name of a cost profile, or a file. */
  readonly profile?: string | undefined;
  /** Numbers of CPUs of the saturate load, separated by commas. */
  readonly cpus?: string | undefined;
}

/** What a verb wants besides what every comparison measures. */
export interface ComparisonExtras {
  /** The calls also run on many CPUs at once. */
  readonly saturated: boolean;
  /** Exposure and bounce slots over time. */
  readonly series: boolean;
}

const DEFAULT_PROFILE = 'vtd-bare';

/** @throws LabError PRF001 to PRF008 */
export function chosenProfile({ profile }: ComparisonWords): CostProfile {
  return readProfile(profile ?? DEFAULT_PROFILE);
}

/**
 * Compares policies on a trace; interrupted, the result is of what was reached.
 *
 * @param extras  what is measured besides
 * @throws Interrupted when nothing was reached; LabError CMP001 to CMP007, POL001 to POL012, those of reading the trace
 */
export async function compareTrace(
  trace: string,
  words: ComparisonWords,
  extras: ComparisonExtras,
  profile: CostProfile,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<Compared> {
  const saturate: SaturateLoad | undefined = extras.saturated
    ? { cpus: words.cpus === undefined ? undefined : chooseCpus(words.cpus) }
    : undefined;
  const choices = {
    devices: words.device,
    policies: words.policy?.split(',').map((name) => name.trim()),
    pool: words.pool,
    profile,
    saturate,
    series: extras.series,
  };
  const onSaturate = ({ done, total }: SaturateProgress): void => bar.showSteps('saturate', done, total);
  const threads = threadsFor(trace, choices.policies);
  if (threads === 0) return await compareHere(trace, words.machine, choices, onSaturate, bar, interruption);
  const onProgress = (progress: RecordingProgress): void => bar.show(progress.pass === 'facts' ? 'facts' : 'compare', progress);
  const { signal } = interruption;
  const compared = await compareOnThreads(trace, { ...choices, machine: words.machine, threads, onProgress, onSaturate, signal });
  if (compared === undefined) throw new Interrupted();
  return compared;
}

/** In this thread, for traces that are read in no time. */
async function compareHere(
  trace: string,
  machine: string | undefined,
  choices: LabOptions & { readonly profile: CostProfile },
  onSaturate: (progress: SaturateProgress) => void,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<Compared> {
  const recording = await openTraceWithProgress('compare', trace, machine, bar, interruption);
  const comparison = new Comparison(recording, choices);
  for await (const batch of interruption.until(recording.batches())) comparison.comparer.push(batch);
  if (!interruption.requested) {
    for (const progress of comparison.saturate()) {
      onSaturate(progress);
      // A signal is only noticed between turns of the event loop.
      await setImmediate();
      if (interruption.requested) break;
    }
  }
  return { result: priceComparison(comparison.finish(), choices.profile), reached: reachedOf(recording) };
}
