import { readFileSync, existsSync } from 'node:fs';
import { openTrace } from 'dmalab-trace/node';
import { TraceFacts, inferMachine, parseMachineDescription } from 'dmalab-trace';
import { recordedMachine, Verifier } from 'dmalab-lab';
for (const path of process.argv.slice(2)) {
  const mp = path.replace(/\.trace(\.gz)?$/, '.machine.json');
  const d = existsSync(mp) ? parseMachineDescription(readFileSync(mp, 'utf8'), mp) : undefined;
  const facts = new TraceFacts();
  let t0 = performance.now();
  const pre = await openTrace(path);
  for await (const b of pre.batches()) facts.add(b);
  const inf = inferMachine(facts, d);
  const t1 = performance.now();
  const input = await openTrace(path);
  const v = new Verifier(recordedMachine(d, inf), input.names, { descriptors: inf.hasDescriptors, cacheTags: inf.kernelRules !== '6.1', lossLine: Infinity });
  for await (const b of input.batches()) v.push(b);
  const r = v.finish();
  const t2 = performance.now();
  console.log(path.split('/').pop(), `facts ${(t1-t0).toFixed(0)} ms verify ${(t2-t1).toFixed(0)} ms`);
  for (const c of r.checks) console.log(' ', c.id.padEnd(11), String(c.predictions).padStart(8), String(c.equal).padStart(8), String(c.differ).padStart(6), 'given', c.given, 'nc', c.notComparable);
  console.log('  windows', r.windowCount, JSON.stringify(r.ledger), 'rebuilt', r.rebuiltCalls, 'unknown', r.unknownMappings, 'stray', r.strayLines);
  for (const x of r.differences.slice(0, 4)) console.log('   ', JSON.stringify(x));
  for (const x of r.windows.slice(0, 2)) console.log('   W', JSON.stringify(x));
  for (const x of inf.contradictions.slice(0, 3)) console.log('   C', JSON.stringify(x));
}
