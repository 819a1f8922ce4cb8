/** What all plots of the page have in common: the frame with its title, axes, labels that keep out of each other's way. */
import { countText } from '../terminal/format.ts';
import { at, type Content, element, fragment, type Markup } from './markup.ts';

/** Width of a plot in its own units; the page scales it. */
export const PLOT_WIDTH = 760;
/** Least distance of two lines of labels. */
export const LABEL_HEIGHT = 13;

export interface PlotText {
  /** Unique on the page; names of patterns and titles begin with it. */
  readonly id: string;
  readonly title: string;
  /** What a reader who cannot see it has to know. */
  readonly description: string;
}

/** A plot as a figure with a caption; title and description are read aloud in its place. */
export function plotFigure({ id, title, description }: PlotText, height: number, drawing: Content, caption: Content): Markup {
  const svg = element(
    'svg',
    { viewBox: `0 0 ${PLOT_WIDTH} ${at(height)}`, role: 'img', 'aria-labelledby': `${id}-title ${id}-desc` },
    element('title', { id: `${id}-title` }, title),
    element('desc', { id: `${id}-desc` }, description),
    drawing,
  );
  return element('figure', { id }, svg, element('figcaption', {}, caption));
}

/** A tick of an axis. */
export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** The horizontal axis: grid lines from `top` to `bottom`, texts below. */
export function bottomAxis(ticks: readonly Tick[], top: number, bottom: number, title: string, middle: number): Markup {
  return fragment(
    ticks.map((tick) => [line(tick.at, top, tick.at, bottom, 'grid'), label(tick.at, bottom + 15, tick.text, 'middle', 'tick')]),
    label(middle, bottom + 32, title, 'middle', 'axis'),
  );
}

/** The vertical axis: grid lines from `left` to `right`, texts to the left; its title stands above. */
export function leftAxis(ticks: readonly Tick[], left: number, right: number, titleAt: number, title: string): Markup {
  return fragment(
    ticks.map((tick) => [line(left, tick.at, right, tick.at, 'grid'), label(left - 6, tick.at + 4, tick.text, 'end', 'tick')]),
    label(6, titleAt, title, 'start', 'axis'),
  );
}

export function line(x1: number, y1: number, x2: number, y2: number, style: string): Markup {
  return element('line', { x1: at(x1), y1: at(y1), x2: at(x2), y2: at(y2), class: style });
}

export function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end', style = 'label'): Markup {
  return element('text', { x: at(x), y: at(y), 'text-anchor': anchor === 'start' ? undefined : anchor, class: style }, text);
}

/** A range with its ends marked. */
export function whisker(low: number, high: number, y: number): Markup {
  const end = 3;
  const path = `M${at(low)} ${at(y)}H${at(high)}M${at(low)} ${at(y - end)}v${2 * end}M${at(high)} ${at(y - end)}v${2 * end}`;
  return element('path', { d: path, class: 'whisker' });
}

/** Heights for labels that want to stand at `wanted`, in the same order, so that none covers another and all stay in bounds. */
export function spreadLabels(wanted: readonly number[], top: number, bottom: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  let least = top;
  for (const index of order) {
    placed[index] = Math.max(placed[index]!, least);
    least = placed[index]! + LABEL_HEIGHT;
  }
  let most = bottom;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index]!, most);
    most = placed[index]! - LABEL_HEIGHT;
  }
  return placed;
}

/** Rough width of a text in a plot, in its units. */
export function textWidth(text: string): number {
  return text.length * 6.6;
}

/** A value of an axis: as short as its digits allow. */
export function tickText(value: number): string {
  return value < 1 ? String(Number(value.toPrecision(3))) : countText(Number(value.toPrecision(3)));
}
