/** Tables of the terminal as tables of the page: the same cells, with headers that a screen reader can follow. */
import type { TableColumn, TableRow } from '../terminal/table.ts';
import { type Content, element, type Markup } from './markup.ts';

/** The first column names the rows; a line across the table is a group. */
export function dataTable(columns: readonly TableColumn[], rows: readonly TableRow[], caption: Content): Markup {
  const head = columns.map(({ title, align }) =>
    element('th', { scope: 'col', class: classOf(align) }, title.filter((word) => word !== '').join(' ')),
  );
  const body = rows.filter((row) => row !== 'rule').map((row) => rowMarkup(row, columns));
  return element(
    'div',
    { class: 'wide' },
    element('table', {}, element('caption', {}, caption), element('thead', {}, element('tr', {}, head)), element('tbody', {}, body)),
  );
}

function rowMarkup(row: Exclude<TableRow, 'rule'>, columns: readonly TableColumn[]): Markup {
  if ('across' in row) return element('tr', {}, element('th', { scope: 'rowgroup', colspan: columns.length }, row.across));
  const cells = row.map((cell, index) => {
    const { align } = columns[index]!;
    return index === 0 ? element('th', { scope: 'row' }, cell) : element('td', { class: classOf(align) }, cell);
  });
  return element('tr', {}, cells);
}

function classOf(align: TableColumn['align']): string | undefined {
  return align === 'right' ? 'number' : undefined;
}
