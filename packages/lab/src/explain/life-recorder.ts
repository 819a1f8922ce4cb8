import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { CallAssembler } from '../replay/call-assembler.ts';
import { RecordedCall } from '../replay/call-records.ts';
import { grownColumn } from '../replay/grown-column.ts';
import { type LineQueue, LineState } from '../replay/line-queue.ts';
import type { Recording } from '../replay/recording.ts';
import { type AddressSpaces, UNKNOWN_SPACE, UNTRANSLATED } from './address-spaces.ts';
import type { LifeEvent, LifeEventKind, MappingLife } from './explain-result.ts';
import { flushOf } from './flush-line.ts';
import { directionName, lifeEvent, newLife, type OpenLife } from './mapping-life.ts';
import { type FlushSource, StaleLives } from './stale-lives.ts';
import type { WatchedPages } from './watched-pages.ts';

const NO_LIVES: readonly OpenLife[] = [];
const REPORTED_WRITE = 1;

/** How a call's mapping is called in a life. */
const KINDS: Readonly<Record<number, MappingLife['kind']>> = {
  [RecordedCall.MAP_PAGE]: 'page',
  [RecordedCall.MAP_SG]: 'sg',
  [RecordedCall.MAP_RESOURCE]: 'resource',
  [RecordedCall.ALLOC]: 'coherent',
};

/**
 * Goes over a recording once and keeps every event of the watched pages, and nothing of any other page but the mappings
 * that are alive.
 *
 * Lines of calls are taken when their call is known. Where no call is recorded, `map` and `unmap` lines stand for
 * themselves: they name no device, which only a bounce line before or a page-selective invalidation behind them tells.
 */
export class LifeRecorder {
  readonly assembler: CallAssembler;
  readonly lines: LineQueue;
  /** Faults of the trace on watched pages. */
  readonly faults: { readonly page: number; readonly event: LifeEvent; readonly device: string }[] = [];
  /** Mappings numbered so far. */
  mappings = 0;
  /** Called with the time of each line before it changes what is mapped. */
  onLine: (timeNs: number) => void = () => {};
  private lastNs = 0;
  /** Number of each live mapping, by its row. */
  numbers: Float64Array = new Float64Array(0);
  private readonly watched: WatchedPages;
  private readonly spaces: AddressSpaces;
  private readonly names: TraceNames;
  private readonly outcomesOnly: boolean;
  private readonly stale: StaleLives;
  private readonly isSlot: (paddr: number) => boolean;
  /** Lives of a call that is being read, and of a mapping that is alive, where there are any. */
  private readonly livesOfCall = new Map<number, OpenLife[]>();
  private readonly livesOfMapping = new Map<number, OpenLife[]>();
  private begun: Uint8Array = new Uint8Array(64);
  /** Per context a call that may still take lines, -1 for none. */
  private readonly openCall: number[] = [];
  /** Per context the device that bounced last and has not mapped since, -1 for none. */
  private readonly bouncedDevice: number[] = [];
  private readonly bounceEvent: LifeEvent[] = [];

  constructor(recording: Recording, spaces: AddressSpaces, watched: WatchedPages) {
    const { pool } = recording.inference;
    this.watched = watched;
    this.spaces = spaces;
    this.names = recording.names;
    this.outcomesOnly = !recording.facts.hasApiLines;
    this.isSlot = (paddr) => pool !== undefined && paddr >= pool.start && paddr < pool.endExclusive;
    const bouncedOnly = new Set(
      [...recording.facts.devices.values()].filter(({ events, bounced }) => bounced > 0 && events === bounced).map(({ name }) => name),
    );
    this.assembler = new CallAssembler(
      (device) => spaces.ofDevice(device) >= 0,
      this.isSlot,
      (device) => !bouncedOnly.has(spaces.nameOf(device)),
    );
    this.lines = this.assembler.lines;
    this.stale = new StaleLives(spaces, flushSource(recording), recording.names);
  }

  /** Takes the next batch of the trace. */
  push(batch: EventBatch): void {
    const { assembler, lines } = this;
    for (let row = 0; row < batch.rowCount; row++) {
      this.onLine(batch.timeNs[row]);
      this.lastNs = batch.timeNs[row];
      if (this.outcomesOnly) {
        const context = assembler.contexts.numberOf(batch.pid[row], batch.cpu[row], batch.level[row]);
        const seq = lines.push(batch, row, context, -1);
        this.lineAlone(seq);
        lines.pop();
      } else {
        assembler.push(batch, row);
        if (assembler.ready) this.drain();
      }
    }
  }

