import { bytesText } from 'dmalab';
import { type BreakevenComparison, breakeven, type SizeLimits } from 'dmalab-lab';
import { profileNames, readProfile } from 'dmalab-lab/node';
import { markdownTable } from './markdown-table.ts';

/** Sizes of unaligned buffers at which the cheaper of two policies changes, a line per profile and pair. */
export async function breakevenTable(): Promise<string> {
  const rows: string[][] = [];
  for (const name of profileNames()) {
    const { comparisons, summary } = await breakeven(readProfile(name));
    for (const comparison of [...comparisons, ...summary]) {
      if (comparison !== comparisons[0] && comparison.first === comparisons[0]!.first) continue;
      rows.push([`\`${name}\``, `\`${comparison.first}\`, \`${comparison.second}\``, ...limitCells(comparison)]);
    }
  }
  const titles = ['Profile', 'Pair', 'cheaper up to', 'cheaper from', 'crossing: stated', 'copies hot', 'copies cold'];
  return markdownTable(titles, rows, true);
}

function limitCells(comparison: BreakevenComparison): string[] {
  const { limits, byCacheState } = comparison;
  const [hot, cold] = (['hot', 'cold'] as const).map((state) => byCacheState.find((one) => one.state === state)?.limits);
  if (limits === null) return ['?', '?', '?', '?', '?'];
  const { below, above, to, atFrom, atTo } = limits;
  if (below === to) return [`${winner(comparison, atFrom)} everywhere`, '-', '-', '-', '-'];
  return [
    below === null ? '~' : `${winner(comparison, atFrom)} ${bytesText(below)}`,
    above === null ? '~' : `${winner(comparison, atTo)} ${bytesText(above)}`,
    crossingText(limits),
    crossingText(hot),
    crossingText(cold),
  ];
}

function winner({ first, second }: BreakevenComparison, cheaper: SizeLimits['atFrom']): string {
  if (cheaper === 'equal') return 'equal';
  return `\`${cheaper === 'first' ? first : second}\``;
}

function crossingText(limits: SizeLimits | null | undefined): string {
  if (limits === undefined) return '-';
  if (limits === null) return '?';
  if (limits.crossing === null) return 'none';
  const [first, last] = [bytesText(limits.crossing.first), bytesText(limits.crossing.last)];
  return first === last ? first : `${first} to ${last}`;
}
