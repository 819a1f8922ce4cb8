import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TableColumn, tableLines } from './table.ts';

const COLUMNS: readonly TableColumn[] = [
  { title: ['policy'], align: 'left', dropOrder: 0 },
  { title: ['copied', 'in'], align: 'right', dropOrder: 2 },
  { title: ['inval'], align: 'right', dropOrder: 1 },
];
const ROWS = [
  ['strict', '0 B', '206,412'],
  { across: '-- bounce --' },
  ['bounce-strict', '267 MiB', '868'],
  'rule',
  ['', '', '207,280'],
] as const;

describe('tableLines', () => {
  it('aligns figures right and heads them at the bottom', () => {
    expect(tableLines(COLUMNS, ROWS, 100)).toEqual([
      '                copied',
      'policy              in    inval',
      'strict             0 B  206,412',
      '-- bounce --',
      'bounce-strict  267 MiB      868',
      '               -------  -------',
      '                        207,280',
    ]);
  });

  it('moves columns together before it leaves one out', () => {
    expect(tableLines(COLUMNS, ROWS, 30)[2]).toBe('strict            0 B 206,412');
  });

  it('leaves whole columns out, highest order first, and says which', () => {
    const lines = tableLines(COLUMNS, ROWS, 28);
    expect(lines.slice(0, 2)).toEqual(['policy          inval', 'strict        206,412'].map((line) => line));
    expect(
      lines
        .slice(-3)
        .map((line) => line.trim())
        .join(' '),
    ).toBe('left out at 28 columns: copied in (needs 29, or --json)');
  });

  it('escapes what a cell brings along', () => {
    expect(tableLines(COLUMNS, [['a\u001bb', '1', '2']], 100)[2]).toBe('a\\x1bb       1      2');
  });

  it('is never wider than asked and never ends in a blank', () => {
    const cell = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 60, max: 100 }),
        (rows, width) => {
          for (const line of tableLines(COLUMNS, rows, width)) {
            expect(line).toMatch(/^[\x20-\x7e]*$/);
            expect(line).toBe(line.trimEnd());
          }
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});
