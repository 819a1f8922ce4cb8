import { countText } from 'dmalab';
import { markdownTable } from './markdown-table.ts';
import { type Recordings, rowOf } from './recordings.ts';

/** What the untrusted devices of each recording did. */
export async function inputTable(recordings: Recordings, names: readonly string[]): Promise<string> {
  const titles = [
    'Recording',
    'CPUs',
    'Untrusted devices',
    'Maps',
    'List entries per list',
    'Ranges',
    'not page-aligned',
    'their bytes',
    'Pool, slots',
  ];
  const rows = await Promise.all(
    names.map(async (name) => {
      const { recording, devices, rows: policies } = await recordings.compare(name);
      const { total, work } = rowOf({ rows: policies }, 'bounce-strict');
      const { mapSg, mapSgEntries } = total.calls;
      const { ranges, rangeShare, byteShare } = total.bounced;
      const drivers = devices.filter(({ chosen, mapCalls }) => chosen && mapCalls > 0).map(({ driver }) => driver);
      return [
        `\`${name}\``,
        String(recording.cpus),
        drivers.join(', '),
        countText(work!.pairs),
        mapSg.value === 0 ? '-' : (mapSgEntries.value! / mapSg.value!).toFixed(1),
        countText(Math.round(ranges.value! / rangeShare.value!)),
        percent(rangeShare.value!),
        percent(byteShare.value!),
        countText(recording.whatIfPool!.slots),
      ];
    }),
  );
  return markdownTable(titles, rows);
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)} %`;
}
