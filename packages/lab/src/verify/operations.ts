import {
  allocateSlots,
  type Bounce,
  type DmaDevice,
  type DmaDomain,
  type FlushCause,
  type KernelRules,
  NO_TABLES,
  PAGE_SIZE,
  releaseSlots,
  roundDown,
  type StateArena,
  type SwiotlbPool,
} from 'dmalab-core';
import type { OrderedResource, OrderLog } from './order-log.ts';

/** What can happen to an I/O address space and its flush queue. */
export const DomainOperation = {
  /** a device, b pages, c mask; the result is the first page frame. */
  ALLOCATE: 0,
  /** a page frame, b pages. */
  FREE: 1,
  /** a page frame, b pages. */
  QUEUE: 2,
  /** a cause; the result is 1 when the timer was armed. */
  BEGIN_FLUSH: 3,
  END_FLUSH: 4,
  /** a ring. */
  DRAIN: 5,
  /** a bin. */
  DEPOT_WORK: 6,
} as const;

/** Operation names for reports. */
export const domainOperationNames: readonly string[] = [
  'allocate an address',
  'free an address',
  'queue an address',
  'begin a flush',
  'end a flush',
  'drain a ring',
  'trim the depot',
];

/** What can happen to the bounce pool. */
export const PoolOperation = {
  /** a original address, b bytes, c device; d 1 when dma-iommu asks. The result is the page of the slots, or exactly their address in direct mode. */
  TAKE: 0,
  /** a slot address, b device. */
  RELEASE: 1,
} as const;

export const poolOperationNames: readonly string[] = ['take slots', 'free slots'];

/** A domain's address space and queue, for trying orders. */
export class DomainOperations implements OrderedResource {
  readonly arena: StateArena;
  private readonly domain: DmaDomain;
  private readonly devices: readonly DmaDevice[];
  private readonly kernel: KernelRules;

  constructor(domain: DmaDomain, devices: readonly DmaDevice[], kernel: KernelRules) {
    this.arena = domain.arena;
    this.domain = domain;
    this.devices = devices;
    this.kernel = kernel;
  }

  repeat(log: OrderLog, row: number): number {
    const { domain } = this;
    const queue = domain.flushQueue;
    const cpu = log.cpu[row];
    domain.repeating = true;
    let result = 0;
    switch (log.operation[row]) {
      case DomainOperation.ALLOCATE:
        result = domain.allocateIova(this.devices[log.a[row]], log.b[row], log.c[row], cpu, this.kernel);
        break;
      case DomainOperation.FREE:
        domain.freeIova(log.a[row], log.b[row], cpu);
        break;
      case DomainOperation.QUEUE:
        result = domain.queueIova(queue!, log.a[row], log.b[row], NO_TABLES, cpu) ? 1 : 0;
        break;
      case DomainOperation.BEGIN_FLUSH:
        result = queue!.timerArmed ? 1 : 0;
        domain.beginFlush(queue!, log.a[row] as FlushCause);
        break;
      case DomainOperation.END_FLUSH:
        queue!.endFlush();
        break;
      case DomainOperation.DRAIN:
        queue!.drain(log.a[row], cpu, domain);
        break;
      case DomainOperation.DEPOT_WORK:
        domain.iova.depotWork(log.a[row]);
        break;
    }
    domain.repeating = false;
    return result;
  }
}

/** The bounce pool, for trying orders. */
export class PoolOperations implements OrderedResource {
  readonly arena: StateArena;
  private readonly pool: SwiotlbPool;
  private readonly devices: readonly DmaDevice[];

  constructor(arena: StateArena, bounce: Pick<Bounce, 'pool'>, devices: readonly DmaDevice[]) {
    this.arena = arena;
    this.pool = bounce.pool;
    this.devices = devices;
  }

  repeat(log: OrderLog, row: number): number {
    const cpu = log.cpu[row];
    if (log.operation[row] === PoolOperation.RELEASE) {
      releaseSlots(this.pool, log.a[row], this.devices[log.b[row]].parameters.minAlignMask);
      return 0;
    }
    const translated = log.d[row] === 1;
    const { minAlignMask, segmentBoundaryMask } = this.devices[log.c[row]].parameters;
    const slots = allocateSlots(this.pool, log.a[row], log.b[row], translated ? PAGE_SIZE - 1 : 0, minAlignMask, segmentBoundaryMask, cpu);
    return slotResult(slots, translated);
  }
}

/** What of a slot address the recording shows: its page under translation, all of it in direct mode; -1 for no slots. */
export function slotResult(slots: number, translated: boolean): number {
  return slots < 0 || !translated ? slots : roundDown(slots, PAGE_SIZE);
}
