/** Holds the tables of docs/the-question.md to the library. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { markedBlocks, withBlocks } from './marked-blocks.ts';
import { ownTables, sharedTables } from './question-tables.ts';
import { Recordings } from './recordings.ts';

/** The break-even of every profile takes a while where other tests run beside it. */
const LIMIT_MS = 600_000;
const REFRESH = 'npx tsx --conditions=source bench/question.ts [TRACES_DIR] writes it anew';

const blocks = new Map(
  markedBlocks(readFileSync(new URL('../../docs/the-question.md', import.meta.url), 'utf8')).map(({ name, text }) => [name, text]),
);
const recordings = new Recordings(process.env.DMALAB_TRACES);

test('a block is replaced by its name, and the rest of the page stays', () => {
  const page = 'a\n\n<!-- table: one -->\n\nold\n\n<!-- end -->\n\nb\n<!-- table: two -->\n<!-- end -->\nc\n';
  expect(markedBlocks(page)).toEqual([
    { name: 'one', text: 'old' },
    { name: 'two', text: '' },
  ]);
  const changed = withBlocks(page, new Map([['one', '$& | new']]));
  expect(changed).toBe(page.replace('old', () => '$& | new'));
  expect(withBlocks(changed, new Map())).toBe(changed);
});

test('the page has every table, and no other block', () => {
  expect([...blocks.keys()].toSorted()).toEqual([...ownTables.keys(), ...sharedTables.keys()].toSorted());
});

describe('tables of the example and of the profiles are those of today', () => {
  it.each([...ownTables])(
    '%s',
    async (name, make) => {
      expect(blocks.get(name), REFRESH).toBe(await make(recordings));
    },
    LIMIT_MS,
  );
});

describe('tables of other recordings are those of today', () => {
  if (!recordings.isComplete) {
    it.skip('skipped: DMALAB_TRACES names no folder with all of these recordings', () => undefined);
    return;
  }
  it.each([...sharedTables])(
    '%s',
    async (name, make) => {
      expect(blocks.get(name), REFRESH).toBe(await make(recordings));
    },
    LIMIT_MS,
  );
});
