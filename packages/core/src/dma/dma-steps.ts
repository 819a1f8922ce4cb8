import { assert, Direction, FlushCause, NO_IOVA, Observed, PAGE_SIZE, roundDown } from '../base/index.ts';
import { CallList, NO_TABLES, Rights } from '../iommu/index.ts';
import { clearPadding, copyIn, copyOut, freeSlots, takeSlots } from './bounce-steps.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { CallKind, type DmaCallTable } from './dma-call.ts';
import type { DmaDomain } from './dma-domain.ts';
import type { DmaPieces } from './dma-pieces.ts';
import { DmaStep } from './dma-step.ts';
import type { FlushQueue } from './flush-queue.ts';
import { flushGathered, gatherCleared } from './iotlb-gather.ts';

/**
 * What each step of a call does to the machine. All that a call remembers from one step to the next is in its row, so
 * the steps of several calls can be mixed.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_map_page(), iommu_dma_unmap_page(), __iommu_dma_unmap(), queue_iova()
 */
export class DmaSteps {
  private readonly calls: DmaCallTable;
  private readonly parts: DmaApiParts;
  private readonly pieces: DmaPieces;
  /** Page-table entries that were found set when they were to be written. Statistics, not part of the state. */
  entriesAlreadySet = 0;
  /** Scratch of one step. */
  private readonly driverCalls = new CallList();

  constructor(calls: DmaCallTable, parts: DmaApiParts, pieces: DmaPieces) {
    this.calls = calls;
    this.parts = parts;
    this.pieces = pieces;
  }

  /** Performs a step; false when the call goes on elsewhere than behind it: the step once more, or another list. */
  perform(call: number, step: DmaStep): boolean {
    switch (step) {
      case DmaStep.TAKE_SLOTS:
        return takeSlots(this.calls, call, this.parts) || this.fail(call);
      case DmaStep.COPY_IN:
        copyIn(this.calls, call, this.parts);
        return true;
      case DmaStep.ZERO_PADDING:
        clearPadding(this.calls, call, this.parts);
        return true;
      case DmaStep.ALLOCATE_IOVA:
        return this.allocateIova(call);
      case DmaStep.WRITE_TABLE:
        return this.writeTable(call);
      case DmaStep.FLUSH_MAP:
        return this.flushMap(call);
      case DmaStep.CLEAR_TABLE:
        return this.clearTable(call);
      case DmaStep.SUBMIT_INVALIDATION:
        flushGathered(this.calls, call, this.parts.flusher!);
        return true;
      case DmaStep.WAIT_INVALIDATION:
        return this.waitInvalidation(call);
      case DmaStep.FREE_TABLES:
        return this.freeTables(call);
      case DmaStep.FREE_IOVA:
        return this.freeIova(call);
      case DmaStep.QUEUE_IOVA:
        return this.queueIova(call);
      case DmaStep.COPY_OUT:
        copyOut(this.calls, call, this.parts);
        return true;
      case DmaStep.FREE_SLOTS:
        freeSlots(this.calls, call, this.parts);
        return true;
      case DmaStep.SUBMIT_FLUSH:
        return this.submitFlush(call);
      case DmaStep.WAIT_FLUSH:
        return this.waitFlush(call);
      case DmaStep.DRAIN_RING:
        return this.drainRing(call);
      case DmaStep.RETURN:
        return true;
    }
  }

  private allocateIova(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const { parameters } = device;
    const mask = calls.kind[call] === CallKind.ALLOC ? parameters.coherentDmaMask : parameters.dmaMask;
    const firstPfn = device.domain!.allocateIova(device, calls.pages[call], mask, calls.cpu[call], parts.kernel);
    if (firstPfn === NO_IOVA) return this.fail(call);
    calls.iovaPfn[call] = firstPfn;
    return true;
  }

  /**
   * One physically contiguous run; a list is not done before its last run is in place. The driver complains of an entry
   * that is already set, leaves it, and succeeds.
   */
  private writeTable(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const domain = device.domain!;
    const isList = calls.entries[call] > 0 && this.pieces.isOnePiece(call);
    let phys = roundDown(calls.phys[call], PAGE_SIZE);
    let bytes = calls.pages[call] * PAGE_SIZE;
    let next = calls.entry[call];
    if (isList) {
      const first = call * calls.entriesMax;
      phys = roundDown(calls.entryPhys[first + next], PAGE_SIZE);
      bytes = calls.entryPadded[first + next];
      for (next += 1; next < calls.entries[call]; next++) {
        if (roundDown(calls.entryPhys[first + next], PAGE_SIZE) !== phys + bytes) break;
        bytes += calls.entryPadded[first + next];
      }
    }
    const iova = calls.iovaPfn[call] * PAGE_SIZE + calls.mappedBytes[call];
    const rights = rightsOf(calls.direction[call]);
    this.entriesAlreadySet += domain.hardware.map(iova / PAGE_SIZE, phys / PAGE_SIZE, bytes / PAGE_SIZE, rights, this.driverCalls);
    this.flushReplacedTables(call, domain);
    parts.log.emit(Observed.MAPPED, calls.cpu[call], device.index, domain.id, iova, phys, bytes);
    calls.mappedBytes[call] += bytes;
    calls.entry[call] = next;
    return !isList || next === calls.entries[call];
  }

  /** A superpage has taken the place of empty tables: caches may lead to those, so they go only after a flush. */
  private flushReplacedTables(call: number, domain: DmaDomain): void {
    const { calls, driverCalls, parts } = this;
    if (driverCalls.length === 0) return;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    for (let row = 0; row < driverCalls.length; row++) {
      const start = driverCalls.iovaPfn[row] * PAGE_SIZE;
      parts.flusher!.flushRange(cpu, device, domain.id, start, start + driverCalls.pages[row] * PAGE_SIZE - 1, false);
      parts.flusher!.wait(cpu, device, domain.id);
    }
    domain.hardware.tables.pages.freeChain(driverCalls.freed);
  }

