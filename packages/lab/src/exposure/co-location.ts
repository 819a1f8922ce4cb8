import { PAGE_SIZE } from 'dmalab-core';
import { grownColumn } from '../replay/grown-column.ts';
import type { ReachedPages } from './reached-pages.ts';
import { RowPool } from './row-pool.ts';

const FIRST_ROWS = 64;
const NONE = -1;

/** A device reaches data of another device's mapping on one page. Lines are those of the trace, 0 for unknown. */
export interface CoLocation {
  /** Index of the device that reaches, and of the one whose data it is. */
  readonly device: number;
  readonly otherDevice: number;
  /** Call that mapped the page for the device or, when only a cleared entry reaches it, unmapped it. */
  readonly line: number;
  /** Call that mapped the data. */
  readonly otherLine: number;
  readonly throughStale: boolean;
  readonly pageAddress: number;
  /** Most bytes at a time. */
  readonly bytes: number;
  readonly sinceNs: number;
  readonly durationNs: number;
  readonly byteNanoseconds: number;
}

/** What two devices have in common, in this order: the first reaches data of the second. */
export interface CoLocatedPair {
  readonly device: number;
  readonly otherDevice: number;
  readonly count: number;
  readonly bytesPeak: number;
  readonly byteNanoseconds: number;
}

/**
 * Which device reaches whose data, page by page and mapping by mapping: all summed up by pair of devices, and the worst
 * ones kept, by byte-seconds, then bytes, then age.
 */
