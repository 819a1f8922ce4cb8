/** The fields of event texts: their spellings in the formats, and which field fills which value column of a kind. */

import { asciiBytes } from './byte-text.ts';
import { EVENT_FORMS, EVENT_KIND_COUNT, type EventForm, EventKind } from './event-kind.ts';
import { NameTable } from './name-table.ts';

/** A field after its spelling is forgotten. Fields from DMA_ADDRS on are not numbers. */
export const Field = {
  DMA_ADDR: 0,
  PHYS_ADDR: 1,
  SIZE: 2,
  IOVA: 3,
  END: 4,
  PADDR: 5,
  UNMAPPED_SIZE: 6,
  DMA_MASK: 7,
  DEV_ADDR: 8,
  NENTS: 9,
  ENTS: 10,
  TRUNCATED: 11,
  ERR: 12,
  GROUP: 13,
  FLAGS: 14,
  FORCED: 15,
  INDEX: 16,
  TOTAL: 17,
  /** Stands for a column that the kind does not have; its number stays ABSENT. */
  NOTHING: 18,
  DMA_ADDRS: 19,
  SIZES: 20,
  PHYS_ADDRS: 21,
  DIR: 22,
  ATTRS: 23,
  DEVICE: 24,
  /** Read over: addresses of the CPU's side and allocation flags. */
  SKIPPED: 25,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

/** Fields that hold one number each. */
export const NUMBER_FIELD_COUNT: number = Field.NOTHING + 1;

/** Spelling before `=`, in formatted and in raw lines. */
const SPELLINGS: readonly (readonly [string, Field])[] = [
  ['dma_addr', Field.DMA_ADDR],
  ['addr', Field.DMA_ADDR],
  ['phys_addr', Field.PHYS_ADDR],
  ['size', Field.SIZE],
  ['iova', Field.IOVA],
  ['paddr', Field.PADDR],
  ['unmapped_size', Field.UNMAPPED_SIZE],
  ['dma_mask', Field.DMA_MASK],
  ['dev_addr', Field.DEV_ADDR],
  ['nents', Field.NENTS],
  ['full_nents', Field.NENTS],
  ['ents', Field.ENTS],
  ['full_ents', Field.ENTS],
  ['truncated', Field.TRUNCATED],
  ['err', Field.ERR],
  ['groupID', Field.GROUP],
  ['gid', Field.GROUP],
  ['flags', Field.FLAGS],
  ['force', Field.FORCED],
  ['swiotlb_force', Field.FORCED],
  ['dma_addrs', Field.DMA_ADDRS],
  ['sizes', Field.SIZES],
  ['lengths', Field.SIZES],
  ['phys_addrs', Field.PHYS_ADDRS],
  ['addrs', Field.PHYS_ADDRS],
  ['dir', Field.DIR],
  ['attrs', Field.ATTRS],
  ['device', Field.DEVICE],
  ['dev', Field.DEVICE],
  ['dev_name', Field.DEVICE],
  ['virt_addr', Field.SKIPPED],
];

const FIELD_OF_VALUE: Readonly<Record<string, Field>> = {
  dmaAddr: Field.DMA_ADDR,
  physAddr: Field.PHYS_ADDR,
  size: Field.SIZE,
  iova: Field.IOVA,
  end: Field.END,
  paddr: Field.PADDR,
  unmappedSize: Field.UNMAPPED_SIZE,
  dmaMask: Field.DMA_MASK,
  origAddr: Field.DEV_ADDR,
  nents: Field.NENTS,
  ents: Field.ENTS,
  truncated: Field.TRUNCATED,
  err: Field.ERR,
  group: Field.GROUP,
  flags: Field.FLAGS,
  forced: Field.FORCED,
  index: Field.INDEX,
  total: Field.TOTAL,
};

const FIELD_OF_LIST: Readonly<Record<string, Field>> = {
  dmaAddrs: Field.DMA_ADDRS,
  sizes: Field.SIZES,
  physAddrs: Field.PHYS_ADDRS,
};

/** Fields that some form of an event does not have; all others of its row must be in the line. */
const OPTIONAL_FIELDS: number = bit(Field.END) | bit(Field.NENTS) | bit(Field.ENTS) | bit(Field.TRUNCATED) | bit(Field.FORCED);
/** Value columns of a batch. */
export const VALUE_COLUMNS = 8;

/** Field of each value column, VALUE_COLUMNS per kind; NOTHING where the kind has no such column. */
export const FIELD_OF_COLUMN: Uint8Array = new Uint8Array(EVENT_KIND_COUNT * VALUE_COLUMNS).fill(Field.NOTHING);
/** Bit mask of the fields that a kind's line must have. */
export const REQUIRED_FIELDS: Int32Array = new Int32Array(EVENT_KIND_COUNT);

const spellings = new NameTable();
const fieldOfSpelling: Field[] = [];
for (const [text, field] of SPELLINGS) fieldOfSpelling[spellings.internText(text)] = field;
for (const form of EVENT_FORMS) {
  if (form.kind !== EventKind.QI_SUBMIT && form.kind !== EventKind.PRQ_REPORT && !form.name.startsWith('cache_tag')) addForm(form);
}

/** The field spelled `bytes[start..end)`, or -1. */
export function findField(bytes: Uint8Array, start: number, end: number): number {
  const index = spellings.find(bytes, start, end);
  return index < 0 ? -1 : fieldOfSpelling[index]!;
}

/** The bit of a field in a mask of fields. */
export function bit(field: Field): number {
  return 1 << field;
}

/** What libtraceevent writes before the raw fields when it cannot follow a print format. */
export const FAILED_TO_PARSE: Uint8Array = asciiBytes('[FAILED TO PARSE]');

function addForm(form: EventForm): void {
  let required = 0;
  for (const [column, value] of form.values.entries()) {
    const field = FIELD_OF_VALUE[value]!;
    FIELD_OF_COLUMN[form.kind * VALUE_COLUMNS + column] = field;
    required |= bit(field);
  }
  for (const list of form.lists) required |= bit(FIELD_OF_LIST[list]!);
  required &= ~OPTIONAL_FIELDS;
  if (form.kind === EventKind.DMA_ALLOC || form.kind === EventKind.DMA_ALLOC_PAGES) required &= ~bit(Field.PHYS_ADDR);
  if (form.system === 'intel_iommu') {
    // The 5.4 to 5.10 events spell their DMA address dev_addr, and bus addresses come in no other field.
    for (let column = 0; column < VALUE_COLUMNS; column++) {
      const at = form.kind * VALUE_COLUMNS + column;
      if (FIELD_OF_COLUMN[at] === Field.DMA_ADDR) FIELD_OF_COLUMN[at] = Field.DEV_ADDR;
    }
    required = (required & ~bit(Field.DMA_ADDR)) | bit(Field.DEV_ADDR);
  }
  const endsWithAttrs = form.system === 'dma' && !form.name.startsWith('dma_sync') && form.kind !== EventKind.DMA_FREE_SGT;
  if (endsWithAttrs) required |= bit(Field.ATTRS);
  if (form.kind !== EventKind.MAP && form.kind !== EventKind.UNMAP) required |= bit(Field.DEVICE);
  REQUIRED_FIELDS[form.kind] = required;
}
