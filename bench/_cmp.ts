import { compareRecording, type Figure } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';

const v = (f: Figure) =>
  (f.lowerBound ? '>=' : '') +
  (f.value === null ? '-' : Math.round(f.value * 1000) / 1000) +
  (f.replay !== undefined && f.replay !== f.value ? `(!replay ${f.replay})` : '');
for (const path of process.argv.slice(2).filter((a) => !a.startsWith('--'))) {
  const t0 = performance.now();
  const r = await openRecording(path);
  const t1 = performance.now();
  const c = await compareRecording(r);
  const t2 = performance.now();
  console.log(path.split('/').pop(), c.data.lines.join(' '), `facts ${(t1 - t0).toFixed(0)} compare ${(t2 - t1).toFixed(0)} ms`);
  console.log('  ', JSON.stringify(c.recording), JSON.stringify(c.data.assembly));
  for (const d of c.devices) console.log('   D', JSON.stringify(d));
  console.log(
    '   sizes',
    c.mappings.ranges.value,
    c.mappings.classes.map((x) => `${x.size}: ${x.aligned.value}/${x.startAligned.value}/${x.unaligned.value}`).join(' '),
  );
  for (const row of c.rows) {
    for (const f of [{ name: '', ...row.total }, ...(process.argv.includes('--dev') ? row.devices : [])])
      console.log(
        '  ',
        (row.policy + ' ' + (f as any).name).padEnd(16),
        'calls',
        Object.values(f.calls).map(v).join(' '),
        '| ok',
        v(f.mapped),
        'fail',
        v(f.failed),
        Object.values(f.failures).map(v).join('/'),
        '| bounce',
        Object.values(f.bounced).map(v).join(' '),
        '| copy',
        Object.values(f.copied).map(v).join(' '),
        'z',
        v(f.zeroed),
        '| pt',
        Object.values(f.pageTable).map(v).join(' '),
        '| inv',
        Object.values(f.invalidations).map(v).join(' '),
        '| fl',
        Object.values(f.flushes).map(v).join(' '),
        '| iova',
        Object.values(f.iova).map(v).join(' '),
        '| pool',
        Object.values(f.pool).map(v).join(' '),
        '| dep',
        Object.values(f.departures).map(v).join(' '),
      );
  }
}
