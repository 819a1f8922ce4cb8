/** Writes event columns as the text of tracefs, so that a batch can be read by people and by the importer again. */
import type { EventBatch } from './event-batch.ts';
import {
  ABSENT,
  ALL_ONES,
  ATTRIBUTE_NAMES,
  CACHE_TAG_TYPE_NAMES,
  EventKind,
  eventForm,
  NO_DIRECTION,
  QI_TYPE_NAMES,
} from './event-kind.ts';

const NS_PER_SECOND = 1e9;
const NS_PER_MICROSECOND = 1000;
const TASK_COLUMNS = 16;
const PID_COLUMNS = 7;
const SECONDS_COLUMNS = 5;
const ADDRESS_DIGITS = 16;
const ALL_ONES_TEXT = 'f'.repeat(ADDRESS_DIGITS);
const TWO_64 = 2 ** 64;
const DIRECTIONS = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'];
const FORCE_WORDS = ['NORMAL', 'FORCE', 'NO_FORCE'];
/** Level letter in the third of five flags, by ContextLevel. */
const LEVEL_FLAGS = ['.....', '..s..', 'd.h..', 'd.z..'];

/** The head of a trace file that lost nothing. */
export function exportHeader(events: number, cpus: number): Uint8Array {
  return latin1(`# tracer: nop\n#\n# entries-in-buffer/entries-written: ${events}/${events}   #P:${cpus}\n#\n`);
}

/**
 * The rows of a batch as ftrace lines, each with its line feed, as bytes because task names may hold any byte.
 *
 * What the columns do not keep is not written: flags other than the context, the CPU's address and flags of an
 * allocation, the words of a page request.
 *
 * @param timeBaseSeconds  ImportStatistics.timeBaseSeconds of the import
 */
export function exportBatch(batch: EventBatch, timeBaseSeconds: number = 0): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let row = 0; row < batch.rowCount; row++) {
    for (const part of lineParts(batch, row, timeBaseSeconds)) {
      parts.push(part);
      length += part.length;
    }
  }
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

function lineParts(batch: EventBatch, row: number, timeBaseSeconds: number): Uint8Array[] {
  const comm = batch.names.comms.bytesOf(batch.comm[row]!);
  const pid = String(batch.pid[row]).padEnd(PID_COLUMNS);
  const cpu = String(batch.cpu[row]).padStart(3, '0');
  const front = `-${pid} [${cpu}] ${LEVEL_FLAGS[batch.level[row]!]} ${timeText(batch.timeNs[row]!, timeBaseSeconds)}: `;
  const text = `${front}${eventForm(batch.kind[row]!).name}: ${eventText(batch, row)}\n`;
  return [latin1(' '.repeat(Math.max(0, TASK_COLUMNS - comm.length))), comm, latin1(text)];
}

/** Six digits when they are enough, nine otherwise. */
function timeText(timeNs: number, timeBaseSeconds: number): string {
  const seconds = Math.floor(timeNs / NS_PER_SECOND);
  const rest = timeNs - seconds * NS_PER_SECOND;
  const whole = rest % NS_PER_MICROSECOND === 0;
  const fraction = whole ? String(rest / NS_PER_MICROSECOND).padStart(6, '0') : String(rest).padStart(9, '0');
  return `${String(seconds + timeBaseSeconds).padStart(SECONDS_COLUMNS)}.${fraction}`;
}

function eventText(batch: EventBatch, row: number): string {
  const kind = batch.kind[row]!;
  if (kind >= EventKind.DMA_MAP_PAGE && kind < EventKind.INTEL_MAP_SINGLE) return dmaText(batch, row);
  if (kind >= EventKind.INTEL_MAP_SINGLE) return intelText(batch, row);
  const v0 = batch.v0[row]!;
  const v1 = batch.v1[row]!;
  const v2 = batch.v2[row]!;
  const v3 = batch.v3[row]!;
  switch (kind) {
    case EventKind.MAP:
      return `IOMMU: iova=${wide(v0)} - ${wide(v1)} paddr=${wide(v2)} size=${v3}`;
    case EventKind.UNMAP:
      return `IOMMU: iova=${wide(v0)} - ${wide(v1)} size=${v2} unmapped_size=${v3}`;
    case EventKind.ATTACH_DEVICE:
    case EventKind.DETACH_DEVICE:
      return `IOMMU: device=${device(batch, row)}`;
    case EventKind.ADD_TO_GROUP:
    case EventKind.REMOVE_FROM_GROUP:
      return `IOMMU: groupID=${v0} device=${device(batch, row)}`;
    case EventKind.IO_PAGE_FAULT:
      return `IOMMU:${unit(batch, row)} ${device(batch, row)} iova=${wide(v0)} flags=0x${v1.toString(16).padStart(4, '0')}`;
    case EventKind.BOUNCED:
      return `dev_name: ${device(batch, row)} dma_mask=${maskText(v0)} dev_addr=${bare(v1)} size=${v2} ${FORCE_WORDS[v3]}`;
    case EventKind.QI_SUBMIT:
      return `${QI_TYPE_NAMES[batch.v4[row]!]} ${unit(batch, row)}: 0x${halves(v0, v1)} 0x${halves(v2, v3)} 0x0 0x0`;
    case EventKind.PRQ_REPORT:
      return `${unit(batch, row)}/${device(batch, row)} seq# ${v0}: `;
    case EventKind.CACHE_TAG_FLUSH_RANGE:
    case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
      return flushRangeText(batch, row);
    default:
      return `${unit(batch, row)}/${tagOwner(batch, row)} type ${tagType(v3)} did ${v0} pasid ${v1} ref ${v2}`;
  }
}

