import { grownColumn } from '../replay/grown-column.ts';
import type { MappedMemory } from './exposure-class.ts';
import { PAGE_PARTS } from './exposure-meter.ts';
import { PageIndex } from './page-index.ts';
import { RowPool } from './row-pool.ts';

const FIRST_ROWS = 1024;
const NONE = -1;

/**
 * The physical pages that matter: those that a device reaches, and those with data of a live mapping.
 *
 * A page has a list of *views*, one for each device that reaches it, and a list of *claims*, one for each piece of a live
 * mapping on it. A page without either is forgotten.
 */
export class ReachedPages {
  // By page.
  pfn: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  firstView: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  firstClaim: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private isDirty: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROWS);
  /** Pages to be looked at again, rows 0 to `dirtyCount` - 1. */
  dirty: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  dirtyCount = 0;

  // By view.
  viewDevice: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  nextView: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  /** Entries that lead to the page: valid ones and cleared ones, with read right and with write right. */
  liveReads: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  liveWrites: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  staleReads: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  staleWrites: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_ROWS);
  /** Lines of the trace: the newest call that mapped the page for the device, and the newest that unmapped it; 0 unknown. */
  mapLine: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  unmapLine: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  /** What the meter holds for the view: reach code, 0 for nothing, and bytes by class. */
  code: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROWS);
  parts: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_ROWS * PAGE_PARTS);
  /** Open co-locations, -1 for none. */
  firstMeeting: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);

  // By claim.
  claimPage: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  claimDevice: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  claimMemory: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROWS);
  /** Bytes of the page, the end exclusive. */
  claimBegin: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_ROWS);
  claimEnd: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_ROWS);
  /** First slot of the bounce slots that it lies on, -1 for none. */
  claimSlots: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  /** Line of the call that made the mapping. */
  claimLine: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  /** Tells claims in the same row apart. */
  claimSerial: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  nextClaim: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  nextOfMapping: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private serials = 0;

  private readonly index: PageIndex = new PageIndex();
  private readonly pageRows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.growPages(capacity));
  private readonly viewRows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.growViews(capacity));
  private readonly claimRows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.growClaims(capacity));

  /** Pages that matter now. */
  get size(): number {
    return this.index.size;
  }

  eachView(visit: (page: number, view: number) => void): void {
    this.index.forEach((page) => {
      for (let view = this.firstView[page]; view !== NONE; view = this.nextView[view]) visit(page, view);
    });
  }

  /** Row of a page frame, -1 when it does not matter. */
  find(pfn: number): number {
    return this.index.get(pfn);
  }

  findOrAdd(pfn: number): number {
    const found = this.index.get(pfn);
    if (found !== NONE) return found;
    const page = this.pageRows.take();
    this.index.set(pfn, page);
    this.pfn[page] = pfn;
    this.firstView[page] = NONE;
    this.firstClaim[page] = NONE;
    this.isDirty[page] = 0;
    return page;
  }

  /** The page is looked at again, and forgotten if nothing is on it by then. */
  touch(page: number): void {
    if (this.isDirty[page] === 1) return;
    this.isDirty[page] = 1;
    if (this.dirtyCount === this.dirty.length) this.dirty = grownColumn(this.dirty, new Int32Array(this.dirtyCount * 2));
    this.dirty[this.dirtyCount] = page;
    this.dirtyCount += 1;
  }

  /** The page has been looked at. */
  clean(page: number): void {
    this.isDirty[page] = 0;
    if (this.firstView[page] !== NONE || this.firstClaim[page] !== NONE) return;
    this.index.delete(this.pfn[page]);
    this.pageRows.give(page);
  }

  /** View of a device on a page, -1 for none. */
  findView(page: number, device: number): number {
    let view = this.firstView[page];
    while (view !== NONE && this.viewDevice[view] !== device) view = this.nextView[view];
    return view;
  }

  findOrAddView(page: number, device: number): number {
    const found = this.findView(page, device);
    if (found !== NONE) return found;
    const view = this.viewRows.take();
    this.viewDevice[view] = device;
    this.nextView[view] = this.firstView[page];
    this.firstView[page] = view;
    this.liveReads[view] = 0;
    this.liveWrites[view] = 0;
    this.staleReads[view] = 0;
    this.staleWrites[view] = 0;
    this.mapLine[view] = 0;
    this.unmapLine[view] = 0;
    this.code[view] = 0;
    this.firstMeeting[view] = NONE;
    return view;
  }

  removeView(page: number, view: number): void {
    if (this.firstView[page] === view) {
      this.firstView[page] = this.nextView[view];
    } else {
      let before = this.firstView[page];
      while (this.nextView[before] !== view) before = this.nextView[before];
      this.nextView[before] = this.nextView[view];
    }
    this.viewRows.give(view);
  }

  /** @param nextOfMapping  the claim of the same mapping that was added before, -1 for none */
  addClaim(
    page: number,
    device: number,
    memory: MappedMemory,
    begin: number,
    end: number,
    slots: number,
    line: number,
    nextOfMapping: number,
  ): number {
    const claim = this.claimRows.take();
    this.serials += 1;
    this.claimPage[claim] = page;
    this.claimDevice[claim] = device;
    this.claimMemory[claim] = memory;
    this.claimBegin[claim] = begin;
    this.claimEnd[claim] = end;
    this.claimSlots[claim] = slots;
    this.claimLine[claim] = line;
    this.claimSerial[claim] = this.serials;
    this.nextClaim[claim] = this.firstClaim[page];
    this.firstClaim[page] = claim;
    this.nextOfMapping[claim] = nextOfMapping;
    return claim;
  }

  removeClaim(claim: number): void {
    const page = this.claimPage[claim];
    if (this.firstClaim[page] === claim) {
      this.firstClaim[page] = this.nextClaim[claim];
    } else {
      let before = this.firstClaim[page];
      while (this.nextClaim[before] !== claim) before = this.nextClaim[before];
      this.nextClaim[before] = this.nextClaim[claim];
    }
    this.claimRows.give(claim);
  }

  private growPages(rows: number): void {
    this.pfn = grownColumn(this.pfn, new Float64Array(rows));
    this.firstView = grownColumn(this.firstView, new Int32Array(rows));
    this.firstClaim = grownColumn(this.firstClaim, new Int32Array(rows));
    this.isDirty = grownColumn(this.isDirty, new Uint8Array(rows));
  }

  private growViews(rows: number): void {
    this.viewDevice = grownColumn(this.viewDevice, new Int32Array(rows));
    this.nextView = grownColumn(this.nextView, new Int32Array(rows));
    this.liveReads = grownColumn(this.liveReads, new Uint32Array(rows));
    this.liveWrites = grownColumn(this.liveWrites, new Uint32Array(rows));
    this.staleReads = grownColumn(this.staleReads, new Uint32Array(rows));
    this.staleWrites = grownColumn(this.staleWrites, new Uint32Array(rows));
    this.mapLine = grownColumn(this.mapLine, new Float64Array(rows));
    this.unmapLine = grownColumn(this.unmapLine, new Float64Array(rows));
    this.code = grownColumn(this.code, new Uint8Array(rows));
    this.parts = grownColumn(this.parts, new Uint16Array(rows * PAGE_PARTS));
    this.firstMeeting = grownColumn(this.firstMeeting, new Int32Array(rows));
  }

  private growClaims(rows: number): void {
    this.claimPage = grownColumn(this.claimPage, new Int32Array(rows));
    this.claimDevice = grownColumn(this.claimDevice, new Int32Array(rows));
    this.claimMemory = grownColumn(this.claimMemory, new Uint8Array(rows));
    this.claimBegin = grownColumn(this.claimBegin, new Uint16Array(rows));
    this.claimEnd = grownColumn(this.claimEnd, new Uint16Array(rows));
    this.claimSlots = grownColumn(this.claimSlots, new Int32Array(rows));
    this.claimLine = grownColumn(this.claimLine, new Float64Array(rows));
    this.claimSerial = grownColumn(this.claimSerial, new Float64Array(rows));
    this.nextClaim = grownColumn(this.nextClaim, new Int32Array(rows));
    this.nextOfMapping = grownColumn(this.nextOfMapping, new Int32Array(rows));
  }
}
