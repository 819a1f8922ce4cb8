import { ACCESS_KINDS, AccessKind, EXPOSURE_CLASSES, EXPOSURE_MEASURES, ExposureMeasure, Reach } from './exposure-class.ts';
import { TimeSeries } from './time-series.ts';

/** Measures of one device, for each kind of access. */
const LANES = ACCESS_KINDS * EXPOSURE_MEASURES;
/** Bytes of one page by class: the five that an owner decides, then the rest. */
export const PAGE_PARTS = 6;
const REST = 5;

/** Bits of a reach code: two for each kind of access, and whether the page lies in the bounce pool. */
const IN_POOL = 1 << 6;

/** The reach code of a page. */
export function reachCode(read: Reach, write: Reach, either: Reach, inPool: boolean): number {
  return read | (write << 2) | (either << 4) | (inPool ? IN_POOL : 0);
}

/**
 * Bytes that each device can reach, by measure and kind of access: now, at most, and over time.
 *
 * All devices together that have made a mapping count as one more device, `all`: functions that only stand in a domain
 * with others and never do anything would swamp them. Bytes that two devices reach count twice there.
 *
 * Peaks are of what holds between one `settle` and the next change, so that what holds only inside a call does not count.
 * Byte-seconds are exact products of integers, summed up in doubles.
 */
export class ExposureMeter {
  /** Index of all devices together. */
  readonly all: number;
  /** By device, kind of access and measure. */
  private readonly now: Float64Array<ArrayBuffer>;
  private readonly peak: Float64Array<ArrayBuffer>;
  private readonly byteNs: Float64Array<ArrayBuffer>;
  /** By device: up to when byte-seconds are summed up, -1 before the first bytes. */
  private readonly accruedNs: Float64Array<ArrayBuffer>;
  private readonly hasSeries: boolean;
  private readonly series: (TimeSeries | undefined)[];
  /** Devices whose bytes have changed since the last `settle`. */
  private readonly changed: Int32Array;
  private readonly isChanged: Uint8Array;
  private changedCount = 0;
  private readonly isActive: Uint8Array;
  private readonly counted: ReadonlySet<number> | undefined;

  /** @param options  devices that count in `all`, default every one; whether to follow the bytes over time */
  constructor(devices: number, options: { readonly counted?: ReadonlySet<number>; readonly series?: boolean }) {
    const rows = devices + 1;
    this.all = devices;
    this.counted = options.counted;
    this.hasSeries = options.series ?? false;
    this.now = new Float64Array(rows * LANES);
    this.peak = new Float64Array(rows * LANES);
    this.byteNs = new Float64Array(rows * LANES);
    this.accruedNs = new Float64Array(rows).fill(-1);
    this.series = new Array<TimeSeries | undefined>(rows).fill(undefined);
    this.changed = new Int32Array(rows);
    this.isChanged = new Uint8Array(rows);
    this.isActive = new Uint8Array(devices);
  }

  bytesNow(device: number, access: AccessKind, measure: ExposureMeasure): number {
    return this.now[device * LANES + access * EXPOSURE_MEASURES + measure];
  }

  /** The most bytes up to `finish`. */
  bytesPeak(device: number, access: AccessKind, measure: ExposureMeasure): number {
    return this.peak[device * LANES + access * EXPOSURE_MEASURES + measure];
  }

  /** Byte-nanoseconds up to `finish`. */
  byteNanoseconds(device: number, access: AccessKind, measure: ExposureMeasure): number {
    return this.byteNs[device * LANES + access * EXPOSURE_MEASURES + measure];
  }

  /** Bytes of each class that can be read or written; undefined for a device that never reached anything, and when nobody asked. */
  seriesOf(device: number): TimeSeries | undefined {
    return this.series[device];
  }

  /** Adds (`sign` 1) or takes away (-1) a page with this reach code and these bytes by class, `parts[first ...]`. */
  add(device: number, code: number, parts: Uint16Array, first: number, sign: number, timeNs: number): void {
    this.change(device, timeNs);
    this.addTo(device, code, parts, first, sign);
    if (this.isActive[device] === 0) return;
    this.change(this.all, timeNs);
    this.addTo(this.all, code, parts, first, sign);
  }