  /** No more lines. */
  finish(): void {
    this.assembler.finish();
    this.drain();
    this.stale.finish(this.lastNs);
  }

  private drain(): void {
    const { assembler, lines } = this;
    while (assembler.ready) {
      const seq = lines.head;
      if (lines.state[seq & lines.mask] === LineState.IN_CALL) this.lineOfCall(seq, lines.call[seq & lines.mask]);
      else this.lineAlone(seq);
      lines.pop();
    }
  }

  // ---- lines of calls ----------------------------------------------------------------------------------------

  private lineOfCall(seq: number, call: number): void {
    const { calls } = this.assembler;
    const { lines } = this;
    const context = lines.context[seq & lines.mask];
    const before = this.openCall[context] ?? -1;
    if (before >= 0 && before !== call) {
      this.openCall[context] = -1;
      this.assembler.detach(before, context, seq);
      this.endCall(before);
    }
    if (call >= this.begun.length) this.begun = grownColumn(this.begun, new Uint8Array(Math.max(call + 1, this.begun.length * 2)));
    if (this.begun[call] === 0) {
      this.begun[call] = 1;
      this.beginCall(call, seq);
    }
    this.noteLine(seq, call);
    const isApi = calls.apiSeq[call] === seq;
    if (isApi) this.apiLine(seq, call);
    if (calls.apiFirst[call] === 1 || calls.rebuilt[call] === 1) this.openCall[context] = call;
    else if (isApi) this.endCall(call);
  }

  private beginCall(call: number, seq: number): void {
    const { calls } = this.assembler;
    switch (calls.kind[call]) {
      case RecordedCall.MAP_PAGE:
      case RecordedCall.MAP_SG:
      case RecordedCall.MAP_RESOURCE:
      case RecordedCall.ALLOC:
        if (calls.mapping[call] >= 0) this.beginMapping(call);
        return;
      case RecordedCall.SYNC_FOR_CPU:
      case RecordedCall.SYNC_FOR_DEVICE:
        this.sync(seq, calls.kind[call] === RecordedCall.SYNC_FOR_CPU);
        return;
      default:
        this.beginUnmap(call);
    }
  }

  private endCall(call: number): void {
    this.begun[call] = 0;
    for (const life of this.livesOfCall.get(call) ?? NO_LIVES) {
      const end = life.events.at(-1);
      // Without translation, or where the line is missing, the API line is the end.
      if (life.unmapLine !== null && life.unmappedNs === null && end !== undefined) this.endLife(life, end.timeNs, end.line, false);
      life.call = -1;
    }
    this.livesOfCall.delete(call);
    this.assembler.calls.release(call);
  }

  private beginMapping(call: number): void {
    const { calls, mappings } = this.assembler;
    const { lines } = this;
    const at = calls.apiSeq[call] & lines.mask;
    const row = calls.mapping[call];
    if (row >= this.numbers.length) this.numbers = grownColumn(this.numbers, new Float64Array(mappings.capacity));
    // A row that comes again without an unmap: the assembler saw the address mapped anew.
    for (const lost of this.livesOfMapping.get(row) ?? NO_LIVES) this.loseEnd(lost);
    this.livesOfMapping.delete(row);
    const lives: OpenLife[] = [];
    const isList = calls.kind[call] === RecordedCall.MAP_SG;
    const segments = isList ? lines.dmaAddrsCount[at] : 1;
    for (let segment = 0; segment < segments; segment++) {
      const dmaAddr = isList ? lines.list[(lines.dmaAddrs[at] + segment) & lines.listMask] : lines.v0[at];
      const bytes = isList ? lines.list[(lines.sizes[at] + segment) & lines.listMask] : lines.v1[at];
      for (const watchedPage of this.watched.touchedBy(dmaAddr, bytes)) {
        // Two segments of a list can share a page only without translation.
        if (lives.some(({ page }) => page === watchedPage.page)) continue;
        const life = this.startLife(watchedPage.page, this.spaces.ofDevice(calls.device[call]));
        life.device = this.spaces.nameOf(calls.device[call]);
        life.kind = KINDS[calls.kind[call]];
        life.direction = directionName(lines.direction[at]);
        life.dmaAddr = dmaAddr;
        life.bytes = bytes;
        life.segments = segments;
        life.phys = isList || lines.v2[at] < 0 ? null : lines.v2[at];
        life.call = call;
        life.mapLine = lines.line[at];
        lives.push(life);
      }
    }
    if (lives.length === 0) return;
    this.livesOfCall.set(call, lives);
    this.livesOfMapping.set(row, lives);
  }