  private flushMap(call: number): boolean {
    const { calls, parts } = this;
    const flusher = parts.flusher!;
    if (!flusher.flushesOnMap) {
      flusher.flushWriteBuffer();
      return true;
    }
    const device = calls.device[call];
    const domain = calls.domain[call];
    const start = calls.iovaPfn[call] * PAGE_SIZE;
    flusher.flushRangeNp(calls.cpu[call], device, domain, start, start + calls.pages[call] * PAGE_SIZE - 1);
    flusher.wait(calls.cpu[call], device, domain);
    return true;
  }

  private clearTable(call: number): boolean {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    const { hardware, id } = device.domain!;
    const firstPfn = calls.iovaPfn[call];
    const unmappedPages = hardware.unmap(firstPfn, calls.pages[call], this.driverCalls);
    calls.freedTables[call] = this.driverCalls.freed;
    calls.gatherStart[call] = -1;
    if (this.isGathered(call)) gatherCleared(calls, call, this.driverCalls, parts.flusher!, hardware.tables.pages);
    parts.log.emit(
      Observed.UNMAPPED,
      calls.cpu[call],
      device.index,
      id,
      firstPfn * PAGE_SIZE,
      calls.pages[call] * PAGE_SIZE,
      unmappedPages * PAGE_SIZE,
    );
    return true;
  }

  /** Whether the list invalidates what the step at work clears; a queued range is not gathered. */
  private isGathered(call: number): boolean {
    return this.pieces.stepsOf(call)[this.calls.position[call] + 1] === DmaStep.SUBMIT_INVALIDATION;
  }

  private waitInvalidation(call: number): boolean {
    const { calls } = this;
    this.parts.flusher!.wait(calls.cpu[call], calls.device[call], calls.domain[call]);
    return true;
  }

  private freeTables(call: number): boolean {
    const { calls } = this;
    if (calls.freedTables[call] !== NO_TABLES) {
      this.domainOf(call).hardware.tables.pages.freeChain(calls.freedTables[call]);
      calls.freedTables[call] = NO_TABLES;
    }
    return true;
  }

  private freeIova(call: number): boolean {
    const { calls } = this;
    this.domainOf(call).freeIova(calls.iovaPfn[call], calls.pages[call], calls.cpu[call]);
    return true;
  }

  /**
   * Two passes when the ring is full: the first begins a flush, the second ends it and queues.
   *
   * Differs: should the ring still be full then, because a flush on another CPU began before its entries were queued and
   * has not ended, one more flush follows; Linux takes room for granted and would overwrite the ring.
   */
  private queueIova(call: number): boolean {
    const { calls, parts } = this;
    const cpu = calls.cpu[call];
    const domain = this.domainOf(call);
    const queue = queueOf(domain);
    if (calls.flushing[call] === 1) {
      this.waitInvalidation(call);
      this.endFlush(call, FlushCause.RING_FULL);
      calls.flushing[call] = 0;
    }
    if (!domain.queueIova(queue, calls.iovaPfn[call], calls.pages[call], calls.freedTables[call], cpu)) {
      this.beginFlush(call, FlushCause.RING_FULL);
      calls.flushing[call] = 1;
      return false;
    }
    parts.log.emit(
      Observed.FLUSH_QUEUED,
      cpu,
      calls.device[call],
      calls.domain[call],
      calls.iovaPfn[call],
      calls.pages[call],
      queue.entriesOn(cpu),
    );
    return true;
  }

  private submitFlush(call: number): boolean {
    this.beginFlush(call, FlushCause.TIMER);
    return true;
  }

  private waitFlush(call: number): boolean {
    this.waitInvalidation(call);
    this.endFlush(call, FlushCause.TIMER);
    return true;
  }

  private drainRing(call: number): boolean {
    const { calls } = this;
    const domain = this.domainOf(call);
    const queue = queueOf(domain);
    queue.drain(calls.ring[call], calls.cpu[call], domain);
    calls.ring[call] += 1;
    return calls.ring[call] === queue.possibleCpus;
  }

  private beginFlush(call: number, cause: FlushCause): void {
    const { calls, parts } = this;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    const domain = this.domainOf(call);
    domain.beginFlush(queueOf(domain), cause);
    parts.log.emit(Observed.FLUSH_STARTED, cpu, device, domain.id, cause);
    parts.flusher!.flushAll(cpu, device, domain.id);
  }

  private endFlush(call: number, cause: FlushCause): void {
    const { calls, parts } = this;
    const domain = this.domainOf(call);
    queueOf(domain).endFlush();
    parts.log.emit(Observed.FLUSH_FINISHED, calls.cpu[call], calls.device[call], domain.id, cause);
  }

  private fail(call: number): boolean {
    this.pieces.fail(call);
    return false;
  }

  private domainOf(call: number): DmaDomain {
    const device = this.calls.device[call];
    return device < 0 ? this.parts.domains[this.calls.entry[call]] : this.parts.devices[device].domain!;
  }
}

function queueOf(domain: DmaDomain): FlushQueue {
  assert(domain.flushQueue !== null, 'a lazy policy needs a flush queue in its domain');
  return domain.flushQueue;
}

function rightsOf(direction: number): Rights {
  if (direction === Direction.TO_DEVICE) return Rights.READ;
  return direction === Direction.FROM_DEVICE ? Rights.WRITE : Rights.READ_WRITE;
}
