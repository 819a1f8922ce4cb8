import type { StateArena } from 'dmalab-core';

/** Operations that are remembered, at least; as many again may follow before the oldest are forgotten. */
const REMEMBERED = 512;
const CAPACITY = REMEMBERED * 2;

/** Orders that are tried for one mismatch before it counts as a difference. */
const TRIALS_MAX = 3000;
/** What is left of that after many mismatches that no order explains: a recording of something else must not take for ever. */
const TRIALS_MIN = 24;

/** Decisions that a later mismatch may take back. */
const UNDECIDED_MAX = 4;

/** How a mismatch was explained. */
export interface OrderDecision {
  /** Orders that were tried. */
  readonly tried: number;
  /** What moved: an operation number of the caller's table, and whether it moved to an earlier or a later place. */
  readonly moved: readonly { readonly operation: number; readonly earlier: boolean }[];
}

/** The operations of one resource (an I/O address space, a bounce pool), repeatable on its saved state. */
export interface OrderedResource {
  readonly arena: StateArena;
  /** Repeats the operation in row `row` of the log. @returns its result, 0 when it has none */
  repeat(log: OrderLog, row: number): number;
}

/**
 * The latest operations on one resource with the window in which each really happened.
 *
 * A trace line says that an operation happened before or after it in its context; where another context worked on the
 * same resource in between, the printed order need not be the real one. When a prediction fails, the log goes back to a saved state
 * and repeats the operations in other orders that the windows allow, fewest moves first, until one gives every recorded
 * result again.
 */
export class OrderLog {
  /** Rows in use. */
  length = 0;
  readonly operation: Uint8Array = new Uint8Array(CAPACITY);
  readonly cpu: Uint16Array = new Uint16Array(CAPACITY);
  /** CPU on which it may have run instead: the task's next or previous line came from there. */
  readonly otherCpu: Uint16Array = new Uint16Array(CAPACITY);
  readonly context: Int32Array = new Int32Array(CAPACITY);
  /** The operation happened after line `after` and before line `before` (sequence numbers). */
  readonly after: Float64Array = new Float64Array(CAPACITY);
  readonly before: Float64Array = new Float64Array(CAPACITY);
  readonly a: Float64Array = new Float64Array(CAPACITY);
  readonly b: Float64Array = new Float64Array(CAPACITY);
  readonly c: Float64Array = new Float64Array(CAPACITY);
  readonly d: Float64Array = new Float64Array(CAPACITY);
  /** The result that the recording shows, NaN when it shows none. */
  readonly recorded: Float64Array = new Float64Array(CAPACITY);
  private readonly resource: OrderedResource;
  /** State before row 0, and before row REMEMBERED. */
  private oldState: Uint8Array<ArrayBuffer>;
  private midState: Uint8Array<ArrayBuffer>;
  /** Repeating order, as rows; differs from 0, 1, 2, … only inside a trial. */
  private readonly order: Int32Array = new Int32Array(CAPACITY);
  private tried = 0;
  private trialsMax = TRIALS_MAX;
  /** The orders that the latest decisions changed, newest first, as rows. A later result can show a decision wrong. */
  private undecided: Int32Array[] = [];

  constructor(resource: OrderedResource) {
    this.resource = resource;
    this.oldState = resource.arena.save();
    this.midState = this.oldState;
  }

  /**
   * Remembers an operation that is about to be performed.
   *
   * @returns its row, valid until the next call
   */
  add(
    operation: number,
    cpu: number,
    otherCpu: number,
    context: number,
    after: number,
    before: number,
    recorded: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ): number {
    if (this.length === CAPACITY) this.forgetOldest();
    if (this.length === REMEMBERED) this.midState = this.resource.arena.save();
    const row = this.length++;
    this.operation[row] = operation;
    this.cpu[row] = cpu;
    this.otherCpu[row] = otherCpu;
    this.context[row] = context;
    this.after[row] = after;
    this.before[row] = before;
    this.recorded[row] = recorded;
    this.a[row] = a;
    this.b[row] = b;
    this.c[row] = c;
    this.d[row] = d;
    return row;
  }

  /** The context has written line `seq`: what it did before that is over. */
  close(context: number, seq: number): void {
    for (let row = this.length - 1; row >= 0 && row > this.length - 64; row--) {
      if (this.context[row] === context && this.before[row] > seq) this.before[row] = seq;
    }
  }

  /**
   * Looks for an order in which every remembered operation has its recorded result; the newest one has just failed.
   * On success the resource is in the state after that order, else in the state in which it was.
   */
  explain(): OrderDecision | null {
    const failed = this.resource.arena.save();
    this.tried = 0;
    const present = Int32Array.from({ length: this.length }, (_, row) => row);
    const moves: { operation: number; earlier: boolean }[] = [];
    const found =
      this.search(present, 1, moves) ||
      this.undecided.some((order) => this.search(this.withNewerRows(order), 1, moves)) ||
      this.search(present, 2, moves) ||
      this.search(present, 3, moves);
    this.trialsMax = found ? TRIALS_MAX : Math.max(TRIALS_MIN, Math.floor(this.trialsMax / 2));
    if (found) return { tried: this.tried, moved: moves };
    this.resource.arena.restore(failed);
    return null;
  }

  /** Tries all orders that are `depth` moves from `base`, and keeps the first that fits. */
  private search(base: Int32Array, depth: number, moves: { operation: number; earlier: boolean }[]): boolean {
    if (this.tried >= this.trialsMax) return false;
    this.order.set(base);
    moves.length = 0;
    if (!this.tryMoves(depth, this.length - 1, moves)) return false;
    this.adoptOrder(base);
    return true;
  }

