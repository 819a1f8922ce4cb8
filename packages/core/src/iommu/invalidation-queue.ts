/**
 * The invalidation queue: a ring of 128-bit descriptors that software appends to and the hardware works off in order.
 *
 * The hardware executes one descriptor per `step`, so a caller can look at, or let devices use, every state between two
 * of them. A descriptor that makes no sense stops the queue: its slot stays at the head and IQE is set in the fault
 * status register until software puts something right in its place and clears the error.
 */
import { assert, type Columns, isPowerOfTwo, type PhysAddr, type StateArena } from '../base/index.ts';
import type { Capability } from './capability.ts';
import type { ContextCache } from './context-cache.ts';
import {
  Descriptor,
  DescriptorType,
  type DescriptorWords,
  decodeDescriptor,
  Granularity,
  PasidCacheGranularity,
  PasidIotlbGranularity,
} from './descriptor.ts';
import { type FaultRecorder, FaultStatus } from './fault.ts';
import { ADDRESS_MASK_ALL, type Iotlb } from './iotlb.ts';
import type { PagingStructureCache } from './paging-structure-cache.ts';

/** Descriptors of the queue that Linux sets up: one page. */
export const QUEUE_ENTRIES = 256;

/** Status data that Linux has a wait descriptor write. */
export const WAIT_DONE = 2;

/** What `step` found. */
export const QueueStep = { IDLE: 0, EXECUTED: 1, STOPPED: 2 } as const;
export type QueueStep = (typeof QueueStep)[keyof typeof QueueStep];

/** The caches that descriptors act on; null for one that the unit does not have. */
export interface InvalidationTargets {
  readonly iotlb: Iotlb | null;
  readonly pagingStructures: PagingStructureCache | null;
  readonly contextCache: ContextCache;
  readonly deviceTlb: Iotlb | null;
  readonly faults: FaultRecorder;
}

const SLOT_SHAPE = { qw0Low: 'u32', qw0High: 'u32', qw1Low: 'u32', qw1High: 'u32', status: 'u32' } as const;
const STATE_SHAPE = { value: 'u32' } as const;
/** IQH, IQT, and where software appends next, all as slot numbers. */
const HEAD = 0;
const TAIL = 1;
const APPEND = 2;

export class InvalidationQueue {
  readonly entries: number;
  /** Address of the first status word; word k belongs to slot k. */
  readonly statusBase: PhysAddr;
  /** Executed descriptors by type, index 1 to 9; page-selective and domain-selective ones of the IOTLB apart. Statistics, not part of the state. */
  readonly executed: Float64Array<ArrayBuffer> = new Float64Array(10);
  pageSelective = 0;
  domainSelective = 0;

  private qw0Low!: Uint32Array<ArrayBuffer>;
  private qw0High!: Uint32Array<ArrayBuffer>;
  private qw1Low!: Uint32Array<ArrayBuffer>;
  private qw1High!: Uint32Array<ArrayBuffer>;
  private status!: Uint32Array<ArrayBuffer>;
  private state!: Uint32Array<ArrayBuffer>;
  private readonly capability: Capability;
  private readonly targets: InvalidationTargets;
  private readonly current = new Descriptor();

  /** @param entries  slots, a power of two; one stays empty */
  constructor(
    arena: StateArena,
    name: string,
    entries: number,
    statusBase: PhysAddr,
    capability: Capability,
    targets: InvalidationTargets,
  ) {
    assert(isPowerOfTwo(entries) && entries >= 2, 'queue length is a power of two');
    assert(statusBase % 4 === 0, 'status words are aligned');
    this.entries = entries;
    this.statusBase = statusBase;
    this.capability = capability;
    this.targets = targets;
    arena.table(`${name}.queue`, entries, SLOT_SHAPE, (columns: Columns<typeof SLOT_SHAPE>) => {
      this.qw0Low = columns.qw0Low;
      this.qw0High = columns.qw0High;
      this.qw1Low = columns.qw1Low;
      this.qw1High = columns.qw1High;
      this.status = columns.status;
    });
    arena.table(`${name}.queueState`, 3, STATE_SHAPE, (columns: Columns<typeof STATE_SHAPE>) => {
      this.state = columns.value;
    });
  }

  /** Slot that the hardware takes next. The IQH register holds it times 16. */
  get head(): number {
    return this.state[HEAD];
  }

  /** Slot behind the last one that the hardware may take. The IQT register holds it times 16. */
  get tail(): number {
    return this.state[TAIL];
  }

  /** Slots that can be appended to now. */
  get free(): number {
    return (this.state[HEAD] - this.state[APPEND] - 1 + this.entries) & (this.entries - 1);
  }

  /** Writes a descriptor into the next slot and returns its number; the hardware does not see it before `publish`. */
  append(words: DescriptorWords): number {
    const slot = this.state[APPEND];
    assert(this.free > 0, 'invalidation queue has a free slot');
    this.replace(slot, words);
    this.status[slot] = 0;
    this.state[APPEND] = (slot + 1) & (this.entries - 1);
    return slot;
  }

  /** Writes the tail register: everything appended may be executed. */
  publish(): void {
    this.state[TAIL] = this.state[APPEND];
  }

  /** Overwrites a slot, as software does with a descriptor that stopped the queue. */
  replace(slot: number, words: DescriptorWords): void {
    this.qw0Low[slot] = words[0];
    this.qw0High[slot] = words[1];
    this.qw1Low[slot] = words[2];
    this.qw1High[slot] = words[3];
  }

  /** Physical address of the slot's status word, for its wait descriptor. */
  statusAddress(slot: number): PhysAddr {
    return this.statusBase + 4 * slot;
  }

