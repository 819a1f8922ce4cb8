import type { EventBatch } from './event-batch.ts';
import { ALL_ONES, ContextLevel, EVENT_KIND_COUNT, EventKind } from './event-kind.ts';

const PAGE_MASK = 4095;
const QI_IOTLB = 2;
/** Granularity of an IOTLB invalidation, bits 4 and 5 of its first word. */
const GRANULARITY_DOMAIN = 2;
const GRANULARITY_PAGE = 3;
/** Bounced buffers of a device that wait for their API line; more than this are forgotten. */
const PENDING_MAX = 4096;
const LEVELS = 4;
/** `pageFlushDid` without an invalidation, and after one of a whole domain: a strict unmap of many pages or a full lazy ring. */
const NO_FLUSH = -1;
const DOMAIN_FLUSH = -2;
const TWO_32 = 2 ** 32;

/** What a trace shows about one device. */
export interface DeviceFacts {
  readonly name: string;
  firstLine: number;
  events: number;
  /** Buffers handed to the bounce pool. */
  bounced: number;
  /** Of these, the ones whose slot was then mapped: only an untrusted device bounces under translation. */
  bouncedUnderTranslation: number;
  /** The largest mask of its bounce lines, 0 without one. */
  dmaMask: number;
  /** Bounced mappings whose buffer and result are both known. */
  bouncePairs: number;
  /** Page-offset bits in which a buffer and its bounced mapping differ, over all pairs. */
  offsetDifference: number;
  /** Page-offset bits set in some bounced mapping, over all pairs. */
  offsetKept: number;
  /** Mappings that succeeded. */
  maps: number;
  /** Mappings whose device address equals the physical address. */
  identityMaps: number;
  failedMaps: number;
  /** Calls that wrote page-table entries: such a device is translated. */
  translatedCalls: number;
  /** Highest device address of a mapping, -1 without one. */
  dmaAddrMax: number;
  /** Longest segment of a scatter list, bytes. */
  segmentBytesMax: number;
  /** Unmaps with a page-selective invalidation before they returned, and unmaps without any. */
  strictUnmaps: number;
  lazyUnmaps: number;
  /** When the oldest unmap waited that no flush has followed yet, -1 while none waits. */
  waitingSinceNs: number;
  /** Domain ids of its unmaps, ascending by first use. */
  readonly domainIds: number[];
}

/** Lowest and highest byte of bounce slots, page granular, and the lines that show them; -1 without one. */
export class SlotRange {
  low = -1;
  high = -1;
  lowLine = 0;
  highLine = 0;

  add(low: number, high: number, line: number): void {
    if (this.low < 0 || low < this.low) {
      this.low = low;
      this.lowLine = line;
    }
    if (high > this.high) {
      this.high = high;
      this.highLine = line;
    }
  }

  clear(): void {
    this.low = -1;
    this.high = -1;
  }
}

/** Lines since the last API line of one context: a task, or an interrupt level of a CPU. */
interface ContextFacts {
  /** Device of a bounce line whose map line has not come yet. */
  bouncing: DeviceFacts | undefined;
  /** Slots of this call, to be confirmed by its API line. */
  readonly slots: SlotRange;
  /** Device of an API line that is printed before its unmap lines. */
  unmapping: DeviceFacts | undefined;
  /** A map line since the last API line. */
  mapped: boolean;
  unmapped: boolean;
  /** Domain id of a page-selective invalidation, NO_FLUSH or DOMAIN_FLUSH. */
  pageFlushDid: number;
}

/** Gathers in one cheap pass what a trace tells about its machine. */
export class TraceFacts {
  readonly eventsByKind: Float64Array = new Float64Array(EVENT_KIND_COUNT);
  readonly devices: Map<string, DeviceFacts> = new Map();
  cpuMax = -1;
  cpuMaxLine = 0;
  /** Slots whose mapping an API line confirms. */
  readonly slots: SlotRange = new SlotRange();
  /**
   * Physical addresses below 4 GiB of the map line after a bounce line. Without API lines nothing says that the bounce
   * did not fail and the map line is another call's, so this is for traces that have no better.
   */
  readonly likelySlots: SlotRange = new SlotRange();
  pageFlushes = 0;
  domainFlushes = 0;
  /** First byte of the first mapping, and the highest byte of all; -1 without one. */
  firstIova = -1;
  iovaMax = -1;
  /** Domain ids that were flushed as a whole: what a lazy domain does. */
  readonly lazyDomainIds: Set<number> = new Set();

  private readonly contexts: Map<number, ContextFacts> = new Map();
  private readonly pending: Map<number, Map<number, number>> = new Map();
  private byIndex: DeviceFacts[] = [];

  /** True when the trace has lines of the DMA API itself (`dma:*`, from 6.12 on). */
  get hasApiLines(): boolean {
    return this.eventsByKind.subarray(EventKind.DMA_MAP_PAGE, EventKind.INTEL_MAP_SINGLE).some((count) => count > 0);
  }

  add(batch: EventBatch): void {
    for (let row = 0; row < batch.rowCount; row++) this.addRow(batch, row);
  }

