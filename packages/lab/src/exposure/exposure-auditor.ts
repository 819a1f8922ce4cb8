import { type Machine, type ObservationLog, Observed, PAGE_SIZE, Rights, roundDown, roundUp } from 'dmalab-core';
import { grownColumn } from '../replay/grown-column.ts';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { CoLocations } from './co-location.ts';
import { ExposureClass, MappedMemory, Reach } from './exposure-class.ts';
import { ExposureMeter, PAGE_PARTS, reachCode } from './exposure-meter.ts';
import { PageIndex } from './page-index.ts';
import { PageParts } from './page-parts.ts';
import { PendingInvalidations } from './pending-invalidations.ts';
import { ReachedPages } from './reached-pages.ts';
import { ReuseLog } from './reuse-log.ts';
import { SlotOwners } from './slot-owners.ts';
import { StaleEntries } from './stale-entries.ts';
import { StaleWindows } from './stale-windows.ts';

const NONE = -1;
/** Bytes that one page-table entry can cover. */
const ENTRY_BYTES = [PAGE_SIZE, PAGE_SIZE * 512, PAGE_SIZE * 512 * 512];
/** A row of the page index of a domain: the page's row and the rights of the entry. */
const RIGHTS_BITS = 2;

/** What the auditor keeps by domain. */
interface AuditedDomain {
  readonly devices: readonly number[];
  /** I/O page to physical page and rights, as the valid entries say. */
  readonly entries: PageIndex;
  readonly stale: StaleEntries;
}

export interface ExposureOptions {
  /** Co-locations and reuses of which the lines are kept; all are counted. Default 100. */
  readonly kept?: number;
  /** Devices whose bytes are summed up besides each alone; default every one. */
  readonly counted?: ReadonlySet<number>;
  /** Follow the bytes over time as well. Default false. */
  readonly series?: boolean;
}

/**
 * Follows what every device could reach, byte by byte, while a machine replays calls.
 *
 * Page-table entries, invalidations and bounce slots come from the observation stream; which bytes hold data of live
 * mappings comes from the results of the calls. The order for one call: `callBegins`, for a call that ends a mapping
 * `mappingEnds`, the call's observations to `observe`, for one that made a mapping `mappingMade`.
 *
 * Bytes are counted as they stand between calls, so that the middle of a call, which takes no time in a replay, makes no
 * peak; windows that open and close inside a call are counted apart.
 */
export class ExposureAuditor implements ObservationConsumer {
  readonly meter: ExposureMeter;
  readonly windows: StaleWindows;
  readonly coLocations: CoLocations;
  readonly reuses: ReuseLog;
  /** By device: whether an IOMMU limits it. One without reaches all memory, which is no number. */
  readonly isTranslated: readonly boolean[];
  /** First and last moment that was seen. */
  startNs = -1;
  nowNs = 0;
  private readonly domains: readonly AuditedDomain[];
  private readonly domainOfId: Int32Array;
  private readonly domainOfDevice: readonly number[];
  private readonly isIdle: boolean;
  private readonly slots: SlotOwners | null;
  private readonly pages: ReachedPages = new ReachedPages();
  private readonly pending: PendingInvalidations = new PendingInvalidations();
  private readonly pageParts: PageParts = new PageParts();
  private readonly newParts: Uint16Array = new Uint16Array(PAGE_PARTS);
  /** By mapping of the recording: its newest claim. */
  private claims: Int32Array<ArrayBuffer> = new Int32Array(64).fill(NONE);
  private line = 0;
  /** Grows whenever a call begins or returns. */
  private call = 0;
  private clearings = 0;
  private domainAtWork: AuditedDomain | undefined;

  constructor(machine: Machine, options: ExposureOptions = {}) {
    const devices = machine.devices.length;
    const kept = options.kept ?? 100;
    this.meter = new ExposureMeter(devices, options);
    this.windows = new StaleWindows(devices);
    this.domainOfDevice = machine.devices.map(({ domain }) => domain?.index ?? NONE);
    this.coLocations = new CoLocations(this.domainOfDevice, kept);
    this.reuses = new ReuseLog(devices, kept);
    this.isTranslated = machine.devices.map(({ domain }) => domain !== null);
    this.isIdle = !this.isTranslated.includes(true);
    this.domainOfId = new Int32Array(2 ** 16).fill(NONE);
    this.domains = machine.domains.map(({ id, index }) => {
      this.domainOfId[id] = index;
      const members = machine.devices.filter(({ domain }) => domain?.index === index);
      return { devices: members.map((device) => device.index), entries: new PageIndex(), stale: new StaleEntries() };
    });
    this.slots = machine.pool === null ? null : new SlotOwners(machine.pool);
  }

