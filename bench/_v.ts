import { verifyRecording } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';

for (const path of process.argv.slice(2)) {
  const t0 = performance.now();
  const rec = await openRecording(path);
  const t1 = performance.now();
  const r = await verifyRecording(rec);
  const t2 = performance.now();
  const bad = r.checks.some((c) => c.differ > 0);
  console.log(
    bad ? 'DIFFERS' : 'EQUAL',
    path.split('/').pop(),
    `facts ${(t1 - t0).toFixed(0)} ms verify ${(t2 - t1).toFixed(0)} ms`,
    r.checks.map((c) => `${c.id} ${c.equal}/${c.differ}/${c.given}/${c.notComparable}`).join(' '),
    'windows',
    r.windowCount,
    'rebuilt',
    r.rebuiltCalls,
    'unknown',
    r.unknownMappings,
    'stray',
    r.strayLines,
    JSON.stringify(r.ledger),
    r.limits.join(' | '),
  );
  for (const x of r.differences.slice(0, 4)) console.log('   ', JSON.stringify(x));
}
