import type { KernelRules, PropertyName } from 'dmalab-core';
import type { Counterexample } from './counterexample.ts';
import type { SearchFigures } from './explorer.ts';

/** Holds within the bound; refuted; not decided because a search was stopped; does not apply. */
export type Verdict = 'holds' | 'refuted' | 'not-decided' | 'does-not-apply';

/** One property under one policy. */
export interface Cell {
  readonly property: PropertyName;
  readonly verdict: Verdict;
  readonly promised: boolean;
  /** Of a refuted one: fewest steps that break it, on the machine where they are fewest. */
  readonly counterexample?: Counterexample;
}

/** One search: one policy on one machine. */
export interface SearchReport extends SearchFigures {
  readonly machine: string;
  /** What happened in some state, besides maps and unmaps: kinds of flushes, mappings that failed. */
  readonly seen: readonly string[];
}

export interface PolicyCheck {
  readonly policy: string;
  readonly cells: readonly Cell[];
  /** One per machine, fewer when they were interrupted. */
  readonly searches: readonly SearchReport[];
}

/** What `check` returns. */
export interface CheckResult {
  readonly kernel: KernelRules;
  readonly bound: { readonly name: string; readonly depth: number | null; readonly states: number; readonly bytes: number };
  readonly machines: readonly {
    readonly name: string;
    readonly summary: string;
    readonly cpus: number;
    readonly devices: number;
    readonly slots: number;
    readonly buffers: number;
  }[];
  readonly properties: readonly { readonly name: PropertyName; readonly title: string; readonly statement: string }[];
  readonly policies: readonly PolicyCheck[];
}