  /** Physical pages that are looked after now: reached by a device, or with data of a live mapping. */
  get pagesHeld(): number {
    return this.pages.size;
  }

  // ---- calls -------------------------------------------------------------------------------------------------

  /** A call begins. @param line  its line in the trace, 0 when it has none */
  callBegins(line: number, timeNs: number): void {
    this.advance(timeNs);
    this.settle();
    this.line = line;
  }

  /**
   * The call at work has made a mapping.
   *
   * @param mapping        names it until `mappingEnds`; small, since it indexes a table
   * @param dmaAddr, bytes columns of the segments that the call returned; rows `first` to `first + count - 1` are read
   */
  mappingMade(
    device: number,
    mapping: number,
    memory: MappedMemory,
    dmaAddr: Float64Array,
    bytes: Float64Array,
    first: number,
    count: number,
  ): void {
    if (this.isIdle) return;
    if (mapping >= this.claims.length) {
      const length = Math.max(mapping + 1, this.claims.length * 2);
      this.claims = grownColumn(this.claims, new Int32Array(length).fill(NONE));
    }
    this.reuses.beginMapping();
    this.meter.activate(device, this.nowNs);
    let newest = NONE;
    for (let row = first; row < first + count; row++) {
      const length = memory === MappedMemory.COHERENT ? roundUp(bytes[row], PAGE_SIZE) : bytes[row];
      newest = this.claimSegment(device, memory, dmaAddr[row], length, newest);
    }
    this.claims[mapping] = newest;
  }

  /** The call at work ends a mapping. */
  mappingEnds(mapping: number): void {
    if (this.isIdle) return;
    const { pages, slots } = this;
    for (let claim = this.claims[mapping], next: number; claim !== NONE; claim = next) {
      next = pages.nextOfMapping[claim];
      const allocation = pages.claimSlots[claim];
      if (allocation !== NONE) {
        slots!.live[allocation] -= 1;
        if (slots!.live[allocation] === 0) this.touchSlots(allocation, this.slots!.count[allocation]);
      }
      pages.touch(pages.claimPage[claim]);
      pages.removeClaim(claim);
    }
    this.claims[mapping] = NONE;
  }

  /** The end of the recording: brings all figures up to `timeNs`. What is still open then counts as far as it has come. */
  finish(timeNs: number): void {
    this.advance(timeNs);
    this.settle();
    const { pages } = this;
    this.meter.finish(this.nowNs);
    this.call += 1;
    for (const { stale } of this.domains) stale.endAll(Number.POSITIVE_INFINITY, (row) => this.closePage(stale, row));
    pages.eachView((page, view) => this.coLocations.end(pages, page, view, this.nowNs));
  }

  // ---- the stream --------------------------------------------------------------------------------------------

  observe(log: ObservationLog): void {
    if (this.isIdle) return;
    for (let row = 0; row < log.length; row++) {
      if (log.timeNs[row] > this.nowNs || this.startNs < 0) this.advance(log.timeNs[row]);
      switch (log.kind[row]) {
        case Observed.CALL_BEGUN:
        case Observed.CALL_ENDED:
          this.call += 1;
          break;
        case Observed.MAPPED:
          // A row that does not tell the rights is taken for the widest.
          this.mapped(log.domain[row], log.a[row], log.b[row], log.c[row], log.d[row] === 0 ? Rights.READ_WRITE : log.d[row]);
          break;
        case Observed.UNMAPPED:
          this.unmapped(log.domain[row], log.device[row], log.a[row], log.b[row], log.c[row]);
          break;
        case Observed.DESCRIPTOR_SUBMITTED:
          this.pending.submit(log.cpu[row], log.b[row], log.c[row], log.d[row], this.clearings);
          break;
        case Observed.INVALIDATION_COMPLETED:
          this.completed(log.cpu[row]);
          break;
        case Observed.SLOT_ALLOCATED:
          this.slots!.take(log.a[row], log.b[row], log.device[row], log.c[row]);
          this.touchSlots(log.a[row], log.b[row]);
          break;
        case Observed.SLOT_RELEASED:
          this.slots!.release(log.a[row], log.b[row]);
          this.touchSlots(log.a[row], log.b[row]);
          break;
        case Observed.COPIED_IN:
          this.copiedIn(log.a[row], log.b[row], log.c[row]);
          break;
        case Observed.ZEROED:
          this.filled(log.a[row], log.b[row]);
          break;
      }
    }
  }

