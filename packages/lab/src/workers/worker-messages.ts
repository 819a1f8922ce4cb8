import type { LabErrorParts } from 'dmalab-core';
import type { CheckOptions, CheckProgress, PolicyFacts } from '../check/check.ts';
import type { PolicyCheck } from '../check/check-result.ts';
import type { CounterexampleTrace } from '../check/counterexample-trace.ts';
import type { CompareResult } from '../compare/compare-result.ts';
import type { SaturateLoad, SaturateProgress } from '../compare/saturate-load.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { RecordingProgress } from '../replay/recording.ts';
import type { TroubleMessage } from './thread-errors.ts';

/** What a thread of a comparison is told at its start. */
export interface CompareTask {
  readonly path: string;
  readonly machine: string | undefined;
  /** Names and files. */
  readonly policies: readonly string[] | undefined;
  readonly devices: string | undefined;
  readonly pool: string | undefined;
  readonly profile: CostProfile | undefined;
  readonly saturate: SaturateLoad | undefined;
  readonly series: boolean | undefined;
  /** Which of how many threads. */
  readonly thread: number;
  readonly threads: number;
  readonly limit: Int32Array<SharedArrayBuffer>;
  readonly turn: Int32Array<SharedArrayBuffer>;
  readonly watch: Int32Array<SharedArrayBuffer>;
}

/** What it says. */
export type CompareMessage =
  | { readonly kind: 'progress'; readonly progress: RecordingProgress }
  /** The saturate load of its rows. */
  | { readonly kind: 'saturating'; readonly progress: SaturateProgress }
  | { readonly kind: 'result'; readonly result: CompareResult; readonly policies: readonly string[]; readonly reached: RecordingProgress }
  | TroubleMessage;

/** What a thread of a check is told at its start. */
export interface CheckTask {
  /** Names and files. */
  readonly policies: readonly string[] | undefined;
  readonly options: Omit<CheckOptions, 'policies'>;
  /** Whether counterexamples are wanted as traces too. */
  readonly traces: boolean;
  readonly thread: number;
  readonly queue: Int32Array<SharedArrayBuffer>;
  readonly watch: Int32Array<SharedArrayBuffer>;
}

/** What it says; `index` is that of a policy. */
export type CheckMessage =
  | { readonly kind: 'policies'; readonly policies: readonly PolicyFacts[] }
  | { readonly kind: 'begun'; readonly index: number }
  | { readonly kind: 'progress'; readonly index: number; readonly progress: CheckProgress }
  | { readonly kind: 'checked'; readonly index: number; readonly check: PolicyCheck; readonly traces: readonly CounterexampleTrace[] }
  /** The policy's own code or steps cannot be checked. */
  | { readonly kind: 'unchecked'; readonly index: number; readonly parts: LabErrorParts }
  | TroubleMessage;
