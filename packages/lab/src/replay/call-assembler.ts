import { PAGE_SIZE } from 'dmalab-core';
import { type EventBatch, EventKind } from 'dmalab-trace';
import { CallRecords, RecordedCall } from './call-records.ts';
import { ContextTable } from './context-table.ts';
import { LineQueue, LineState } from './line-queue.ts';
import { LiveMappings, type MappedSegments, MappingKind, physListHash } from './live-mappings.ts';

/** Lines that may wait for the end of one call before it is given up. */
const OPEN_LINES_MAX = 1 << 17;

/** Stands for the address of a buffer where it may be any. */
const ANY_BUFFER = -1;

/** Counts of what did not fit; each is shown above the first number of a result. */
export interface AssemblyCounters {
  /** Calls put together, by RecordedCall. */
  readonly calls: Float64Array;
  /** Failed scatter lists rebuilt from their inner lines. */
  rebuilt: number;
  /** Unmaps, frees and syncs of mappings whose beginning is not in the trace. */
  unknownMapping: number;
  /** `map` and `unmap` lines that belong to no call (direct mappings made with a domain, cut calls). */
  strayLines: number;
  /** Sequence of the first of each, as file lines, 0 for none. */
  firstUnknownMappingLine: number;
  firstStrayLine: number;
  /** New mappings at an address that was still mapped for the same translated device: an unmap was not seen. */
  mappingsReplaced: number;
  /** dma_free of nothing (address 0, size 0). */
  emptyFrees: number;
}

/** What one context is in the middle of. */
class ContextState {
  /** Inner lines whose call is not known yet. */
  readonly open: number[] = [];
  /** A call whose API line came first and which still takes lines, -1 for none. */
  tailCall = -1;
  /** Unmap lines that it still expects, at most. */
  tailUnmaps = 0;
  /** Where those begin: pages of the segments that it ends, one line for each or one for several; null when nobody knows. */
  tailSegments: Float64Array | null = null;
  tailSegment = 0;
  /** dma_unmap_sg with several candidates: decided by its first unmap line. */
  undecidedHash = -1;
  /** A failed scatter list that takes its entries back: the addresses to come. */
  readonly unwinding: number[] = [];
  unwindingCall = -1;
  /** A device without recorded calls has bounced: the map line that follows is its own. */
  strangerBounced = false;
}

/**
 * Puts lines together into calls.
 *
 * An API line (`dma:*`) says what was asked, the lines of the same context before it (after it for dma_unmap_sg and
 * dma_free, which print first) say what was done. `push` takes the lines in order; `ready` tells whether the oldest line
 * that was not taken yet is decided.
 */
export class CallAssembler {
  readonly lines: LineQueue = new LineQueue();
  readonly contexts: ContextTable = new ContextTable();
  readonly calls: CallRecords = new CallRecords();
  readonly mappings: LiveMappings = new LiveMappings();
  readonly counters: AssemblyCounters = {
    calls: new Float64Array(10),
    rebuilt: 0,
    unknownMapping: 0,
    strayLines: 0,
    firstUnknownMappingLine: 0,
    firstStrayLine: 0,
    mappingsReplaced: 0,
    emptyFrees: 0,
  };
  private readonly states: ContextState[] = [];
  /** Whether a device's addresses are translated: two live mappings then cannot share one. */
  private readonly translated: (device: number) => boolean;
  /** Whether a physical address lies in the bounce pool. */
  private readonly isSlot: (paddr: number) => boolean;
  /** Whether a device's calls were recorded; it may map on a path without `dma:*` events, whose lines then stand alone. */
  private readonly hasCalls: (device: number) => boolean;

  constructor(
    translated: (device: number) => boolean,
    isSlot: (paddr: number) => boolean,
    hasCalls: (device: number) => boolean = () => true,
  ) {
    this.translated = translated;
    this.isSlot = isSlot;
    this.hasCalls = hasCalls;
  }

  /** Takes a row of a batch. @returns its sequence number */
  push(batch: EventBatch, row: number): number {
    const { lines, contexts } = this;
    const context = contexts.numberOf(batch.pid[row], batch.cpu[row], batch.level[row]);
    const seq = lines.push(batch, row, context, contexts.lastSeq[context]);
    contexts.lastSeq[context] = seq;
    if (context === this.states.length) this.states.push(new ContextState());
    this.place(seq, context, this.states[context], batch.kind[row]);
    if (lines.tail - lines.head > OPEN_LINES_MAX) this.giveUp(lines.head);
    return seq;
  }

