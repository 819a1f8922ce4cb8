import type { CheckRow, Figure, VerifyResult } from 'dmalab-lab';
import { describe, expect, it } from 'vitest';
import { type DataReport, dataDetailLines, dataLines } from './data-report.ts';
import { alignedCells, columnBasis, figureCell, figureText, legendText } from './figure.ts';
import { ledgerLines, limitLines, orderLines, type VerdictContext, verifyVerdict } from './verify-report.ts';

const context: VerdictContext = { rules: '6.12', cpus: 2, events: 1204881, timeBaseSeconds: 0, interruptedAt: undefined };
const difference = {
  check: 'address',
  line: 61203,
  timeNs: 8_114_899_000,
  cpu: 1,
  device: '',
  domain: -1,
  expected: 'a',
  got: 'b',
  state: [],
  ordersTried: 3,
} as const;

function check(predictions: number, differ: number, notComparable: number = 0): CheckRow {
  return { id: 'address', label: 'address', predictions, equal: predictions - differ, differ, given: 0, notComparable, how: '' };
}

function resultWith(parts: Partial<VerifyResult>): VerifyResult {
  const ledger = { calls: 1, outcomes: 2, crossChecks: 3, notModelled: 4, notCompared: 5 };
  const counts = { equalAfterFirst: 0, windowCount: 0, rebuiltCalls: 0, unknownMappings: 0, strayLines: 0 };
  return { limits: [], kernel: '6.12', cpus: 2, checks: [check(1000, 0)], differences: [], windows: [], ledger, ...counts, ...parts };
}

describe('verifyVerdict', () => {
  it.each([
    [check(97116, 0), undefined, 'EQUAL  97,116 of 97,116 predictions match the recording (6.12 rules, 2 CPUs)'],
    [check(10, 0, 3), undefined, 'EQUAL  10 of 10 predictions match the recording; 3 not comparable (6.12 rules, 2 CPUs)'],
    [check(0, 0, 3), undefined, 'NOTHING  compared: not one of 1,204,881 events can be predicted from this recording (6.12 rules, 2'],
    [check(161904, 1), difference, 'DIFFERS  1 of 161,904 predictions (99.9994 % equal); first at L61,203, 8.114899 s, CPU 1 (6.12'],
  ])('%#', (row, first, text) => {
    const { lines } = verifyVerdict([row], first, context, 100);
    expect(lines[0]).toBe(text);
    expect(lines.length).toBeLessThanOrEqual(3);
  });

  it('decides nothing after an interruption', () => {
    const verdict = verifyVerdict([check(10, 0)], undefined, { ...context, interruptedAt: '45 events, 38 % of the file' }, 100);
    expect(verdict.word).toBe('INTERRUPTED');
    expect(verdict.lines.join(' ')).toContain('not decided; so far 10 of 10 predictions equal');
  });
});

describe('the lines below the table of verify', () => {
  it('account for all events, or say how many are missing', () => {
    expect(ledgerLines(resultWith({}), 15, 100).join(' ')).not.toContain('NOT ACCOUNTED FOR');
    expect(ledgerLines(resultWith({}), 16, 100).join(' ')).toContain('1 NOT ACCOUNTED FOR');
  });

  it('cut the list of windows and name the flag that shows it', () => {
    const windows = [1, 2, 3, 4].map((line) => ({
      line,
      resource: 'bounce pool',
      moved: line > 3 ? 'free slots later' : 'take slots earlier',
      tried: 2,
    }));
    const result = resultWith({ windows, windowCount: 9 });
    expect(orderLines(result, false, 100)).toEqual([
      'order  9 windows needed a choice of order (0.900 % of predictions): 3 x take slots earlier, 1 x free',
      '       slots later',
      '       L1 bounce pool: take slots earlier (2 orders tried)',
      '       L2 bounce pool: take slots earlier (2 orders tried)',
      '       (7 more: --windows)',
    ]);
    expect(orderLines(result, true, 100).at(-1)).toBe('       (5 more were counted but not kept)');
    expect(orderLines(resultWith({}), false, 100)).toEqual(['order  0 windows needed a choice of order']);
  });

  it('say what was given, what was not compared and what cannot be', () => {
    const lines = limitLines(resultWith({ checks: [{ ...check(5, 0, 2), given: 3 }], limits: ['no qi_submit events'] }), 100);
    expect(lines.map((line) => line.slice(0, 7).trim()).filter((label) => label !== '')).toEqual(['given', 'apart', 'limit']);
  });
});

describe('dataLines', () => {
  const assembly = {
    rebuilt: 2,
    unknownMappings: 1,
    strayLines: 0,
    mappingsReplaced: 0,
    firstUnknownMappingLine: 41207,
    firstStrayLine: 0,
  };
  const data: DataReport = {
    level: 'usable',
    lines: ['DATA  usable: 9 events'],
    events: 9,
    lost: 0,
    notUnderstood: 0,
    inferred: Array.from({ length: 9 }, (_, index) => ({
      what: `device ${index} domain`,
      value: 'DMA-FQ',
      why: 'seen',
      basis: 'inferred',
    })),
    contradictions: [{ what: 'CPUs', trace: 'CPU 4', description: '4 CPUs', line: 77 }],
    assembly,
  };

  it('name in one line each what stands behind the counts', () => {
    expect(dataLines(data, 100)).toEqual([
      'DATA  usable: 9 events',
      '      inferred: device 0 domain DMA-FQ; device 1 domain DMA-FQ (7 more: --data)',
      '      contradicts: CPUs: trace CPU 4, description 4 CPUs',
      '      assembly: 1 unmap of unknown mappings (first L41,207); 2 failed calls rebuilt',
    ]);
  });

  it('show all of it on request', () => {
    const lines = dataDetailLines(data, 100);
    expect(lines.filter((line) => line.startsWith('inferred '))).toHaveLength(9);
    expect(lines).toContain('contradicts  CPUs: the trace shows CPU 4 (L77), the description 4 CPUs');
  });
});

describe('figures', () => {
  const figure = (value: number | null, basis: Figure['basis'], more: Partial<Figure> = {}): Figure => ({
    value,
    unit: 'slots',
    basis,
    ...more,
  });

  it('print every sign', () => {
    expect(figureText(figure(null, 'replay'))).toBe('-');
    expect(figureText(figure(0, 'replay'))).toBe('0');
    expect(figureText(figure(1241, 'replay', { lowerBound: true }))).toBe('>=1,241');
    expect(figureText(figure(1241, 'replay', { lowerBound: true, uncertain: true }))).toBe('~1,241');
    expect(figureText(figure(Number.NaN, 'replay'))).toBe('?');
    expect(figureText({ value: 0.5, unit: 'ratio', basis: 'replay' })).toBe('50 %');
    expect(figureText({ value: 4096, unit: 'bytes', basis: 'replay' })).toBe('4 KiB');
  });

  it('carry a letter where their basis is not that of the column', () => {
    const figures = [figure(1, 'recorded'), figure(2, 'replay'), figure(3, 'replay'), figure(null, 'model')];
    const basis = columnBasis(figures);
    expect(basis).toBe('replay');
    const cells = alignedCells(figures.map((one) => figureCell(one, basis)));
    expect(cells).toEqual(['1R', '2 ', '3 ', '- ']);
    expect(legendText(cells)).toBe('R recorded; - does not apply');
  });

  it('do not take a unit for a letter', () => {
    expect(legendText(['4 KiB', '0 B', '33.8 %'])).toBe('');
  });
});
