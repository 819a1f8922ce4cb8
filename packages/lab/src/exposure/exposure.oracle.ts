import { type Machine, type ObservationLog, Observed, PAGE_SIZE, roundUp } from 'dmalab-core';
import type { CoLocatedPair, CoLocation } from './co-location.ts';
import { AccessKind, ExposureClass, ExposureMeasure, MappedMemory } from './exposure-class.ts';
import type { WindowKind, WindowTotals } from './stale-windows.ts';

interface Entry {
  readonly pfn: number;
  readonly rights: number;
}

interface Allocation {
  readonly device: number;
  readonly first: number;
  readonly count: number;
  /** Addresses of bytes that the owner wrote or that were cleared. */
  readonly known: Set<number>;
  toOriginal: number;
}

interface StaleEntry extends Entry {
  readonly domainId: number;
  readonly iovaPfn: number;
  readonly order: number;
  readonly window: Window;
  /** Own allocation that it led to when it was cleared. */
  readonly allocation: Allocation | undefined;
}

interface Window {
  readonly device: number;
  readonly sinceNs: number;
  readonly line: number;
  readonly call: number;
  open: number;
  others: number;
  owns: number;
  writable: number;
}

/** A piece of live data on one page. */
interface Piece {
  readonly serial: number;
  readonly device: number;
  readonly memory: MappedMemory;
  readonly pfn: number;
  readonly begin: number;
  readonly end: number;
  readonly line: number;
  readonly allocation: Allocation | undefined;
}

interface Meeting {
  readonly device: number;
  readonly piece: Piece;
  readonly line: number;
  readonly stale: boolean;
  readonly sinceNs: number;
  bytes: number;
  bytesMax: number;
  accruedNs: number;
  byteNs: number;
}

const MEASURES = Object.values(ExposureMeasure);
const ACCESSES = Object.values(AccessKind);

/** The auditor's rules, slow and obvious: after each call every byte of every reachable page is looked at again. */
export class ExposureOracle {
  readonly peak: Map<string, number> = new Map();
  readonly byteNs: Map<string, number> = new Map();
  readonly windows: Map<string, WindowTotals> = new Map();
  readonly reuse: Map<string, number> = new Map();
  readonly met: CoLocation[] = [];
  readonly pairPeak: Map<string, number> = new Map();
  readonly pairCount: Map<string, number> = new Map();
  readonly pairByteNs: Map<string, number> = new Map();
  readonly entries: Map<number, Map<number, Entry>> = new Map();
  stale: StaleEntry[] = [];
  private readonly machine: Machine;
  private now: Map<string, number> = new Map();
  private readonly slots: Map<number, Allocation> = new Map();
  private readonly mappings: Map<number, Piece[]> = new Map();
  private readonly mapLines: Map<string, number> = new Map();
  private readonly unmapLines: Map<string, number> = new Map();
  private pending: { cpu: number; order: number; covers: (entry: StaleEntry) => boolean }[] = [];
  private readonly meetings: Map<string, Meeting> = new Map();
  private nowNs = 0;
  private line = 0;
  private call = 0;
  private order = 0;
  private serials = 0;
  private changed = false;

  constructor(machine: Machine) {
    this.machine = machine;
    for (const { id } of machine.domains) this.entries.set(id, new Map());
  }

  callBegins(line: number, timeNs: number): void {
    this.passTo(timeNs);
    this.look();
    this.line = line;
  }