  /** Whether the oldest line is decided and may be used. */
  get ready(): boolean {
    const { lines } = this;
    return lines.head < lines.tail && lines.state[lines.head & lines.mask] !== LineState.OPEN;
  }

  /** No more lines: what is open stays without a call. */
  finish(): void {
    for (const state of this.states) {
      this.strand(state, state.open.length);
      state.tailCall = -1;
    }
  }

  /**
   * The consumer is done with a call that has no API line at its end: lines of the context from `seq` on (Infinity for
   * none yet) are not its own, even if they were taken for it.
   */
  detach(call: number, context: number, seq: number): void {
    const { lines } = this;
    const state = this.states[context];
    if (state.tailCall === call) state.tailCall = -1;
    if (state.unwindingCall === call) this.endUnwinding(state);
    if (seq < lines.head || seq >= lines.tail) return;
    for (let line = seq; line >= 0; line = lines.next[line & lines.mask]) {
      if (lines.call[line & lines.mask] === call && lines.state[line & lines.mask] === LineState.IN_CALL) this.stand(line);
    }
  }

  private place(seq: number, context: number, state: ContextState, kind: number): void {
    switch (kind) {
      case EventKind.BOUNCED:
        this.closeTail(state);
        if (this.isLoneBounce(state)) this.rebuildFailedSg(context, state);
        state.strangerBounced = !this.hasCalls(this.lines.device[seq & this.lines.mask]);
        if (state.strangerBounced) this.leaveAlone(seq);
        else state.open.push(seq);
        return;
      case EventKind.MAP:
        this.closeTail(state);
        if (this.isLoneBounce(state) && !this.isSlot(this.lines.v2[seq & this.lines.mask])) this.rebuildFailedSg(context, state);
        if (state.strangerBounced) this.leaveAlone(seq);
        else state.open.push(seq);
        state.strangerBounced = false;
        return;
      case EventKind.UNMAP:
        this.placeUnmap(seq, context, state);
        return;
      case EventKind.CACHE_TAG_FLUSH_RANGE:
      case EventKind.CACHE_TAG_FLUSH_RANGE_NP:
      case EventKind.CACHE_TAG_FLUSH_ALL:
      case EventKind.QI_SUBMIT:
        this.placeFlush(seq, state, kind);
        return;
      case EventKind.DMA_MAP_PAGE:
      case EventKind.DMA_MAP_PHYS:
        this.mapSingle(seq, context, state, RecordedCall.MAP_PAGE, MappingKind.PAGE);
        return;
      case EventKind.DMA_MAP_RESOURCE:
        this.mapSingle(seq, context, state, RecordedCall.MAP_RESOURCE, MappingKind.RESOURCE);
        return;
      case EventKind.DMA_ALLOC:
      case EventKind.DMA_ALLOC_PAGES:
        this.mapSingle(seq, context, state, RecordedCall.ALLOC, MappingKind.ALLOC);
        return;
      case EventKind.DMA_MAP_SG:
        this.mapSg(seq, context, state);
        return;
      case EventKind.DMA_UNMAP_PAGE:
      case EventKind.DMA_UNMAP_PHYS:
        this.unmapSingle(seq, context, state, RecordedCall.UNMAP_PAGE);
        return;
      case EventKind.DMA_UNMAP_RESOURCE:
        this.unmapSingle(seq, context, state, RecordedCall.UNMAP_RESOURCE);
        return;
      case EventKind.DMA_FREE:
      case EventKind.DMA_FREE_PAGES:
        this.free(seq, context, state);
        return;
      case EventKind.DMA_UNMAP_SG:
        this.unmapSg(seq, context, state);
        return;
      case EventKind.DMA_SYNC_SINGLE_FOR_CPU:
      case EventKind.DMA_SYNC_SG_FOR_CPU:
        this.sync(seq, context, state, RecordedCall.SYNC_FOR_CPU);
        return;
      case EventKind.DMA_SYNC_SINGLE_FOR_DEVICE:
      case EventKind.DMA_SYNC_SG_FOR_DEVICE:
        this.sync(seq, context, state, RecordedCall.SYNC_FOR_DEVICE);
        return;
      default:
        this.stand(seq);
    }
  }

