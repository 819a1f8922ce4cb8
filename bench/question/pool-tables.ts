import { countText } from 'dmalab';
import type { CompareResult, CompareRow, Figure } from 'dmalab-lab';
import { readProfile } from 'dmalab-lab/node';
import { besideText } from './cost-tables.ts';
import { reuseText } from './exposure-tables.ts';
import { markdownTable, policyText, relationText } from './markdown-table.ts';
import { type Recordings, rowOf } from './recordings.ts';

const POLICIES: readonly string[] = ['bounce-strict', 'bounce-deferred', 'bounce-deferred-mixed', 'bounce-lazy-unsafe'];
/** Undefined: the recorded pool. */
const POOLS: readonly (string | undefined)[] = [undefined, '1024', '512', '256', '128'];

/** What waits in the pool, who flushes for want of slots, and what a small pool shows of reuse. */
export async function poolTable(recordings: Recordings, name: string): Promise<string> {
  const tried = await Promise.all(
    POOLS.map((pool) => recordings.compare(name, { policies: POLICIES, ...(pool === undefined ? {} : { pool }) })),
  );
  // An area holds 128 slots at least, so that two parameters can make the same pool.
  const slotsOf = (result: CompareResult): number => result.recording.whatIfPool!.slots;
  const results = tried.filter((result, index) => tried.findIndex((other) => slotsOf(other) === slotsOf(result)) === index);
  const rows = POLICIES.flatMap((policy) =>
    results.map((result) => [
      policyText(rowOf(result, policy)),
      countText(slotsOf(result)),
      ...poolCells(rowOf(result, policy)),
      besideStrict(result, policy),
    ]),
  );
  const flushes = ['timer', 'full ring', 'early, own', 'early, foreign'].map((cause) => `Flushes: ${cause}`);
  return markdownTable(
    [
      'Policy',
      'Pool, slots',
      'Slots, peak',
      'of them waiting, peak',
      ...flushes,
      'Failed',
      'Reuse, same / other device',
      'beside `bounce-strict`, same pool',
    ],
    rows,
  );
}

function poolCells(row: CompareRow): string[] {
  const { flushes, pool, failures } = row.total;
  const count = ({ value }: Figure): string => (value === null ? '-' : countText(value));
  return [
    count(pool.slotsPeak),
    count(pool.waitingPeak),
    count(flushes.timer),
    count(flushes.ringFull),
    count(flushes.earlyOwn),
    count(flushes.earlyForeign),
    count(failures.poolFull),
    reuseText(row),
  ];
}

function besideStrict(result: CompareResult, policy: string): string {
  const strict = rowOf(result, 'bounce-strict');
  const row = rowOf(result, policy);
  // After a failure the two rows no longer have the same buffers mapped, even where as many failed.
  if (row === strict || row.total.failed.value! + strict.total.failed.value! > 0) return '-';
  return besideText(row, strict, readProfile(result.profile!), relationText);
}
