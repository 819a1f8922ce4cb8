/**
 * The usual spelling of the events that fill a trace, as literals with a field after each.
 *
 * A line that is spelled exactly so is read in one pass without looking up field names, three times as fast; any other
 * line, good or bad, is left to the reader by names, so a template never decides what is an error.
 */

import { asciiBytes } from './byte-text.ts';
import { bit, Field } from './event-fields.ts';
import { EVENT_KIND_COUNT, EventKind } from './event-kind.ts';

/** How the field after a literal is written. */
export const Notation = { HEX: 0, DECIMAL: 1, DEVICE: 2, DIRECTION: 3, ATTRIBUTES: 4, NOTHING: 5 } as const;
export type Notation = (typeof Notation)[keyof typeof Notation];

/** Literal bytes, none or at least four, then a field. */
export interface TemplateStep {
  readonly literalLength: number;
  /** The literal as 32-bit words, lowest byte first: from 0, 4, ... and, overlapping, its last four bytes. */
  readonly words: Int32Array;
  readonly field: Field;
  readonly notation: Notation;
}

/** All of a text, from its first byte to its last. */
export interface EventTemplate {
  readonly steps: readonly TemplateStep[];
  /** Bits of its fields. */
  readonly found: number;
}

const RANGE = [hex('IOMMU: iova=0x', Field.IOVA), hex(' - 0x', Field.END)];
const DMA_FRONT = [
  step('', Field.DEVICE, Notation.DEVICE),
  step(' dir=', Field.DIR, Notation.DIRECTION),
  hex(' dma_addr=', Field.DMA_ADDR),
  decimal(' size=', Field.SIZE),
];
const ATTRS = step(' attrs=', Field.ATTRS, Notation.ATTRIBUTES);
const MAP_SINGLE = template([...DMA_FRONT, hex(' phys_addr=', Field.PHYS_ADDR), ATTRS]);
const UNMAP_SINGLE = template([...DMA_FRONT, ATTRS]);
const BOUNCED = [
  step('dev_name: ', Field.DEVICE, Notation.DEVICE),
  hex(' dma_mask=', Field.DMA_MASK),
  hex(' dev_addr=', Field.DEV_ADDR),
  decimal(' size=', Field.SIZE),
  step(' NORMAL', Field.FORCED, Notation.NOTHING),
];

/** By kind; undefined for events that are rare or have lists. */
export const EVENT_TEMPLATES: readonly (EventTemplate | undefined)[] = templates();

function templates(): (EventTemplate | undefined)[] {
  const all: (EventTemplate | undefined)[] = Array.from({ length: EVENT_KIND_COUNT }, () => undefined);
  all[EventKind.MAP] = template([...RANGE, hex(' paddr=0x', Field.PADDR), decimal(' size=', Field.SIZE)]);
  all[EventKind.UNMAP] = template([...RANGE, decimal(' size=', Field.SIZE), decimal(' unmapped_size=', Field.UNMAPPED_SIZE)]);
  all[EventKind.BOUNCED] = template(BOUNCED);
  all[EventKind.DMA_MAP_PAGE] = MAP_SINGLE;
  all[EventKind.DMA_MAP_PHYS] = MAP_SINGLE;
  all[EventKind.DMA_UNMAP_PAGE] = UNMAP_SINGLE;
  all[EventKind.DMA_UNMAP_PHYS] = UNMAP_SINGLE;
  return all;
}

function template(steps: readonly TemplateStep[]): EventTemplate {
  let found = 0;
  for (const { field } of steps) found |= bit(field);
  return { steps, found };
}

function hex(literal: string, field: Field): TemplateStep {
  return step(literal, field, Notation.HEX);
}

function decimal(literal: string, field: Field): TemplateStep {
  return step(literal, field, Notation.DECIMAL);
}

function step(literal: string, field: Field, notation: Notation): TemplateStep {
  const bytes = asciiBytes(literal);
  const view = new DataView(bytes.buffer);
  const words: number[] = [];
  for (let offset = 0; offset + 4 < bytes.length; offset += 4) words.push(view.getInt32(offset, true));
  if (bytes.length > 0) words.push(view.getInt32(bytes.length - 4, true));
  return { literalLength: bytes.length, words: Int32Array.from(words), field, notation };
}

/** True when the literal of `step` stands at `position` and ends at or before `end`. */
export function hasLiteral(view: DataView, position: number, end: number, step: TemplateStep): boolean {
  const words = step.words;
  const last = words.length - 1;
  if (position + step.literalLength > end) return false;
  for (let index = 0; index < last; index++) {
    if (view.getInt32(position + index * 4, true) !== words[index]) return false;
  }
  return last < 0 || view.getInt32(position + step.literalLength - 4, true) === words[last];
}
