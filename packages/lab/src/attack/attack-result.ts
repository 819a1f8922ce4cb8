/** Result of `dmalab attack`: plain data, the same for text and JSON. */
import type { KernelRules } from 'dmalab-core';
import type { Gain } from './gain.ts';
import type { StoryStep } from './story.ts';

/** How an attack, or one case of it, went under a policy. */
export type AttackVerdict = 'stopped' | 'not stopped' | 'partly' | 'does not apply';

/** One case under one policy. */
export interface CaseOutcome {
  readonly name: string;
  /** Never `partly`. */
  readonly verdict: AttackVerdict;
  /** Bytes of others that the device read, each counted once. */
  readonly bytesRead: number;
  /** Bytes of others that changed, each counted once. */
  readonly bytesChanged: number;
  /** What stopped it, or what let it through. */
  readonly why: string;
  /** In the order in which they were made. */
  readonly gains: readonly Gain[];
  /** Latest simulated time after an unmap at which the device still got through; 0 when it never did, ns. */
  readonly reachedAfterUnmapNs: number;
  /** Kept when one attack was asked for, else none. */
  readonly steps: readonly StoryStep[];
}

/** One attack under one policy. */
export interface AttackOutcome {
  readonly policy: string;
  readonly verdict: AttackVerdict;
  /** What the literature says of the policy's counterpart, null without one. */
  readonly literature: AttackVerdict | null;
  /** Why the verdict under the rules of 6.12 is another one, null when it is the same. */
  readonly difference: string | null;
  /** Sums over the cases. */
  readonly bytesRead: number;
  readonly bytesChanged: number;
  readonly cases: readonly CaseOutcome[];
}

/** One attack under all policies asked for. */
export interface AttackRow {
  readonly id: string;
  readonly name: string;
  readonly statement: string;
  readonly needs: string;
  readonly hole: string;
  readonly source: string;
  readonly outcomes: readonly AttackOutcome[];
}

/** A known attack that no script plays. */
export interface AttackNotModelledRow {
  readonly id: string;
  readonly name: string;
  readonly statement: string;
  readonly reason: string;
}

/** All attacks asked for. */
export interface AttackResult {
  readonly format: 'dmalab-attack';
  readonly version: 1;
  readonly kernelRules: KernelRules;
  readonly seed: number;
  readonly policies: readonly string[];
  readonly attacks: readonly AttackRow[];
  readonly notModelled: readonly AttackNotModelledRow[];
}