  private withNewerRows(order: Int32Array): Int32Array {
    const base = Int32Array.from({ length: this.length }, (_, row) => row);
    base.set(order);
    return base;
  }

  /** Orders tried by the last `explain`. */
  get triedLast(): number {
    return this.tried;
  }

  /** Performs the newest operation on the resource's present state. @returns whether its recorded result came out */
  repeatNewest(): boolean {
    const row = this.length - 1;
    return this.resource.repeat(this, row) === this.recorded[row];
  }

  /** Brings the resource into the state before the newest operation and forgets that operation. */
  undoNewest(): void {
    for (let row = 0; row < this.length; row++) this.order[row] = row;
    this.length -= 1;
    if (this.undecided.some((order) => order.length > this.length)) this.undecided = [];
    this.replay(this.length);
  }

  /** Starts anew from the resource's present state (after a recorded value was adopted). */
  restart(): void {
    this.length = 0;
    this.undecided = [];
    this.oldState = this.resource.arena.save();
  }

  private forgetOldest(): void {
    this.oldState = this.midState;
    for (const column of [this.a, this.b, this.c, this.d, this.recorded, this.after, this.before]) column.copyWithin(0, REMEMBERED);
    for (const column of [this.operation, this.cpu, this.otherCpu, this.context]) column.copyWithin(0, REMEMBERED);
    this.length -= REMEMBERED;
    this.undecided = [];
  }

  /** Tries every legal single move of one operation, then for each of them one more, down to `depth`. */
  private tryMoves(depth: number, newest: number, moves: { operation: number; earlier: boolean }[]): boolean {
    for (let place = newest; place >= 0; place--) {
      const row = this.order[place];
      for (const earlier of [true, false]) {
        let target = place;
        while (this.canPass(place, target, earlier)) {
          target += earlier ? -1 : 1;
          if (!this.mayStopAt(row, target, earlier)) continue;
          this.move(place, target);
          moves.push({ operation: this.operation[row], earlier });
          const found = depth === 1 ? this.fits() : this.tryMoves(depth - 1, place - 1, moves);
          if (found) return true;
          moves.pop();
          this.move(target, place);
          if (this.tried >= this.trialsMax) return false;
        }
      }
      if (depth === 1 && this.otherCpu[row] !== this.cpu[row]) {
        this.swapCpu(row);
        moves.push({ operation: this.operation[row], earlier: false });
        if (this.fits()) return true;
        moves.pop();
        this.swapCpu(row);
      }
    }
    return false;
  }

  /** Whether the operation at `place`, moved to `target` so far, may go one further. */
  private canPass(place: number, target: number, earlier: boolean): boolean {
    const other = target + (earlier ? -1 : 1);
    if (other < 0 || other >= this.length) return false;
    const row = this.order[place];
    const passed = this.order[other];
    if (this.context[row] === this.context[passed]) return false;
    return earlier ? this.after[row] < this.before[passed] : this.after[passed] < this.before[row];
  }

  /** An interrupt on the same CPU is not interrupted by what it interrupted: no place between two of its operations. */
  private mayStopAt(row: number, target: number, earlier: boolean): boolean {
    const passed = this.order[target];
    const beyond = earlier ? target - 1 : target + 1;
    if (beyond < 0 || beyond >= this.length) return true;
    const next = this.order[beyond];
    return this.context[next] !== this.context[passed] || this.cpu[next] !== this.cpu[row] || this.context[next] === this.context[row];
  }

  private move(from: number, to: number): void {
    const { order } = this;
    const row = order[from];
    if (from < to) order.copyWithin(from, from + 1, to + 1);
    else order.copyWithin(to + 1, to, from);
    order[to] = row;
  }

  private swapCpu(row: number): void {
    const cpu = this.cpu[row];
    this.cpu[row] = this.otherCpu[row];
    this.otherCpu[row] = cpu;
  }

  private fits(): boolean {
    this.tried += 1;
    return this.replay(this.length);
  }

  /** Repeats the first `count` operations in the present order. @returns whether all recorded results came out */
  private replay(count: number): boolean {
    const { resource, order, recorded } = this;
    resource.arena.restore(this.oldState);
    for (let place = 0; place < count; place++) {
      const row = order[place];
      const result = resource.repeat(this, row);
      const expected = recorded[row];
      if (result !== expected && !Number.isNaN(expected)) return false;
    }
    return true;
  }

  /** The order that fitted becomes the order of the rows; `base` is the one from which it was reached. */
  private adoptOrder(base: Int32Array): void {
    const count = this.length;
    const placeOfRow = new Int32Array(count);
    for (let place = 0; place < count; place++) placeOfRow[this.order[place]] = place;
    this.undecided = [base, ...this.undecided.map((order) => this.withNewerRows(order))]
      .slice(0, UNDECIDED_MAX)
      .map((order) => order.map((row) => placeOfRow[row]));
    for (const column of [this.a, this.b, this.c, this.d, this.recorded, this.after, this.before]) {
      const copy = column.slice(0, count);
      for (let place = 0; place < count; place++) column[place] = copy[this.order[place]];
    }
    for (const column of [this.operation, this.cpu, this.otherCpu, this.context]) {
      const copy = column.slice(0, count);
      for (let place = 0; place < count; place++) column[place] = copy[this.order[place]];
    }
    if (count > REMEMBERED) {
      for (let row = 0; row < count; row++) this.order[row] = row;
      const present = this.resource.arena.save();
      this.replay(REMEMBERED);
      this.midState = this.resource.arena.save();
      this.resource.arena.restore(present);
    }
  }
}
