/** How many pairs all CPUs together make under the saturate load. */

import { scaleLog } from 'd3-scale';
import { line as linePath } from 'd3-shape';
import type { CompareResult, SaturatedPoint } from 'dmalab-lab';
import { failureTexts, saturateNote } from '../report/saturate-table.ts';
import { countText, significantText } from '../terminal/format.ts';
import { at, element, fragment, type Markup } from './markup.ts';
import { bottomAxis, label, leftAxis, PLOT_WIDTH, plotFigure, spreadLabels, textWidth, tickText } from './plot-frame.ts';
import { seriesLine, seriesMarker } from './plot-style.ts';

const LEFT = 56;
const TOP = 28;
const BOTTOM = 300;
const MILLION = 1e6;

/** Undefined when the load did not run. */
export function throughputPlot({ rows, saturation }: CompareResult): Markup | undefined {
  if (saturation === null || saturation.obstacle !== null) return undefined;
  const id = 'throughput';
  const series = rows
    .map(({ policy, saturation: points }) => ({ policy, points: (points ?? []).filter(({ measured }) => measured.pairs > 0) }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  const right = PLOT_WIDTH - Math.max(...series.map(({ policy }) => textWidth(policy))) - 30;
  const values = series.flatMap(({ points }) => points.map(throughput));
  const cpus = saturation.cpus;
  const x = scaleLog([cpus[0]!, Math.max(cpus.at(-1)!, cpus[0]! + 1)], [LEFT, right]).base(2);
  const y = scaleLog([Math.min(...values), Math.max(...values)], [BOTTOM, TOP]).nice();
  const ends = spreadLabels(
    series.map(({ points }) => y(throughput(points.at(-1)!))),
    TOP,
    BOTTOM,
  );
  const lines = series.map(({ policy, points }, index) => {
    const path = linePath<SaturatedPoint>()
      .x((point) => x(point.cpus))
      .y((point) => y(throughput(point)))
      .digits(1)(points);
    const last = points.at(-1)!;
    const from = { x: x(last.cpus), y: y(throughput(last)) };
    return fragment(
      seriesLine(path ?? '', index),
      points.map((point) => seriesMarker(x(point.cpus), y(throughput(point)), index)),
      element('path', { d: `M${at(from.x + 6)} ${at(from.y)}L${at(right + 20)} ${at(ends[index]!)}`, class: 'leader' }),
      label(right + 23, ends[index]! + 4, policy, 'start'),
    );
  });
  return plotFigure(
    {
      id,
      title: 'Pairs per second of all CPUs together, by number of CPUs',
      description: series
        .map(({ policy, points }) => {
          const texts = points.map((point) => `${significantText(throughput(point))} with ${point.cpus}`);
          return `${policy}: ${texts.join(', ')} CPUs (millions of pairs per second).`;
        })
        .join(' '),
    },
    BOTTOM + 40,
    fragment(
      bottomAxis(
        cpus.map((count) => ({ at: x(count), text: countText(count) })),
        TOP,
        BOTTOM,
        'CPUs',
        (LEFT + right) / 2,
      ),
      leftAxis(
        y
          .ticks(5)
          .filter(isRound)
          .map((value) => ({ at: y(value), text: tickText(value) })),
        LEFT,
        right,
        12,
        'million pairs per second, all CPUs together',
      ),
      lines,
    ),
    [`${saturateNote(saturation)}.`, ...failureTexts(rows).map((text) => ` ${text}.`)].join(''),
  );
}

function throughput({ cpus, pairsPerCpuPerSecond }: SaturatedPoint): number {
  return (cpus * pairsPerCpuPerSecond) / MILLION;
}

/** 1, 2 and 5 times a power of ten: what a logarithmic axis has room for. */
function isRound(value: number): boolean {
  const digit = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
  return digit === 1 || digit === 2 || digit === 5;
}
