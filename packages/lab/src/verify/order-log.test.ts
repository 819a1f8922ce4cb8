import { StateArena } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { type OrderedResource, OrderLog } from './order-log.ts';

const TAKE = 0;
const GIVE = 1;
const CAPACITY = 2048;

/** A stack of numbers per CPU: what is taken is what was given there last, 0 when nothing was. */
class Stacks implements OrderedResource {
  readonly arena: StateArena = new StateArena();
  items!: Float64Array<ArrayBuffer>;
  heights!: Uint32Array<ArrayBuffer>;

  constructor() {
    this.arena.table('items', 2 * CAPACITY, { items: 'f64' }, (columns) => {
      this.items = columns.items;
    });
    this.arena.table('heights', 2, { heights: 'u32' }, (columns) => {
      this.heights = columns.heights;
    });
  }

  perform(operation: number, cpu: number, value: number): number {
    if (operation === TAKE) return this.heights[cpu] === 0 ? 0 : this.items[cpu * CAPACITY + --this.heights[cpu]];
    this.items[cpu * CAPACITY + this.heights[cpu]++] = value;
    return 0;
  }

  repeat(log: OrderLog, row: number): number {
    return this.perform(log.operation[row], log.cpu[row], log.a[row]);
  }

  contents(): number[][] {
    return [0, 1].map((cpu) => [...this.items.subarray(cpu * CAPACITY, cpu * CAPACITY + this.heights[cpu])]);
  }
}

/** An operation as it is printed: context, window, and for TAKE what the recording shows. */
interface Step {
  readonly operation: number;
  readonly context: number;
  readonly after: number;
  readonly before: number;
  /** What GIVE gives, what TAKE is recorded to have taken. */
  readonly value: number;
  readonly cpu?: number;
  readonly otherCpu?: number;
}

function give(context: number, after: number, before: number, value: number, cpu = 0): Step {
  return { operation: GIVE, context, after, before, value, cpu };
}

function take(context: number, after: number, before: number, value: number, cpu = 0, otherCpu = cpu): Step {
  return { operation: TAKE, context, after, before, value, cpu, otherCpu };
}

class Trial {
  readonly stacks: Stacks = new Stacks();
  readonly log: OrderLog = new OrderLog(this.stacks);

  /** Performs a step as printed. @returns whether it gave what was recorded */
  perform(step: Step): boolean {
    const { operation, context, after, before, value, cpu = 0, otherCpu = cpu } = step;
    const recorded = operation === TAKE ? value : Number.NaN;
    this.log.add(operation, cpu, otherCpu, context, after, before, recorded, value, 0, 0, 0);
    const result = this.stacks.perform(operation, cpu, value);
    return operation !== TAKE || result === value;
  }

  performAll(...steps: readonly Step[]): boolean {
    return steps.map((step) => this.perform(step)).every((fits) => fits);
  }
}