  // ---- inner lines -------------------------------------------------------------------------------------------

  private placeUnmap(seq: number, context: number, state: ContextState): void {
    const { lines } = this;
    const iova = lines.v0[seq & lines.mask];
    if (state.undecidedHash >= 0) this.decideUnmapSg(state, iova);
    if (this.isUnmapOfTail(state, iova, lines.v2[seq & lines.mask])) {
      this.join(seq, state.tailCall);
      return;
    }
    this.closeTail(state);
    if (state.unwinding.length === 0 && this.hasMapLines(state)) this.rebuildFailedSg(context, state);
    if (state.unwinding.length > 0 && state.unwinding[0] === iova) {
      state.unwinding.shift();
      this.join(seq, state.unwindingCall);
      return;
    }
    this.endUnwinding(state);
    state.open.push(seq);
  }

  /** Whether the call whose API line came first unmaps the range, and if so takes it off what it still expects. */
  private isUnmapOfTail(state: ContextState, iova: number, bytes: number): boolean {
    if (state.tailCall < 0 || state.tailUnmaps === 0) return false;
    const { tailSegments } = state;
    state.tailUnmaps -= 1;
    if (tailSegments === null) return true;
    if (pageOf(tailSegments[state.tailSegment]) !== iova) {
      state.tailUnmaps = 0;
      return false;
    }
    // A list that shares one address range is unmapped by one line.
    let next = state.tailSegment + 1;
    while (next < tailSegments.length && tailSegments[next] >= iova && tailSegments[next] < iova + bytes) next += 1;
    state.tailSegment = next;
    if (next === tailSegments.length) state.tailUnmaps = 0;
    return true;
  }

  /** A flush belongs to the unmap (or, in caching mode, the map) before it in its context; without one it is a timer's. */
  private placeFlush(seq: number, state: ContextState, kind: number): void {
    const { lines } = this;
    const isInterruptRemapping = kind === EventKind.QI_SUBMIT && lines.v4[seq & lines.mask] === 4;
    if (isInterruptRemapping || lines.isDeviceTlb(seq & lines.mask)) this.stand(seq);
    else if (state.open.length > 0) state.open.push(seq);
    else if (state.unwindingCall >= 0) this.join(seq, state.unwindingCall);
    else if (state.tailCall >= 0) this.join(seq, state.tailCall);
    else this.stand(seq);
  }

  // ---- API lines ---------------------------------------------------------------------------------------------

  private mapSingle(seq: number, context: number, state: ContextState, kind: RecordedCall, mappingKind: MappingKind): void {
    const { lines, calls, mappings } = this;
    this.closeTail(state);
    const at = seq & lines.mask;
    const device = lines.device[at];
    const dmaAddr = lines.v0[at];
    const failed = dmaAddr === -1 || (kind === RecordedCall.ALLOC && dmaAddr === 0);
    const from = this.firstMapLine(state, kind === RecordedCall.ALLOC ? Infinity : 1, failed);
    this.leaveBefore(context, state, this.afterForeignBounce(state, from, device, lines.v2[at]));
    const call = calls.take(kind, device, context, state.open.length > 0 ? state.open[0] : seq, seq);
    this.joinOpen(state, call);
    this.join(seq, call);
    this.counters.calls[kind] += 1;
    if (failed) return;
    this.dropReplaced(device, dmaAddr);
    const direction = lines.direction[at];
    calls.mapping[call] = mappings.addByAddress(mappingKind, device, direction, dmaAddr, lines.v1[at], lines.v2[at], lines.line[at]);
  }

  private mapSg(seq: number, context: number, state: ContextState): void {
    const { lines, calls, mappings } = this;
    this.closeTail(state);
    const at = seq & lines.mask;
    const device = lines.device[at];
    const nents = lines.physAddrsCount[at];
    const from = this.firstMapLine(state, Math.max(nents, lines.v0[at]), false);
    this.leaveBefore(context, state, this.afterForeignBounce(state, from, device, ANY_BUFFER));
    const call = calls.take(RecordedCall.MAP_SG, device, context, state.open.length > 0 ? state.open[0] : seq, seq);
    this.joinOpen(state, call);
    this.join(seq, call);
    this.counters.calls[RecordedCall.MAP_SG] += 1;
    const segments = this.segmentsOf(seq);
    if (segments.dmaAddr.length === 0) return;
    const physOffset = lines.physAddrs[at] & lines.listMask;
    const hash = physListHash(device, lines.list, physOffset, nents);
    calls.mapping[call] = mappings.addSg(
      device,
      lines.direction[at],
      segments,
      nents > 0 ? lines.list[physOffset] : 0,
      hash,
      lines.line[at],
    );
  }

