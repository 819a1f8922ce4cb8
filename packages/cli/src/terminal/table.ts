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

const GAP = 2;
const INDENT = 0;

/** Lays a table out. @returns its lines, and a sentence when columns had to go */
export function tableLines(columns: readonly TableColumn[], rows: readonly TableRow[], width: number): string[] {
  const widths = columns.map((column, index) => columnWidth(column, index, rows));
  const kept = keptColumns(columns, widths, width);
  const lines = [...titleLines(columns, widths, kept), ...rows.map((row) => rowLine(row, columns, widths, kept))];
  const left = columns.filter((_, index) => !kept.includes(index)).map(({ title }) => title.filter((word) => word !== '').join(' '));
  if (left.length === 0) return lines;
  const needed = totalWidth(
    widths,
    columns.map((_, index) => index),
  );
  return [...lines, ...wrapped(`left out at ${width} columns: ${left.join(', ')} (needs ${needed}, or --json)`, width, INDENT)];
}

function columnWidth(column: TableColumn, index: number, rows: readonly TableRow[]): number {
  let width = 0;
  for (const title of column.title) width = Math.max(width, title.length);
  for (const row of rows) if (isCells(row)) width = Math.max(width, asciiText(row[index]!).length);
  return width;
}

function keptColumns(columns: readonly TableColumn[], widths: readonly number[], width: number): number[] {
  const kept = columns.map((_, index) => index);
  while (totalWidth(widths, kept) > width) {
    const worst = kept.reduce((a, b) => (columns[b]!.dropOrder >= columns[a]!.dropOrder ? b : a));
    if (columns[worst]!.dropOrder === 0) break;
    kept.splice(kept.indexOf(worst), 1);
  }
  return kept;
}

function totalWidth(widths: readonly number[], kept: readonly number[]): number {
  return kept.reduce((sum, index) => sum + widths[index]!, 0) + GAP * (kept.length - 1);
}

function titleLines(columns: readonly TableColumn[], widths: readonly number[], kept: readonly number[]): string[] {
  const height = Math.max(...columns.map(({ title }) => title.length));
  const lines: string[] = [];
  for (let line = 0; line < height; line++) {
    const cells = columns.map(({ title }) => title[line - (height - title.length)] ?? '');
    lines.push(joinCells(cells, columns, widths, kept));
  }
  return lines;
}

function rowLine(row: TableRow, columns: readonly TableColumn[], widths: readonly number[], kept: readonly number[]): string {
  if (row === 'rule') {
    const dashes = columns.map(({ align }, index) => (index > 0 && align === 'right' ? '-'.repeat(widths[index]!) : ''));
    return joinCells(dashes, columns, widths, kept);
  }
  return isCells(row) ? joinCells(row.map(asciiText), columns, widths, kept) : asciiText(row.across);
}

function joinCells(cells: readonly string[], columns: readonly TableColumn[], widths: readonly number[], kept: readonly number[]): string {
  const padded = kept.map((index) => {
    const cell = cells[index] ?? '';
    return columns[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!);
  });
  return padded.join(' '.repeat(GAP)).trimEnd();
}

function isCells(row: TableRow): row is readonly string[] {
  return Array.isArray(row);
}
