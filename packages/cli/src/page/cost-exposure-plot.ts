/** What each policy costs against what it leaves reachable. */

import { scaleLinear, scaleLog } from 'd3-scale';
import { AS_RECORDED, type CompareGroups, type CompareResult, type CompareRow } from 'dmalab-lab';
import { significantText } from '../terminal/format.ts';
import { at, element, fragment, type Markup } from './markup.ts';
import {
  bottomAxis,
  LABEL_HEIGHT,
  label,
  leftAxis,
  PLOT_WIDTH,
  plotFigure,
  spreadLabels,
  textWidth,
  tickText,
  whisker,
} from './plot-frame.ts';
import { seriesMarker } from './plot-style.ts';

const NS_PER_US = 1e3;
const LEFT = 92;
const RIGHT = PLOT_WIDTH - 8;
const TOP = 28;
/** Height of the part with a scale. */
const SCALE_HEIGHT = 130;
const LANE_ROW = 16;
const LANE_GAP = 8;

/** Marker and colour by what a policy promises; the markers differ in shape, too. */
const KINDS = { recorded: 0, complete: 2, partial: 4 } as const;

interface Dot {
  readonly policy: string;
  readonly kind: keyof typeof KINDS;
  readonly us: number;
  readonly low: number;
  readonly high: number;
  readonly foreign: Foreign;
}

/** Foreign byte-seconds, or why there is no such number. */
type Foreign = number | 'all memory' | 'not known';

/** One dot per policy with a price. Times of an emulator are not drawn: there the byte-seconds of as-recorded are unknown. */
export function costExposurePlot(result: CompareResult, { complete, partial }: CompareGroups, emulatorTime: boolean): Markup {
  const id = 'cost-exposure';
  const dots = [
    ...result.rows.filter(({ policy }) => policy === AS_RECORDED).flatMap((row) => dotOf(row, 'recorded', result, emulatorTime)),
    ...complete.flatMap((row) => dotOf(row, 'complete', result, emulatorTime)),
    ...partial.flatMap((row) => dotOf(row, 'partial', result, emulatorTime)),
  ];
  const most = Math.max(0.001, ...dots.map(({ high }) => high));
  // Names stand behind the whiskers and have to fit.
  const room = Math.max(...dots.map(({ policy }) => textWidth(policy))) + 14;
  const x = scaleLinear([0, most], [LEFT, RIGHT - room]);
  const lanes = [
    { title: 'all memory', dots: dots.filter(({ foreign }) => foreign === 'all memory') },
    { title: 'not known', dots: dots.filter(({ foreign }) => foreign === 'not known') },
  ].filter((lane) => lane.dots.length > 0);
  const zero = { title: 'exactly 0', dots: dots.filter(({ foreign }) => foreign === 0) };
  const scaled = dots.filter(({ foreign }) => typeof foreign === 'number' && foreign > 0);

  let top = TOP;
  const upper = lanes.map((lane) => {
    const drawn = laneMarkup(lane.title, lane.dots, x, top);
    top += laneHeight(lane.dots) + LANE_GAP;
    return drawn;
  });
  const scaleMarkup = scaledMarkup(scaled, x, top);
  const zeroTop = top + SCALE_HEIGHT + LANE_GAP;
  const bottom = zeroTop + Math.max(LANE_ROW, laneHeight(zero.dots)) + 4;
  const ticks = x.ticks(8).map((us) => ({ at: x(us), text: tickText(us) }));
  return plotFigure(
    { id, title: 'Cost against exposure', description: dots.map(dotText).join(' ') },
    bottom + 38,
    fragment(
      kindLegend(14),
      bottomAxis(ticks, TOP - 4, bottom, 'us of CPU time per pair', (LEFT + RIGHT) / 2),
      upper,
      scaleMarkup,
      laneMarkup(zero.title, zero.dots, x, zeroTop),
    ),
    `Upwards: foreign byte-seconds within reach (neighbours and other devices), logarithmic, with lanes of their own for exactly zero and for all memory. Whiskers: the total over all constants. Left and low is better.${dots.some(({ foreign }) => foreign === 'not known') ? ' Not known: the recording was made on an emulator, whose times mean nothing.' : ''}`,
  );
}