  private mapped(domainId: number, iova: number, phys: number, bytes: number, rights: number): void {
    const domain = this.domains[this.domainOfId[domainId]];
    const { entries, devices } = domain;
    const { pages } = this;
    const firstPfn = iova / PAGE_SIZE;
    const physPfn = phys / PAGE_SIZE;
    const count = bytes / PAGE_SIZE;
    for (let at = 0; at < count; at++) {
      // The driver leaves an entry that is already set as it is.
      if (entries.get(firstPfn + at) !== NONE) continue;
      const page = pages.findOrAdd(physPfn + at);
      entries.set(firstPfn + at, (page << RIGHTS_BITS) | rights);
      pages.touch(page);
      for (let index = 0; index < devices.length; index++) {
        const view = pages.findOrAddView(page, devices[index]);
        if ((rights & Rights.READ) !== 0) pages.liveReads[view] += 1;
        if ((rights & Rights.WRITE) !== 0) pages.liveWrites[view] += 1;
        pages.mapLine[view] = this.line;
      }
    }
  }

  private unmapped(domainId: number, device: number, iova: number, bytes: number, cleared: number): void {
    let start = iova;
    let end = iova + bytes;
    if (cleared > bytes) {
      start = clearedStart(iova, end, cleared);
      end = start + cleared;
    }
    const domain = this.domains[this.domainOfId[domainId]];
    const window = this.windows.open(device, this.nowNs, this.line, this.call);
    for (let pfn = start / PAGE_SIZE; pfn < end / PAGE_SIZE; pfn++) {
      const entry = domain.entries.delete(pfn);
      if (entry !== NONE) this.cleared(domain, device, pfn, entry >> RIGHTS_BITS, entry & Rights.READ_WRITE, window);
    }
    this.windows.drop(window);
    this.clearings += 1;
  }

  /** An entry is cleared: what it reached is stale from here on. */
  private cleared(domain: AuditedDomain, device: number, iovaPfn: number, page: number, rights: number, window: number): void {
    const { pages, slots } = this;
    const reads = rights & Rights.READ;
    const writes = (rights & Rights.WRITE) >> 1;
    for (let index = 0; index < domain.devices.length; index++) {
      const view = pages.findView(page, domain.devices[index]);
      pages.liveReads[view] -= reads;
      pages.liveWrites[view] -= writes;
      pages.staleReads[view] += reads;
      pages.staleWrites[view] += writes;
      pages.unmapLine[view] = this.line;
    }
    pages.touch(page);
    const allocation = slots?.allocationAt(pages.pfn[page] * PAGE_SIZE) ?? NONE;
    const isOwn = allocation !== NONE && slots!.owner[allocation] === device;
    this.windows.addPage(window);
    domain.stale.add(iovaPfn, page, rights, window, allocation, isOwn ? slots!.serial[allocation] : 0, this.clearings);
  }

  private completed(cpu: number): void {
    this.pending.complete(cpu, ({ domainId, firstPfn, pages, sequence }) => {
      for (let index = 0; index < this.domains.length; index++) {
        if (domainId >= 0 && this.domainOfId[domainId] !== index) continue;
        const domain = this.domains[index];
        this.domainAtWork = domain;
        if (pages === Number.POSITIVE_INFINITY) domain.stale.endAll(sequence, this.invalidated);
        else domain.stale.endRange(firstPfn, pages, sequence, this.invalidated);
      }
    });
  }

  private readonly invalidated = (row: number): void => {
    const { pages } = this;
    const { stale, devices } = this.domainAtWork!;
    const page = stale.page[row];
    const reads = stale.rights[row] & Rights.READ;
    const writes = (stale.rights[row] & Rights.WRITE) >> 1;
    for (let index = 0; index < devices.length; index++) {
      const view = pages.findView(page, devices[index]);
      pages.staleReads[view] -= reads;
      pages.staleWrites[view] -= writes;
    }
    pages.touch(page);
    this.closePage(stale, row);
  };

  private closePage(stale: StaleEntries, row: number): void {
    const { slots, windows } = this;
    const window = stale.window[row];
    const serial = stale.slotSerial[row];
    const allocation = stale.slots[row];
    const isOther = serial === 0 || slots!.first[allocation] !== allocation || slots!.serial[allocation] !== serial;
    const isWritable = serial === 0 && (stale.rights[row] & Rights.WRITE) !== 0;
    windows.closePage(window, isOther, isWritable, this.nowNs, this.call);
  }

  private copiedIn(tlbAddress: number, bytes: number, original: number): void {
    const { slots } = this;
    const allocation = slots!.allocationAt(tlbAddress);
    if (allocation !== NONE) slots!.toOriginal[allocation] = original - tlbAddress;
    this.filled(tlbAddress, bytes);
  }

