/** Bounce slots in use over time, and the plot of it. */

import { scaleLinear, scaleLog } from 'd3-scale';
import { curveStepAfter, line as linePath } from 'd3-shape';
import type { CompareResult } from 'dmalab-lab';
import { countText, secondsText } from '../terminal/format.ts';
import { element, fragment, type Markup } from './markup.ts';
import { bottomAxis, label, leftAxis, line, PLOT_WIDTH, plotFigure, spreadLabels, textWidth } from './plot-frame.ts';
import { seriesLine } from './plot-style.ts';
import { type ThinnedSeries, thinned } from './thinned-series.ts';

const NS_PER_SECOND = 1e9;
const LEFT = 56;
const TOP = 30;
const BOTTOM = 230;

/** One policy. */
export interface PoolOverTime extends ThinnedSeries {
  readonly policy: string;
  /** Slots of the pool. */
  readonly limit: number;
}

export function poolOverTime(result: CompareResult): PoolOverTime[] {
  return result.rows.flatMap(({ policy, poolSeries }) => {
    if (poolSeries === null) return [];
    const { limit, bucketNs, buckets } = poolSeries;
    const values = thinned(
      buckets,
      bucketNs,
      (bucket) => buckets[bucket]!.mean,
      (bucket) => buckets[bucket]!.max,
    );
    return [{ policy, limit, ...values }];
  });
}

/** The most slots in each bucket of time as a line per policy, on a logarithmic scale up to the limit. */
export function poolPlot(series: readonly PoolOverTime[], result: CompareResult): Markup | undefined {
  if (series.length === 0) return undefined;
  const id = 'pool-time';
  const { durationNs } = result.recording;
  const limits = [...new Set(series.map(({ limit }) => limit))];
  const names = series.map(({ policy, max }) => `${policy} ${countText(Math.max(...max))}`);
  const right = PLOT_WIDTH - Math.max(...names.map(textWidth)) - 24;
  const startNs = Math.min(...series.map((one) => one.startNs));
  const x = scaleLinear([0, Math.max(1, durationNs)], [LEFT, right]);
  const y = scaleLog([1, Math.max(2, ...limits) * 1.3], [BOTTOM, TOP]);
  const height = (slots: number): number => y(Math.max(1, slots));
  const ends = spreadLabels(
    series.map(({ max }) => height(max.at(-1) ?? 1)),
    TOP + 4,
    BOTTOM,
  );
  const lines = series.map((one, index) => {
    const points = changesOf([...one.max, one.max.at(-1) ?? 0].map((slots, bucket) => ({ bucket, slots })));
    const path = linePath<(typeof points)[number]>()
      .x(({ bucket }) => Math.min(right, x(bucket * one.bucketNs + one.startNs - startNs)))
      .y(({ slots }) => height(slots))
      .curve(curveStepAfter)
      .digits(1)(points);
    const end = height(one.max.at(-1) ?? 1);
    return fragment(
      seriesLine(path ?? '', index),
      element('path', { d: `M${right} ${end.toFixed(1)}L${right + 16} ${ends[index]!.toFixed(1)}`, class: 'leader' }),
      label(right + 19, ends[index]! + 4, names[index]!, 'start'),
    );
  });
  const ticks = x.ticks(6).map((ns) => ({ at: x(ns), text: secondsText(ns / NS_PER_SECOND) }));
  return plotFigure(
    {
      id,
      title: 'Bounce slots in use over time',
      description: `The most slots in use in each bucket of time, by policy, beside the limit of ${limits.map(countText).join(' or ')} slots. Peaks: ${names.join(', ')}.`,
    },
    BOTTOM + 40,
    fragment(
      bottomAxis(ticks, TOP, BOTTOM, 'time of the recording', (LEFT + right) / 2),
      leftAxis(
        powersOfTen(y.domain()[1]!).map((slots) => ({ at: y(slots), text: countText(slots) })),
        LEFT,
        right,
        14,
        'slots in use (logarithmic, nothing below 1)',
      ),
      limits.map((limit) => [
        line(LEFT, y(limit), right, y(limit), 'limit'),
        label(right - 4, y(limit) - 4, `limit ${countText(limit)}`, 'end'),
      ]),
      lines,
    ),
    'A slot is 2 KiB. The line shows the most in each bucket of time; behind each name stands its peak. Policies that never took a slot are left out.',
  );
}

/** Values that change, and the last. */
function changesOf<T extends { readonly slots: number }>(points: readonly T[]): T[] {
  return points.filter((point, index) => index === 0 || index === points.length - 1 || points[index - 1]!.slots !== point.slots);
}

function powersOfTen(most: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power <= most; power *= 10) powers.push(power);
  return powers;
}
