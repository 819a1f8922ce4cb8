/** Over the size of a buffer what a pair costs under two policies, with the sizes of this trace below. */

import { scaleLinear, scaleLog } from 'd3-scale';
import { area, line as linePath } from 'd3-shape';
import type { BreakevenResult, BreakevenTrace } from 'dmalab-lab';
import { breakevenAnswer } from '../report/breakeven-words.ts';
import { bytesText, shareText } from '../terminal/format.ts';
import { at, element, fragment, type Markup } from './markup.ts';
import { bottomAxis, label, leftAxis, line, PLOT_WIDTH, plotFigure, spreadLabels, textWidth, tickText } from './plot-frame.ts';
import { colourOf, fillOf, patternDefinitions, seriesLine, seriesMarker } from './plot-style.ts';

const NS_PER_US = 1e3;
const LEFT = 56;
const TOP = 28;
const BOTTOM = 250;
/** The histogram stands under the axis of the costs, on the same sizes. */
const BARS_TOP = 306;
const BARS_BOTTOM = 362;
/** Colours of the two policies; no. 0 is the grey of the bars. */
const FIRST_COLOUR = 1;
const WIDE_COLUMNS = 100_000;

interface CostPoint {
  readonly bytes: number;
  readonly us: number;
  readonly low: number;
  readonly high: number;
}

/** Undefined when no policy has a cost. */
export function breakevenPlot(result: BreakevenResult): Markup | undefined {
  const id = 'breakeven';
  const series = result.policies
    .map((policy, index) => ({ policy, points: pointsOf(result, index) }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  const all = series.flatMap(({ points }) => points);
  const right = PLOT_WIDTH - Math.max(...series.map(({ policy }) => textWidth(policy))) - 30;
  const sizes = result.rows.map(({ bytes }) => bytes);
  const x = scaleLog([sizes[0]!, sizes.at(-1)!], [LEFT, right]).base(2);
  const y = scaleLog([Math.min(...all.map(({ low }) => low)), Math.max(...all.map(({ high }) => high))], [BOTTOM, TOP]).nice();
  const ends = spreadLabels(
    series.map(({ points }) => y(points.at(-1)!.us)),
    TOP,
    BOTTOM,
  );
  const lines = series.map(({ policy, points }, order) => {
    const index = FIRST_COLOUR + order * 3;
    const band = area<CostPoint>()
      .x(({ bytes }) => x(bytes))
      .y0(({ low }) => y(low))
      .y1(({ high }) => y(high))
      .digits(1)(points);
    const path = linePath<CostPoint>()
      .x(({ bytes }) => x(bytes))
      .y(({ us }) => y(us))
      .digits(1)(points);
    return fragment(
      element('path', { d: band ?? '', fill: colourOf(index), 'fill-opacity': '0.16' }),
      seriesLine(path ?? '', index),
      points.map(({ bytes, us }) => seriesMarker(x(bytes), y(us), index)),
      label(right + 22, ends[order]! + 4, policy, 'start'),
      element('path', {
        d: `M${at(x(points.at(-1)!.bytes) + 6)} ${at(y(points.at(-1)!.us))}L${at(right + 19)} ${at(ends[order]!)}`,
        class: 'leader',
      }),
    );
  });
  const answer = answerText(result);
  const ticks = sizes.filter((bytes) => Number.isInteger(Math.log2(bytes) / 2)).map((bytes) => ({ at: x(bytes), text: bytesText(bytes) }));
  return plotFigure(
    { id, title: 'Break-even: cost of a pair by size of the buffer', description: answer },
    result.trace === null ? BOTTOM + 40 : BARS_BOTTOM + 24,
    fragment(
      patternDefinitions(id, 2),
      bottomAxis(ticks, TOP, BOTTOM, 'size of an unaligned buffer', (LEFT + right) / 2),
      leftAxis(
        powersOfTen(...(y.domain() as [number, number])).map((us) => ({ at: y(us), text: tickText(us) })),
        LEFT,
        right,
        12,
        'us of CPU time per pair (logarithmic)',
      ),
      limitLines(result, x),
      lines,
      result.trace === null ? undefined : traceBars(id, result.trace, sizes, x, right),
    ),
    fragment(
      answer,
      ' Bands: all constants over their ranges; who is cheaper is told from the paired difference alone, so that bands may overlap where it is clear.',
    ),
  );
}

function pointsOf({ rows }: BreakevenResult, policy: number): CostPoint[] {
  return rows.flatMap(({ bytes, costs }) => {
    const cost = costs[policy];
    if (cost === undefined || cost === null || cost.value === null || cost.low === null || cost.high === null) return [];
    return [{ bytes, us: cost.value / NS_PER_US, low: cost.low / NS_PER_US, high: cost.high / NS_PER_US }];
  });
}

/** Where the cheaper one stops being the same for all constants. */
function limitLines({ comparisons }: BreakevenResult, x: (bytes: number) => number): Markup[] {
  const limits = comparisons[0]?.limits ?? null;
  if (limits === null || limits.atFrom === limits.atTo) return [];
  return [limits.below, limits.above].flatMap((bytes) =>
    bytes === null || bytes <= limits.from || bytes >= limits.to
      ? []
      : [fragment(line(x(bytes), TOP - 6, x(bytes), BOTTOM, 'limit'), label(x(bytes) + 4, TOP + 4, bytesText(bytes), 'start'))],
  );
}

/** Shares of the trace's unaligned buffers, each between the size before and its own. */
function traceBars(id: string, trace: BreakevenTrace, sizes: readonly number[], x: (bytes: number) => number, right: number): Markup {
  const total = trace.byAlignment.unaligned.ranges;
  const most = Math.max(1, ...trace.rows.map(({ ranges }) => ranges));
  const y = scaleLinear([0, most], [BARS_BOTTOM, BARS_TOP]);
  const bars = trace.rows.map(({ ranges }, row) => {
    const to = x(sizes[row]!);
    const from = row === 0 ? to - 10 : x(sizes[row - 1]!);
    if (ranges === 0) return undefined;
    return fragment(
      element('rect', {
        x: at(from + 1),
        y: at(y(ranges)),
        width: at(Math.max(1, to - from - 2)),
        height: at(BARS_BOTTOM - y(ranges)),
        fill: fillOf(id, 0),
        class: 'outline',
      }),
      label((from + to) / 2, y(ranges) - 3, shareText(ranges, total), 'middle', 'tick'),
    );
  });
  const unaligned = shareText(total, trace.all.ranges);
  return fragment(
    bars,
    line(LEFT, BARS_BOTTOM, right, BARS_BOTTOM, 'base'),
    label(LEFT, BARS_BOTTOM + 16, `this trace: ${unaligned} of its buffers are unaligned, here by size`, 'start', 'axis'),
  );
}

/** The sentence of `dmalab breakeven`, unchanged but for its line ends and label. */
function answerText(result: BreakevenResult): string {
  return breakevenAnswer(result, WIDE_COLUMNS)
    .join(' ')
    .replace(/^ANSWER\s+/, '');
}

function powersOfTen(from: number, to: number): number[] {
  const powers: number[] = [];
  for (let power = Math.ceil(Math.log10(from) - 1e-9); 10 ** power <= to * 1.0001; power++) powers.push(10 ** power);
  return powers;
}
