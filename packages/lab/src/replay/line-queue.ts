import { CACHE_TAG_TYPE_NAMES, type EventBatch, EventKind, QI_TYPE_NAMES } from 'dmalab-trace';

const DEVICE_TLB_TAG = CACHE_TAG_TYPE_NAMES.indexOf('devtlb');
const DEVICE_TLB_INVALIDATION = QI_TYPE_NAMES.indexOf('dev_tlb_inv');

/** State of a line in the queue. */
export const LineState = {
  /** Which call it belongs to is not known yet. */
  OPEN: 0,
  /** It belongs to the call in its `call` column. */
  IN_CALL: 1,
  /** It stands by itself (a timer's flush, interrupt remapping, ...). */
  ALONE: 2,
} as const;

/**
 * Recent lines of the trace, in order, until it is known which call each belongs to.
 *
 * A ring of columns: a line is named by its sequence number, which counts from 0 and never wraps; its row is `seq &
 * mask`. The length of the ring is the longest time, in lines, that a call takes, not the length of the trace.
 */
export class LineQueue {
  /** Oldest line still held, and one past the newest. */
  head = 0;
  tail = 0;
  mask: number;
  line!: Float64Array;
  timeNs!: Float64Array;
  cpu!: Uint16Array;
  pid!: Int32Array;
  /** Index in the trace's task names. */
  comm!: Uint32Array;
  level!: Uint8Array;
  kind!: Uint8Array;
  device!: Int32Array;
  direction!: Uint8Array;
  attrs!: Uint16Array;
  v0!: Float64Array;
  v1!: Float64Array;
  v2!: Float64Array;
  v3!: Float64Array;
  v4!: Float64Array;
  v5!: Float64Array;
  v6!: Float64Array;
  /** Context number (see ContextTable). */
  context!: Int32Array;
  /** Sequence number of the line before it in its context, -1 for the first. */
  previous!: Float64Array;
  /** The line after it in its context, -1 while there is none. */
  next!: Float64Array;
  state!: Uint8Array;
  /** Call number, when IN_CALL. */
  call!: Float64Array;
  /** Lists of scatter-gather lines: absolute offsets in the list ring, and counts. */
  dmaAddrs!: Float64Array;
  dmaAddrsCount!: Uint32Array;
  sizes!: Float64Array;
  sizesCount!: Uint32Array;
  physAddrs!: Float64Array;
  physAddrsCount!: Uint32Array;

  /** List items; the item of absolute offset o is at `o & listMask`. A list never wraps. */
  list: Float64Array = new Float64Array(1 << 14);
  listMask: number = (1 << 14) - 1;
  private listTail: number = 0;
  /** Absolute offset of the first list item of the oldest line that has one. */
  private listHead = 0;
  private listEnd!: Float64Array;

  /** @param capacity  rows at first, a power of two; few, so that the columns stay in the CPU's cache */
  constructor(capacity: number = 256) {
    this.mask = capacity - 1;
    this.allocate(capacity);
  }

  /** Appends row `row` of a batch. @returns its sequence number */
  push(batch: EventBatch, row: number, context: number, previous: number): number {
    if (this.tail - this.head > this.mask) this.grow();
    const seq = this.tail;
    this.tail = seq + 1;
    const at = seq & this.mask;
    this.line[at] = batch.line[row];
    this.timeNs[at] = batch.timeNs[row];
    this.cpu[at] = batch.cpu[row];
    this.pid[at] = batch.pid[row];
    this.comm[at] = batch.comm[row];
    this.level[at] = batch.level[row];
    this.kind[at] = batch.kind[row];
    this.device[at] = batch.device[row];
    this.direction[at] = batch.direction[row];
    this.attrs[at] = batch.attrs[row];
    this.v0[at] = batch.v0[row];
    this.v1[at] = batch.v1[row];
    this.v2[at] = batch.v2[row];
    this.v3[at] = batch.v3[row];
    this.v4[at] = batch.v4[row];
    this.v5[at] = batch.v5[row];
    this.v6[at] = batch.v6[row];
    this.context[at] = context;
    this.previous[at] = previous;
    this.next[at] = -1;
    if (previous >= this.head) this.next[previous & this.mask] = seq;
    this.state[at] = LineState.OPEN;
    this.call[at] = -1;
    this.dmaAddrsCount[at] = batch.dmaAddrsCount[row];
    this.sizesCount[at] = batch.sizesCount[row];
    this.physAddrsCount[at] = batch.physAddrsCount[row];
    if (batch.dmaAddrsCount[row] > 0) this.dmaAddrs[at] = this.pushList(batch.list, batch.dmaAddrsOffset[row], batch.dmaAddrsCount[row]);
    if (batch.sizesCount[row] > 0) this.sizes[at] = this.pushList(batch.list, batch.sizesOffset[row], batch.sizesCount[row]);
    if (batch.physAddrsCount[row] > 0)
      this.physAddrs[at] = this.pushList(batch.list, batch.physAddrsOffset[row], batch.physAddrsCount[row]);
    this.listEnd[at] = this.listTail;
    return seq;
  }

