/** How series are told apart: by a colour of the page's palette, and always by a pattern, a dash or a marker as well. */
import { symbol, symbolCircle, symbolCross, symbolDiamond, symbolSquare, symbolStar, symbolTriangle, symbolWye } from 'd3-shape';
import { at, element, fragment, type Markup } from './markup.ts';

/** Colours of the palette: `--c0` to `--c7` in the style sheet, chosen for light and for dark. */
const COLOURS = 8;
/** Strokes over the colour, in a square of 8 units: one for each colour. */
const PATTERN_PATHS: readonly string[] = [
  '',
  'M0 8L8 0M-2 2L2 -2M6 10L10 6',
  'M0 0L8 8M-2 6L2 10M6 -2L10 2',
  'M0 4H8',
  'M2 2h1.5v1.5h-1.5zM6 6h1.5v1.5h-1.5z',
  'M4 0V8',
  'M0 4H8M4 0V8',
  'M0 8L8 0M0 0L8 8',
];
const DASHES: readonly (string | undefined)[] = [undefined, '7 3', '2 3', '9 3 2 3', '4 2', '12 4', '1 4', '9 3 2 3 2 3'];
const SYMBOLS = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolStar, symbolCross, symbolWye];
const SYMBOL_AREA = 42;

/** Colour of series number `index`. */
export function colourOf(index: number): string {
  return `var(--c${index % COLOURS})`;
}

/** Fill of class number `index` inside the plot `id`, whose patterns have to be defined there. */
export function fillOf(id: string, index: number): string {
  return `url(#${id}-p${index % COLOURS})`;
}

/** Definitions of the patterns of `count` classes. */
export function patternDefinitions(id: string, count: number): Markup {
  const patterns = PATTERN_PATHS.slice(0, count).map((path, index) =>
    element(
      'pattern',
      { id: `${id}-p${index}`, width: 8, height: 8, patternUnits: 'userSpaceOnUse' },
      element('rect', { width: 8, height: 8, fill: colourOf(index) }),
      path === '' ? undefined : element('path', { d: path, class: 'hatch' }),
    ),
  );
  return element('defs', {}, patterns);
}

/** A line of series number `index`: after each round of colours the dashes shift, so that no two of 56 are alike. */
export function seriesLine(path: string, index: number): Markup {
  return element('path', { d: path, class: 'series', stroke: colourOf(index), 'stroke-dasharray': dashOf(index) });
}

/** Its marker. */
export function seriesMarker(x: number, y: number, index: number): Markup {
  const shape = symbol(SYMBOLS[index % SYMBOLS.length]!, SYMBOL_AREA).digits(1)() ?? '';
  return element('path', { d: shape, transform: `translate(${at(x)} ${at(y)})`, class: 'marker', fill: colourOf(index) });
}

/** Pattern and name of each class, above a plot. */
export function patternLegend(id: string, names: readonly string[], x: number, y: number): Markup {
  let left = x;
  const entries = names.map((name, index) => {
    const entry = fragment(
      element('rect', { x: at(left), y: at(y - 10), width: 14, height: 12, fill: fillOf(id, index), class: 'outline' }),
      element('text', { x: at(left + 18), y: at(y), class: 'label' }, name),
    );
    left += 18 + name.length * 6.6 + 14;
    return entry;
  });
  return fragment(entries);
}

function dashOf(index: number): string | undefined {
  return DASHES[(index + Math.floor(index / COLOURS)) % DASHES.length];
}
