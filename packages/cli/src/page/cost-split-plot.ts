/** What a pair costs under each policy, by what the time is spent on. */

import { scaleLinear } from 'd3-scale';
import { AS_RECORDED, COST_PARTS, type CompareGroups, type CompareResult, type CompareRow, type CostPart } from 'dmalab-lab';
import { atLeast, significantText, UNKNOWN } from '../terminal/format.ts';
import { at, element, fragment, type Markup } from './markup.ts';
import { bottomAxis, label, line, PLOT_WIDTH, plotFigure, tickText, whisker } from './plot-frame.ts';
import { fillOf, patternDefinitions, patternLegend } from './plot-style.ts';

const NS_PER_US = 1e3;
const LEFT = 150;
const RIGHT = PLOT_WIDTH - 20;
const ROW_HEIGHT = 22;
const BAR_HEIGHT = 13;
const TOP = 36;

const PART_WORDS: Readonly<Record<CostPart, string>> = {
  call: 'call',
  iova: 'IOVA',
  pageTable: 'page table',
  slots: 'slot search',
  copy: 'copy',
  invalidation: 'invalidation',
  lock: 'lock',
  flush: 'flush',
};

/** A bar per policy, in the order of the table. */
export function costSplitPlot(result: CompareResult, { complete, partial }: CompareGroups): Markup {
  const id = 'cost-split';
  const recorded = result.rows.filter(({ policy }) => policy === AS_RECORDED);
  const rows = [...recorded, ...complete, ...partial];
  const most = Math.max(0.001, ...rows.map(({ cost }) => (cost?.perPair.total.high ?? 0) / NS_PER_US));
  const x = scaleLinear([0, most], [LEFT, RIGHT]).nice();
  const bottom = TOP + rows.length * ROW_HEIGHT + 4;
  const ticks = x.ticks(8).map((us) => ({ at: x(us), text: tickText(us) }));
  return plotFigure(
    {
      id,
      title: 'CPU time of a map and unmap pair by policy and part',
      description: rows.map(rowText).join(' '),
    },
    bottom + 38,
    fragment(
      patternDefinitions(id, COST_PARTS.length),
      patternLegend(
        id,
        COST_PARTS.map((part) => PART_WORDS[part]),
        6,
        16,
      ),
      bottomAxis(ticks, TOP - 4, bottom, 'us of CPU time per pair', (LEFT + RIGHT) / 2),
      rows.map((row, index) => bar(id, row, x, TOP + index * ROW_HEIGHT)),
      line(LEFT, TOP - 4, LEFT, bottom, 'base'),
    ),
    'Bars: the stated constants of the profile, split into eight parts that add up to the total. Whiskers: the total over all constants in their ranges.',
  );
}

function bar(id: string, { policy, cost }: CompareRow, x: (us: number) => number, top: number): Markup {
  const name = label(LEFT - 8, top + BAR_HEIGHT - 2, policy, 'end');
  if (cost === null || cost.perPair.total.value === null) return fragment(name, label(LEFT + 6, top + BAR_HEIGHT - 2, UNKNOWN, 'start'));
  const { split, total } = cost.perPair;
  let sum = 0;
  const parts = COST_PARTS.map((part, index) => {
    const us = (split[part].value ?? 0) / NS_PER_US;
    const left = x(sum);
    sum += us;
    const width = x(sum) - left;
    if (width < 0.1) return undefined;
    return element('rect', { x: at(left), y: at(top), width: at(width), height: BAR_HEIGHT, fill: fillOf(id, index), class: 'outline' });
  });
  const low = (total.low ?? total.value!) / NS_PER_US;
  const high = (total.high ?? total.value!) / NS_PER_US;
  return fragment(name, parts, whisker(x(low), x(high), top + BAR_HEIGHT + 3.5));
}

function rowText({ policy, cost }: CompareRow): string {
  const { value, low, high } = cost?.perPair.total ?? { value: null, low: null, high: null };
  if (cost === null || value === null || low === null || high === null) return `${policy}: not known.`;
  const text = significantText(value / NS_PER_US);
  return `${policy}: ${cost.lowerBound ? atLeast(text) : text} us, range ${significantText(low / NS_PER_US)} to ${significantText(high / NS_PER_US)}.`;
}
