/** `--figures`: every figure of the result object, a line each, policies as columns. */
import type { CompareResult, Figure, RowFigures } from 'dmalab-lab';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { wrapped } from '../terminal/wrap.ts';
import { figureCell, legendText } from './figure.ts';

/** A figure anywhere in a row, with its place: `copied.inAtMap`. */
interface PlacedFigure {
  readonly path: string;
  readonly figure: Figure;
}

/** Every figure of the totals; the basis of a line is that of its last column, deviations carry a letter. */
export function allFiguresLines(result: CompareResult, columns: number): string[] {
  const figures = result.rows.map(({ total }) => figuresOf(total, ''));
  const policyColumns = result.rows.map(
    ({ policy }, index): TableColumn => ({ title: policyTitle(policy), align: 'right', dropOrder: index + 1 }),
  );
  const tableColumns: TableColumn[] = [
    { title: ['figure'], align: 'left', dropOrder: 0 },
    ...policyColumns,
    { title: ['basis'], align: 'left', dropOrder: 0 },
  ];
  const cells: string[] = [];
  const rows: TableRow[] = figures[0]!.map(({ path }, line) => {
    const ofLine = figures.map((list) => list[line]!.figure);
    const basis = ofLine.findLast(({ value }) => value !== null)?.basis;
    const lineCells = ofLine.map((figure) => figureCell(figure, basis));
    cells.push(...lineCells);
    return [path, ...lineCells, basis ?? '-'];
  });
  const legend = legendText(cells);
  return [...tableLines(tableColumns, rows, columns), ...(legend === '' ? [] : wrapped(legend, columns, 0))];
}

function figuresOf(part: RowFigures | object, front: string): PlacedFigure[] {
  return Object.entries(part).flatMap(([key, value]: [string, unknown]): PlacedFigure[] => {
    if (isFigure(value)) return [{ path: front + key, figure: value }];
    return typeof value === 'object' && value !== null ? figuresOf(value, `${front}${key}.`) : [];
  });
}

function isFigure(value: unknown): value is Figure {
  return typeof value === 'object' && value !== null && 'basis' in value && 'unit' in value;
}

/** `bounce-strict` in two lines, so that more policies fit. */
function policyTitle(policy: string): string[] {
  const dash = policy.indexOf('-');
  return dash < 0 ? [policy] : [policy.slice(0, dash + 1), policy.slice(dash + 1)];
}
