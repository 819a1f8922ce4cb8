import type { CostConstantName } from '../cost/cost-constant.ts';
import type { CostProfile } from '../cost/cost-profile.ts';

/** One published figure beside what the model makes of it. */
export interface ValidationRow {
  readonly label: string;
  readonly unit: string;
  readonly published: number;
  readonly computed: number;
  /** Computed with all constants at the ends of their ranges, where that is known. */
  readonly range?: { readonly low: number; readonly high: number };
  /** Largest relative error that is allowed; absent where a figure is shown and nothing is promised. */
  readonly requiredWithin?: number;
}

/** Something that the computation was given. */
export interface ValidationInput {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  /** Ids of the publications that it rests on. */
  readonly restsOn: readonly string[];
}

/** A published result that the model is held against. */
export interface ValidationCheck {
  /** Lower case, with dashes. */
  readonly id: string;
  readonly statement: string;
  /** Id of the publication (K6, P1), what it is, and its hardware. */
  readonly sourceId: string;
  readonly source: string;
  readonly inputs: readonly ValidationInput[];
  /**
   * Where an input rests on the same publication, though on another figure of it: which one. A check without this rests
   * on nothing that its own source says.
   */
  readonly otherFigureOfSource?: string;
  readonly rows: readonly ValidationRow[];
  /** Assumptions, and the reasons for large errors. */
  readonly remarks: readonly string[];
}

/** Relative error: 0.1 is ten percent too much. */
export function errorOf({ published, computed }: ValidationRow): number {
  return computed / published - 1;
}

/** Whether every row with a bound keeps it; undefined when none has one. */
export function isMet({ rows }: ValidationCheck): boolean | undefined {
  const bounded = rows.filter(({ requiredWithin }) => requiredWithin !== undefined);
  return bounded.length === 0 ? undefined : bounded.every((row) => Math.abs(errorOf(row)) <= row.requiredWithin!);
}

/** Constants of a profile as inputs. */
export function constantInputs(profile: CostProfile, names: readonly CostConstantName[]): ValidationInput[] {
  return names.map((name) => {
    const constant = profile.constants[name];
    if (constant.value === null) return { name, value: 'none', source: constant.reason, restsOn: [] };
    const { low, value, high, unit, grade, restsOn } = constant;
    return { name, value: `${value} (${low}-${high}) ${unit}`, source: `${profile.name}, ${grade}`, restsOn };
  });
}