  private addRow(batch: EventBatch, row: number): void {
    const kind = batch.kind[row]!;
    this.eventsByKind[kind]!++;
    if (batch.cpu[row]! > this.cpuMax) {
      this.cpuMax = batch.cpu[row]!;
      this.cpuMaxLine = batch.line[row]!;
    }
    const device = batch.device[row]! < 0 ? undefined : this.device(batch, row);
    if (device !== undefined) device.events++;
    switch (kind) {
      case EventKind.BOUNCED:
        this.addBounce(batch, row, device!);
        break;
      case EventKind.MAP:
        this.addMapLine(batch, row);
        break;
      case EventKind.UNMAP:
        this.addUnmapLine(batch, row);
        break;
      case EventKind.QI_SUBMIT:
        this.addDescriptor(batch, row);
        break;
      case EventKind.DMA_MAP_PAGE:
      case EventKind.DMA_MAP_PHYS:
        this.addMap(batch, row, device!, batch.v0[row]!, batch.v2[row]!);
        this.noteTranslation(batch, row, device!);
        this.closeContext(batch, row, undefined);
        break;
      case EventKind.DMA_MAP_SG:
        this.addScatterMap(batch, row, device!);
        this.noteTranslation(batch, row, device!);
        this.closeContext(batch, row, undefined);
        break;
      case EventKind.DMA_ALLOC:
      case EventKind.DMA_ALLOC_PAGES:
        this.noteTranslation(batch, row, device!);
        this.closeContext(batch, row, undefined);
        break;
      case EventKind.DMA_UNMAP_PAGE:
      case EventKind.DMA_UNMAP_PHYS:
        this.closeContext(batch, row, device);
        break;
      case EventKind.DMA_UNMAP_SG:
        this.closeContext(batch, row, undefined);
        this.context(batch, row).unmapping = device;
        break;
      default:
        if (kind >= EventKind.DMA_MAP_PAGE && kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE) this.closeContext(batch, row, undefined);
    }
  }

  private addBounce(batch: EventBatch, row: number, device: DeviceFacts): void {
    device.bounced++;
    device.dmaMask = Math.max(device.dmaMask, batch.v0[row]!);
    this.context(batch, row).bouncing = device;
    const waiting = this.waiting(batch.device[row]!);
    if (waiting.size < PENDING_MAX) waiting.set(batch.v1[row]!, batch.line[row]!);
  }

  private noteTranslation(batch: EventBatch, row: number, device: DeviceFacts): void {
    const { mapped, pageFlushDid } = this.context(batch, row);
    if (!mapped) return;
    device.translatedCalls++;
    // In caching mode a mapping is flushed as well, which shows its domain.
    if (pageFlushDid >= 0 && !device.domainIds.includes(pageFlushDid)) device.domainIds.push(pageFlushDid);
  }

  private addMapLine(batch: EventBatch, row: number): void {
    const context = this.context(batch, row);
    context.mapped = true;
    if (this.firstIova < 0) this.firstIova = batch.v0[row]!;
    this.iovaMax = Math.max(this.iovaMax, batch.v1[row]! - 1);
    if (context.bouncing === undefined) return;
    const low = batch.v2[row]!;
    const high = low + batch.v3[row]! - 1;
    // Pools lie below 4 GiB; what is above was mapped after a bounce that failed without a line of its own.
    if (high < TWO_32) {
      context.slots.add(low, high, batch.line[row]!);
      this.likelySlots.add(low, high, batch.line[row]!);
    }
    context.bouncing.bouncedUnderTranslation++;
    context.bouncing = undefined;
  }

  private addUnmapLine(batch: EventBatch, row: number): void {
    const context = this.context(batch, row);
    // Only the last unmap line before an API line can be that line's.
    if (context.unmapped && context.unmapping !== undefined) addUnmap(context.unmapping, context.pageFlushDid, batch.timeNs[row]!);
    context.unmapped = true;
    context.pageFlushDid = NO_FLUSH;
  }

  private addDescriptor(batch: EventBatch, row: number): void {
    if (batch.v4[row] !== QI_IOTLB) return;
    const word = batch.v1[row]!;
    const granularity = (word >>> 4) & 3;
    const domainId = word >>> 16;
    if (granularity === GRANULARITY_PAGE) {
      this.pageFlushes++;
      this.context(batch, row).pageFlushDid = domainId;
    } else if (granularity === GRANULARITY_DOMAIN) {
      this.domainFlushes++;
      this.lazyDomainIds.add(domainId);
      this.noteLazyFlush(domainId);
      const context = this.context(batch, row);
      if (context.pageFlushDid === NO_FLUSH) context.pageFlushDid = DOMAIN_FLUSH;
    }
  }