  private unmapSingle(seq: number, context: number, state: ContextState, kind: RecordedCall): void {
    const { lines, calls } = this;
    this.closeTail(state);
    const at = seq & lines.mask;
    const device = lines.device[at];
    this.strand(state, this.firstUnmapLine(state, lines.v0[at]));
    const call = calls.take(kind, device, context, state.open.length > 0 ? state.open[0] : seq, seq);
    this.joinOpen(state, call);
    this.join(seq, call);
    this.counters.calls[kind] += 1;
    this.endMapping(call, this.mappings.findByAddress(device, lines.v0[at]), lines.line[at]);
  }

  private free(seq: number, context: number, state: ContextState): void {
    const { lines, calls } = this;
    this.closeTail(state);
    this.strand(state, state.open.length);
    const at = seq & lines.mask;
    const device = lines.device[at];
    if (lines.v0[at] === 0 && lines.v1[at] === 0) {
      this.counters.emptyFrees += 1;
      this.stand(seq);
      return;
    }
    const call = calls.take(RecordedCall.FREE, device, context, seq, seq);
    calls.apiFirst[call] = 1;
    this.join(seq, call);
    this.counters.calls[RecordedCall.FREE] += 1;
    this.endMapping(call, this.mappings.findByAddress(device, lines.v0[at]), lines.line[at]);
    state.tailCall = call;
    state.tailUnmaps = this.translated(device) ? 1 : 0;
    state.tailSegments = Float64Array.of(lines.v0[at]);
    state.tailSegment = 0;
  }

  private unmapSg(seq: number, context: number, state: ContextState): void {
    const { lines, calls, mappings } = this;
    this.closeTail(state);
    this.strand(state, state.open.length);
    const at = seq & lines.mask;
    const device = lines.device[at];
    const call = calls.take(RecordedCall.UNMAP_SG, device, context, seq, seq);
    calls.apiFirst[call] = 1;
    this.counters.calls[RecordedCall.UNMAP_SG] += 1;
    state.tailCall = call;
    const hash = physListHash(device, lines.list, lines.physAddrs[at] & lines.listMask, lines.physAddrsCount[at]);
    const row = mappings.findSg(device, hash);
    lines.call[at] = call;
    if (row >= 0 && this.translated(device) && mappings.findSg(device, hash, row) >= 0) {
      state.undecidedHash = hash;
      return;
    }
    this.takeSgMapping(state, row);
  }

  private sync(seq: number, context: number, state: ContextState, kind: RecordedCall): void {
    const { lines, calls } = this;
    this.closeTail(state);
    const call = calls.take(kind, lines.device[seq & lines.mask], context, seq, seq);
    this.join(seq, call);
    this.counters.calls[kind] += 1;
  }

  // ---- dma_unmap_sg ------------------------------------------------------------------------------------------

  /** Several live lists have these physical addresses: the first unmapped address tells which it is. */
  private decideUnmapSg(state: ContextState, iova: number): void {
    const { mappings, calls } = this;
    const device = calls.device[state.tailCall];
    let row = mappings.findSg(device, state.undecidedHash);
    while (row >= 0 && pageOf(mappings.dmaAddr[row]) !== iova) row = mappings.findSg(device, state.undecidedHash, row);
    state.undecidedHash = -1;
    this.takeSgMapping(state, row);
  }

  /** The call that the context has open ends mapping `row`. */
  private takeSgMapping(state: ContextState, row: number): void {
    const { lines, calls, mappings } = this;
    const call = state.tailCall;
    const at = calls.apiSeq[call] & lines.mask;
    this.endMapping(call, row, lines.line[at]);
    state.tailSegments = row < 0 ? null : mappings.segments[row]!.dmaAddr;
    state.tailSegment = 0;
    state.tailUnmaps = 0;
    if (this.translated(calls.device[call])) state.tailUnmaps = row < 0 ? lines.physAddrsCount[at] : mappings.segments[row]!.dmaAddr.length;
    lines.state[at] = LineState.IN_CALL;
  }

