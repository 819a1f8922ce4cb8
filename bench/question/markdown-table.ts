import { significantText } from 'dmalab';
import { AS_RECORDED, type CompareRow, type CostFigure, givenUp, type PairedDifference } from 'dmalab-lab';

const NS_PER_US = 1000;
const NS_PER_MS = 1e6;

/** A table of Markdown. Columns of numbers stand on the right; the first column is a name. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[], ofWords = false): string {
  const lines = [titles, titles.map((_, column) => (column === 0 || ofWords ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** `policy`, with a mark when it gives a property up. */
export function policyText(row: CompareRow): string {
  const marked = row.policy === AS_RECORDED || givenUp(row).length === 0;
  return marked ? `\`${row.policy}\`` : `\`${row.policy}\` *`;
}

/** Microseconds with three digits: the stated value and the range. */
export function costText({ value, low, high }: CostFigure): string {
  if (value === null || low === null || high === null) return '?';
  return `${usText(value)} (${usText(low)}-${usText(high)})`;
}

export function usText(ns: number): string {
  return significantText(ns / NS_PER_US);
}

export function msText(ns: number): string {
  return `${significantText(ns / NS_PER_MS)} ms`;
}

/** Factor, or the sign for a difference that constants decide: `x0.953`, `=`, `~`. */
export function relationText({ relation, factor, missing }: PairedDifference): string {
  if (missing.length > 0) return '?';
  if (relation === 'equal within 1 %') return '=';
  return relation === 'undecided' || factor === null ? '~' : `x${significantText(factor)}`;
}

/** The same with the range of the difference per pair, and what decides it. */
export function pairedText(difference: PairedDifference, pairs: number): string {
  const { low, high, relation, dominant } = difference;
  const relationOnly = relationText(difference);
  if (low === null || high === null || relation === 'equal within 1 %') return relationOnly;
  const range = `${signedUs(low / pairs)} to ${signedUs(high / pairs)}`;
  return relation === 'undecided' ? `~ ${range}, \`${dominant}\`` : `${relationOnly} ${range}`;
}

function signedUs(ns: number): string {
  return ns > 0 ? `+${usText(ns)}` : usText(ns);
}