  mappingMade(
    device: number,
    mapping: number,
    memory: MappedMemory,
    dmaAddr: Float64Array,
    bytes: Float64Array,
    first: number,
    count: number,
  ): void {
    const pieces: Piece[] = [];
    const domain = this.machine.devices[device].domain;
    const add = (phys: number, length: number, allocation: Allocation | undefined): void => {
      const begin = phys % PAGE_SIZE;
      this.serials += 1;
      const piece = {
        serial: this.serials,
        device,
        memory,
        pfn: (phys - begin) / PAGE_SIZE,
        begin,
        end: begin + length,
        line: this.line,
        allocation,
      };
      pieces.push(piece);
    };
    /** Cuts a range at page ends. */
    const cut = (address: number, length: number, piece: (at: number, bytes: number) => void): void => {
      for (let done = 0; done < length; ) {
        const step = Math.min(length - done, PAGE_SIZE - ((address + done) % PAGE_SIZE));
        piece(address + done, step);
        done += step;
      }
    };
    for (let row = first; row < first + count; row++) {
      const length = memory === MappedMemory.COHERENT ? roundUp(bytes[row], PAGE_SIZE) : bytes[row];
      cut(dmaAddr[row], length, (address, step) => {
        let phys = address;
        if (domain !== null) {
          const entry = this.entries.get(domain.id)!.get(Math.floor(address / PAGE_SIZE));
          if (entry === undefined) return;
          phys = entry.pfn * PAGE_SIZE + (address % PAGE_SIZE);
        }
        const allocation = this.allocationAt(phys);
        add(phys, step, allocation);
        if (allocation !== undefined && !Number.isNaN(allocation.toOriginal)) {
          cut(phys + allocation.toOriginal, step, (original, part) => add(original, part, undefined));
        }
      });
    }
    this.mappings.set(mapping, pieces);
    this.changed = true;
    for (const other of this.machine.devices) {
      if (other.domain === null) continue;
      const under = pieces.filter(({ pfn }) => this.stale.some((entry) => entry.domainId === other.domain!.id && entry.pfn === pfn));
      if (under.length === 0) continue;
      const key = `${other.index} ${other.index === device ? 'same' : 'other'}`;
      addTo(this.reuse, key, 1);
      for (const { begin, end } of under) addTo(this.reuse, `${key} bytes`, end - begin);
    }
  }

  mappingEnds(mapping: number): void {
    this.mappings.delete(mapping);
    this.changed = true;
  }