  /** What a wait descriptor wrote to the slot's status word since the slot was appended, 0 before. */
  statusOf(slot: number): number {
    return this.status[slot];
  }

  /** Executes the descriptor at the head, if there is one and no error holds the queue. */
  step(): QueueStep {
    const slot = this.state[HEAD];
    if (slot === this.state[TAIL]) return QueueStep.IDLE;
    const faults = this.targets.faults;
    if (faults.has(FaultStatus.QUEUE_ERROR)) return QueueStep.STOPPED;
    decodeDescriptor(this.qw0Low[slot], this.qw0High[slot], this.qw1Low[slot], this.qw1High[slot], this.current);
    if (!this.execute(this.current)) {
      faults.raise(FaultStatus.QUEUE_ERROR);
      return QueueStep.STOPPED;
    }
    this.executed[this.current.type]++;
    this.state[HEAD] = (slot + 1) & (this.entries - 1);
    return QueueStep.EXECUTED;
  }

  /** An empty queue goes on at slot 0 with all slots clear. It behaves as before; states that differ in old descriptors alone become equal. */
  rewind(): void {
    if (this.state[HEAD] !== this.state[APPEND]) return;
    if (this.state[HEAD] === 0 && this.qw0Low[0] === 0) return;
    for (const column of [this.qw0Low, this.qw0High, this.qw1Low, this.qw1High, this.status]) column.fill(0);
    this.state.fill(0);
  }

  /** Executes until the queue is empty or stopped. */
  run(): QueueStep {
    let step: QueueStep = QueueStep.EXECUTED;
    while (step === QueueStep.EXECUTED) step = this.step();
    return step;
  }

  /** False for a descriptor that stops the queue. */
  private execute(descriptor: Descriptor): boolean {
    switch (descriptor.type) {
      case DescriptorType.CONTEXT_CACHE:
        return this.executeContextCache(descriptor);
      case DescriptorType.IOTLB:
        return this.executeIotlb(descriptor);
      case DescriptorType.DEVICE_TLB:
      case DescriptorType.PASID_DEVICE_TLB:
        this.executeDeviceTlb(descriptor);
        return true;
      case DescriptorType.WAIT:
        return this.executeWait(descriptor);
      case DescriptorType.PASID_IOTLB:
        return this.executePasidIotlb(descriptor);
      case DescriptorType.PASID_CACHE:
        return descriptor.granularity <= PasidCacheGranularity.PASID || descriptor.granularity === PasidCacheGranularity.GLOBAL;
      case DescriptorType.INTERRUPT_ENTRY_CACHE:
      case DescriptorType.PAGE_GROUP_RESPONSE:
        return true;
      default:
        return false;
    }
  }

  private executeContextCache(descriptor: Descriptor): boolean {
    const cache = this.targets.contextCache;
    if (descriptor.granularity === Granularity.GLOBAL) cache.invalidateAll();
    else if (descriptor.granularity === Granularity.DOMAIN) cache.invalidateDomain(descriptor.domainId);
    else if (descriptor.granularity === Granularity.SELECTIVE) cache.invalidateDevice(descriptor.sourceId, descriptor.functionMask);
    else return false;
    return true;
  }

  private executeIotlb(descriptor: Descriptor): boolean {
    if (descriptor.granularity === Granularity.GLOBAL) {
      this.targets.iotlb?.invalidateAll();
      this.targets.pagingStructures?.invalidateAll();
      return true;
    }
    if (descriptor.granularity === Granularity.DOMAIN) {
      this.domainSelective++;
      this.dropDomain(descriptor);
      return true;
    }
    if (descriptor.granularity !== Granularity.SELECTIVE || !this.capability.pageSelectiveInvalidation) return false;
    if (descriptor.addressMask > this.capability.maxAddressMask) return false;
    this.pageSelective++;
    this.dropPages(descriptor);
    return true;
  }

  /** Legacy mode has no PASID tags: the domain's entries go whatever the PASID. */
  private executePasidIotlb(descriptor: Descriptor): boolean {
    if (descriptor.granularity === PasidIotlbGranularity.PASID) this.dropDomain(descriptor);
    else if (descriptor.granularity === PasidIotlbGranularity.PAGES) this.dropPages(descriptor);
    else return false;
    return true;
  }

  private executeDeviceTlb(descriptor: Descriptor): void {
    const cache = this.targets.deviceTlb;
    if (cache === null) return;
    if (descriptor.addressMask >= ADDRESS_MASK_ALL) cache.invalidateDomain(descriptor.sourceId);
    else cache.invalidatePages(descriptor.sourceId, descriptor.iovaPfn, descriptor.addressMask);
  }

  private executeWait(descriptor: Descriptor): boolean {
    if (!descriptor.writesStatus) return true;
    const slot = (descriptor.statusAddress - this.statusBase) / 4;
    assert(slot >= 0 && slot < this.entries, 'status word of a wait descriptor belongs to the queue');
    this.status[slot] = descriptor.statusData;
    return true;
  }

  private dropDomain(descriptor: Descriptor): void {
    this.targets.iotlb?.invalidateDomain(descriptor.domainId);
    this.targets.pagingStructures?.invalidateDomain(descriptor.domainId);
  }

  private dropPages(descriptor: Descriptor): void {
    this.targets.iotlb?.invalidatePages(descriptor.domainId, descriptor.iovaPfn, descriptor.addressMask);
    if (!descriptor.keepsStructures)
      this.targets.pagingStructures?.invalidatePages(descriptor.domainId, descriptor.iovaPfn, descriptor.addressMask);
  }
}
