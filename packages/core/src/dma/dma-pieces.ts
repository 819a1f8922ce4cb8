import { DMA_MAPPING_ERROR, type DmaAddr, FlushCause, Observed, PAGE_SIZE, type PhysAddr, roundUp } from '../base/index.ts';
import { NOT_MAPPED } from '../iommu/index.ts';
import type { DmaApiParts } from './dma-api-parts.ts';
import { CallKind, DMA_ATTR_SKIP_CPU_SYNC, type DmaCallTable } from './dma-call.ts';
import { directBounces } from './dma-direct.ts';
import type { DmaDomain } from './dma-domain.ts';
import { PROGRAMS_WITHOUT_DEVICE, Program, programsOf } from './dma-program.ts';
import type { DmaStep } from './dma-step.ts';
import { finaliseSg } from './sg-layout.ts';

/**
 * The pieces of a call: which step list each runs, and what follows when a list is through.
 *
 * A piece is one physical range with one I/O address range. Page calls and lists that share a range have one; a list
 * that is mapped entry by entry has one per entry, and takes back the entries before one that fails.
 */
export class DmaPieces {
  /** Unmaps of addresses that no table translates. Statistics, not part of the state. */
  unmapsOfNothing = 0;
  private readonly calls: DmaCallTable;
  private readonly parts: DmaApiParts;
  private readonly programs: readonly (readonly (readonly DmaStep[])[])[];

  constructor(calls: DmaCallTable, parts: DmaApiParts) {
    this.calls = calls;
    this.parts = parts;
    this.programs = parts.devices.map(({ policy }) => programsOf(policy));
  }

  /** The steps of the piece at work. */
  stepsOf(call: number): readonly DmaStep[] {
    const device = this.calls.device[call];
    const programs = device < 0 ? PROGRAMS_WITHOUT_DEVICE : this.programs[device];
    return programs[this.calls.program[call]];
  }

  /** Whether a list shares one I/O address range instead of having one per entry. */
  isOnePiece(call: number): boolean {
    const { policy } = this.parts.devices[this.calls.device[call]];
    return policy.translated && (!policy.mapsSgPerEntry || this.calls.kind[call] === CallKind.ALLOC);
  }

  /** A range to map, bounced if the policy or the device's reach asks for it. */
  beginMap(call: number, phys: PhysAddr, bytes: number): void {
    const device = this.parts.devices[this.calls.device[call]];
    const { policy } = device;
    const bounced = policy.bounces(phys, bytes) || (!policy.translated && directBounces(device, phys, bytes, this.parts.poolForced));
    this.beginDirectMap(call, phys, bytes);
    if (bounced) this.calls.program[call] = Program.MAP_BOUNCED;
  }

  /** A range to map as it is. */
  beginDirectMap(call: number, phys: PhysAddr, bytes: number): void {
    const { calls } = this;
    calls.program[call] = Program.MAP_DIRECT;
    calls.position[call] = 0;
    calls.phys[call] = phys;
    calls.original[call] = phys;
    calls.bytes[call] = bytes;
    calls.pages[call] = pagesOf(phys, bytes);
    calls.slots[call] = -1;
    calls.tailSlots[call] = -1;
    calls.roomStamp[call] = 0;
    calls.mappedBytes[call] = 0;
    calls.result[call] = 0;
  }

  /** A whole list as one piece, its entries laid out. */
  beginListMap(call: number, totalBytes: number): void {
    const { calls } = this;
    calls.program[call] = Program.MAP_DIRECT;
    calls.bytes[call] = totalBytes;
    calls.pages[call] = totalBytes / PAGE_SIZE;
  }

  /** A range to unmap; what the tables say about it decides whether there are slots to free. */
  beginUnmap(call: number, address: DmaAddr, bytes: number): void {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    if (device.policy.translated) {
      this.beginUnmapRange(call, address, bytes, Program.UNMAP_DIRECT);
    } else {
      calls.program[call] = Program.UNMAP_DIRECT;
      calls.phys[call] = address;
    }
    const phys = calls.phys[call];
    calls.bytes[call] = bytes;
    calls.position[call] = 0;
    if (parts.bounce === null || phys < 0) return;
    if (parts.bounce.pool.contains(phys)) {
      calls.program[call] = Program.UNMAP_BOUNCED;
      calls.slots[call] = phys;
      if (device.hasShadows) this.checkShadow(call);
    }
    if (device.policy.bouncesEdgesOnly) this.findTailSlots(call);
  }