  private filled(address: number, bytes: number): void {
    this.slots!.fill(address, bytes);
    const allocation = this.slots!.allocationAt(address);
    if (allocation !== NONE) this.touchSlots(allocation, this.slots!.count[allocation]);
  }

  // ---- live data ---------------------------------------------------------------------------------------------

  /** @returns the newest claim */
  private claimSegment(device: number, memory: MappedMemory, address: number, bytes: number, newest: number): number {
    const domain = this.domainOfDevice[device];
    const entries = domain < 0 ? null : this.domains[domain].entries;
    const { pages, slots } = this;
    let claim = newest;
    for (let done = 0; done < bytes; ) {
      const offset = (address + done) % PAGE_SIZE;
      const length = Math.min(bytes - done, PAGE_SIZE - offset);
      const pfn = (address + done - offset) / PAGE_SIZE;
      done += length;
      const entry = entries === null ? NONE : entries.get(pfn);
      if (entries !== null && entry === NONE) continue;
      const page = entry === NONE ? pages.findOrAdd(pfn) : entry >> RIGHTS_BITS;
      const phys = pages.pfn[page] * PAGE_SIZE + offset;
      const allocation = slots === null ? NONE : slots.allocationAt(phys);
      claim = this.claimPiece(device, memory, page, offset, length, allocation, claim);
      if (allocation === NONE) continue;
      slots!.live[allocation] += 1;
      if (slots!.live[allocation] === 1) this.touchSlots(allocation, this.slots!.count[allocation]);
      const toOriginal = slots!.toOriginal[allocation];
      if (!Number.isNaN(toOriginal)) claim = this.claimOriginal(device, memory, phys + toOriginal, length, claim);
    }
    return claim;
  }

  /** The buffer whose copy lies in the slots: it is this device's data too, wherever another device reaches it. */
  private claimOriginal(device: number, memory: MappedMemory, original: number, bytes: number, newest: number): number {
    let claim = newest;
    for (let done = 0; done < bytes; ) {
      const offset = (original + done) % PAGE_SIZE;
      const length = Math.min(bytes - done, PAGE_SIZE - offset);
      const page = this.pages.findOrAdd((original + done - offset) / PAGE_SIZE);
      claim = this.claimPiece(device, memory, page, offset, length, NONE, claim);
      done += length;
    }
    return claim;
  }

  private claimPiece(
    device: number,
    memory: MappedMemory,
    page: number,
    offset: number,
    bytes: number,
    allocation: number,
    newest: number,
  ): number {
    const { pages } = this;
    for (let view = pages.firstView[page]; view !== NONE; view = pages.nextView[view]) {
      if (pages.staleReads[view] + pages.staleWrites[view] === 0) continue;
      const pageAddress = pages.pfn[page] * PAGE_SIZE;
      this.reuses.add(pages.viewDevice[view], device, bytes, pages.unmapLine[view], this.line, pageAddress, this.nowNs);
    }
    pages.touch(page);
    return pages.addClaim(page, device, memory, offset, offset + bytes, allocation, this.line, newest);
  }

  // ---- figures -----------------------------------------------------------------------------------------------

  private advance(timeNs: number): void {
    if (this.startNs < 0) this.startNs = timeNs;
    if (timeNs <= this.nowNs) return;
    this.settle();
    this.nowNs = timeNs;
  }

  /** Looks again at every page that has changed. */
  private settle(): void {
    const { pages, meter } = this;
    if (pages.dirtyCount === 0) return;
    for (let index = 0; index < pages.dirtyCount; index++) {
      const page = pages.dirty[index];
      for (let view = pages.firstView[page], next: number; view !== NONE; view = next) {
        next = pages.nextView[view];
        this.settleView(page, view);
      }
      pages.clean(page);
    }
    pages.dirtyCount = 0;
    meter.settle();
    this.coLocations.settle();
  }

  private settleView(page: number, view: number): void {
    const { pages, meter, newParts, nowNs } = this;
    const device = pages.viewDevice[view];
    const code = this.codeOf(page, view);
    const first = view * PAGE_PARTS;
    const before = pages.code[view];
    if (code !== 0) this.divide(page, device, newParts);
    if (before !== code || !samePartsAt(pages.parts, first, newParts)) {
      if (before !== 0) meter.add(device, before, pages.parts, first, -1, nowNs);
      if (code !== 0) {
        meter.add(device, code, newParts, 0, 1, nowNs);
        for (let part = 0; part < PAGE_PARTS; part++) pages.parts[first + part] = newParts[part];
      }
      pages.code[view] = code;
    }
    if (code !== 0 && newParts[ExposureClass.OTHER_DEVICE] > 0) {
      this.coLocations.update(pages, page, view, ((code >> 4) & 3) === Reach.STALE, nowNs);
    } else if (pages.firstMeeting[view] !== NONE) {
      this.coLocations.end(pages, page, view, nowNs);
    }
    if (code === 0) pages.removeView(page, view);
  }