  private beginUnmap(call: number): void {
    const { calls, mappings } = this.assembler;
    const { lines } = this;
    const row = calls.mapping[call];
    let lives = this.livesOfMapping.get(row);
    if (row >= 0) {
      this.livesOfMapping.delete(row);
      mappings.release(row);
    } else if (calls.kind[call] !== RecordedCall.UNMAP_SG) {
      const at = calls.apiSeq[call] & lines.mask;
      lives = this.watched.touchedBy(lines.v0[at], lines.v1[at]).map(({ page }) => this.unknownLife(page, call));
    }
    if (lives === undefined || lives.length === 0) return;
    for (const life of lives) life.call = call;
    this.livesOfCall.set(call, lives);
  }

  /** A life whose beginning is not in the trace, seen when `call` ends it. */
  private unknownLife(page: number, call: number): OpenLife {
    const device = this.assembler.calls.device[call];
    const life = this.startLife(page, this.spaces.ofDevice(device));
    life.device = this.spaces.nameOf(device);
    return life;
  }

  private sync(seq: number, forCpu: boolean): void {
    const { lines } = this;
    const at = seq & lines.mask;
    const space = this.spaces.ofDevice(lines.device[at]);
    const isList = lines.dmaAddrsCount[at] > 0;
    const count = isList ? Math.min(lines.dmaAddrsCount[at], lines.sizesCount[at]) : 1;
    for (let item = 0; item < count; item++) {
      const address = isList ? lines.list[(lines.dmaAddrs[at] + item) & lines.listMask] : lines.v0[at];
      const bytes = isList ? lines.list[(lines.sizes[at] + item) & lines.listMask] : lines.v1[at];
      for (const { open } of this.watched.touchedBy(address, bytes)) {
        for (const life of open) if (life.space === space) this.addSync(life, seq, forCpu, address, bytes);
      }
    }
  }

  /** Of many syncs the first and the last line are kept. */
  private addSync(life: OpenLife, seq: number, forCpu: boolean, address: number, bytes: number): void {
    const kind: LifeEventKind = forCpu ? 'syncForCpu' : 'syncForDevice';
    const count = forCpu ? ++life.syncsForCpu : ++life.syncsForDevice;
    if (count > 2)
      life.events.splice(
        life.events.findLastIndex((event) => event.kind === kind),
        1,
      );
    life.events.push(this.event(seq, kind, { address, bytes }));
  }

  /** A line inside a call, or its API line. */
  private noteLine(seq: number, call: number): void {
    const { lines } = this;
    const { calls } = this.assembler;
    const at = seq & lines.mask;
    const lives = this.livesOfCall.get(call) ?? NO_LIVES;
    switch (lines.kind[at]) {
      case EventKind.BOUNCED:
        for (const life of lives) life.bounce = this.bounced(seq);
        return;
      case EventKind.MAP:
        this.stale.noteMap(lines.v2[at], lines.v3[at], lines.line[at], lines.timeNs[at], this.spaces.nameOf(calls.device[call]), call);
        for (const life of lives) this.tableMapped(life, seq);
        return;
      case EventKind.UNMAP:
        this.tableUnmapped(seq, call, lives);
        return;
      default:
        this.flush(seq);
    }
  }

  private tableUnmapped(seq: number, call: number, known: readonly OpenLife[]): void {
    const { lines } = this;
    const at = seq & lines.mask;
    const space = this.spaces.ofDevice(this.assembler.calls.device[call]);
    if (space >= 0) this.spaces.noteUnmap(space, lines.timeNs[at]);
    for (const { page } of this.watched.touchedBy(lines.v0[at], lines.v2[at])) {
      let life = known.find((candidate) => candidate.page === page) ?? this.livesOfCall.get(call)?.find((other) => other.page === page);
      if (life === undefined) {
        // A list whose beginning was not recorded tells its addresses only now.
        life = this.unknownLife(page, call);
        life.call = call;
        this.livesOfCall.set(call, [...(this.livesOfCall.get(call) ?? NO_LIVES), life]);
      }
      this.unmapTable(life, seq);
    }
  }