  private segmentsOf(seq: number): MappedSegments {
    const { lines } = this;
    const at = seq & lines.mask;
    const count = lines.dmaAddrsCount[at];
    const dmaAddr = new Float64Array(count);
    const bytes = new Float64Array(count);
    let bytesTotal = 0;
    for (let index = 0; index < count; index++) {
      dmaAddr[index] = lines.list[(lines.dmaAddrs[at] + index) & lines.listMask];
      bytes[index] = lines.list[(lines.sizes[at] + index) & lines.listMask];
      bytesTotal += bytes[index];
    }
    return { dmaAddr, bytes, bytesTotal };
  }

  // ---- failed scatter lists ----------------------------------------------------------------------------------

  /** A bounce line with no mapping of slots after it: the mapping failed without an API line. */
  private isLoneBounce(state: ContextState): boolean {
    const { lines } = this;
    if (state.open.length === 0) return false;
    const at = state.open[state.open.length - 1] & lines.mask;
    return lines.kind[at] === EventKind.BOUNCED && this.translated(lines.device[at]);
  }

  private hasMapLines(state: ContextState): boolean {
    return state.open.some((seq) => this.isMapLine(seq));
  }

  /** Makes a call of the open lines: entries that were mapped, perhaps one that could not be, and then their unmaps. */
  private rebuildFailedSg(context: number, state: ContextState): void {
    const { lines, calls } = this;
    let device = -1;
    const phys: number[] = [];
    const bytes: number[] = [];
    const mapped: number[] = [];
    let bounced = false;
    for (const seq of state.open) {
      const at = seq & lines.mask;
      if (lines.kind[at] === EventKind.BOUNCED) {
        device = lines.device[at];
        phys.push(lines.v1[at]);
        bytes.push(lines.v2[at]);
        bounced = true;
      } else if (lines.kind[at] === EventKind.MAP) {
        if (!bounced) {
          phys.push(lines.v2[at]);
          bytes.push(lines.v3[at]);
        }
        bounced = false;
        mapped.push(lines.v0[at]);
      }
    }
    if (device < 0) {
      this.strand(state, state.open.length);
      return;
    }
    const call = calls.take(RecordedCall.MAP_SG, device, context, state.open[0], -1);
    calls.rebuilt[call] = 1;
    calls.entries[call] = { phys: Float64Array.from(phys), bytes: Float64Array.from(bytes) };
    this.counters.rebuilt += 1;
    this.joinOpen(state, call);
    state.unwinding.push(...mapped);
    state.unwindingCall = mapped.length > 0 ? call : -1;
  }

  // ---- helpers -----------------------------------------------------------------------------------------------

  /** Index in the context's open lines at which the lines of a map call begin; what stands before is not the call's. */
  private firstMapLine(state: ContextState, mapsMax: number, failed: boolean): number {
    const { lines } = this;
    let index = state.open.length;
    let maps = 0;
    while (index > 0) {
      const kind = lines.kind[state.open[index - 1] & lines.mask];
      if (kind === EventKind.UNMAP || kind === EventKind.CACHE_TAG_FLUSH_RANGE || kind === EventKind.CACHE_TAG_FLUSH_ALL) break;
      if (kind === EventKind.MAP) {
        if (failed || maps === mapsMax) break;
        maps += 1;
      }
      index -= 1;
    }
    return index;
  }

  /** A bounce line of another device or buffer is not the call's: the list that it belonged to failed. */
  private afterForeignBounce(state: ContextState, from: number, device: number, phys: number): number {
    const { lines } = this;
    for (let index = state.open.length - 1; index >= from; index--) {
      const at = state.open[index] & lines.mask;
      if (lines.kind[at] !== EventKind.BOUNCED) continue;
      if (lines.device[at] !== device || (phys !== ANY_BUFFER && lines.v1[at] !== phys)) return index + 1;
    }
    return from;
  }

  /** The first `count` open lines of a context are no part of the call that begins after them. */
  private leaveBefore(context: number, state: ContextState, count: number): void {
    const { lines } = this;
    if (count === 0 || lines.kind[state.open[count - 1] & lines.mask] !== EventKind.BOUNCED) {
      this.strand(state, count);
      return;
    }
    const rest = state.open.splice(count);
    this.rebuildFailedSg(context, state);
    this.endUnwinding(state);
    state.open.push(...rest);
  }

