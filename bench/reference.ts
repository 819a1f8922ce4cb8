import { readFileSync } from 'node:fs';

/** The figure that a row is held against, and our limits for the row, all in the row's unit. */
export interface Reference {
  readonly bench: string;
  /** Key of `referenceSources`. */
  readonly source: string;
  readonly median: number;
  readonly min?: number;
  readonly max?: number;
  /** Highest allowed for ns/op, lowest allowed for events/s. */
  readonly must?: number;
  readonly wanted?: number;
}

const file: { sources: Record<string, string>; rows: Reference[] } = JSON.parse(
  readFileSync(new URL('./reference.json', import.meta.url), 'utf8'),
);

/** Where each source's figures come from. */
export const referenceSources: Readonly<Record<string, string>> = file.sources;

/** By name of the row. */
export const references: ReadonlyMap<string, Reference> = new Map(file.rows.map((row) => [row.bench, row]));
