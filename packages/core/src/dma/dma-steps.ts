import { assert, Direction, FlushCause, NO_IOVA, Observed, PAGE_SIZE, roundDown, type StateArena } from '../base/index.ts';
import { CallList, NO_TABLES, Rights } from '../iommu/index.ts';
import { SlotOutcome } from '../swiotlb/index.ts';
import { clearPadding, copyIn, copyOut, freeSlots, needsMoreSlots, takeSlots } from './bounce-steps.ts';
import { DeferredSlots } from './deferred-slots.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { CallKind, DMA_ATTR_SKIP_CPU_SYNC, type DmaCallTable } from './dma-call.ts';
import type { DmaDomain } from './dma-domain.ts';
import type { DmaPieces } from './dma-pieces.ts';
import { Program } from './dma-program.ts';
import { DmaStep } from './dma-step.ts';
import { edgeRunBytes, edgeRunPhys } from './edge-pages.ts';
import { type FlushQueue, NO_SLOTS } from './flush-queue.ts';
import { flushGathered, gatherCleared } from './iotlb-gather.ts';
import { growShadow, keepShadow, returnShadow, takeShadow } from './shadow-steps.ts';

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
  readonly deferred: DeferredSlots;
  /** Page-table entries that were found set when they were to be written. Statistics, not part of the state. */
  entriesAlreadySet = 0;
  /** Scratch of one step. */
  private readonly driverCalls = new CallList();

  constructor(arena: StateArena, calls: DmaCallTable, parts: DmaApiParts, pieces: DmaPieces) {
    this.calls = calls;
    this.parts = parts;
    this.pieces = pieces;
    this.deferred = new DeferredSlots(arena, parts);
  }

  /** Performs a step; false when the call goes on elsewhere than behind it: the step once more, or another list. */
  perform(call: number, step: DmaStep): boolean {
    switch (step) {
      case DmaStep.TAKE_SLOTS:
        return this.takeSlots(call);
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
        return this.queueIova(call, false);
      case DmaStep.QUEUE_IOVA_AND_SLOTS:
        return this.queueIova(call, true);
      case DmaStep.COPY_OUT:
        copyOut(this.calls, call, this.parts);
        return true;
      case DmaStep.FREE_SLOTS:
        return freeSlots(this.calls, call, this.parts);
      case DmaStep.SUBMIT_FLUSH:
        return this.submitFlush(call);
      case DmaStep.WAIT_FLUSH:
        return this.waitFlush(call);
      case DmaStep.DRAIN_RING:
        return this.drainRing(call);
      case DmaStep.TAKE_SHADOW:
        return this.takeShadow(call);
      case DmaStep.GROW_SHADOW:
        return growShadow(this.calls, call, this.parts) || this.findRoom(call);
      case DmaStep.KEEP_SHADOW:
        keepShadow(this.calls, call, this.parts, rightsOf(this.calls.direction[call]));
        return true;
      case DmaStep.RETURN_SHADOW:
        returnShadow(this.calls, call, this.parts);
        return true;
      case DmaStep.RETURN:
        return true;
    }
  }

  private takeSlots(call: number): boolean {
    const { calls, parts } = this;
    if (!takeSlots(calls, call, parts)) return this.findRoom(call);
    calls.roomStamp[call] = 0;
    return !needsMoreSlots(calls, call, parts);
  }

  /**
   * A search for slots has failed. While slots wait for a flush that would set them free, the call flushes and comes back
   * to the same step; see DeferredSlots for the order and for why that ends. Else whole pages are mapped as they are where
   * the policy says so, or the mapping fails, and slots that one of its parts has go back without a copy: nothing has
   * been copied in.
   */
  private findRoom(call: number): boolean {
    const { calls, parts, deferred } = this;
    if (parts.bounce !== null && parts.bounce.pool.lastOutcome === SlotOutcome.FULL) {
      if (calls.roomStamp[call] === 0) calls.roomStamp[call] = deferred.nextStamp;
      const domain = deferred.domainToFlush(parts.devices[calls.device[call]].domain, calls.roomStamp[call]);
      if (domain !== null) {
        this.pieces.beginFlushForSlots(call, domain);
        return false;
      }
      if (this.canForgoBounce(call)) {
        this.pieces.forgoBounce(call);
        return false;
      }
    }
    if (calls.slots[call] >= 0) calls.attrs[call] |= DMA_ATTR_SKIP_CPU_SYNC;
    return this.fail(call);
  }

  private canForgoBounce(call: number): boolean {
    const { calls, parts } = this;
    const { policy } = parts.devices[calls.device[call]];
    return policy.mapsAlignedDirectWhenDry && calls.original[call] % PAGE_SIZE === 0 && calls.bytes[call] % PAGE_SIZE === 0;
  }

  private takeShadow(call: number): boolean {
    if (takeShadow(this.calls, call, this.parts, rightsOf(this.calls.direction[call]))) return true;
    if (this.parts.shadows === null) return this.fail(call);
    this.pieces.beginNewShadow(call);
    return false;
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
   * One physically contiguous run; a list, or a range with bounced ends, is not done before its last run is in place. The driver complains of an entry
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
    } else if (device.policy.bouncesEdgesOnly && calls.program[call] === Program.MAP_BOUNCED) {
      phys = edgeRunPhys(calls, call);
      bytes = edgeRunBytes(calls, call);
    }
    const iova = calls.iovaPfn[call] * PAGE_SIZE + calls.mappedBytes[call];
    const rights = rightsOf(calls.direction[call]);
    this.entriesAlreadySet += domain.hardware.map(iova / PAGE_SIZE, phys / PAGE_SIZE, bytes / PAGE_SIZE, rights, this.driverCalls);
    this.flushReplacedTables(call, domain);
    const entryRights = domain.hardware.tables.leafRights(rights);
    parts.log.emit(Observed.MAPPED, calls.cpu[call], device.index, domain.id, iova, phys, bytes, entryRights);
    calls.mappedBytes[call] += bytes;
    calls.entry[call] = next;
    return isList ? next === calls.entries[call] : calls.mappedBytes[call] === calls.pages[call] * PAGE_SIZE;
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
  private queueIova(call: number, withSlots: boolean): boolean {
    const { calls, parts, deferred } = this;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    const domain = parts.devices[device].domain!;
    const slots = withSlots ? calls.slots[call] : NO_SLOTS;
    const queue = queueOf(domain);
    if (calls.flushing[call] === 1) {
      this.waitInvalidation(call);
      this.endFlush(call, domain, FlushCause.RING_FULL);
      calls.flushing[call] = 0;
    }
    const firstPfn = calls.iovaPfn[call];
    const pages = calls.pages[call];
    if (!domain.queueIova(queue, firstPfn, pages, calls.freedTables[call], cpu, slots, device, deferred.nextStamp)) {
      this.beginFlush(call, domain, FlushCause.RING_FULL);
      calls.flushing[call] = 1;
      return false;
    }
    parts.log.emit(Observed.FLUSH_QUEUED, cpu, device, domain.id, firstPfn, pages, queue.entriesOn(cpu));
    if (slots !== NO_SLOTS) {
      deferred.queued(slots, cpu, device, domain.id, queue.entriesWithSlots);
      calls.slots[call] = -1;
    }
    return true;
  }

  private submitFlush(call: number): boolean {
    this.beginFlush(call, this.flushedDomain(call), this.calls.flushCause[call] as FlushCause);
    return true;
  }

  private waitFlush(call: number): boolean {
    const { calls, parts } = this;
    const domain = this.flushedDomain(call);
    parts.flusher!.wait(calls.cpu[call], calls.device[call], domain.id);
    this.endFlush(call, domain, calls.flushCause[call] as FlushCause);
    return true;
  }

  private drainRing(call: number): boolean {
    const { calls } = this;
    const domain = this.flushedDomain(call);
    const queue = queueOf(domain);
    queue.drain(calls.ring[call], calls.cpu[call], domain);
    calls.ring[call] += 1;
    return calls.ring[call] === queue.possibleCpus;
  }

  private beginFlush(call: number, domain: DmaDomain, cause: FlushCause): void {
    const { calls, parts } = this;
    const cpu = calls.cpu[call];
    const device = calls.device[call];
    domain.beginFlush(queueOf(domain), cause);
    parts.log.emit(Observed.FLUSH_STARTED, cpu, device, domain.id, cause);
    parts.flusher!.flushAll(cpu, device, domain.id);
  }

  private endFlush(call: number, domain: DmaDomain, cause: FlushCause): void {
    const { calls, parts } = this;
    queueOf(domain).endFlush();
    parts.log.emit(Observed.FLUSH_FINISHED, calls.cpu[call], calls.device[call], domain.id, cause);
  }

  private fail(call: number): boolean {
    this.pieces.fail(call);
    return false;
  }

  private domainOf(call: number): DmaDomain {
    return this.parts.devices[this.calls.device[call]].domain!;
  }

  private flushedDomain(call: number): DmaDomain {
    return this.parts.domains[this.calls.flushDomain[call]];
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
