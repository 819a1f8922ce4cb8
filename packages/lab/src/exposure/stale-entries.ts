import { grownColumn } from '../replay/grown-column.ts';
import { PageIndex } from './page-index.ts';
import { RowPool } from './row-pool.ts';

const FIRST_ROWS = 256;
const NONE = -1;

/** Entries of one domain that are cleared but may still be cached, oldest first and by I/O page. */
export class StaleEntries {
  page: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  rights: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROWS);
  window: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  /** First slot of the own bounce slots that it led to when it was cleared, and which allocation that was; 0 for none. */
  slots: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  slotSerial: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private iovaPfn: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private sequence: Float64Array<ArrayBuffer> = new Float64Array(FIRST_ROWS);
  private before: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private after: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private nextOfPage: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS);
  private oldest: number = NONE;
  private newest: number = NONE;
  private size = 0;
  private readonly index: PageIndex = new PageIndex();
  private readonly rows: RowPool = new RowPool(FIRST_ROWS, (capacity) => this.grow(capacity));

  /** @param sequence  grows from one clearing to the next */
  add(iovaPfn: number, page: number, rights: number, window: number, slots: number, slotSerial: number, sequence: number): void {
    const row = this.rows.take();
    this.iovaPfn[row] = iovaPfn;
    this.page[row] = page;
    this.rights[row] = rights;
    this.window[row] = window;
    this.slots[row] = slots;
    this.slotSerial[row] = slotSerial;
    this.sequence[row] = sequence;
    this.before[row] = this.newest;
    this.after[row] = NONE;
    if (this.newest === NONE) this.oldest = row;
    else this.after[this.newest] = row;
    this.newest = row;
    this.nextOfPage[row] = this.index.get(iovaPfn);
    this.index.set(iovaPfn, row);
    this.size += 1;
  }

  /** Ends all entries that were cleared before `sequence`; each row is handed to `ended` and is then free. */
  endAll(sequence: number, ended: (row: number) => void): void {
    while (this.oldest !== NONE && this.sequence[this.oldest] < sequence) this.end(this.oldest, ended);
  }

  /** The same for a range of I/O pages. */
  endRange(firstPfn: number, pages: number, sequence: number, ended: (row: number) => void): void {
    if (pages > this.size) {
      for (let row = this.oldest, next: number; row !== NONE && this.sequence[row] < sequence; row = next) {
        next = this.after[row];
        if (this.iovaPfn[row] >= firstPfn && this.iovaPfn[row] < firstPfn + pages) this.end(row, ended);
      }
      return;
    }
    for (let pfn = firstPfn; pfn < firstPfn + pages; pfn++) {
      for (let row = this.index.get(pfn), next: number; row !== NONE; row = next) {
        next = this.nextOfPage[row];
        if (this.sequence[row] < sequence) this.end(row, ended);
      }
    }
  }

  private end(row: number, ended: (row: number) => void): void {
    const { before, after } = this;
    if (before[row] === NONE) this.oldest = after[row];
    else after[before[row]] = after[row];
    if (after[row] === NONE) this.newest = before[row];
    else before[after[row]] = before[row];
    this.size -= 1;
    this.unchain(row);
    ended(row);
    this.rows.give(row);
  }

  private unchain(row: number): void {
    const { nextOfPage } = this;
    const pfn = this.iovaPfn[row];
    const head = this.index.get(pfn);
    if (head === row) {
      if (nextOfPage[row] === NONE) this.index.delete(pfn);
      else this.index.set(pfn, nextOfPage[row]);
      return;
    }
    let at = head;
    while (nextOfPage[at] !== row) at = nextOfPage[at];
    nextOfPage[at] = nextOfPage[row];
  }

  private grow(rows: number): void {
    this.page = grownColumn(this.page, new Int32Array(rows));
    this.rights = grownColumn(this.rights, new Uint8Array(rows));
    this.window = grownColumn(this.window, new Int32Array(rows));
    this.slots = grownColumn(this.slots, new Int32Array(rows));
    this.slotSerial = grownColumn(this.slotSerial, new Float64Array(rows));
    this.iovaPfn = grownColumn(this.iovaPfn, new Float64Array(rows));
    this.sequence = grownColumn(this.sequence, new Float64Array(rows));
    this.before = grownColumn(this.before, new Int32Array(rows));
    this.after = grownColumn(this.after, new Int32Array(rows));
    this.nextOfPage = grownColumn(this.nextOfPage, new Int32Array(rows));
  }
}