  private apiLine(seq: number, call: number): void {
    const { lines } = this;
    const { calls } = this.assembler;
    const at = seq & lines.mask;
    const lives = this.livesOfCall.get(call) ?? NO_LIVES;
    const kind = calls.kind[call];
    if (kind === RecordedCall.SYNC_FOR_CPU || kind === RecordedCall.SYNC_FOR_DEVICE) return;
    if (KINDS[kind] !== undefined) {
      const row = calls.mapping[call];
      if (row < 0) return;
      this.mappings += 1;
      this.numbers[row] = this.mappings;
      this.stale.noteNumber(call, this.mappings);
      if (this.spaces.ofDevice(calls.device[call]) === UNTRANSLATED && lines.v2[at] >= 0) {
        this.stale.noteMap(lines.v2[at], lines.v1[at], lines.line[at], lines.timeNs[at], this.spaces.nameOf(calls.device[call]), -1);
      }
      for (const life of lives) {
        life.number = this.mappings;
        life.mappedNs ??= lines.timeNs[at];
        const phys = life.phys === null ? {} : { phys: life.phys };
        life.events.push(
          this.event(seq, kind === RecordedCall.ALLOC ? 'allocated' : 'mapped', { address: life.dmaAddr, bytes: life.bytes ?? 0, ...phys }),
        );
      }
      return;
    }
    for (const life of lives) {
      life.unmapLine = lines.line[at];
      if (life.direction === null) life.direction = directionName(lines.direction[at]);
      const range = lines.v0[at] >= 0 && kind !== RecordedCall.UNMAP_SG ? { address: lines.v0[at], bytes: lines.v1[at] } : {};
      life.events.push(this.event(seq, kind === RecordedCall.FREE ? 'freed' : 'unmapped', range));
    }
  }

  // ---- lines by themselves -----------------------------------------------------------------------------------

  private lineAlone(seq: number): void {
    const { lines, bouncedDevice } = this;
    const at = seq & lines.mask;
    const context = lines.context[at];
    switch (lines.kind[at]) {
      case EventKind.BOUNCED:
        bouncedDevice[context] = lines.device[at];
        this.bounceEvent[context] = this.bounced(seq);
        return;
      case EventKind.MAP:
        this.mapAlone(seq, context);
        bouncedDevice[context] = -1;
        return;
      case EventKind.UNMAP:
        this.unmapAlone(seq, context);
        return;
      case EventKind.IO_PAGE_FAULT:
        for (const { page } of this.watched.touchedBy(lines.v0[at], 1)) {
          const event = this.event(seq, 'faulted', { address: lines.v0[at], isWrite: (lines.v1[at] & REPORTED_WRITE) !== 0 });
          this.faults.push({ page, event, device: this.spaces.nameOf(lines.device[at]) });
        }
        return;
      default:
        this.flush(seq);
    }
  }

  /** A page-table entry without a call. Where there are no calls at all, the line is the mapping. */
  private mapAlone(seq: number, context: number): void {
    const { lines, spaces } = this;
    const at = seq & lines.mask;
    const bounced = this.bouncedDevice[context] ?? -1;
    const device = bounced >= 0 && this.isSlot(lines.v2[at]) ? bounced : -1;
    const space = device >= 0 ? spaces.ofDevice(device) : spaces.count === 1 ? 0 : UNKNOWN_SPACE;
    if (this.outcomesOnly) this.mappings += 1;
    const name = device >= 0 ? spaces.nameOf(device) : null;
    this.stale.noteMap(lines.v2[at], lines.v3[at], lines.line[at], lines.timeNs[at], name, -1, this.outcomesOnly ? this.mappings : 0);
    for (const { page, open } of this.watched.touchedBy(lines.v0[at], lines.v3[at])) {
      // The same page of the same space cannot be mapped twice.
      for (const other of open.filter((candidate) => candidate.space === space && space !== UNKNOWN_SPACE)) this.loseEnd(other);
      const life = this.startLife(page, space);
      life.device = name;
      life.dmaAddr = lines.v0[at];
      life.number = this.outcomesOnly ? this.mappings : 0;
      life.mapLine = lines.line[at];
      if (device >= 0) life.bounce = this.bounceEvent[context];
      this.tableMapped(life, seq);
    }
  }

