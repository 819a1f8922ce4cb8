import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { compareRecording } from 'dmalab-lab';
import { parseMachineDescription } from 'dmalab-trace';
import { recordingFromText } from '../packages/lab/src/testing/recording-from-text.ts';

let seed = 12345;
const rnd = () => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return seed / 2 ** 32;
};
for (const path of process.argv.slice(2)) {
  const text = gunzipSync(readFileSync(path)).toString('latin1');
  const lines = text.split('\n');
  const head = lines.filter((l) => l.startsWith('#'));
  const body = lines.filter((l) => !l.startsWith('#') && l);
  const md = parseMachineDescription(readFileSync(path.replace('.trace.gz', '.machine.json'), 'utf8'));
  const variants: [string, string[], boolean][] = [
    ['tail', body.slice(Math.floor(body.length / 2), Math.floor(body.length / 2) + 12000), true],
    ['drop1%', body.slice(0, 15000).filter(() => rnd() > 0.01), true],
    ['drop20%', body.slice(0, 15000).filter(() => rnd() > 0.2), true],
    ['only api', body.slice(0, 20000).filter((l) => / dma_/.test(l)), true],
    ['bare', body.slice(0, 15000).filter(() => rnd() > 0.01), false],
    ['bare tail', body.slice(Math.floor(body.length / 2), Math.floor(body.length / 2) + 12000), false],
    ['dup', body.slice(0, 10000).flatMap((l) => (rnd() < 0.02 ? [l, l] : [l])), true],
    [
      'shuffle',
      body
        .slice(0, 10000)
        .map((l, i) => ({ l, k: i + rnd() * 8 }))
        .sort((a, b) => a.k - b.k)
        .map((x) => x.l),
      true,
    ],
    ['no maps', body.slice(0, 20000).filter((l) => !/ map: | qi_submit| cache_tag/.test(l)), false],
    ['identity-ish', body.slice(0, 20000).filter((l) => / dma_/.test(l)), false],
  ];
  for (const [name, b, withMd] of variants)
    for (const pool of [undefined, '128', '1024,4']) {
      try {
        const c = await compareRecording(
          recordingFromText(
            [...head.map((h) => h.replace(/written: \d+\/\d+/, `written: ${b.length}/${b.length}`)), ...b, ''].join('\n'),
            withMd ? md : undefined,
          ),
          { pool },
        );
        if (pool === undefined)
          console.log(
            path.split('/').pop(),
            name,
            c.data.level,
            JSON.stringify(c.data.assembly),
            c.rows
              .map(
                (r) =>
                  `${r.total.failed.value}/${r.total.departures.leftOpen.value}/${r.total.departures.releasedAtOnce.value}/${r.total.departures.skippedUnmaps.value}`,
              )
              .join(' '),
          );
        for (const r of c.rows)
          JSON.stringify(r, (k, v) => {
            if (typeof v === 'number' && (!Number.isFinite(v) || v < 0)) throw new Error('bad ' + k + ' ' + v + ' ' + r.policy);
            return v;
          });
      } catch (e) {
        console.log('!!!', path.split('/').pop(), name, pool, (e as Error).stack?.split('\n').slice(0, 9).join('\n'));
      }
    }
}