  private findTailSlots(call: number): void {
    const { calls, parts } = this;
    if (calls.pages[call] === 1) return;
    const { hardware } = parts.devices[calls.device[call]].domain!;
    const tail = hardware.lookup(calls.iovaPfn[call] + calls.pages[call] - 1) * PAGE_SIZE;
    if (!parts.bounce!.pool.contains(tail)) return;
    calls.program[call] = Program.UNMAP_BOUNCED;
    calls.tailSlots[call] = tail;
  }

  /** A shadow buffer stays mapped when it is idle; then nobody has anything to unmap there. */
  private checkShadow(call: number): void {
    const { calls, parts } = this;
    const { pool } = parts.bounce!;
    if (parts.shadows!.isBusy(pool.firstSlotOf(pool.slotAt(calls.slots[call])))) return;
    this.unmapsOfNothing += 1;
    calls.slots[call] = -1;
    calls.program[call] = Program.NOTHING;
  }

  /** A mapping has no slots: once `domain` is flushed it searches again. */
  beginFlushForSlots(call: number, domain: DmaDomain): void {
    const { calls } = this;
    const own = this.parts.devices[calls.device[call]].domain;
    calls.resumeProgram[call] = calls.program[call];
    calls.resumePosition[call] = calls.position[call];
    this.beginFlush(call, domain.index, domain === own ? FlushCause.POOL_OWN : FlushCause.POOL_FOREIGN);
  }

  /** A flush of a whole domain. */
  beginFlush(call: number, domain: number, cause: FlushCause): void {
    const { calls } = this;
    calls.program[call] = Program.FLUSH;
    calls.position[call] = 0;
    calls.flushDomain[call] = domain;
    calls.flushCause[call] = cause;
    calls.ring[call] = 0;
  }

  /** A mapping that has found no slots, and has done nothing else yet, goes on as one that needs none. */
  forgoBounce(call: number): void {
    const { calls, parts } = this;
    calls.program[call] = Program.MAP_DIRECT;
    calls.position[call] = 0;
    const domain = calls.domain[call];
    parts.log.emit(Observed.BOUNCE_FORGONE, calls.cpu[call], calls.device[call], domain, calls.original[call], calls.bytes[call]);
  }

  /** The mapping goes on with the steps that make a new shadow buffer. */
  beginNewShadow(call: number): void {
    this.calls.program[call] = Program.MAP_NEW_SHADOW;
    this.calls.position[call] = 0;
  }

  /** An idle shadow buffer to unmap for good. */
  beginReleaseShadow(call: number, firstSlot: number): void {
    const { calls, parts } = this;
    const { pool } = parts.bounce!;
    calls.program[call] = Program.RELEASE_SHADOW;
    calls.slots[call] = pool.tlbAddress(firstSlot);
    calls.iovaPfn[call] = parts.shadows!.iovaOf(firstSlot);
    calls.pages[call] = (pool.slotsOfMapping(firstSlot) * pool.slotBytes) / PAGE_SIZE;
  }

  /** A range to unmap that has no slots; nothing to do in direct mode. */
  beginUnmapRange(call: number, address: DmaAddr, bytes: number, program: Program): void {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    calls.bytes[call] = bytes;
    if (!device.policy.translated) {
      calls.program[call] = Program.NOTHING;
      return;
    }
    const firstPfn = Math.floor(address / PAGE_SIZE);
    const physPfn = device.domain!.hardware.lookup(firstPfn);
    if (physPfn === NOT_MAPPED) {
      this.unmapsOfNothing += 1;
      calls.phys[call] = -1;
      calls.program[call] = Program.NOTHING;
      return;
    }
    calls.program[call] = program;
    calls.position[call] = 0;
    calls.phys[call] = physPfn * PAGE_SIZE + (address % PAGE_SIZE);
    calls.iovaPfn[call] = firstPfn;
    calls.pages[call] = pagesOf(address, bytes);
  }