/** Goal: an order is found when the windows allow one, and only then. */
describe('OrderLog', () => {
  it('one operation that happened later than printed', () => {
    const trial = new Trial();
    // The give of context 1 was printed at line 5 but may have happened up to line 9; context 2 took at line 7.
    expect(trial.performAll(give(1, 1, 2, 7), give(1, 5, 9, 8), take(2, 6, 7, 7))).toBe(false);
    expect(trial.log.explain()).toMatchObject({ moved: [{ operation: GIVE, earlier: false }], tried: 1 });
    expect(trial.stacks.contents()).toEqual([[8], []]);
    expect(trial.perform(take(2, 9, 10, 8))).toBe(true);
  });

  it('does not move an operation past one that had certainly happened', () => {
    const trial = new Trial();
    expect(trial.performAll(give(1, 1, 2, 7), give(1, 5, 6, 8), take(2, 6, 7, 7))).toBe(false);
    const before = trial.stacks.arena.hash();
    expect(trial.log.explain()).toBe(null);
    expect(trial.stacks.arena.hash()).toBe(before);
    expect(trial.stacks.contents()).toEqual([[7], []]);
  });

  it('does not change the order inside a context', () => {
    const trial = new Trial();
    expect(trial.performAll(give(1, 1, 20, 7), give(1, 5, 20, 8), take(1, 0, 20, 7))).toBe(false);
    expect(trial.log.explain()).toBe(null);
  });

  it('moves past all operations of another context on its CPU at once: an interrupt is not interrupted by what it interrupted', () => {
    const trial = new Trial();
    expect(trial.performAll(give(1, 0, 1, 1), give(2, 3, 9, 3), give(2, 3, 9, 4), take(1, 2, 9, 1))).toBe(false);
    expect(trial.log.explain()).toEqual({ tried: 1, moved: [{ operation: TAKE, earlier: true }] });
    expect(trial.stacks.contents()).toEqual([[3, 4], []]);
  });

  it('two operations, each of which moved', () => {
    const trial = new Trial();
    // 5 and 6 were given after the take. It cannot move itself: the give before it in its context is printed after them.
    const gives = [give(1, 0, 1, 4), give(2, 1, 9, 5), give(3, 1, 9, 6), give(4, 2, 3, 7, 1)];
    expect(trial.performAll(...gives, take(4, 3, 4, 4))).toBe(false);
    expect(trial.log.explain()!.moved).toEqual([
      { operation: GIVE, earlier: false },
      { operation: GIVE, earlier: false },
    ]);
    const [first, second] = trial.stacks.contents();
    expect([first.sort(), second]).toEqual([[5, 6], [7]]);
  });

  it('an operation that ran on the CPU of its neighbouring line', () => {
    const trial = new Trial();
    expect(trial.performAll(give(1, 0, 1, 7, 1), take(2, 1, 2, 7, 0, 1))).toBe(false);
    expect(trial.log.explain()).toMatchObject({ moved: [{ operation: TAKE }] });
    expect(trial.stacks.contents()).toEqual([[], []]);
  });

  it('a decision that a later result shows wrong is taken back', () => {
    const trial = new Trial();
    // 7 on top means that the give of 8 or its place changed: by context 2 later, or by the take earlier.
    expect(trial.performAll(give(1, 0, 1, 7), give(2, 1, 9, 8), give(3, 1, 9, 9), take(4, 4, 5, 8))).toBe(false);
    expect(trial.log.explain()).not.toBe(null);
    expect(trial.perform(take(4, 9, 10, 9))).toBe(true);
    expect(trial.perform(take(4, 10, 11, 7))).toBe(true);
    expect(trial.stacks.contents()).toEqual([[], []]);
  });

  it('close ends the windows of a context that were still open', () => {
    const open = new Trial();
    expect(open.performAll(give(1, 0, 1, 7), give(2, 2, Infinity, 8), take(3, 5, 6, 7))).toBe(false);
    expect(open.log.explain()).not.toBe(null);
    const closed = new Trial();
    expect(closed.performAll(give(1, 0, 1, 7), give(2, 2, Infinity, 8))).toBe(true);
    closed.log.close(2, 4);
    expect(closed.perform(take(3, 5, 6, 7))).toBe(false);
    expect(closed.log.explain()).toBe(null);
  });

  it('undoNewest and restart go on from an adopted state', () => {
    const trial = new Trial();
    expect(trial.performAll(give(1, 0, 1, 7), give(1, 1, 2, 8), take(2, 3, 4, 5))).toBe(false);
    expect(trial.log.explain()).toBe(null);
    trial.log.undoNewest();
    expect(trial.log.length).toBe(2);
    expect(trial.stacks.contents()).toEqual([[7, 8], []]);
    trial.stacks.perform(GIVE, 0, 5);
    trial.log.restart();
    expect(trial.log.length).toBe(0);
    expect(trial.performAll(take(2, 3, 4, 5), take(2, 4, 5, 8))).toBe(true);
  });

  it('forgets old operations, and still repeats the remembered ones from the right state', () => {
    const trial = new Trial();
    for (let line = 0; line < 3000; line++) {
      if (line % 3 === 2) expect(trial.perform(take(1, line, line + 1, line - 1))).toBe(true);
      else trial.perform(give(1, line, line + 1, line));
    }
    expect(trial.log.length).toBeLessThanOrEqual(1024);
    expect(trial.log.length).toBeGreaterThanOrEqual(512);
    const height = trial.stacks.heights[0];
    expect(height).toBe(1000);
    expect(trial.performAll(give(2, 2999, 4000, 1), take(1, 3000, 3001, 2997))).toBe(false);
    expect(trial.log.explain()).not.toBe(null);
    expect(trial.stacks.contents()[0].slice(-2)).toEqual([2994, 1]);
    expect(trial.stacks.heights[0]).toBe(height);
    // What has been forgotten cannot move any more.
    expect(trial.perform(take(1, 3001, 3002, 0))).toBe(false);
    expect(trial.log.explain()).toBe(null);
  });
});
