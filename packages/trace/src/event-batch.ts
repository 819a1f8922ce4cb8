import { NameTable } from './name-table.ts';

/** The interned names of one trace; indexes stay valid for the whole trace. */
export class TraceNames {
  /** Device names, `0000:01:00.0`; index of the `device` column. */
  readonly devices: NameTable = new NameTable();
  /** Task names; index of the `comm` column. */
  readonly comms: NameTable = new NameTable();
  /** Names of remapping units (`dmar0`), and of drivers in IO_PAGE_FAULT rows; index of the `unit` column. */
  readonly units: NameTable = new NameTable();
}

/**
 * Events as columns, `rowCount` rows of at most `capacity`, in the order of the file.
 *
 * The parser owns two batches and fills one while the consumer reads the other: a batch handed out is valid until the
 * parser hands out the next one. What the value columns hold depends on the row's kind, see EVENT_FORMS.
 */
export class EventBatch {
  readonly capacity: number;
  readonly names: TraceNames;
  rowCount = 0;

  /** Line of the file, from 1. */
  readonly line: Float64Array<ArrayBuffer>;
  /** Integer nanoseconds of the recording's clock; see ImportStatistics.timeBaseSeconds for very long uptimes. */
  readonly timeNs: Float64Array<ArrayBuffer>;
  readonly cpu: Uint16Array<ArrayBuffer>;
  readonly pid: Int32Array<ArrayBuffer>;
  /** Index in `names.comms`. */
  readonly comm: Uint32Array<ArrayBuffer>;
  /** ContextLevel. */
  readonly level: Uint8Array<ArrayBuffer>;
  /** EventKind. */
  readonly kind: Uint8Array<ArrayBuffer>;
  /** Index in `names.devices`, -1 when the line names no device. */
  readonly device: Int32Array<ArrayBuffer>;
  /** Index in `names.units`, -1 when the line names no unit. */
  readonly unit: Int32Array<ArrayBuffer>;
  /** Direction of dmalab-core, or NO_DIRECTION. */
  readonly direction: Uint8Array<ArrayBuffer>;
  /** DMA attributes, bit n of the mask is the kernel's bit n. */
  readonly attrs: Uint16Array<ArrayBuffer>;
  readonly v0: Float64Array<ArrayBuffer>;
  readonly v1: Float64Array<ArrayBuffer>;
  readonly v2: Float64Array<ArrayBuffer>;
  readonly v3: Float64Array<ArrayBuffer>;
  readonly v4: Float64Array<ArrayBuffer>;
  readonly v5: Float64Array<ArrayBuffer>;
  readonly v6: Float64Array<ArrayBuffer>;
  readonly v7: Float64Array<ArrayBuffer>;
  /** v0 to v7 by number, for generic readers. */
  readonly values: readonly Float64Array<ArrayBuffer>[];

  /** Items of all lists of the batch; a row's items start at its offset. Replaced when it grows. */
  list: Float64Array<ArrayBuffer> = new Float64Array(4096);
  listLength = 0;
  readonly dmaAddrsOffset: Uint32Array<ArrayBuffer>;
  readonly dmaAddrsCount: Uint32Array<ArrayBuffer>;
  readonly sizesOffset: Uint32Array<ArrayBuffer>;
  readonly sizesCount: Uint32Array<ArrayBuffer>;
  readonly physAddrsOffset: Uint32Array<ArrayBuffer>;
  readonly physAddrsCount: Uint32Array<ArrayBuffer>;

  constructor(names: TraceNames, capacity: number = 8192) {
    this.names = names;
    this.capacity = capacity;
    this.line = new Float64Array(capacity);
    this.timeNs = new Float64Array(capacity);
    this.cpu = new Uint16Array(capacity);
    this.pid = new Int32Array(capacity);
    this.comm = new Uint32Array(capacity);
    this.level = new Uint8Array(capacity);
    this.kind = new Uint8Array(capacity);
    this.device = new Int32Array(capacity);
    this.unit = new Int32Array(capacity);
    this.direction = new Uint8Array(capacity);
    this.attrs = new Uint16Array(capacity);
    this.v0 = new Float64Array(capacity);
    this.v1 = new Float64Array(capacity);
    this.v2 = new Float64Array(capacity);
    this.v3 = new Float64Array(capacity);
    this.v4 = new Float64Array(capacity);
    this.v5 = new Float64Array(capacity);
    this.v6 = new Float64Array(capacity);
    this.v7 = new Float64Array(capacity);
    this.values = [this.v0, this.v1, this.v2, this.v3, this.v4, this.v5, this.v6, this.v7];
    this.dmaAddrsOffset = new Uint32Array(capacity);
    this.dmaAddrsCount = new Uint32Array(capacity);
    this.sizesOffset = new Uint32Array(capacity);
    this.sizesCount = new Uint32Array(capacity);
    this.physAddrsOffset = new Uint32Array(capacity);
    this.physAddrsCount = new Uint32Array(capacity);
  }

  clear(): void {
    this.rowCount = 0;
    this.listLength = 0;
  }

  /** Appends one item to the shared list. */
  pushListItem(value: number): void {
    if (this.listLength === this.list.length) {
      const larger = new Float64Array(this.list.length * 2);
      larger.set(this.list);
      this.list = larger;
    }
    this.list[this.listLength++] = value;
  }
}
