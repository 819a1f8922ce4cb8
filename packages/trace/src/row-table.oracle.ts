/** Event rows as text that a person can compare, and the shortest way from text to rows; for tests. */
import { Direction } from 'dmalab-core';
import type { EventBatch } from './event-batch.ts';
import { ABSENT, ALL_ONES, ATTRIBUTE_NAMES, eventForm, NO_DIRECTION } from './event-kind.ts';
import { TraceParser } from './trace-parser.ts';

const LEVELS = ['task', 'softirq', 'hardirq', 'nmi'];
/** Numbers from here on are shown in hexadecimal. */
const HEX_FROM = 0x10000;

/** `L1 5.679668000 cpu0 tftp-424 task map iova=0xfffff000 end=...`. */
export function rowText(batch: EventBatch, row: number): string {
  const seconds = Math.floor(batch.timeNs[row]! / 1e9);
  const time = `${seconds}.${String(batch.timeNs[row]! - seconds * 1e9).padStart(9, '0')}`;
  const task = `${batch.names.comms.nameOf(batch.comm[row]!)}-${batch.pid[row]}`;
  return `L${batch.line[row]} ${time} cpu${batch.cpu[row]} ${task} ${LEVELS[batch.level[row]!]} ${eventTextOf(batch, row)}`;
}

/** The part of a row that comes from the event's text. */
function eventTextOf(batch: EventBatch, row: number): string {
  const form = eventForm(batch.kind[row]!);
  const parts: string[] = [form.name];
  if (batch.unit[row]! >= 0) parts.push(`unit=${batch.names.units.nameOf(batch.unit[row]!)}`);
  if (batch.device[row]! >= 0) parts.push(batch.names.devices.nameOf(batch.device[row]!));
  const direction = Object.entries(Direction).find(([, number]) => number === batch.direction[row]);
  if (batch.direction[row] !== NO_DIRECTION) parts.push(direction?.[0] ?? `direction ${batch.direction[row]}`);
  for (const [index, values] of batch.values.entries()) {
    const name = form.values[index];
    if (name !== undefined) parts.push(`${name}=${shown(values[row]!)}`);
    else if (values[row] !== ABSENT) parts.push(`v${index}!=${values[row]}`);
  }
  for (const [name, offset, count] of [
    ['dmaAddrs', batch.dmaAddrsOffset, batch.dmaAddrsCount],
    ['sizes', batch.sizesOffset, batch.sizesCount],
    ['physAddrs', batch.physAddrsOffset, batch.physAddrsCount],
  ] as const) {
    if (form.lists.includes(name))
      parts.push(`${name}={${[...batch.list.slice(offset[row]!, offset[row]! + count[row]!)].map(shown).join(',')}}`);
    else if (count[row] !== 0) parts.push(`${name}!`);
  }
  const attrs = batch.attrs[row]!;
  const bits = Array.from({ length: 16 }, (_, bit) => bit).filter((bit) => (attrs & (1 << bit)) !== 0);
  if (attrs !== 0) parts.push(bits.map((bit) => ATTRIBUTE_NAMES[bit] ?? `bit${bit}`).join('|'));
  return parts.join(' ');
}

/** What a parser made of a text that came in the given chunks. */
export interface Imported {
  readonly parser: TraceParser;
  readonly rows: string[];
  readonly events: string[];
}

/** Imports a text cut into chunks of `chunkBytes`. */
export function importText(text: string | Uint8Array, chunkBytes: number = Number.POSITIVE_INFINITY, batchRows: number = 8192): Imported {
  const bytes = typeof text === 'string' ? bytesOf(text) : text;
  const rows: string[] = [];
  const events: string[] = [];
  const parser = new TraceParser(
    (batch) => {
      for (let row = 0; row < batch.rowCount; row++) {
        rows.push(rowText(batch, row));
        events.push(eventTextOf(batch, row));
      }
    },
    { batchRows },
  );
  for (let start = 0; start < bytes.length; start += chunkBytes)
    parser.push(bytes.slice(start, Math.min(bytes.length, start + chunkBytes)));
  parser.end();
  return { parser, rows, events };
}

/** One character, one byte. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function shown(value: number): string {
  if (value === ABSENT) return 'absent';
  if (value === ALL_ONES) return 'ones';
  return value >= HEX_FROM ? `0x${value.toString(16)}` : String(value);
}