  /** The piece cannot be mapped; slots that it holds go back the way an unmap gives them back. */
  fail(call: number): void {
    const { calls } = this;
    calls.result[call] = DMA_MAPPING_ERROR;
    calls.program[call] = calls.slots[call] >= 0 || calls.tailSlots[call] >= 0 ? Program.RELEASE_SLOTS : Program.NOTHING;
    calls.position[call] = 0;
  }

  /** The piece at work has run its steps: goes on with the next entry, or returns to the driver (true). */
  pieceReturns(call: number): boolean {
    const { calls } = this;
    const kind = calls.kind[call];
    if (kind === CallKind.FLUSH || kind === CallKind.RELEASE_SHADOW) return true;
    if (calls.program[call] === Program.FLUSH) return this.resume(call);
    if (kind === CallKind.MAP_SG && !this.isOnePiece(call)) return this.mapEntryReturns(call);
    if (kind === CallKind.UNMAP_SG && !this.isOnePiece(call)) return this.unmapEntryReturns(call);
    if (calls.result[call] !== DMA_MAPPING_ERROR) calls.result[call] = this.resultOf(call, kind);
    return this.returns(call);
  }

  private resume(call: number): boolean {
    const { calls } = this;
    calls.program[call] = calls.resumeProgram[call];
    calls.position[call] = calls.resumePosition[call];
    return false;
  }

  private mapEntryReturns(call: number): boolean {
    const { calls } = this;
    if (calls.unwinding[call] === 1) return this.unmapEntryReturns(call);
    if (calls.result[call] === DMA_MAPPING_ERROR) return this.beginUnwinding(call);
    const row = call * calls.entriesMax + calls.entry[call];
    calls.entryDmaAddr[row] = this.resultOf(call, CallKind.MAP_PAGE);
    calls.entryDmaBytes[row] = calls.entryBytes[row];
    const next = calls.entry[call] + 1;
    calls.entry[call] = next;
    if (next === calls.entries[call]) {
      calls.result[call] = next;
      return this.returns(call);
    }
    this.beginMap(call, calls.entryPhys[row + 1], calls.entryBytes[row + 1]);
    return false;
  }

  /** An entry failed: the entries before it are unmapped in order, without copying anything out. */
  private beginUnwinding(call: number): boolean {
    const { calls } = this;
    const mapped = calls.entry[call];
    if (mapped === 0) return this.returns(call);
    const first = call * calls.entriesMax;
    calls.unwinding[call] = 1;
    calls.entries[call] = mapped;
    calls.entry[call] = 0;
    calls.attrs[call] |= DMA_ATTR_SKIP_CPU_SYNC;
    this.beginUnmap(call, calls.entryDmaAddr[first], calls.entryDmaBytes[first]);
    return false;
  }

  private unmapEntryReturns(call: number): boolean {
    const { calls } = this;
    const next = calls.entry[call] + 1;
    calls.entry[call] = next;
    if (next === calls.entries[call]) return this.returns(call);
    const row = call * calls.entriesMax + next;
    this.beginUnmap(call, calls.entryDmaAddr[row], calls.entryDmaBytes[row]);
    return false;
  }

  private returns(call: number): boolean {
    const { calls, parts } = this;
    parts.log.emit(Observed.CALL_ENDED, calls.cpu[call], calls.device[call], calls.domain[call], calls.kind[call], calls.result[call]);
    return true;
  }

  private resultOf(call: number, kind: number): number {
    const { calls, parts } = this;
    const device = parts.devices[calls.device[call]];
    switch (kind) {
      case CallKind.MAP_PAGE:
      case CallKind.MAP_RESOURCE:
        return device.policy.translated ? calls.iovaPfn[call] * PAGE_SIZE + (calls.phys[call] % PAGE_SIZE) : calls.phys[call];
      case CallKind.MAP_SG: {
        const { segmentBoundaryMask, maxSegmentBytes } = device.parameters;
        return finaliseSg(calls, call, calls.iovaPfn[call] * PAGE_SIZE, segmentBoundaryMask, maxSegmentBytes);
      }
      case CallKind.ALLOC:
        return device.policy.translated ? calls.iovaPfn[call] * PAGE_SIZE : calls.result[call];
      default:
        return 0;
    }
  }
}

/** Whole pages that a byte range touches. */
export function pagesOf(address: number, bytes: number): number {
  return roundUp(bytes + (address % PAGE_SIZE), PAGE_SIZE) / PAGE_SIZE;
}
