/** Plain-text tables: one line per row, figures aligned right, narrower terminals lose whole columns. */
import { asciiText } from './ascii.ts';
import { wrapped } from './wrap.ts';

/** One column; the first column of a table names the rows. */
export interface TableColumn {
  /** Lines of the header from top to bottom; all columns are aligned at the lowest. */
  readonly title: readonly string[];
  readonly align: 'left' | 'right';
  /** Columns with the highest number are left out first; 0 is never left out. */
  readonly dropOrder: number;
}

/** A row of cells, a line of text across the table, or a rule under the figures. */
export type TableRow = readonly string[] | { readonly across: string } | 'rule';

const WIDE_GAP = 2;
const NARROW_GAP = 1;

/**
 * Lays a table out, with two blanks between columns or, where that is too wide, with one.
 *
 * @returns its lines, and a sentence when columns had to go
 */
export function tableLines(columns: readonly TableColumn[], rows: readonly TableRow[], width: number): string[] {
  const widths = columns.map((column, index) => columnWidth(column, index, rows));
  const all = columns.map((_, index) => index);
  const gap = totalWidth(widths, all, WIDE_GAP) <= width ? WIDE_GAP : NARROW_GAP;
  const kept = keptColumns(columns, widths, gap, width);
  const layout: Layout = { columns, widths, kept, gap };
  const lines = [...titleLines(layout), ...rows.map((row) => rowLine(row, layout))];
  const left = columns.filter((_, index) => !kept.includes(index)).map(({ title }) => title.filter((word) => word !== '').join(' '));
  if (left.length === 0) return lines;
  const needed = totalWidth(widths, all, gap);
  return [...lines, ...wrapped(`left out at ${width} columns: ${left.join(', ')} (needs ${needed}, or --json)`, width, 0)];
}

/** Which columns are printed and how wide. */
interface Layout {
  readonly columns: readonly TableColumn[];
  readonly widths: readonly number[];
  /** Indexes of the columns that are printed. */
  readonly kept: readonly number[];
  readonly gap: number;
}

function columnWidth(column: TableColumn, index: number, rows: readonly TableRow[]): number {
  let width = 0;
  for (const title of column.title) width = Math.max(width, title.length);
  for (const row of rows) if (isCells(row)) width = Math.max(width, asciiText(row[index]!).length);
  return width;
}

function keptColumns(columns: readonly TableColumn[], widths: readonly number[], gap: number, width: number): number[] {
  const kept = columns.map((_, index) => index);
  while (totalWidth(widths, kept, gap) > width) {
    const worst = kept.reduce((a, b) => (columns[b]!.dropOrder >= columns[a]!.dropOrder ? b : a));
    if (columns[worst]!.dropOrder === 0) break;
    kept.splice(kept.indexOf(worst), 1);
  }
  return kept;
}

function totalWidth(widths: readonly number[], kept: readonly number[], gap: number): number {
  return kept.reduce((sum, index) => sum + widths[index]!, 0) + gap * (kept.length - 1);
}

function titleLines(layout: Layout): string[] {
  const { columns, kept } = layout;
  const height = Math.max(...kept.map((index) => columns[index]!.title.length));
  const lines: string[] = [];
  for (let line = 0; line < height; line++) {
    const cells = columns.map(({ title }) => title[line - (height - title.length)] ?? '');
    lines.push(joinCells(cells, layout));
  }
  return lines;
}

function rowLine(row: TableRow, layout: Layout): string {
  if (row === 'rule') {
    const dashes = layout.columns.map(({ align }, index) => (align === 'right' ? '-'.repeat(layout.widths[index]!) : ''));
    return joinCells(dashes, layout);
  }
  return isCells(row) ? joinCells(row.map(asciiText), layout) : asciiText(row.across);
}

function joinCells(cells: readonly string[], { columns, widths, kept, gap }: Layout): string {
  const padded = kept.map((index) => {
    const cell = cells[index] ?? '';
    return columns[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!);
  });
  return padded.join(' '.repeat(gap)).trimEnd();
}

function isCells(row: TableRow): row is readonly string[] {
  return Array.isArray(row);
}
