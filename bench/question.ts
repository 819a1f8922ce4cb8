/**
 * Writes the tables of docs/the-question.md anew.
 *
 *     npx tsx --conditions=source bench/question.ts [TRACES_DIR]
 *
 * Tables of the example and of the profiles are always written; those of the other recordings when TRACES_DIR holds them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { markedBlocks, withBlocks } from './question/marked-blocks.ts';
import { makeTables, ownTables, sharedTables } from './question/question-tables.ts';
import { Recordings } from './question/recordings.ts';

const PAGE = new URL('../docs/the-question.md', import.meta.url);

const recordings = new Recordings(process.argv[2]);
const makers = new Map([...ownTables, ...(recordings.folder === undefined ? [] : sharedTables)]);
const before = readFileSync(PAGE, 'utf8');
const tables = await makeTables(makers, recordings);
const after = withBlocks(before, tables);
writeFileSync(PAGE, after);

const texts = (page: string): Map<string, string> => new Map(markedBlocks(page).map(({ name, text }) => [name, text]));
const [old, now] = [texts(before), texts(after)];
const unplaced = [...tables.keys()].filter((name) => !now.has(name));
const changed = [...now.keys()].filter((name) => now.get(name) !== old.get(name));
console.log(`${tables.size} tables made, ${changed.length} changed: ${changed.join(', ') || 'none'}`);
if (unplaced.length > 0) console.log(`no block on the page for: ${unplaced.join(', ')}`);