  private unmapAlone(seq: number, context: number): void {
    const { lines, spaces } = this;
    const at = seq & lines.mask;
    if (spaces.count === 1) spaces.noteUnmap(0, lines.timeNs[at]);
    for (const { page, open } of this.watched.touchedBy(lines.v0[at], lines.v2[at])) {
      // With several candidates the one that began where the unmap begins, then the oldest.
      const life = open.find(({ dmaAddr }) => dmaAddr === lines.v0[at]) ?? open[0] ?? this.startLife(page, UNKNOWN_SPACE);
      life.endGuessed = open.length > 1;
      life.unmapLine = lines.line[at];
      this.unmapTable(life, seq);
      this.stale.expectFlush(life, context);
    }
  }

  // ---- what both have in common ------------------------------------------------------------------------------

  private startLife(page: number, space: number): OpenLife {
    const life = newLife(page, space);
    life.lazy = space >= 0 && this.spaces.isLazy(space);
    life.translated = space !== UNTRANSLATED;
    const watchedPage = this.watched.of(page);
    watchedPage.lives.push(life);
    watchedPage.open.push(life);
    return life;
  }

  /** The page was mapped again, or its row given away, without an unmap. */
  private loseEnd(life: OpenLife): void {
    life.endNotRecorded = true;
    this.close(life);
  }

  private close(life: OpenLife): void {
    const watchedPage = this.watched.of(life.page);
    watchedPage.open = watchedPage.open.filter((other) => other !== life);
  }

  private tableMapped(life: OpenLife, seq: number): void {
    const { lines } = this;
    const at = seq & lines.mask;
    const start = lines.v0[at];
    if (life.page < start || life.page >= start + lines.v3[at]) return;
    if (life.bounce !== null && this.isSlot(lines.v2[at])) {
      life.bounced = true;
      life.events.push(life.bounce);
      if (life.phys === null && life.kind === 'sg') life.phys = life.bounce.phys ?? null;
    }
    life.bounce = null;
    life.tablePhys = lines.v2[at] + (life.page - start);
    life.mappedNs = lines.timeNs[at];
    life.events.push(this.event(seq, 'tableMapped', { address: start, bytes: lines.v3[at], phys: lines.v2[at] }));
  }

  private unmapTable(life: OpenLife, seq: number): void {
    const { lines } = this;
    const at = seq & lines.mask;
    const bytes = lines.v2[at];
    const short = lines.v3[at] < bytes ? { unmappedBytes: lines.v3[at] } : {};
    life.events.push(this.event(seq, 'tableUnmapped', { address: lines.v0[at], bytes, ...short }));
    this.endLife(life, lines.timeNs[at], lines.line[at], true);
  }

  private endLife(life: OpenLife, timeNs: number, line: number, cleared: boolean): void {
    life.unmappedNs = timeNs;
    life.unmapLine ??= line;
    life.lazyDueNs = this.spaces.flushDueNs(timeNs);
    this.close(life);
    if (life.space !== UNTRANSLATED) this.stale.add(life, cleared);
  }

  private flush(seq: number): void {
    if (this.stale.isEmpty) return;
    const flush = flushOf(this.lines, seq & this.lines.mask);
    if (flush !== undefined) this.stale.noteFlush(this.lines, seq, flush);
  }

  private bounced(seq: number): LifeEvent {
    const at = seq & this.lines.mask;
    return this.event(seq, 'bounced', { phys: this.lines.v1[at], bytes: this.lines.v2[at] });
  }

  private event(seq: number, kind: LifeEventKind, facts: Partial<LifeEvent>): LifeEvent {
    return lifeEvent(this.lines, seq, this.names.comms, kind, facts);
  }
}

/** Which lines tell that the IOTLB was flushed. */
function flushSource({ inference, facts }: Recording): FlushSource {
  if (inference.hasDescriptors) return 'descriptors';
  const tags = facts.eventsByKind[EventKind.CACHE_TAG_FLUSH_RANGE] + facts.eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL];
  return tags > 0 ? 'cacheTags' : 'none';
}
