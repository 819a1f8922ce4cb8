import { compareRecording } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';

const path = process.argv[2];
const pol = process.argv[3]?.split(',');
const t0 = performance.now();
const r = await openRecording(path);
const t1 = performance.now();
const c = await compareRecording(r, { policies: pol });
const t2 = performance.now();
const u = process.cpuUsage();
console.log('cpu', (u.user / 1e6).toFixed(1), (u.system / 1e6).toFixed(1));
console.log(
  path,
  pol ?? 'all',
  c.data.events,
  'events facts',
  (t1 - t0).toFixed(0),
  'compare',
  (t2 - t1).toFixed(0),
  'ms',
  (((c.data.events / (t2 - t1)) * 1000) / 1e6).toFixed(3),
  'M/s rss',
  (process.resourceUsage().maxRSS / 1024).toFixed(0),
  'MB',
);
for (const x of c.rows)
  console.log(
    x.policy,
    x.total.failed.value,
    x.total.departures.leftOpen.value,
    x.total.pool.slotsPeak.value,
    x.total.pool.smallestSlots.value,
    x.total.departures.skippedUnmaps.value,
    x.total.iova.pagesPeak.value,
  );
