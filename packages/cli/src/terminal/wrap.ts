import { clipped } from './ascii.ts';

/** Widest line that any verb prints, also on a wider terminal, so that it can be quoted in a mail. */
export const COLUMNS_MAX = 100;

/**
 * Breaks text at blanks so that no line is longer than `columns`. Lines after the first are indented; runs of blanks
 * inside a line stay. A word that is longer than a line is broken.
 */
export function wrapped(text: string, columns: number, indent: number): string[] {
  const lines: string[] = [];
  const front = ' '.repeat(indent);
  let rest = text;
  while (rest.length > columns) {
    const start = lines.length === 0 ? 0 : indent;
    const blank = rest.lastIndexOf(' ', columns);
    const broken = blank > start ? blank : columns;
    lines.push(rest.slice(0, broken).trimEnd());
    rest = front + rest.slice(broken).trimStart();
  }
  lines.push(rest.trimEnd());
  return lines;
}

/** A paragraph under a label: `next   text`, lines after the first under the text. */
export function labelled(label: string, text: string, columns: number, labelColumns: number = 7): string[] {
  return wrapped(label.padEnd(labelColumns) + text, columns, labelColumns);
}

/** Lines that lose their sense when broken: what does not fit is cut, visibly. */
export function clippedLines(lines: readonly string[], columns: number): string[] {
  return lines.map((line) => clipped(line, columns));
}

/** Sections with an empty line between them; empty ones are left out. */
export function sectionLines(sections: readonly (readonly string[])[]): string[] {
  return sections.filter((section) => section.length > 0).flatMap((section, index) => (index > 0 ? ['', ...section] : section));
}
