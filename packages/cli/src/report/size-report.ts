/** `--sizes`: what was mapped, by size and alignment; the same under every policy. */
import type { CompareResult, Figure, MappingSizes } from 'dmalab-lab';
import { countText, shareText } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { figureText } from './figure.ts';
import { shortDevice } from './trace-lines.ts';

const COLUMNS: readonly TableColumn[] = [
  { title: ['size of', 'a range'], align: 'right', dropOrder: 0 },
  { title: ['start and end', 'on a page'], align: 'right', dropOrder: 1 },
  { title: ['start', 'on a page'], align: 'right', dropOrder: 2 },
  { title: ['neither'], align: 'right', dropOrder: 3 },
  { title: ['together'], align: 'right', dropOrder: 0 },
  { title: ['share'], align: 'right', dropOrder: 0 },
];

/** One table for all devices, or one for each. */
export function sizeTableLines(result: CompareResult, byDevice: boolean, columns: number): string[] {
  if (!byDevice) return tableOf(result.mappings, 'all devices', columns);
  return result.devices.flatMap(({ name }, index) => [
    ...(index > 0 ? [''] : []),
    ...tableOf(result.mappingsByDevice[index]!, shortDevice(name), columns),
  ]);
}

function tableOf(mappings: MappingSizes, whose: string, columns: number): string[] {
  const whole = numberOf(mappings.ranges);
  const head = `${whose}: ${figureText(mappings.ranges)} streaming ranges, ${figureText(mappings.bytes)} (basis ${mappings.ranges.basis})`;
  if (whole === 0) return [head];
  const rows: TableRow[] = mappings.classes.map(({ size, aligned, startAligned, unaligned }) => {
    const together = numberOf(aligned) + numberOf(startAligned) + numberOf(unaligned);
    const parts = [aligned, startAligned, unaligned].map(figureText);
    return [size, ...parts, countText(together), shareText(together, whole)];
  });
  return [head, ...tableLines(COLUMNS, rows, columns)];
}

function numberOf(figure: Figure): number {
  return figure.value ?? 0;
}
