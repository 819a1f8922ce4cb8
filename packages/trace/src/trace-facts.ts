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

/** What a trace shows about one device. */
export interface DeviceFacts {
  readonly name: string;
  firstLine: number;
  events: number;
  /** Buffers handed to the bounce pool. */
  bounced: number;
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
  /** Highest device address of a mapping, -1 without one. */
  dmaAddrMax: number;
  /** Longest segment of a scatter list, bytes. */
  segmentBytesMax: number;
  /** Unmaps with a page-selective invalidation before they returned, and unmaps without any. */
  strictUnmaps: number;
  lazyUnmaps: number;
  /** Domain ids of its unmaps, ascending by first use. */
  readonly domainIds: number[];
}

/** Lines since the last API line of one context: a task, or an interrupt level of a CPU. */
interface ContextFacts {
  bounced: boolean;
  mapped: boolean;
  unmapped: boolean;
  /** Domain id of a page-selective invalidation, -1 when there was none. */
  pageFlushDid: number;
}

/** Gathers in one cheap pass what a trace tells about its machine. */
export class TraceFacts {
  readonly eventsByKind: Float64Array = new Float64Array(EVENT_KIND_COUNT);
  readonly devices: Map<string, DeviceFacts> = new Map();
  cpuMax = -1;
  cpuMaxLine = 0;
  /** Lowest and highest byte of bounce slots seen in map lines; page granular. -1 without one. */
  poolLow = -1;
  poolHigh = -1;
  poolLowLine = 0;
  poolHighLine = 0;
  pageFlushes = 0;
  domainFlushes = 0;
  /** Domain ids that were flushed as a whole: what a lazy domain does. */
  readonly lazyDomainIds: Set<number> = new Set();

  private readonly contexts: Map<number, ContextFacts> = new Map();
  private readonly pending: Map<number, Map<number, number>> = new Map();
  private byIndex: DeviceFacts[] = [];

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
        this.context(batch, row).unmapped = true;
        break;
      case EventKind.QI_SUBMIT:
        this.addDescriptor(batch, row);
        break;
      case EventKind.DMA_MAP_PAGE:
      case EventKind.DMA_MAP_PHYS:
        this.addMap(batch, row, device!, batch.v0[row]!, batch.v2[row]!);
        this.closeContext(batch, row);
        break;
      case EventKind.DMA_MAP_SG:
        this.addScatterMap(batch, row, device!);
        this.closeContext(batch, row);
        break;
      case EventKind.DMA_UNMAP_PAGE:
      case EventKind.DMA_UNMAP_PHYS:
        this.addUnmap(batch, row, device!);
        this.closeContext(batch, row);
        break;
      default:
        if (kind >= EventKind.DMA_MAP_PAGE && kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE) this.closeContext(batch, row);
    }
  }

  private addBounce(batch: EventBatch, row: number, device: DeviceFacts): void {
    device.bounced++;
    device.dmaMask = Math.max(device.dmaMask, batch.v0[row]!);
    this.context(batch, row).bounced = true;
    const waiting = this.waiting(batch.device[row]!);
    if (waiting.size < PENDING_MAX) waiting.set(batch.v1[row]!, batch.line[row]!);
  }

  private addMapLine(batch: EventBatch, row: number): void {
    const context = this.context(batch, row);
    if (context.bounced) this.addSlot(batch.v2[row]!, batch.v2[row]! + batch.v3[row]!, batch.line[row]!);
    context.bounced = false;
    context.mapped = true;
  }

  private addSlot(start: number, endExclusive: number, line: number): void {
    if (this.poolLow < 0 || start < this.poolLow) {
      this.poolLow = start;
      this.poolLowLine = line;
    }
    if (endExclusive - 1 > this.poolHigh) {
      this.poolHigh = endExclusive - 1;
      this.poolHighLine = line;
    }
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
    }
  }

  private addMap(batch: EventBatch, row: number, device: DeviceFacts, dmaAddr: number, physAddr: number): void {
    const waiting = this.waiting(batch.device[row]!);
    const bounced = waiting.delete(physAddr);
    if (dmaAddr === ALL_ONES) {
      device.failedMaps++;
      return;
    }
    device.maps++;
    if (dmaAddr === physAddr) device.identityMaps++;
    device.dmaAddrMax = Math.max(device.dmaAddrMax, dmaAddr);
    if (!bounced) return;
    device.bouncePairs++;
    device.offsetDifference |= (dmaAddr ^ physAddr) & PAGE_MASK;
    device.offsetKept |= dmaAddr & PAGE_MASK;
    const context = this.context(batch, row);
    if (!context.mapped && this.eventsByKind[EventKind.MAP]! === 0) this.addSlot(dmaAddr, dmaAddr + batch.v1[row]!, batch.line[row]!);
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

  private addUnmap(batch: EventBatch, row: number, device: DeviceFacts): void {
    const context = this.context(batch, row);
    if (!context.unmapped) return;
    if (context.pageFlushDid < 0) {
      device.lazyUnmaps++;
      return;
    }
    device.strictUnmaps++;
    if (!device.domainIds.includes(context.pageFlushDid)) device.domainIds.push(context.pageFlushDid);
  }

  private context(batch: EventBatch, row: number): ContextFacts {
    const level = batch.level[row]!;
    const key = level === ContextLevel.TASK && batch.pid[row] !== 0 ? batch.pid[row]! : -1 - (batch.cpu[row]! * LEVELS + level);
    let context = this.contexts.get(key);
    if (context === undefined) {
      context = { bounced: false, mapped: false, unmapped: false, pageFlushDid: -1 };
      this.contexts.set(key, context);
    }
    return context;
  }

  /** An API line ends a call: what comes next in this context belongs to another one. */
  private closeContext(batch: EventBatch, row: number): void {
    const context = this.context(batch, row);
    context.bounced = false;
    context.mapped = false;
    context.unmapped = false;
    context.pageFlushDid = -1;
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
      dmaMask: 0,
      bouncePairs: 0,
      offsetDifference: 0,
      offsetKept: 0,
      maps: 0,
      identityMaps: 0,
      failedMaps: 0,
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
