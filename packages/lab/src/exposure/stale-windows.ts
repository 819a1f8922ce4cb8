import { grownColumn } from '../replay/grown-column.ts';
import { RowPool } from './row-pool.ts';

const FIRST_ROWS = 256;

/** What a window is counted under; a window can be OTHER or OWN_SLOT, and AFTER_UNMAP besides. */
export const WindowKind = {
  /** Onto anything but retired slots of the device itself. */
  OTHER: 0,
  /** Onto nothing but bounce slots that the device had, and that nobody gets before the window has closed. */
  OWN_SLOT: 1,
  /** With the right to write, onto memory that is no bounce slot of the device. */
  AFTER_UNMAP: 2,
} as const;
export type WindowKind = (typeof WindowKind)[keyof typeof WindowKind];

const KINDS = 3;

/** Windows of one device and kind. */
export interface WindowTotals {
  /** Windows that outlived the call that opened them. */
  windows: number;
  longestNs: number;
  /** Line of the unmap that opened the longest one, and when. */
  longestLine: number;
  longestSinceNs: number;
  totalNs: number;
  /** Windows that closed before their call returned: as long as an invalidation takes, of which a trace knows nothing. */
  windowsInCall: number;
  pagesInCall: number;
}

/** From the clearing of a range of entries to the completed invalidation of the last of them: one window per range. */
export class StaleWindows {
  private device: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private sinceNs: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private line: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private call: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  /** 0 for a row without a window. */
  private pagesOpen: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  private pages: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  private otherPages: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  private writablePages: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  private readonly totals: WindowTotals[];
  private readonly rows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.grow(capacity));

  constructor(devices: number) {
    this.totals = Array.from({ length: devices * KINDS }, newTotals);
  }

  /** @param call  number of the call at work */
  open(device: number, timeNs: number, line: number, call: number): number {
    const window = this.rows.take();
    this.device[window] = device;
    this.sinceNs[window] = timeNs;
    this.line[window] = line;
    this.call[window] = call;
    this.pagesOpen[window] = 0;
    this.pages[window] = 0;
    this.otherPages[window] = 0;
    this.writablePages[window] = 0;
    return window;
  }

  deviceOf(window: number): number {
    return this.device[window];
  }

  addPage(window: number): void {
    this.pagesOpen[window] += 1;
    this.pages[window] += 1;
  }

  /**
   * An entry of the window has been invalidated; with the last one the window closes.
   *
   * @param isOther     it led to anything but own retired slots
   * @param isWritable  it had write right and led to memory that is no own retired slot
   */
  closePage(window: number, isOther: boolean, isWritable: boolean, timeNs: number, call: number): void {
    if (isOther) this.otherPages[window] += 1;
    if (isWritable) this.writablePages[window] += 1;
    this.pagesOpen[window] -= 1;
    if (this.pagesOpen[window] > 0) return;
    this.count(window, timeNs, call);
    this.rows.give(window);
  }

  /** A window without pages, because nothing was mapped where it was opened. */
  drop(window: number): void {
    if (this.pages[window] === 0) this.rows.give(window);
  }

  totalsOf(device: number, kind: WindowKind): WindowTotals {
    return this.totals[device * KINDS + kind];
  }

  private count(window: number, timeNs: number, call: number): void {
    const { totals } = this;
    const first = this.device[window] * KINDS;
    const others = this.otherPages[window];
    const writable = this.writablePages[window];
    const kind = others > 0 ? WindowKind.OTHER : WindowKind.OWN_SLOT;
    this.countIn(totals[first + kind], window, others > 0 ? others : this.pages[window], timeNs, call);
    if (writable > 0) this.countIn(totals[first + WindowKind.AFTER_UNMAP], window, writable, timeNs, call);
  }

  private countIn(totals: WindowTotals, window: number, pages: number, timeNs: number, call: number): void {
    if (this.call[window] === call) {
      totals.windowsInCall += 1;
      totals.pagesInCall += pages;
      return;
    }
    const ns = timeNs - this.sinceNs[window];
    totals.windows += 1;
    totals.totalNs += ns;
    if (ns <= totals.longestNs && totals.windows > 1) return;
    totals.longestNs = ns;
    totals.longestLine = this.line[window];
    totals.longestSinceNs = this.sinceNs[window];
  }

  private grow(rows: number): void {
    this.device = grownColumn(this.device, new Int32Array(rows));
    this.sinceNs = grownColumn(this.sinceNs, new Float64Array(rows));
    this.line = grownColumn(this.line, new Float64Array(rows));
    this.call = grownColumn(this.call, new Float64Array(rows));
    this.pagesOpen = grownColumn(this.pagesOpen, new Uint32Array(rows));
    this.pages = grownColumn(this.pages, new Uint32Array(rows));
    this.otherPages = grownColumn(this.otherPages, new Uint32Array(rows));
    this.writablePages = grownColumn(this.writablePages, new Uint32Array(rows));
  }
}

function newTotals(): WindowTotals {
  return { windows: 0, longestNs: 0, longestLine: 0, longestSinceNs: 0, totalNs: 0, windowsInCall: 0, pagesInCall: 0 };
}