  /** The same for an unmap call: from its unmap line on. */
  private firstUnmapLine(state: ContextState, dmaAddr: number): number {
    const { lines } = this;
    const page = pageOf(dmaAddr);
    for (let index = state.open.length - 1; index >= 0; index--) {
      const at = state.open[index] & lines.mask;
      if (lines.kind[at] === EventKind.UNMAP && lines.v0[at] === page) {
        // A gather that had to be flushed inside the unmap stands before its line.
        while (index > 0 && this.isFlushLine(state.open[index - 1])) index -= 1;
        return index;
      }
    }
    return state.open.length;
  }

  private isMapLine(seq: number): boolean {
    const kind = this.lines.kind[seq & this.lines.mask];
    return kind === EventKind.MAP || kind === EventKind.BOUNCED;
  }

  private isFlushLine(seq: number): boolean {
    const kind = this.lines.kind[seq & this.lines.mask];
    return kind === EventKind.QI_SUBMIT || kind === EventKind.CACHE_TAG_FLUSH_RANGE || kind === EventKind.CACHE_TAG_FLUSH_ALL;
  }

  private joinOpen(state: ContextState, call: number): void {
    const { lines, calls } = this;
    for (const seq of state.open) {
      this.join(seq, call);
      if (lines.kind[seq & lines.mask] === EventKind.MAP) calls.mapLines[call].push(seq);
    }
    if (state.open.length > 0) state.open.length = 0;
    this.endUnwinding(state);
  }

  private join(seq: number, call: number): void {
    const { lines, calls } = this;
    const at = seq & lines.mask;
    lines.state[at] = LineState.IN_CALL;
    lines.call[at] = call;
    if (seq > calls.lastSeq[call]) calls.lastSeq[call] = seq;
  }

  private stand(seq: number): void {
    const { lines } = this;
    lines.state[seq & lines.mask] = LineState.ALONE;
    lines.call[seq & lines.mask] = -1;
  }

  /** The first `count` open lines of a context belong to no call. */
  private strand(state: ContextState, count: number): void {
    for (let index = 0; index < count; index++) this.leaveAlone(state.open[index]);
    if (count > 0) state.open.splice(0, count);
  }

  /** A line that belongs to no call. */
  private leaveAlone(seq: number): void {
    const { lines, counters } = this;
    this.stand(seq);
    counters.strayLines += 1;
    if (counters.firstStrayLine === 0) counters.firstStrayLine = lines.line[seq & lines.mask];
  }

  private endUnwinding(state: ContextState): void {
    if (state.unwinding.length > 0) state.unwinding.length = 0;
    state.unwindingCall = -1;
  }

  /** A line that neither the call whose API line came first nor a failed list can have. */
  private closeTail(state: ContextState): void {
    if (state.unwinding.length === 0) state.unwindingCall = -1;
    if (state.tailCall < 0) return;
    if (state.undecidedHash >= 0) this.decideUnmapSg(state, -1);
    state.tailCall = -1;
  }

  private endMapping(call: number, row: number, line: number): void {
    const { calls, mappings, counters } = this;
    calls.mapping[call] = row;
    if (row >= 0) {
      mappings.remove(row);
      return;
    }
    counters.unknownMapping += 1;
    if (counters.firstUnknownMappingLine === 0) counters.firstUnknownMappingLine = line;
  }

  /** A translated address cannot be mapped twice: the older mapping's end was not recorded. */
  private dropReplaced(device: number, dmaAddr: number): void {
    const { mappings, counters } = this;
    if (!this.translated(device)) return;
    const row = mappings.findByAddress(device, dmaAddr);
    if (row < 0) return;
    mappings.remove(row);
    mappings.release(row);
    counters.mappingsReplaced += 1;
  }

  /** A call that does not end: its lines stand alone from here on. */
  private giveUp(seq: number): void {
    const { lines } = this;
    const state = this.states[lines.context[seq & lines.mask]];
    if (state.undecidedHash >= 0) this.decideUnmapSg(state, -1);
    else this.strand(state, state.open.length);
  }
}

function pageOf(address: number): number {
  return Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
}
