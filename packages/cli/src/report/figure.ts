/** Figures of a result object as cells of a table. */
import type { Figure, FigureBasis } from 'dmalab-lab';
import { atLeast, bytesText, countText, NOT_APPLICABLE, shareText, UNKNOWN } from '../terminal/format.ts';

/** Letter of a cell whose basis is not that of its column. */
const BASIS_LETTERS: Readonly<Record<FigureBasis, string>> = { recorded: 'R', replay: 'P', model: 'm', given: 'G', inferred: 'I' };
const BASIS_LETTER = /[\d%B]([RPmGI])$/;
/** What a ratio is a share of. */
const RATIO_WHOLE = 1;

/** The figure with its unit, without its basis. */
export function figureText(figure: Figure): string {
  const { value, unit } = figure;
  if (value === null) return NOT_APPLICABLE;
  if (!Number.isFinite(value)) return UNKNOWN;
  const text = unit === 'bytes' ? bytesText(value) : unit === 'ratio' ? shareText(value, RATIO_WHOLE) : countText(value);
  if (figure.uncertain === true) return `~${text}`;
  return figure.lowerBound === true ? atLeast(text) : text;
}

/** The basis that most figures of a column have; ties go to the later row, where the what-if policies are. */
export function columnBasis(figures: readonly Figure[]): FigureBasis | undefined {
  const counts = new Map<FigureBasis, number>();
  for (const { value, basis } of figures) if (value !== null) counts.set(basis, (counts.get(basis) ?? 0) + 1);
  let best: FigureBasis | undefined;
  for (const [basis, count] of counts) if (best === undefined || count >= counts.get(best)!) best = basis;
  return best;
}

/** The figure as a cell; a letter says when its basis is not the column's. */
export function figureCell(figure: Figure, basis: FigureBasis | undefined): string {
  const text = figureText(figure);
  return figure.value === null || figure.basis === basis ? text : text + BASIS_LETTERS[figure.basis];
}

/** Cells of a column with a blank where others have a letter, so that digits stand under digits. */
export function alignedCells(cells: readonly string[]): string[] {
  const lettered = cells.some((cell) => BASIS_LETTER.test(cell));
  return lettered ? cells.map((cell) => (BASIS_LETTER.test(cell) ? cell : `${cell} `)) : [...cells];
}

/** Explains the signs and letters that stand in these cells. */
export function legendText(cells: readonly string[]): string {
  const parts: string[] = [];
  const letters = new Set(cells.flatMap((cell) => BASIS_LETTER.exec(cell)?.[1] ?? []));
  for (const [basis, letter] of Object.entries(BASIS_LETTERS)) if (letters.has(letter)) parts.push(`${letter} ${basis}`);
  if (cells.some((cell) => cell.startsWith('>='))) parts.push('>= lower bound: sync calls of devices that did not bounce left no lines');
  if (cells.some((cell) => cell.startsWith('~'))) parts.push('~ events were lost: may be larger or smaller');
  if (cells.some((cell) => cell.trim() === NOT_APPLICABLE)) parts.push('- does not apply');
  return parts.join('; ');
}
