/**
 * Numbers as text, the same in every locale.
 *
 * Counts are exact, with commas; measures have three significant digits and a unit. What is no number has a sign of its own.
 */

/** The figure makes no sense for this row. */
export const NOT_APPLICABLE = '-';
/** The figure exists but the input does not tell it; the reason stands below the table. */
export const UNKNOWN = '?';

const BYTE_UNITS: readonly string[] = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
/** From here on, three digits round up to four. */
const FOUR_DIGITS = 999.5;

/** An exact count: `1,204,881`. */
export function countText(count: number): string {
  if (!Number.isFinite(count)) return UNKNOWN;
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count and its noun: `1 event`, `1,204 events`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${countText(count)} ${count === 1 ? noun : plural}`;
}

/** Three significant digits without a unit: `0.521`, `12.3`, `1,230`; whole numbers below 1000 as they are. */
export function significantText(value: number): string {
  if (!Number.isFinite(value)) return UNKNOWN;
  if (value === 0) return '0';
  if (Number.isInteger(value) && Math.abs(value) < FOUR_DIGITS) return String(value);
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= FOUR_DIGITS) return countText(rounded);
  const digitsBefore = Math.floor(Math.log10(Math.abs(rounded))) + 1;
  return rounded.toFixed(Math.max(0, 3 - digitsBefore));
}

/** Bytes in the largest unit that keeps three digits: `512 B`, `4 KiB`, `267 MiB`, `1.63 GiB`. */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes)) return UNKNOWN;
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= FOUR_DIGITS && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${significantText(value)} ${BYTE_UNITS[unit]}`;
}

/** `part` of `whole` in per cent. Only all of it is `100 %` and only nothing is `0 %`: 1 of 100,000 never rounds away. */
export function shareText(part: number, whole: number): string {
  if (!(whole > 0)) return NOT_APPLICABLE;
  if (part === 0) return '0 %';
  if (part === whole) return '100 %';
  const percent = (100 * part) / whole;
  if (percent < 99.95) return `${significantText(percent)} %`;
  const missing = 100 - percent;
  return `${percent.toFixed(Math.min(12, Math.ceil(-Math.log10(missing))))} %`;
}

/** A duration in seconds: `0.08 s`, `2.1 s`. */
export function secondsText(seconds: number): string {
  if (!Number.isFinite(seconds)) return UNKNOWN;
  return seconds < 10 ? `${Number(seconds.toPrecision(2))} s` : `${Math.round(seconds)} s`;
}

const DURATION_UNITS: readonly (readonly [nanoseconds: number, unit: string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
  [1, 'ns'],
];

/** Three digits and the largest unit that keeps them: `3 us`, `6.08 ms`, `323 s`. */
export function durationText(ns: number): string {
  if (!Number.isFinite(ns)) return UNKNOWN;
  const [size, unit] = DURATION_UNITS.find(([nanoseconds]) => Math.abs(ns) >= nanoseconds * (FOUR_DIGITS / 1000)) ?? [1, 'ns'];
  return ns === 0 ? '0 us' : `${significantText(ns / size)} ${unit}`;
}

/** A lower bound; 0 is one as well. */
export function atLeast(text: string): string {
  return `>=${text}`;
}

/** A line of the trace, as every verb prints and accepts it: `L41,207`. */
export function lineHandle(line: number): string {
  return `L${countText(line)}`;
}

/** A mapping, as `explain` prints and accepts it: `m-1207`; a question mark where its beginning was not recorded. */
export function mappingHandle(number: number): string {
  return number > 0 ? `m-${number}` : UNKNOWN;
}

/** Reads `L41,207`, `41,207` and `41207`. @returns undefined when it is none of these */
export function parseLineHandle(text: string): number | undefined {
  const match = /^L?(\d{1,3}(?:,\d{3})+|\d+)$/i.exec(text);
  if (match === null) return undefined;
  const line = Number(match[1]!.replaceAll(',', ''));
  return Number.isSafeInteger(line) && line > 0 ? line : undefined;
}
