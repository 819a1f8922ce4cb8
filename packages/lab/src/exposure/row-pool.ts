/** Rows of columns that are taken and given back; the caller's columns grow when `take` says so. */
export class RowPool {
  capacity: number;
  private used = 0;
  private readonly free: number[] = [];
  private readonly grow: (capacity: number) => void;

  /** @param grow  makes every column `capacity` rows long, keeping what is in it */
  constructor(capacity: number, grow: (capacity: number) => void) {
    this.capacity = capacity;
    this.grow = grow;
  }

  take(): number {
    const row = this.free.pop();
    if (row !== undefined) return row;
    if (this.used === this.capacity) {
      this.capacity *= 2;
      this.grow(this.capacity);
    }
    return this.used++;
  }

  give(row: number): void {
    this.free.push(row);
  }
}