  /** The device has made a mapping: from here on it counts among all devices. */
  activate(device: number, timeNs: number): void {
    if (this.isActive[device] === 1 || this.counted?.has(device) === false) return;
    this.isActive[device] = 1;
    this.change(this.all, timeNs);
    for (let lane = 0; lane < LANES; lane++) this.now[this.all * LANES + lane] += this.now[device * LANES + lane];
  }

  /** Parts that are empty, which is most of them, are not added. */
  private addTo(device: number, code: number, parts: Uint16Array, first: number, sign: number): void {
    const { now } = this;
    const rest = sign * parts[first + REST];
    const other = sign * parts[first + ExposureMeasure.OTHER_DEVICE];
    const slot = sign * parts[first + ExposureMeasure.OWN_SLOT];
    const live = sign * parts[first + ExposureMeasure.OWN_LIVE];
    const coherent = sign * parts[first + ExposureMeasure.OWN_COHERENT];
    const padding = sign * parts[first + ExposureMeasure.OWN_PADDING];
    let lane = device * LANES;
    for (let access = 0; access < ACCESS_KINDS; access++, lane += EXPOSURE_MEASURES) {
      const reach = (code >> (access * 2)) & 3;
      if (reach === Reach.NONE) continue;
      if (live !== 0) now[lane + ExposureMeasure.OWN_LIVE] += live;
      if (coherent !== 0) now[lane + ExposureMeasure.OWN_COHERENT] += coherent;
      if (padding !== 0) now[lane + ExposureMeasure.OWN_PADDING] += padding;
      if (slot !== 0) now[lane + ExposureMeasure.OWN_SLOT] += slot;
      if (other !== 0) now[lane + ExposureMeasure.OTHER_DEVICE] += other;
      if (reach === Reach.LIVE) {
        if (rest !== 0) now[lane + ExposureMeasure.NEIGHBOUR] += rest;
        if (other + rest !== 0) now[lane + ExposureMeasure.SUB_PAGE] += other + rest;
        continue;
      }
      if (rest !== 0) now[lane + ExposureMeasure.STALE] += rest;
      if (other !== 0) now[lane + ExposureMeasure.SUB_PAGE] += other;
      if (slot !== 0) now[lane + ExposureMeasure.RETIRED_SLOT] += slot;
      if (access === AccessKind.WRITE && (code & IN_POOL) === 0) now[lane + ExposureMeasure.AFTER_UNMAP] += other + rest;
    }
  }

  /** The bytes of a device are about to change. */
  private change(device: number, timeNs: number): void {
    if (this.isChanged[device] === 1) return;
    this.isChanged[device] = 1;
    this.changed[this.changedCount] = device;
    this.changedCount += 1;
    this.accrue(device, timeNs);
  }

  /** What stands now holds until the next change. */
  settle(): void {
    for (let index = 0; index < this.changedCount; index++) this.isChanged[this.changed[index]] = 0;
    this.changedCount = 0;
  }

  /** Brings all peaks and byte-seconds up to `timeNs`. */
  finish(timeNs: number): void {
    for (let device = 0; device < this.accruedNs.length; device++) if (this.accruedNs[device] >= 0) this.accrue(device, timeNs);
  }

  private accrue(device: number, timeNs: number): void {
    const since = this.accruedNs[device];
    this.accruedNs[device] = timeNs;
    if (since < 0) {
      if (this.hasSeries) this.series[device] = new TimeSeries(EXPOSURE_CLASSES);
      return;
    }
    const { now, peak, byteNs } = this;
    const ns = timeNs - since;
    const first = device * LANES;
    for (let lane = first; lane < first + LANES; lane++) {
      const bytes = now[lane];
      if (bytes === 0) continue;
      byteNs[lane] += bytes * ns;
      if (bytes > peak[lane]) peak[lane] = bytes;
    }
    this.series[device]?.hold(since, timeNs, now, first + AccessKind.EITHER * EXPOSURE_MEASURES);
  }
}
