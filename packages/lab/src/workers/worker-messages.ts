import type { LabErrorParts } from 'dmalab-core';
import type { CompareResult } from '../compare/compare-result.ts';
import type { SaturateLoad, SaturateProgress } from '../compare/saturate-load.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { RecordingProgress } from '../replay/recording.ts';

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
  readonly watch: Int32Array<SharedArrayBuffer>;
}

/** What it says. */
export type CompareMessage =
  | { readonly kind: 'progress'; readonly progress: RecordingProgress }
  /** The saturate load of its rows. */
  | { readonly kind: 'saturating'; readonly progress: SaturateProgress }
  | { readonly kind: 'result'; readonly result: CompareResult; readonly policies: readonly string[]; readonly reached: RecordingProgress }
  | { readonly kind: 'refusal'; readonly parts: LabErrorParts }
  | { readonly kind: 'failure'; readonly message: string; readonly stack: string | undefined };
