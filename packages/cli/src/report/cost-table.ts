/** `--cost`: where the CPU time of a pair goes under each policy, and what the devices' own accesses miss. */
import { COST_PARTS, type CompareResult, type CompareRow, type CostPart } from 'dmalab-lab';
import { NOT_APPLICABLE, significantText, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, type TableRow, tableLines } from '../terminal/table.ts';
import { wrapped } from '../terminal/wrap.ts';

const NS_PER_US = 1e3;
const PART_TITLES: Readonly<Record<CostPart, readonly string[]>> = {
  call: ['call'],
  iova: ['IOVA'],
  pageTable: ['page', 'table'],
  slots: ['slot', 'search'],
  copy: ['copy'],
  invalidation: ['inval', 'wait'],
  lock: ['lock'],
  flush: ['flush'],
};

/** Microseconds of CPU time per pair by part, at the stated constants. */
export function costTableLines(result: CompareResult, columns: number): string[] {
  const tableColumns: TableColumn[] = [
    { title: ['us per pair'], align: 'left', dropOrder: 0 },
    { title: ['total'], align: 'right', dropOrder: 0 },
    ...COST_PARTS.map((part): TableColumn => ({ title: PART_TITLES[part], align: 'right', dropOrder: 0 })),
    { title: ['IOTLB', 'miss/page'], align: 'right', dropOrder: 2 },
    { title: ['dominates', 'the range'], align: 'left', dropOrder: 1 },
  ];
  const rows: TableRow[] = result.rows.map((row) => [
    row.policy,
    usCell(row.cost?.perPair.total.value ?? null),
    ...COST_PARTS.map((part) => usCell(row.cost?.perPair.split[part].value ?? null)),
    missCell(row),
    row.cost?.perPair.total.dominant ?? NOT_APPLICABLE,
  ]);
  const note = `cost    profile ${result.profile ?? 'none'}; parts add up to the total; IOTLB: each mapped page once, just before its unmap; no CPU time`;
  return [...tableLines(tableColumns, rows, columns), ...wrapped(note, columns, 8)];
}

function usCell(ns: number | null): string {
  if (ns === null) return UNKNOWN;
  if (ns === 0) return '0';
  return ns < NS_PER_US / 10 ? (ns / NS_PER_US).toFixed(3) : significantText(ns / NS_PER_US);
}

function missCell({ work }: CompareRow): string {
  const accesses = work?.accesses ?? null;
  return accesses === null || accesses.pages === 0 ? NOT_APPLICABLE : significantText(accesses.iotlbMisses / accesses.pages);
}