function flushRangeText(batch: EventBatch, row: number): string {
  const pages = batch.v4[row] === ABSENT ? '' : `pages 0x${bare(batch.v4[row]!)} `;
  const owner = `${unit(batch, row)} ${tagOwner(batch, row)}[${batch.v7[row]}]`;
  const range = `[0x${bare(batch.v1[row]!)}-0x${bare(batch.v2[row]!)}] addr 0x${bare(batch.v3[row]!)}`;
  return `${owner} type ${tagType(batch.v6[row]!)} did ${batch.v0[row]} ${range} ${pages}mask 0x${bare(batch.v5[row]!)}`;
}

function dmaText(batch: EventBatch, row: number): string {
  const kind = batch.kind[row]!;
  const parts = [device(batch, row)];
  if (batch.direction[row] !== NO_DIRECTION) parts.push(`dir=${DIRECTIONS[batch.direction[row]!]}`);
  const values = eventForm(kind).values;
  if (values[0] === 'nents') {
    if (kind === EventKind.DMA_MAP_SG) parts.push(countsText(batch, row));
  } else {
    parts.push(`dma_addr=${bare(batch.v0[row]!)}`, `size=${batch.v1[row]}`);
    if (values[2] === 'physAddr' && batch.v2[row] !== ABSENT) parts.push(`phys_addr=${bare(batch.v2[row]!)}`);
  }
  parts.push(...listTexts(batch, row));
  if (kind === EventKind.DMA_MAP_SG_ERR) parts.push(`err=${batch.v3[row]}`);
  const sync = kind >= EventKind.DMA_SYNC_SINGLE_FOR_CPU && kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE;
  if (!sync && kind !== EventKind.DMA_FREE_SGT) parts.push(`attrs=${attributesText(batch.attrs[row]!)}`);
  return parts.join(' ');
}

function countsText(batch: EventBatch, row: number): string {
  const nents = `nents=${batch.physAddrsCount[row]}/${batch.v0[row]}`;
  return `${nents} ents=${batch.dmaAddrsCount[row]}/${batch.v1[row]}${batch.v2[row] === 1 ? ' [TRUNCATED]' : ''}`;
}

function listTexts(batch: EventBatch, row: number): string[] {
  return eventForm(batch.kind[row]!).lists.map((list) => {
    switch (list) {
      case 'dmaAddrs':
        return `dma_addrs=${listText(batch, batch.dmaAddrsOffset[row]!, batch.dmaAddrsCount[row]!)}`;
      case 'sizes':
        return `sizes=${listText(batch, batch.sizesOffset[row]!, batch.sizesCount[row]!)}`;
      default: {
        const name = batch.kind[row] === EventKind.DMA_MAP_SG_ERR ? 'dma_addrs' : 'phys_addrs';
        return `${name}=${listText(batch, batch.physAddrsOffset[row]!, batch.physAddrsCount[row]!)}`;
      }
    }
  });
}

function listText(batch: EventBatch, offset: number, count: number): string {
  const items = [...batch.list.subarray(offset, offset + count)].map((item) => `0x${bare(item)}`);
  return `{${items.join(',')}}`;
}

function intelText(batch: EventBatch, row: number): string {
  const scatter = batch.v4[row] === ABSENT ? '' : ` [${batch.v3[row]}/${batch.v4[row]}]`;
  const phys = batch.v2[row] === ABSENT ? '' : ` phys_addr=0x${bare(batch.v2[row]!)}`;
  return `dev=${device(batch, row)}${scatter} dev_addr=0x${bare(batch.v0[row]!)}${phys} size=${batch.v1[row]}`;
}

function attributesText(attrs: number): string {
  const names: string[] = [];
  let rest = attrs;
  for (const [bit, name] of ATTRIBUTE_NAMES.entries()) {
    if (name === undefined || (attrs & (1 << bit)) === 0) continue;
    names.push(name);
    rest &= ~(1 << bit);
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`);
  return names.join('|');
}

/** The second name of a cache tag: its device, or the unit once more. */
function tagOwner(batch: EventBatch, row: number): string {
  return batch.device[row]! < 0 ? unit(batch, row) : device(batch, row);
}

function tagType(type: number): string {
  return CACHE_TAG_TYPE_NAMES[type] ?? '0xff';
}

function device(batch: EventBatch, row: number): string {
  return raw(batch.names.devices.bytesOf(batch.device[row]!));
}

function unit(batch: EventBatch, row: number): string {
  return raw(batch.names.units.bytesOf(batch.unit[row]!));
}

function wide(value: number): string {
  return `0x${bare(value).padStart(ADDRESS_DIGITS, '0')}`;
}

function bare(value: number): string {
  return value === ALL_ONES ? ALL_ONES_TEXT : value.toString(16);
}

/** Masks of 53 bits and more are kept as the power of two above them. */
function maskText(mask: number): string {
  if (mask === TWO_64) return ALL_ONES_TEXT;
  return mask > Number.MAX_SAFE_INTEGER ? (BigInt(mask) - 1n).toString(16) : mask.toString(16);
}

function halves(high: number, low: number): string {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(ADDRESS_DIGITS / 2, '0');
}

function raw(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
