import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkBenches } from './check-rows.ts';
import { microBenches, microRow } from './micro-rows.ts';
import { referenceSources, references } from './reference.ts';
import { traceBenches } from './trace-rows.ts';

const example = fileURLToPath(new URL('../examples/thunderbolt-nvme.trace.gz', import.meta.url));

describe('every row runs and gives a positive number', () => {
  test.each(microBenches)('$name', (bench) => {
    const row = microRow(bench, true);
    expect(row.best).toBeGreaterThan(0);
    expect(row.median).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test.each(checkBenches)('$name', (bench) => {
    const row = bench.run(true);
    expect(row.best).toBeGreaterThan(0);
    expect(row.median).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test.each(traceBenches(example))('$name', async (bench) => {
    const row = await bench.run(true);
    expect(row.name).toBe(bench.name);
    expect(row.best).toBeGreaterThan(0);
    expect(row.median).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

test('names are unique', () => {
  const names = [...microBenches, ...checkBenches, ...traceBenches(example)].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('every reference figure has its row, and every source a text', () => {
  const names = new Set([...microBenches, ...checkBenches, ...traceBenches(example)].map(({ name }) => name));
  for (const { bench, source } of references.values()) {
    expect(names).toContain(bench);
    expect(referenceSources[source]).toBeDefined();
  }
});
