import { type ObservationLog, Observed } from '../base/index.ts';

const names = new Map<number, string>(Object.entries(Observed).map(([name, kind]) => [kind, name]));

/** Kinds that say what was asked or how tables grew; left out of golden lists unless asked for. */
const LEFT_OUT = new Set<number>([Observed.CALL_BEGUN, Observed.CALL_ENDED, Observed.TABLE_ALLOCATED, Observed.TABLE_FREED]);

/** Values that are worth showing in full, by kind; all others in hexadecimal up to the last that is not 0. */
const SHOWN = new Map<number, number>([
  [Observed.SLOT_ALLOCATED, 3],
  [Observed.INVALIDATION_COMPLETED, 1],
  [Observed.DESCRIPTOR_SUBMITTED, 4],
]);

/** Every observation as `KIND a b c`, values in hexadecimal, for golden lists that a person can judge. */
export function observedRows(log: ObservationLog, leftOut: ReadonlySet<number> = LEFT_OUT): string[] {
  const rows: string[] = [];
  for (let row = 0; row < log.length; row++) {
    if (leftOut.has(log.kind[row])) continue;
    const values = [log.a[row], log.b[row], log.c[row], log.d[row], log.e[row], log.f[row]];
    let shown = SHOWN.get(log.kind[row]) ?? values.length;
    while (shown > 0 && values[shown - 1] === 0 && !SHOWN.has(log.kind[row])) shown -= 1;
    rows.push([names.get(log.kind[row]), ...values.slice(0, shown).map((value) => value.toString(16))].join(' '));
  }
  return rows;
}

/** The names of all observations, in order. */
export function observedKinds(log: ObservationLog): string[] {
  return observedRows(log, new Set()).map((row) => row.split(' ')[0]);
}

/** Rows of one kind as arrays of their first `count` values. */
export function observedOf(log: ObservationLog, kind: Observed, count: number): number[][] {
  const rows: number[][] = [];
  for (let row = 0; row < log.length; row++) {
    if (log.kind[row] === kind) rows.push([log.a[row], log.b[row], log.c[row], log.d[row], log.e[row], log.f[row]].slice(0, count));
  }
  return rows;
}
