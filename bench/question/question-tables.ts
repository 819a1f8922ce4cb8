import { breakevenTable } from './breakeven-table.ts';
import { answerList, answerTable, cacheStateTable, costTable, profileTable, splitTable } from './cost-tables.ts';
import { exposureTable, sharedPoolTable } from './exposure-tables.ts';
import { inputTable } from './input-table.ts';
import { attackTable, checkTable, optionTable } from './policy-tables.ts';
import { poolTable } from './pool-tables.ts';
import { EXAMPLE, type Recordings, SHARED_RECORDINGS } from './recordings.ts';
import { saturatedRecordingTable, saturateTable } from './saturate-tables.ts';

/** Makes a table of the page. */
export type TableMaker = (recordings: Recordings) => Promise<string> | string;

/** Pool in which slots come round soon enough for reuse to show. */
const SMALL_POOL = '256';
const SMALL_POOL_RECORDINGS: readonly string[] = ['strict-1cpu-nvme', 'lazy-1cpu-mixed'];
/** Recordings of which every look at the pool is shown. */
const POOL_RECORDINGS: readonly string[] = ['strict-1cpu-nvme', 'lazy-1cpu-mixed', 'lazy-2cpu-parallel'];
/** Where all devices bounce and the pool is just too small, a slot goes to another device. */
const SHARED_POOL: readonly [recording: string, pool: string] = ['lazy-1cpu-e1000', '1024'];

/** Tables that need nothing but this repository, by the name of their block. */
export const ownTables: ReadonlyMap<string, TableMaker> = new Map<string, TableMaker>([
  ['options', optionTable],
  ['answer', (recordings) => answerTable(recordings, [EXAMPLE])],
  ['answer-profiles', (recordings) => profileTable(recordings, EXAMPLE)],
  ['inputs', (recordings) => inputTable(recordings, [EXAMPLE])],
  ['cache-state', (recordings) => cacheStateTable(recordings, [EXAMPLE])],
  ['split', async (recordings) => splitTable(await recordings.compare(EXAMPLE))],
  ['attacks', attackTable],
  ['check', checkTable],
  ['breakeven', breakevenTable],
  ['saturate-small', () => saturateTable('vtd-bare', 1500)],
  ['saturate-large', () => saturateTable('vtd-bare', 65536)],
  ['saturate-large-smmuv3', () => saturateTable('smmuv3-server', 65536)],
  [`saturate-${EXAMPLE}`, (recordings) => saturatedRecordingTable(recordings, EXAMPLE)],
  ...recordingTables(EXAMPLE),
  [`pool-${EXAMPLE}`, (recordings) => poolTable(recordings, EXAMPLE)],
]);

/** Tables of the recordings that do not come along. */
export const sharedTables: ReadonlyMap<string, TableMaker> = new Map<string, TableMaker>([
  ['inputs-shared', (recordings) => inputTable(recordings, SHARED_RECORDINGS)],
  ['answer-profiles-shared', (recordings) => profileTable(recordings, 'lazy-1cpu-mixed')],
  ['answer-list', (recordings) => answerList(recordings, [EXAMPLE, ...SHARED_RECORDINGS])],
  ['answer-shared', (recordings) => answerTable(recordings, SHARED_RECORDINGS)],
  ['cache-state-shared', (recordings) => cacheStateTable(recordings, SHARED_RECORDINGS)],
  ...SHARED_RECORDINGS.flatMap(recordingTables),
  ...SMALL_POOL_RECORDINGS.map((name): [string, TableMaker] => [
    `exposure-${name}-small`,
    async (recordings) => exposureTable(await recordings.compare(name, { pool: SMALL_POOL })),
  ]),
  ...POOL_RECORDINGS.map((name): [string, TableMaker] => [`pool-${name}`, (recordings) => poolTable(recordings, name)]),
  ['shared-pool', (recordings) => sharedPoolTable(recordings, ...SHARED_POOL)],
]);

/** The tables by name, made one after the other. */
export async function makeTables(makers: ReadonlyMap<string, TableMaker>, recordings: Recordings): Promise<Map<string, string>> {
  const tables = new Map<string, string>();
  for (const [name, make] of makers) tables.set(name, await make(recordings));
  return tables;
}

function recordingTables(name: string): [string, TableMaker][] {
  return [
    [`cost-${name}`, async (recordings) => costTable(await recordings.compare(name))],
    [`exposure-${name}`, async (recordings) => exposureTable(await recordings.compare(name))],
  ];
}