export class CoLocations {
  readonly worst: CoLocation[] = [];
  private readonly devices: number;
  private readonly domains: readonly number[];
  private readonly kept: number;
  // By open co-location.
  private claim: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private device: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private otherDevice: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private line: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private otherLine: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private stale: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROWS);
  private bytes: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_ROWS);
  private bytesMax: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_ROWS);
  private sinceNs: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private accruedNs: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private byteNs: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private seen: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private next: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private readonly rows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.grow(capacity));
  private updates = 0;
  // By pair.
  private readonly pairCount: Float64Array;
  private readonly pairBytes: Float64Array;
  private readonly pairPeak: Float64Array;
  private readonly pairByteNs: Float64Array;
  private readonly isChanged: Uint8Array;
  private readonly changed: number[] = [];
  /** Scratch: bytes of a page that are the device's own. */
  private readonly own: Uint8Array = new Uint8Array(PAGE_SIZE);

  /**
   * @param domains  domain of each device, -1 for none: devices of one domain cannot be told apart and are not kept
   * @param kept     most co-locations in `worst`
   */
  constructor(domains: readonly number[], kept: number) {
    const devices = domains.length;
    this.devices = devices;
    this.domains = domains;
    this.kept = kept;
    const pairs = devices * devices;
    this.pairCount = new Float64Array(pairs);
    this.pairBytes = new Float64Array(pairs);
    this.pairPeak = new Float64Array(pairs);
    this.pairByteNs = new Float64Array(pairs);
    this.isChanged = new Uint8Array(pairs);
  }

  get pairs(): CoLocatedPair[] {
    const result: CoLocatedPair[] = [];
    for (let pair = 0; pair < this.pairCount.length; pair++) {
      if (this.pairCount[pair] === 0) continue;
      result.push({
        device: Math.floor(pair / this.devices),
        otherDevice: pair % this.devices,
        count: this.pairCount[pair],
        bytesPeak: this.pairPeak[pair],
        byteNanoseconds: this.pairByteNs[pair],
      });
    }
    return result;
  }

  /** Looks again at a view whose page has changed. @param isStale  only cleared entries reach it */
  update(pages: ReachedPages, page: number, view: number, isStale: boolean, timeNs: number): void {
    this.updates += 1;
    const device = pages.viewDevice[view];
    const hasOwn = this.markOwn(pages, page, device);
    for (let claim = pages.firstClaim[page]; claim !== NONE; claim = pages.nextClaim[claim]) {
      if (pages.claimDevice[claim] === device) continue;
      const begin = pages.claimBegin[claim];
      const end = pages.claimEnd[claim];
      let bytes = end - begin;
      if (hasOwn) for (let at = begin; at < end; at++) bytes -= this.own[at];
      if (bytes === 0) continue;
      const line = isStale ? pages.unmapLine[view] : pages.mapLine[view];
      this.meet(pages, view, claim, line, isStale, bytes, timeNs);
    }
    this.endUnseen(pages, page, view, timeNs);
  }

  /** The view is gone, or reaches nothing any more. */
  end(pages: ReachedPages, page: number, view: number, timeNs: number): void {
    this.updates += 1;
    this.endUnseen(pages, page, view, timeNs);
  }

  /** What holds now may be a peak. */
  settle(): void {
    if (this.changed.length === 0) return;
    for (const pair of this.changed) {
      this.isChanged[pair] = 0;
      this.pairPeak[pair] = Math.max(this.pairPeak[pair], this.pairBytes[pair]);
    }
    this.changed.length = 0;
  }

  private markOwn(pages: ReachedPages, page: number, device: number): boolean {
    let hasOwn = false;
    for (let claim = pages.firstClaim[page]; claim !== NONE; claim = pages.nextClaim[claim]) {
      if (pages.claimDevice[claim] !== device) continue;
      if (!hasOwn) this.own.fill(0);
      hasOwn = true;
      this.own.fill(1, pages.claimBegin[claim], pages.claimEnd[claim]);
    }
    return hasOwn;
  }

  private meet(pages: ReachedPages, view: number, claim: number, line: number, isStale: boolean, bytes: number, timeNs: number): void {
    const serial = pages.claimSerial[claim];
    let row = pages.firstMeeting[view];
    while (row !== NONE && this.claim[row] !== serial) row = this.next[row];
    if (row === NONE) {
      row = this.rows.take();
      this.next[row] = pages.firstMeeting[view];
      pages.firstMeeting[view] = row;
      this.claim[row] = serial;
      this.device[row] = pages.viewDevice[view];
      this.otherDevice[row] = pages.claimDevice[claim];
      this.line[row] = line;
      this.otherLine[row] = pages.claimLine[claim];
      this.stale[row] = isStale ? 1 : 0;
      this.bytes[row] = 0;
      this.bytesMax[row] = 0;
      this.sinceNs[row] = timeNs;
      this.accruedNs[row] = timeNs;
      this.byteNs[row] = 0;
      this.pairCount[this.pairOf(row)] += 1;
    }
    this.seen[row] = this.updates;
    this.setBytes(row, bytes, timeNs);
    if (bytes > this.bytesMax[row]) this.bytesMax[row] = bytes;
  }

  private setBytes(row: number, bytes: number, timeNs: number): void {
    const pair = this.pairOf(row);
    const added = this.bytes[row] * (timeNs - this.accruedNs[row]);
    this.accruedNs[row] = timeNs;
    this.byteNs[row] += added;
    this.pairByteNs[pair] += added;
    this.pairBytes[pair] += bytes - this.bytes[row];
    this.bytes[row] = bytes;
    if (this.isChanged[pair] === 1) return;
    this.isChanged[pair] = 1;
    this.changed.push(pair);
  }

  private endUnseen(pages: ReachedPages, page: number, view: number, timeNs: number): void {
    let before = NONE;
    for (let row = pages.firstMeeting[view], next: number; row !== NONE; row = next) {
      next = this.next[row];
      if (this.seen[row] === this.updates) {
        before = row;
        continue;
      }
      if (before === NONE) pages.firstMeeting[view] = next;
      else this.next[before] = next;
      this.setBytes(row, 0, timeNs);
      this.keep(row, pages.pfn[page] * PAGE_SIZE, timeNs);
      this.rows.give(row);
    }
  }

  private keep(row: number, pageAddress: number, timeNs: number): void {
    const { worst, domains } = this;
    const domain = domains[this.device[row]];
    if (domain !== -1 && domain === domains[this.otherDevice[row]]) return;
    const ended: CoLocation = {
      device: this.device[row],
      otherDevice: this.otherDevice[row],
      line: this.line[row],
      otherLine: this.otherLine[row],
      throughStale: this.stale[row] === 1,
      pageAddress,
      bytes: this.bytesMax[row],
      sinceNs: this.sinceNs[row],
      durationNs: timeNs - this.sinceNs[row],
      byteNanoseconds: this.byteNs[row],
    };
    let at = worst.length;
    while (at > 0 && isWorse(ended, worst[at - 1])) at -= 1;
    if (at === this.kept) return;
    worst.splice(at, 0, ended);
    if (worst.length > this.kept) worst.pop();
  }

  private pairOf(row: number): number {
    return this.device[row] * this.devices + this.otherDevice[row];
  }

  private grow(rows: number): void {
    this.claim = grownColumn(this.claim, new Float64Array(rows));
    this.device = grownColumn(this.device, new Int32Array(rows));
    this.otherDevice = grownColumn(this.otherDevice, new Int32Array(rows));
    this.line = grownColumn(this.line, new Float64Array(rows));
    this.otherLine = grownColumn(this.otherLine, new Float64Array(rows));
    this.stale = grownColumn(this.stale, new Uint8Array(rows));
    this.bytes = grownColumn(this.bytes, new Uint16Array(rows));
    this.bytesMax = grownColumn(this.bytesMax, new Uint16Array(rows));
    this.sinceNs = grownColumn(this.sinceNs, new Float64Array(rows));
    this.accruedNs = grownColumn(this.accruedNs, new Float64Array(rows));
    this.byteNs = grownColumn(this.byteNs, new Float64Array(rows));
    this.seen = grownColumn(this.seen, new Float64Array(rows));
    this.next = grownColumn(this.next, new Int32Array(rows));
  }
}

/** Ties keep the order in which they ended. */
function isWorse(a: CoLocation, b: CoLocation): boolean {
  if (a.byteNanoseconds !== b.byteNanoseconds) return a.byteNanoseconds > b.byteNanoseconds;
  if (a.bytes !== b.bytes) return a.bytes > b.bytes;
  return a.sinceNs < b.sinceNs;
}