  /** Whether a line tells of a device-TLB (ATS), which is not modelled: its invalidations stand between those that are. */
  isDeviceTlb(at: number): boolean {
    switch (this.kind[at]) {
      case EventKind.CACHE_TAG_FLUSH_ALL:
        return this.v3[at] === DEVICE_TLB_TAG;
      case EventKind.CACHE_TAG_FLUSH_RANGE:
      case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
        return this.v6[at] === DEVICE_TLB_TAG;
      case EventKind.QI_SUBMIT:
        return this.v4[at] === DEVICE_TLB_INVALIDATION;
      default:
        return false;
    }
  }

  /** Forgets the oldest line. */
  pop(): void {
    this.listHead = this.listEnd[this.head & this.mask];
    this.head += 1;
  }

  private pushList(source: Float64Array, offset: number, count: number): number {
    let start = this.listTail;
    const room = this.listMask + 1 - (start & this.listMask);
    if (count > room) start += room;
    while (start + count - this.listHead > this.listMask + 1) this.growList();
    if (count > this.listMask + 1 - (start & this.listMask)) return this.pushList(source, offset, count);
    const at = start & this.listMask;
    for (let index = 0; index < count; index++) this.list[at + index] = source[offset + index];
    this.listTail = start + count;
    return start;
  }

  /** Twice the room. An offset keeps its meaning: a list that did not cross the old end cannot cross the new one. */
  private growList(): void {
    const old = this.list;
    const oldMask = this.listMask;
    this.list = new Float64Array((oldMask + 1) * 2);
    this.listMask = oldMask * 2 + 1;
    for (let offset = this.listHead; offset < this.listTail; offset++) this.list[offset & this.listMask] = old[offset & oldMask];
  }

  private grow(): void {
    const old = { ...this };
    const capacity = (this.mask + 1) * 2;
    this.allocate(capacity);
    this.mask = capacity - 1;
    for (let seq = this.head; seq < this.tail; seq++) {
      const from = seq & old.mask;
      const to = seq & this.mask;
      for (const name of columnNames) this[name][to] = old[name][from];
    }
  }

  private allocate(capacity: number): void {
    this.line = new Float64Array(capacity);
    this.timeNs = new Float64Array(capacity);
    this.cpu = new Uint16Array(capacity);
    this.pid = new Int32Array(capacity);
    this.comm = new Uint32Array(capacity);
    this.level = new Uint8Array(capacity);
    this.kind = new Uint8Array(capacity);
    this.device = new Int32Array(capacity);
    this.direction = new Uint8Array(capacity);
    this.attrs = new Uint16Array(capacity);
    this.v0 = new Float64Array(capacity);
    this.v1 = new Float64Array(capacity);
    this.v2 = new Float64Array(capacity);
    this.v3 = new Float64Array(capacity);
    this.v4 = new Float64Array(capacity);
    this.v5 = new Float64Array(capacity);
    this.v6 = new Float64Array(capacity);
    this.context = new Int32Array(capacity);
    this.previous = new Float64Array(capacity);
    this.next = new Float64Array(capacity);
    this.state = new Uint8Array(capacity);
    this.call = new Float64Array(capacity);
    this.dmaAddrs = new Float64Array(capacity);
    this.dmaAddrsCount = new Uint32Array(capacity);
    this.sizes = new Float64Array(capacity);
    this.sizesCount = new Uint32Array(capacity);
    this.physAddrs = new Float64Array(capacity);
    this.physAddrsCount = new Uint32Array(capacity);
    this.listEnd = new Float64Array(capacity);
  }
}

const columnNames = [
  'line',
  'timeNs',
  'cpu',
  'pid',
  'comm',
  'level',
  'kind',
  'device',
  'direction',
  'attrs',
  'v0',
  'v1',
  'v2',
  'v3',
  'v4',
  'v5',
  'v6',
  'context',
  'previous',
  'next',
  'state',
  'call',
  'dmaAddrs',
  'dmaAddrsCount',
  'sizes',
  'sizesCount',
  'physAddrs',
  'physAddrsCount',
  'listEnd',
] as const satisfies readonly (keyof LineQueue | 'listEnd')[];