  finish(timeNs: number): void {
    this.passTo(timeNs);
    this.look();
    this.call += 1;
    for (const entry of this.stale) this.endEntry(entry);
    for (const [key, meeting] of this.meetings) this.endMeeting(key, meeting);
  }

  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      this.passTo(log.timeNs[row]);
      this.changed = true;
      const [kind, cpu, device, domain] = [log.kind[row], log.cpu[row], log.device[row], log.domain[row]];
      const [a, b, c, d] = [log.a[row], log.b[row], log.c[row], log.d[row]];
      if (kind === Observed.CALL_BEGUN || kind === Observed.CALL_ENDED) this.call += 1;
      if (kind === Observed.MAPPED) this.mapped(domain, a / PAGE_SIZE, b / PAGE_SIZE, c / PAGE_SIZE, d);
      if (kind === Observed.UNMAPPED) this.unmapped(domain, device, a / PAGE_SIZE, b / PAGE_SIZE, c / PAGE_SIZE);
      if (kind === Observed.DESCRIPTOR_SUBMITTED) this.submitted(cpu, b, BigInt(c) * 2n ** 32n + BigInt(d));
      if (kind === Observed.INVALIDATION_COMPLETED) this.completed(cpu);
      if (kind === Observed.SLOT_ALLOCATED) {
        const allocation = { device, first: a, count: b, known: new Set<number>(), toOriginal: Number.NaN };
        for (let slot = a; slot < a + b; slot++) this.slots.set(slot, allocation);
      }
      if (kind === Observed.SLOT_RELEASED) for (let slot = a; slot < a + b; slot++) this.slots.delete(slot);
      if (kind === Observed.COPIED_IN || kind === Observed.ZEROED) {
        const allocation = this.allocationAt(a);
        for (let at = a; at < a + b; at++) allocation?.known.add(at);
        if (kind === Observed.COPIED_IN && allocation !== undefined) allocation.toOriginal = c - a;
      }
    }
  }

  private mapped(domainId: number, iovaPfn: number, pfn: number, pages: number, rights: number): void {
    const entries = this.entries.get(domainId)!;
    for (let page = 0; page < pages; page++) {
      if (entries.has(iovaPfn + page)) continue;
      entries.set(iovaPfn + page, { pfn: pfn + page, rights });
      for (const device of this.membersOf(domainId)) this.mapLines.set(`${device} ${pfn + page}`, this.line);
    }
  }

  private unmapped(domainId: number, device: number, firstPfn: number, pages: number, cleared: number): void {
    const entries = this.entries.get(domainId)!;
    const window: Window = { device, sinceNs: this.nowNs, line: this.line, call: this.call, open: 0, others: 0, owns: 0, writable: 0 };
    // Superpages are cleared whole: what the tables no longer translate around the range has gone with it.
    const around = cleared > pages ? 2 ** 18 : 0;
    for (const [iovaPfn, entry] of [...entries]) {
      if (iovaPfn < firstPfn - around || iovaPfn >= firstPfn + pages + around) continue;
      if ((iovaPfn < firstPfn || iovaPfn >= firstPfn + pages) && this.isTranslated(domainId, iovaPfn)) continue;
      const own = this.allocationAt(entry.pfn * PAGE_SIZE);
      const allocation = own?.device === device ? own : undefined;
      entries.delete(iovaPfn);
      this.stale.push({ ...entry, domainId, iovaPfn, order: this.order, window, allocation });
      window.open += 1;
      for (const member of this.membersOf(domainId)) this.unmapLines.set(`${member} ${entry.pfn}`, this.line);
    }
    this.order += 1;
  }

  private submitted(cpu: number, qw0Low: number, qw1: bigint): void {
    const id = qw0Low >>> 16;
    const granularity = (qw0Low >>> 4) & 3;
    const order = qw1 & 63n;
    const block = (qw1 >> 12n) >> order;
    this.pending.push({
      cpu,
      order: this.order,
      covers: ({ domainId, iovaPfn }) =>
        granularity === 1 || (domainId === id && (granularity === 2 || BigInt(iovaPfn) >> order === block)),
    });
  }

  private completed(cpu: number): void {
    const done = this.pending.filter((invalidation) => invalidation.cpu === cpu);
    this.pending = this.pending.filter((invalidation) => invalidation.cpu !== cpu);
    const ends = (entry: StaleEntry): boolean => done.some(({ order, covers }) => entry.order < order && covers(entry));
    for (const entry of this.stale) if (ends(entry)) this.endEntry(entry);
    this.stale = this.stale.filter((entry) => !ends(entry));
  }

  private endEntry({ window, allocation, rights }: StaleEntry): void {
    const stillOwn = allocation !== undefined && this.slots.get(allocation.first) === allocation;
    if (stillOwn) window.owns += 1;
    else window.others += 1;
    if (allocation === undefined && (rights & 2) !== 0) window.writable += 1;
    window.open -= 1;
    if (window.open > 0) return;
    this.countWindow(window, window.others > 0 ? 0 : 1, window.others > 0 ? window.others : window.owns);
    if (window.writable > 0) this.countWindow(window, 2, window.writable);
  }

  private countWindow(window: Window, kind: WindowKind, pages: number): void {
    const key = `${window.device} ${kind}`;
    const totals = this.windows.get(key) ?? {
      windows: 0,
      longestNs: 0,
      longestLine: 0,
      longestSinceNs: 0,
      totalNs: 0,
      windowsInCall: 0,
      pagesInCall: 0,
    };
    this.windows.set(key, totals);
    if (window.call === this.call) {
      totals.windowsInCall += 1;
      totals.pagesInCall += pages;
      return;
    }
    const ns = this.nowNs - window.sinceNs;
    if (totals.windows === 0 || ns > totals.longestNs) {
      totals.longestNs = ns;
      totals.longestLine = window.line;
      totals.longestSinceNs = window.sinceNs;
    }
    totals.windows += 1;
    totals.totalNs += ns;
  }

  private passTo(timeNs: number): void {
    if (timeNs <= this.nowNs) return;
    this.look();
    for (const [key, bytes] of this.now) addTo(this.byteNs, key, bytes * (timeNs - this.nowNs));
    this.nowNs = timeNs;
  }

  private look(): void {
    if (!this.changed) return;
    this.changed = false;
    this.now = new Map();
    const seen = new Set<string>();
    for (const { index, domain } of this.machine.devices) {
      if (domain === null) continue;
      const live = [...this.entries.get(domain.id)!.values()];
      const stale = this.stale.filter((entry) => entry.domainId === domain.id);
      for (const pfn of new Set([...live, ...stale].map((entry) => entry.pfn))) {
        const classes = this.classesOf(index, pfn);
        const has = (entries: readonly Entry[], rights: number): boolean =>
          entries.some((entry) => entry.pfn === pfn && (entry.rights & rights) !== 0);
        for (const access of ACCESSES) {
          const rights = [1, 2, 3][access];
          if (has(live, rights)) this.countPage(index, access, classes, false, pfn);
          else if (has(stale, rights)) this.countPage(index, access, classes, true, pfn);
        }
        this.meet(index, pfn, !has(live, 3), seen);
      }
    }
    for (const [key, bytes] of this.now) raise(this.peak, key, bytes);
    for (const [key, meeting] of this.meetings) if (!seen.has(key)) this.endMeeting(key, meeting);
    const pairs = new Map<string, number>();
    for (const { device, piece, bytes } of this.meetings.values()) addTo(pairs, `${device} ${piece.device}`, bytes);
    for (const [key, bytes] of pairs) raise(this.pairPeak, key, bytes);
  }

  /** By byte of the page: its class, where -1 stands for neighbour or stale. */
  private classesOf(device: number, pfn: number): Int8Array {
    const classes = new Int8Array(PAGE_SIZE).fill(-1);
    const pieces = [...this.mappings.values()].flat();
    const liveSlots = new Set(pieces.map(({ allocation }) => allocation));
    for (let at = 0; at < PAGE_SIZE; at++) {
      const allocation = this.allocationAt(pfn * PAGE_SIZE + at);
      if (allocation === undefined) continue;
      if (allocation.device !== device) classes[at] = ExposureClass.OTHER_DEVICE;
      else if (allocation.known.has(pfn * PAGE_SIZE + at))
        classes[at] = liveSlots.has(allocation) ? ExposureClass.OWN_PADDING : ExposureClass.OWN_SLOT;
    }
    const here = pieces.filter((piece) => piece.pfn === pfn);
    for (const { begin, end } of here.filter((piece) => piece.device !== device)) classes.fill(ExposureClass.OTHER_DEVICE, begin, end);
    const own = here.filter((piece) => piece.device === device);
    for (const { begin, end } of own.filter(({ memory }) => memory === MappedMemory.COHERENT))
      classes.fill(ExposureClass.OWN_COHERENT, begin, end);
    for (const { begin, end } of own.filter(({ memory }) => memory !== MappedMemory.COHERENT))
      classes.fill(ExposureClass.OWN_LIVE, begin, end);
    return classes;
  }

  private countPage(device: number, access: AccessKind, classes: Int8Array, isStale: boolean, pfn: number): void {
    const bytes = new Map<ExposureMeasure, number>();
    const inPool = this.slotOf(pfn * PAGE_SIZE) >= 0;
    for (const known of classes) {
      const cls = (known >= 0 ? known : isStale ? ExposureClass.STALE : ExposureClass.NEIGHBOUR) as ExposureMeasure;
      bytes.set(cls, (bytes.get(cls) ?? 0) + 1);
    }
    const sum = (...of: ExposureMeasure[]): number => {
      let total = 0;
      for (const cls of of) total += bytes.get(cls) ?? 0;
      return total;
    };
    const { NEIGHBOUR, OTHER_DEVICE, OWN_SLOT, STALE } = ExposureClass;
    for (const [cls, count] of bytes) addTo(this.now, keyOf(device, access, cls), count);
    addTo(this.now, keyOf(device, access, ExposureMeasure.SUB_PAGE), sum(NEIGHBOUR, OTHER_DEVICE));
    if (!isStale) return;
    addTo(this.now, keyOf(device, access, ExposureMeasure.RETIRED_SLOT), sum(OWN_SLOT));
    if (access !== AccessKind.WRITE || inPool) return;
    addTo(this.now, keyOf(device, access, ExposureMeasure.AFTER_UNMAP), sum(STALE, OTHER_DEVICE));
  }

  private meet(device: number, pfn: number, stale: boolean, seen: Set<string>): void {
    const here = [...this.mappings.values()].flat().filter((piece) => piece.pfn === pfn);
    for (const piece of here.filter((other) => other.device !== device)) {
      let bytes = 0;
      for (let at = piece.begin; at < piece.end; at++) {
        if (!here.some((own) => own.device === device && at >= own.begin && at < own.end)) bytes += 1;
      }
      if (bytes === 0) continue;
      const key = `${device} ${piece.serial}`;
      seen.add(key);
      let meeting = this.meetings.get(key);
      if (meeting === undefined) {
        const line = (stale ? this.unmapLines : this.mapLines).get(`${device} ${pfn}`) ?? 0;
        meeting = { device, piece, line, stale, sinceNs: this.nowNs, bytes: 0, bytesMax: 0, accruedNs: this.nowNs, byteNs: 0 };
        this.meetings.set(key, meeting);
        addTo(this.pairCount, `${device} ${piece.device}`, 1);
      }
      this.accrueMeeting(meeting);
      meeting.bytes = bytes;
      meeting.bytesMax = Math.max(meeting.bytesMax, bytes);
    }
  }

  private accrueMeeting(meeting: Meeting): void {
    const added = meeting.bytes * (this.nowNs - meeting.accruedNs);
    meeting.byteNs += added;
    meeting.accruedNs = this.nowNs;
    addTo(this.pairByteNs, `${meeting.device} ${meeting.piece.device}`, added);
  }

  private endMeeting(key: string, meeting: Meeting): void {
    this.accrueMeeting(meeting);
    this.meetings.delete(key);
    // Devices of one domain cannot be told apart: counted, not listed.
    const domain = this.machine.devices[meeting.device].domain;
    if (domain !== null && domain === this.machine.devices[meeting.piece.device].domain) return;
    this.met.push({
      device: meeting.device,
      otherDevice: meeting.piece.device,
      line: meeting.line,
      otherLine: meeting.piece.line,
      throughStale: meeting.stale,
      pageAddress: meeting.piece.pfn * PAGE_SIZE,
      bytes: meeting.bytesMax,
      sinceNs: meeting.sinceNs,
      durationNs: this.nowNs - meeting.sinceNs,
      byteNanoseconds: meeting.byteNs,
    });
  }

  get pairs(): CoLocatedPair[] {
    return [...this.pairCount].map(([key, count]) => {
      const [device, otherDevice] = key.split(' ').map(Number);
      return { device, otherDevice, count, bytesPeak: this.pairPeak.get(key) ?? 0, byteNanoseconds: this.pairByteNs.get(key) ?? 0 };
    });
  }

  private slotOf(address: number): number {
    const { pool } = this.machine;
    if (pool === null || address < pool.start || address >= pool.start + pool.slots * pool.slotBytes) return -1;
    return Math.floor((address - pool.start) / pool.slotBytes);
  }

  private allocationAt(address: number): Allocation | undefined {
    return this.slots.get(this.slotOf(address));
  }

  private membersOf(domainId: number): number[] {
    return this.machine.devices.filter(({ domain }) => domain?.id === domainId).map(({ index }) => index);
  }

  private isTranslated(domainId: number, iovaPfn: number): boolean {
    return this.machine.domains.find(({ id }) => id === domainId)!.hardware.lookup(iovaPfn) >= 0;
  }
}

/** Key of `peak` and `byteNs`. */
export function keyOf(device: number, access: AccessKind, measure: ExposureMeasure): string {
  return `${device} ${ACCESSES.indexOf(access)} ${MEASURES.indexOf(measure)}`;
}

function addTo(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

function raise(peaks: Map<string, number>, key: string, value: number): void {
  peaks.set(key, Math.max(peaks.get(key) ?? 0, value));
}
