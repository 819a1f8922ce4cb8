import { type Reference, references } from './reference.ts';

export type BenchUnit = 'ns/op' | 'events/s' | 'states/s' | 'MB/s';

/** One measured row. */
export interface BenchRow {
  readonly name: string;
  readonly unit: BenchUnit;
  /** Smallest time or highest rate of the batches: the better guess at an undisturbed machine. */
  readonly best: number;
  readonly median: number;
  readonly batches: number;
  readonly reference: Reference | undefined;
  readonly note: string | undefined;
}

function lessIsBetter(unit: BenchUnit): boolean {
  return unit === 'ns/op';
}

/** A row of what the batches measured, in the row's unit. */
export function benchRow(name: string, unit: BenchUnit, figures: readonly number[], note?: string): BenchRow {
  const sorted = [...figures].sort((a, b) => a - b);
  const best = lessIsBetter(unit) ? sorted[0] : sorted[sorted.length - 1];
  return { name, unit, best, median: sorted[sorted.length >> 1], batches: figures.length, reference: references.get(name), note };
}

/** `wanted` when the median keeps the wanted limit, `must` when only the required one, `MISS` when neither; empty without limits. */
export function verdict(row: BenchRow): string {
  const { must, wanted } = row.reference ?? {};
  if (keeps(row, wanted)) return 'wanted';
  if (keeps(row, must)) return 'must';
  return must === undefined && wanted === undefined ? '' : 'MISS';
}

function keeps(row: BenchRow, limit: number | undefined): boolean {
  if (limit === undefined) return false;
  return lessIsBetter(row.unit) ? row.median <= limit : row.median >= limit;
}