  /**
   * A timer's flush names only a domain id. All flush timers take the same time, so the first flush of an id nobody has
   * is that of the device whose oldest unmap has waited longest.
   */
  private noteLazyFlush(domainId: number): void {
    let owner: DeviceFacts | undefined;
    for (const device of this.devices.values()) {
      if (device.domainIds.includes(domainId)) {
        device.waitingSinceNs = -1;
        return;
      }
      const waits = device.domainIds.length === 0 && device.waitingSinceNs >= 0;
      if (waits && (owner === undefined || device.waitingSinceNs < owner.waitingSinceNs)) owner = device;
    }
    if (owner === undefined) return;
    owner.domainIds.push(domainId);
    owner.waitingSinceNs = -1;
  }

  private addMap(batch: EventBatch, row: number, device: DeviceFacts, dmaAddr: number, physAddr: number): void {
    const waiting = this.waiting(batch.device[row]!);
    const bounced = waiting.delete(physAddr);
    if (dmaAddr === ALL_ONES) {
      device.failedMaps++;
      return;
    }
    const slots = this.context(batch, row).slots;
    if (slots.low >= 0) {
      this.slots.add(slots.low, slots.high, batch.line[row]!);
      slots.clear();
    }
    device.maps++;
    if (dmaAddr === physAddr) device.identityMaps++;
    device.dmaAddrMax = Math.max(device.dmaAddrMax, dmaAddr);
    if (!bounced) return;
    device.bouncePairs++;
    device.offsetDifference |= (dmaAddr ^ physAddr) & PAGE_MASK;
    device.offsetKept |= dmaAddr & PAGE_MASK;
  }

  private addScatterMap(batch: EventBatch, row: number, device: DeviceFacts): void {
    const sizes = batch.sizesOffset[row]!;
    for (let item = sizes; item < sizes + batch.sizesCount[row]!; item++)
      device.segmentBytesMax = Math.max(device.segmentBytesMax, batch.list[item]!);
    const waiting = this.waiting(batch.device[row]!);
    if (batch.dmaAddrsCount[row] !== batch.physAddrsCount[row]) {
      // Segments were joined, which a device that bounces never does.
      device.maps++;
      waiting.clear();
      return;
    }
    for (let item = 0; item < batch.dmaAddrsCount[row]!; item++) {
      this.addMap(batch, row, device, batch.list[batch.dmaAddrsOffset[row]! + item]!, batch.list[batch.physAddrsOffset[row]! + item]!);
    }
  }

  private context(batch: EventBatch, row: number): ContextFacts {
    const level = batch.level[row]!;
    const key = level === ContextLevel.TASK && batch.pid[row] !== 0 ? batch.pid[row]! : -1 - (batch.cpu[row]! * LEVELS + level);
    let context = this.contexts.get(key);
    if (context === undefined) {
      context = {
        bouncing: undefined,
        slots: new SlotRange(),
        unmapping: undefined,
        mapped: false,
        unmapped: false,
        pageFlushDid: NO_FLUSH,
      };
      this.contexts.set(key, context);
    }
    return context;
  }

  /**
   * An API line ends a call: what comes next in this context belongs to another one. The unmap line before it is that of
   * `device`, for a line that is printed last, else that of the line before, if it was one that is printed first.
   */
  private closeContext(batch: EventBatch, row: number, device: DeviceFacts | undefined): void {
    const context = this.context(batch, row);
    const owner = device ?? context.unmapping;
    if (owner !== undefined && context.unmapped) addUnmap(owner, context.pageFlushDid, batch.timeNs[row]!);
    context.bouncing = undefined;
    context.slots.clear();
    context.unmapping = undefined;
    context.mapped = false;
    context.unmapped = false;
    context.pageFlushDid = NO_FLUSH;
  }

  private waiting(device: number): Map<number, number> {
    let waiting = this.pending.get(device);
    if (waiting === undefined) {
      waiting = new Map();
      this.pending.set(device, waiting);
    }
    return waiting;
  }

  private device(batch: EventBatch, row: number): DeviceFacts {
    const index = batch.device[row]!;
    const known = this.byIndex[index];
    if (known !== undefined) return known;
    const facts: DeviceFacts = {
      name: batch.names.devices.nameOf(index),
      firstLine: batch.line[row]!,
      events: 0,
      bounced: 0,
      bouncedUnderTranslation: 0,
      dmaMask: 0,
      bouncePairs: 0,
      offsetDifference: 0,
      offsetKept: 0,
      maps: 0,
      identityMaps: 0,
      failedMaps: 0,
      translatedCalls: 0,
      waitingSinceNs: -1,
      dmaAddrMax: -1,
      segmentBytesMax: 0,
      strictUnmaps: 0,
      lazyUnmaps: 0,
      domainIds: [],
    };
    this.byIndex[index] = facts;
    this.devices.set(facts.name, facts);
    return facts;
  }
}

function addUnmap(device: DeviceFacts, pageFlushDid: number, timeNs: number): void {
  if (pageFlushDid === DOMAIN_FLUSH) return;
  if (pageFlushDid === NO_FLUSH) {
    device.lazyUnmaps++;
    if (device.waitingSinceNs < 0) device.waitingSinceNs = timeNs;
    return;
  }
  device.strictUnmaps++;
  if (!device.domainIds.includes(pageFlushDid)) device.domainIds.push(pageFlushDid);
}
