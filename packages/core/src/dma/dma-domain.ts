import {
  type Cpu,
  type DomainId,
  FlushCause,
  type IovaPfn,
  type KernelRules,
  NO_IOVA,
  type ObservationLog,
  Observed,
  PAGE_SIZE,
  type PhysAddr,
  type StateArena,
} from '../base/index.ts';
import { type IommuDomain, NO_TABLES } from '../iommu/index.ts';
import { IovaDomain, type IovaDomainParameters } from '../iova/index.ts';
import type { DmaDevice } from './dma-device.ts';
import { FlushQueue, type FlushQueueParameters, type FlushQueueSink, NO_SLOTS } from './flush-queue.ts';
import { allocateDmaIova } from './iova-limit.ts';

/** What a translation domain of the DMA API consists of. */
export interface DmaDomainParameters {
  readonly iova: IovaDomainParameters;
  /** Absent for a strict domain. */
  readonly flushQueue?: FlushQueueParameters | undefined;
  /** Highest address that the domain can translate, inclusive. */
  readonly apertureEnd: number;
  /** Gives bounce slots back that have waited on the flush queue. */
  readonly releaseSlots: (slots: PhysAddr, cpu: Cpu, device: number, domainId: DomainId) => void;
}

const PAGES = 0;
const PAGES_PEAK = 1;

/**
 * One DMA domain: an I/O address space, the page tables it is mapped in, and, when unmapping is lazy, a flush queue.
 *
 * On x86 each IOMMU group has its own, and keeps it when drivers come and go. The address space, the queue and the
 * flags of the domain's devices share one arena, so that the order of their operations can be tried in more than one
 * way; while that happens `repeating` is set, and nothing is observed and no table page or slot released a second time.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c struct iommu_dma_cookie
 */
export class DmaDomain implements FlushQueueSink {
  readonly index: number;
  readonly hardware: IommuDomain;
  readonly id: DomainId;
  readonly iova: IovaDomain;
  readonly flushQueue: FlushQueue | null;
  readonly apertureEnd: number;
  readonly arena: StateArena;
  repeating = false;
  private readonly log: ObservationLog;
  private readonly releaseSlots: DmaDomainParameters['releaseSlots'];
  private counters!: Float64Array<ArrayBuffer>;

  constructor(arena: StateArena, log: ObservationLog, index: number, hardware: IommuDomain, parameters: DmaDomainParameters) {
    this.arena = arena;
    this.log = log;
    this.index = index;
    this.hardware = hardware;
    this.id = hardware.domainId;
    this.apertureEnd = parameters.apertureEnd;
    this.releaseSlots = parameters.releaseSlots;
    this.iova = new IovaDomain(arena, parameters.iova);
    this.flushQueue = parameters.flushQueue === undefined ? null : new FlushQueue(arena, parameters.flushQueue);
    arena.table(
      'domain.counters',
      2,
      { counters: 'f64' },
      (columns) => {
        this.counters = columns.counters;
      },
      { statisticRows: [PAGES_PEAK] },
    );
  }

  /** IOVA pages in use or waiting for a flush, now and at most. */
  get iovaPages(): number {
    return this.counters[PAGES];
  }

  get iovaPagesPeak(): number {
    return this.counters[PAGES_PEAK];
  }

  /**
   * Takes an address range for a device.
   *
   * @param mask  highest address for this kind of memory (streaming or coherent mask), inclusive
   * @returns first page frame, or NO_IOVA
   */
  allocateIova(device: DmaDevice, pages: number, mask: number, cpu: Cpu, kernel: KernelRules): IovaPfn {
    const firstPfn = allocateDmaIova(this, device, pages, mask, cpu, kernel);
    if (firstPfn === NO_IOVA) {
      if (!this.repeating) {
        const limit = Math.floor(this.highestAddress(device, mask) / PAGE_SIZE);
        this.log.emit(Observed.IOVA_FAILED, cpu, device.index, this.id, pages, limit);
      }
      return NO_IOVA;
    }
    this.counters[PAGES] += pages;
    if (this.counters[PAGES] > this.counters[PAGES_PEAK]) this.counters[PAGES_PEAK] = this.counters[PAGES];
    if (!this.repeating) {
      this.log.emit(Observed.IOVA_ALLOCATED, cpu, device.index, this.id, firstPfn, pages, this.iova.lastAllocFromCache ? 1 : 0);
    }
    return firstPfn;
  }

  /** Highest address for a device: the mask, lowered to its bus limit and to what the domain translates. */
  highestAddress(device: DmaDevice, mask: number): number {
    return Math.min(device.limitUnder(mask), this.apertureEnd);
  }

  /** Takes a given range, whatever the allocator would have chosen (see IovaDomain.adoptIova). */
  adoptIova(firstPfn: IovaPfn, pages: number): void {
    this.iova.adoptIova(firstPfn, pages);
    this.counters[PAGES] += pages;
  }

  /** Gives a range back to the allocator, in the caches of `cpu`. */
  freeIova(firstPfn: IovaPfn, pages: number, cpu: Cpu): void {
    this.iova.freeIovaFast(firstPfn, pages, cpu);
    this.counters[PAGES] -= pages;
    if (!this.repeating) this.log.emit(Observed.IOVA_FREED, cpu, -1, this.id, firstPfn, pages, this.iova.lastFreeToCache ? 1 : 0);
  }

  /**
   * Queues a range on the CPU's ring, after releasing what is safe there, and arms the domain's timer.
   *
   * @param freedTables  chain of emptied table pages that wait with it
   * @param slots        bounce slots that wait with it, see FlushQueue.append
   * @returns false when the ring is full and has to be flushed first
   */
  queueIova(
    queue: FlushQueue,
    firstPfn: IovaPfn,
    pages: number,
    freedTables: number,
    cpu: Cpu,
    slots: PhysAddr = NO_SLOTS,
    device = 0,
    stamp = 0,
  ): boolean {
    queue.drain(cpu, cpu, this);
    if (queue.isFull(cpu)) return false;
    queue.append(cpu, firstPfn, pages, freedTables, slots, device, stamp);
    queue.armTimer(cpu);
    return true;
  }

  /** The first half of a flush; that of a timer, or of the end, also marks the timer off. */
  beginFlush(queue: FlushQueue, cause: FlushCause): void {
    if (cause === FlushCause.TIMER || cause === FlushCause.TEARDOWN) queue.disarmTimer();
    queue.beginFlush();
  }

  releaseQueued(firstPfn: IovaPfn, pages: number, freedTables: number, slots: PhysAddr, device: number, cpu: Cpu): void {
    if (freedTables !== NO_TABLES && !this.repeating) this.hardware.tables.pages.freeChain(freedTables);
    this.freeIova(firstPfn, pages, cpu);
    if (slots !== NO_SLOTS && !this.repeating) this.releaseSlots(slots, cpu, device, this.id);
  }
}
