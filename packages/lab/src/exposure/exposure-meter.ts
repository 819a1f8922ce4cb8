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
 * Peaks are taken when `settle` is called, so that what holds only inside a call does not count. Byte-seconds are exact
 * products of integers, summed up in doubles.
 */
export class ExposureMeter {
  /** Index of all devices together. */
  readonly all: number;
  /** By device, kind of access and measure. */
  private readonly now: Float64Array<ArrayBuffer>;
  private readonly peak: Float64Array<ArrayBuffer>;
  private readonly byteNs: Float64Array<ArrayBuffer>;
  private readonly accruedNs: Float64Array<ArrayBuffer>;
  private readonly series: (TimeSeries | undefined)[];
  /** Devices whose bytes have changed since the last `settle`. */
  private readonly changed: Int32Array;
  private readonly isChanged: Uint8Array;
  private changedCount = 0;
  private readonly isActive: Uint8Array;
  private readonly counted: ReadonlySet<number> | undefined;

  /** @param counted  devices that count in `all`; default every one */
  constructor(devices: number, counted?: ReadonlySet<number>) {
    const rows = devices + 1;
    this.all = devices;
    this.counted = counted;
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

  bytesPeak(device: number, access: AccessKind, measure: ExposureMeasure): number {
    return this.peak[device * LANES + access * EXPOSURE_MEASURES + measure];
  }

  /** Byte-nanoseconds up to `finish`. */
  byteNanoseconds(device: number, access: AccessKind, measure: ExposureMeasure): number {
    return this.byteNs[device * LANES + access * EXPOSURE_MEASURES + measure];
  }

  /** Bytes of each class that can be read or written; undefined for a device that never reached anything. */
  seriesOf(device: number): TimeSeries | undefined {
    return this.series[device];
  }

  /** Adds (`sign` 1) or takes away (-1) a page with this reach code and these bytes by class, `parts[first ...]`. */
  add(device: number, code: number, parts: Uint16Array, first: number, sign: number, timeNs: number): void {
    this.addTo(device, code, parts, first, sign, timeNs);
    if (this.isActive[device] === 1) this.addTo(this.all, code, parts, first, sign, timeNs);
  }

  /** The device has made a mapping: from here on it counts among all devices. */
  activate(device: number, timeNs: number): void {
    if (this.isActive[device] === 1 || this.counted?.has(device) === false) return;
    this.isActive[device] = 1;
    this.change(this.all, timeNs);
    for (let lane = 0; lane < LANES; lane++) this.now[this.all * LANES + lane] += this.now[device * LANES + lane];
  }

  private addTo(device: number, code: number, parts: Uint16Array, first: number, sign: number, timeNs: number): void {
    this.change(device, timeNs);
    const { now } = this;
    const rest = sign * parts[first + REST];
    const other = sign * parts[first + ExposureMeasure.OTHER_DEVICE];
    const slot = sign * parts[first + ExposureMeasure.OWN_SLOT];
    for (let access = 0; access < ACCESS_KINDS; access++) {
      const reach = (code >> (access * 2)) & 3;
      if (reach === Reach.NONE) continue;
      const lane = device * LANES + access * EXPOSURE_MEASURES;
      now[lane + ExposureMeasure.OWN_LIVE] += sign * parts[first];
      now[lane + ExposureMeasure.OWN_COHERENT] += sign * parts[first + ExposureMeasure.OWN_COHERENT];
      now[lane + ExposureMeasure.OTHER_DEVICE] += other;
      now[lane + ExposureMeasure.OWN_PADDING] += sign * parts[first + ExposureMeasure.OWN_PADDING];
      now[lane + ExposureMeasure.OWN_SLOT] += slot;
      if (reach === Reach.LIVE) {
        now[lane + ExposureMeasure.NEIGHBOUR] += rest;
        now[lane + ExposureMeasure.SUB_PAGE] += other + rest;
        continue;
      }
      now[lane + ExposureMeasure.STALE] += rest;
      now[lane + ExposureMeasure.SUB_PAGE] += other;
      now[lane + ExposureMeasure.RETIRED_SLOT] += slot;
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

  /** What holds now may be a peak. */
  settle(): void {
    for (let index = 0; index < this.changedCount; index++) {
      const device = this.changed[index];
      this.isChanged[device] = 0;
      const first = device * LANES;
      for (let lane = first; lane < first + LANES; lane++) if (this.now[lane] > this.peak[lane]) this.peak[lane] = this.now[lane];
    }
    this.changedCount = 0;
  }

  /** Brings all byte-seconds up to `timeNs`. */
  finish(timeNs: number): void {
    for (let device = 0; device < this.series.length; device++) if (this.series[device] !== undefined) this.accrue(device, timeNs);
  }

  private accrue(device: number, timeNs: number): void {
    const since = this.accruedNs[device];
    this.accruedNs[device] = timeNs;
    if (since < 0) {
      this.series[device] = new TimeSeries(EXPOSURE_CLASSES);
      return;
    }
    const ns = timeNs - since;
    const first = device * LANES;
    if (ns > 0) for (let lane = first; lane < first + LANES; lane++) this.byteNs[lane] += this.now[lane] * ns;
    this.series[device]!.hold(since, timeNs, this.now, first + AccessKind.EITHER * EXPOSURE_MEASURES);
  }
}