function dotOf(row: CompareRow, kind: Dot['kind'], result: CompareResult, emulatorTime: boolean): Dot[] {
  const { value, low, high } = row.cost?.perPair.total ?? { value: null, low: null, high: null };
  if (value === null || low === null || high === null || row.exposure === null) return [];
  const { either, reach } = row.exposure.total;
  const seconds = either?.subPage.byteSeconds.value ?? null;
  const timeless = seconds !== null && seconds > 0 && result.recording.emulated && row.policy === AS_RECORDED && !emulatorTime;
  const foreign = reach === 'all memory' ? 'all memory' : seconds === null || timeless ? 'not known' : seconds;
  return [{ policy: row.policy, kind, us: value / NS_PER_US, low: low / NS_PER_US, high: high / NS_PER_US, foreign }];
}

function laneHeight(dots: readonly Dot[]): number {
  return dots.length * LANE_ROW + 4;
}

/** A lane gives every dot a row of its own, cheapest on top. */
function laneMarkup(title: string, dots: readonly Dot[], x: (us: number) => number, top: number): Markup {
  const height = Math.max(LANE_ROW, laneHeight(dots));
  const ordered = dots.toSorted((a, b) => a.us - b.us);
  return fragment(
    element('rect', { x: LEFT, y: at(top), width: RIGHT - LEFT, height: at(height), class: 'lane' }),
    label(LEFT - 6, top + height / 2 + 4, title, 'end', 'label strong'),
    ordered.map((dot, index) =>
      dotMarkup(dot, x, top + 2 + (index + 0.5) * LANE_ROW, { x: x(dot.high) + 8, y: top + 2 + (index + 0.5) * LANE_ROW }),
    ),
  );
}

function scaledMarkup(dots: readonly Dot[], x: (us: number) => number, top: number): Markup {
  const values = dots.map(({ foreign }) => foreign as number);
  const least = Math.min(...values, 1);
  const most = Math.max(...values, 10);
  const y = scaleLog([least / 2, most * 2], [top + SCALE_HEIGHT, top]).nice();
  const heights = values.map((value) => y(value));
  const labels = spreadLabels(heights, top + LABEL_HEIGHT / 2, top + SCALE_HEIGHT - 2);
  // All names of this part stand in one column, so that no whisker runs through one.
  const labelsAt = x(Math.max(0, ...dots.map(({ high }) => high))) + 16;
  const [from, to] = y.domain() as [number, number];
  const ticks: { at: number; text: string }[] = [];
  const decades = Math.max(1, Math.ceil(Math.log10(to / from) / 6));
  for (let power = Math.ceil(Math.log10(from)); power <= Math.floor(Math.log10(to)); power += decades)
    ticks.push({ at: y(10 ** power), text: powerText(power) });
  return fragment(
    leftAxis(ticks, LEFT, RIGHT, 14, 'foreign byte-seconds'),
    dots.map((dot, index) => dotMarkup(dot, x, heights[index]!, { x: labelsAt, y: labels[index]! })),
  );
}

function dotMarkup(dot: Dot, x: (us: number) => number, y: number, name: { readonly x: number; readonly y: number }): Markup {
  const end = x(dot.high);
  const isApart = name.x > end + 8 || Math.abs(name.y - y) > 2;
  const leader = element('path', { d: `M${at(end + 2)} ${at(y)}L${at(name.x - 3)} ${at(name.y)}`, class: 'leader' });
  return fragment(
    isApart ? leader : undefined,
    whisker(x(dot.low), end, y),
    seriesMarker(x(dot.us), y, KINDS[dot.kind]),
    label(name.x, name.y + 4, dot.policy, 'start'),
  );
}

function kindLegend(y: number): Markup {
  const words: readonly (readonly [keyof typeof KINDS, string])[] = [
    ['recorded', 'as recorded'],
    ['complete', 'promises P1 to P6'],
    ['partial', 'gives something up'],
  ];
  let left = LEFT + 130;
  return fragment(
    words.map(([kind, text]) => {
      const entry = fragment(seriesMarker(left, y - 4, KINDS[kind]), label(left + 9, y, text, 'start'));
      left += textWidth(text) + 34;
      return entry;
    }),
  );
}

function powerText(power: number): string {
  return power >= 0 && power <= 3 ? String(10 ** power) : `1e${power}`;
}

function dotText({ policy, us, low, high, foreign }: Dot): string {
  const reach = typeof foreign === 'number' ? `${significantText(foreign)} foreign byte-seconds` : `foreign bytes: ${foreign}`;
  return `${policy}: ${significantText(us)} us (${significantText(low)} to ${significantText(high)}), ${reach}.`;
}
