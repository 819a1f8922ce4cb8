import { openRecording } from '../packages/lab/src/replay/open-recording.ts';
import { Comparison } from '../packages/lab/src/compare/compare.ts';
import { Counter } from '../packages/lab/src/compare/counters.ts';
for (let i = 0; i < 5; i++) for (const withIt of [false, true]) {
const r = await openRecording(process.argv[2]);
const c = new Comparison(r, {});
if (withIt) for (const row of c.comparer.rows) row.audit();
let s = 0;
const t = performance.now();
for await (const b of r.batches()) { const u = performance.now(); c.comparer.push(b); s += performance.now() - u; }
c.finish();
let pages = 0;
for (const row of c.comparer.rows) for (let o = 0; o < row.counters.owners; o++) pages += row.counters.get(o, Counter.TABLE_MAPPED_PAGES) + row.counters.get(o, Counter.TABLE_UNMAPPED_PAGES);
console.log(withIt, 'all', (performance.now() - t).toFixed(0), 'push ms', s.toFixed(0), 'page events', pages);
}
