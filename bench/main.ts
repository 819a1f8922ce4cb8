/**
 * Runs the benchmarks and prints them beside the reference figures and our limits.
 *
 *     npm run bench -- [--only TEXT] [--quick] [--json] [--recording FILE]
 *
 * --only       rows whose name contains TEXT
 * --quick      small sizes: shows that every row runs, not how fast
 * --json       one line per row, with the facts of the machine
 * --recording  trace for import, verify and compare, with its machine description beside it
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BenchRow, verdict } from './bench-row.ts';
import { checkBenches } from './check-rows.ts';
import { machineFacts } from './machine-facts.ts';
import { microBenches, microRow } from './micro-rows.ts';
import { referenceSources } from './reference.ts';
import { traceBenches } from './trace-rows.ts';

const EXAMPLE = fileURLToPath(new URL('../examples/thunderbolt-nvme.trace.gz', import.meta.url));
const COLUMNS = [64, 10, 10, 9, 10, 7, 10, 10] as const;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    recording: { type: 'string', default: EXAMPLE },
  },
});
const facts = machineFacts();

if (!options.json) printHead();
for (const bench of microBenches) if (bench.name.includes(options.only)) print(microRow(bench, options.quick));
for (const bench of checkBenches) if (bench.name.includes(options.only)) print(bench.run(options.quick));
for (const bench of traceBenches(options.recording)) if (bench.name.includes(options.only)) print(await bench.run(options.quick));

function printHead(): void {
  console.log(`${facts.cpu}, ${facts.cores} cores, ${facts.memoryGib} GiB; Node ${facts.node}; commit ${facts.commit}`);
  for (const [name, source] of Object.entries(referenceSources)) console.log(`reference ${name}: ${source}`);
  console.log('ratio: median to the median of the reference. must, wanted: limits for the median');
  printCells(['', 'best', 'median', 'unit', 'reference', 'ratio', 'must', 'wanted']);
}

function print(row: BenchRow): void {
  if (options.json) {
    console.log(JSON.stringify({ ...row, verdict: verdict(row), quick: options.quick, machine: facts }));
    return;
  }
  const { reference } = row;
  const ratio = reference === undefined ? '' : (row.median / reference.median).toFixed(2);
  const limits = [figure(reference?.must), figure(reference?.wanted)];
  const mark = options.quick ? '' : verdict(row);
  printCells([row.name, figure(row.best), figure(row.median), row.unit, figure(reference?.median), ratio, ...limits], mark);
}

function printCells(cells: readonly string[], mark: string = ''): void {
  const padded = cells.map((cell, index) => (index === 0 ? cell.padEnd(COLUMNS[0]) : cell.padStart(COLUMNS[index])));
  console.log(`${padded.join(' ')}  ${mark}`.trimEnd());
}

/** Three digits or more, whole from 100 on. */
function figure(value: number | undefined): string {
  if (value === undefined) return '';
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