  private codeOf(page: number, view: number): number {
    const { pages, slots } = this;
    const read = reachOf(pages.liveReads[view], pages.staleReads[view]);
    const write = reachOf(pages.liveWrites[view], pages.staleWrites[view]);
    if (read === Reach.NONE && write === Reach.NONE) return 0;
    const either = read === Reach.LIVE || write === Reach.LIVE ? Reach.LIVE : Reach.STALE;
    return reachCode(read, write, either, slots?.containsPage(pages.pfn[page]) ?? false);
  }

  /** Bytes of the page by what they are to the device. */
  private divide(page: number, device: number, parts: Uint16Array): void {
    const { pages, pageParts, slots } = this;
    if (pages.firstClaim[page] === NONE && (slots === null || !slots.containsPage(pages.pfn[page]))) {
      parts.fill(0);
      parts[PAGE_PARTS - 1] = PAGE_SIZE;
      return;
    }
    pageParts.begin();
    for (let claim = pages.firstClaim[page]; claim !== NONE; claim = pages.nextClaim[claim]) {
      const isOwn = pages.claimDevice[claim] === device;
      const own = pages.claimMemory[claim] === MappedMemory.COHERENT ? ExposureClass.OWN_COHERENT : ExposureClass.OWN_LIVE;
      pageParts.cover(isOwn ? own : ExposureClass.OTHER_DEVICE, pages.claimBegin[claim], pages.claimEnd[claim]);
    }
    if (slots?.containsPage(pages.pfn[page])) this.coverSlots(slots, pages.pfn[page] * PAGE_SIZE, device);
    pageParts.divide(parts, 0);
  }

  private coverSlots(slots: SlotOwners, pageStart: number, device: number): void {
    const { start, slotBytes } = slots.places;
    const pageEnd = pageStart + PAGE_SIZE;
    const slotEnd = Math.min(slots.places.slots, Math.ceil((pageEnd - start) / slotBytes));
    let covered = NONE;
    for (let slot = Math.max(0, Math.floor((pageStart - start) / slotBytes)); slot < slotEnd; slot++) {
      const allocation = slots.first[slot];
      if (allocation === NONE || allocation === covered) continue;
      covered = allocation;
      let begin = start + allocation * slotBytes;
      let end = begin + this.slots!.count[allocation] * slotBytes;
      let cls: ExposureClass = ExposureClass.OTHER_DEVICE;
      if (slots.owner[allocation] === device) {
        cls = slots.live[allocation] > 0 ? ExposureClass.OWN_PADDING : ExposureClass.OWN_SLOT;
        begin = slots.knownBegin[allocation];
        end = slots.knownEnd[allocation];
      }
      this.pageParts.cover(cls, Math.max(begin, pageStart) - pageStart, Math.min(end, pageEnd) - pageStart);
    }
  }

  /** Looks again at the pages of these slots, as far as anybody reaches them. */
  private touchSlots(first: number, count: number): void {
    const { start, slotBytes } = this.slots!.places;
    const { pages } = this;
    const end = roundUp(start + (first + count) * slotBytes, PAGE_SIZE) / PAGE_SIZE;
    for (let pfn = roundDown(start + first * slotBytes, PAGE_SIZE) / PAGE_SIZE; pfn < end; pfn++) {
      const page = pages.find(pfn);
      if (page !== NONE) pages.touch(page);
    }
  }
}

function reachOf(live: number, stale: number): Reach {
  if (live > 0) return Reach.LIVE;
  return stale > 0 ? Reach.STALE : Reach.NONE;
}

function samePartsAt(parts: Uint16Array, first: number, others: Uint16Array): boolean {
  for (let part = 0; part < PAGE_PARTS; part++) if (parts[first + part] !== others[part]) return false;
  return true;
}

/**
 * Where the cleared range begins when it is longer than what was asked for: Linux clears a whole superpage when the
 * range holds a part of it.
 */
function clearedStart(start: number, end: number, cleared: number): number {
  for (const before of ENTRY_BYTES) {
    for (const after of ENTRY_BYTES) {
      const from = roundDown(start, before);
      if (roundUp(end, after) - from === cleared) return from;
    }
  }
  return start;
}
