import type { StateSnapshot } from 'dmalab-core';
import type { CheckedMachine } from './checked-machine.ts';
import type { Property, Violation } from './properties/property.ts';
import { VisitedStates } from './visited-states.ts';

/** How far a search goes. */
export interface SearchBound {
  /** Actions on the longest path. */
  readonly depth: number;
  /** States at most; a search that comes to them is stopped. */
  readonly states: number;
  /** Bytes for the states visited at most; a search that would need more is stopped. */
  readonly bytes: number;
}

/** Why a search was stopped before its bound on depth or the end of states: its bounds on states and memory, somebody, or a policy of the user's that failed. */
export type StopReason = 'states' | 'memory' | 'interrupt' | 'policy';

/** A broken property and the actions that lead there, fewest first. */
export interface Refutation {
  readonly violation: Violation;
  readonly actions: readonly number[];
}

/** How far a search has come. */
export interface SearchFigures {
  readonly states: number;
  readonly transitions: number;
  /** Actions on the longest path to a state visited. */
  readonly depth: number;
  /** States whose successors were not looked at: 0 when all states of the machine have been visited. */
  readonly frontier: number;
  /** null as long as nothing has stopped it. */
  readonly stopped: StopReason | null;
  /** Bytes that the search kept per state. */
  readonly bytesPerState: number;
}

/** What a search has come to. */
export interface Exploration extends SearchFigures {
  readonly refutations: ReadonlyMap<string, Refutation>;
}

/** States between two reports of progress. */
const PROGRESS_EVERY = 4096;
const ACTIONS_MAX = 64;
/** Of a state: its predecessor and the action between them. */
const BYTES_BESIDE_HASH = 5;

/**
 * Visits the states of a small machine breadth first and looks at each for broken properties, so that what it finds first is
 * shortest. The order of visits is fixed by the order of actions: the same search finds the same.
 *
 * A state is kept as its hash, its predecessor and the action between them. To go on from one the machine goes back
 * to the last state on the path that it has at hand and acts again.
 */
export class Explorer {
  private readonly checked: CheckedMachine;
  private readonly properties: readonly Property[];
  private readonly bound: SearchBound;
  private readonly visited = new VisitedStates();
  /** By number of state, in the order of visits. */
  private parent = new Int32Array(VisitedStates.FIRST_ENTRIES);
  private action = new Uint8Array(VisitedStates.FIRST_ENTRIES);
  private count = 0;
  /** States of the path to the one at work: number and contents, by depth. */
  private readonly pathState: number[] = [];
  private readonly pathSnapshots: StateSnapshot[] = [];
  /** Depth of a property's best refutation, with one more where the device has to use a translation first. */
  private readonly found = new Map<string, { cost: number; depth: number; violation: Violation; state: number; action: number }>();
  private open: readonly Property[];
  private transitions = 0;
  /** Steps from the start to the states at work, and the first state behind them. */
  private depth = 0;
  private levelEnd = 1;
  /** The state at work: those before it have been looked at with their successors. */
  private state = 0;
  private stopped: StopReason | null = null;

  constructor(checked: CheckedMachine, properties: readonly Property[], bound: SearchBound) {
    this.checked = checked;
    this.properties = properties;
    this.open = properties;
    this.bound = bound;
  }

  /** Runs until all states are visited, a bound is met, or every property is refuted; yields now and then. */
  *run(): Generator<SearchFigures, Exploration> {
    const { checked, bound, visited } = this;
    const { image } = checked;
    this.snapshotAt(0);
    image.saveTo(this.pathSnapshots[0]);
    this.pathState[0] = 0;
    visited.add(image.hashLow, image.hashHigh);
    this.push(-1, 0);
    checked.touched = true;
    this.look(true, 0, -1, 0);
    const actions = new Uint8Array(ACTIONS_MAX);
    const roomFor = statesWithin(bound.bytes);
    for (; this.state < this.count && this.stopped === null; this.state++) {
      const { state } = this;
      if (state === this.levelEnd) {
        this.depth += 1;
        this.levelEnd = this.count;
        this.open = this.properties.filter(({ name }) => !this.found.has(name));
        if (this.open.length === 0) break;
      }
      if (this.depth === bound.depth) break;
      if (state % PROGRESS_EVERY === 0) yield this.figures();
      // Stopped by whoever looked at the progress.
      if (this.stopped !== null) break;
      const { depth } = this;
      this.goTo(state, depth);
      const base = this.pathSnapshots[depth];
      const count = checked.actions(actions);
      for (let index = 0; index < count; index++) {
        if (index > 0) image.restore(base);
        checked.perform(actions[index]);
        this.transitions += 1;
        image.hashFrom(base);
        const isNew = visited.add(image.hashLow, image.hashHigh);
        if (isNew) this.push(state, actions[index]);
        this.look(isNew, depth + 1, state, actions[index]);
      }
      image.restore(base);
      if (this.count >= bound.states) this.stopped = 'states';
      else if (this.count + ACTIONS_MAX > roomFor) this.stopped = 'memory';
    }
    return { ...this.figures(), refutations: this.refutations() };
  }

  /** Ends the search where it is; `run` then gives what it has come to. */
  stop(reason: StopReason): void {
    this.stopped = reason;
  }

  private figures(): SearchFigures {
    return {
      states: this.count,
      transitions: this.transitions,
      depth: this.count > this.levelEnd ? this.depth + 1 : this.depth,
      frontier: this.count - this.state,
      stopped: this.stopped,
      bytesPerState: BYTES_BESIDE_HASH + Math.round(this.visited.byteLength / this.count),
    };
  }

  private look(isNew: boolean, depth: number, state: number, action: number): void {
    for (const property of this.open) {
      if (!property.isOfActions && !(isNew && this.checked.touched)) continue;
      const best = this.found.get(property.name);
      if (best !== undefined && best.cost === depth) continue;
      const violation = property.find(this.checked);
      if (violation === null) continue;
      const cost = depth + (violation.needsCached && this.checked.cachesEagerly ? 1 : 0);
      if (best === undefined || cost < best.cost) this.found.set(property.name, { cost, depth, violation, state, action });
    }
  }

  /** Brings the machine to a state at the given depth. */
  private goTo(state: number, depth: number): void {
    const { checked, pathState, pathSnapshots } = this;
    const { image } = checked;
    let at = depth;
    let ancestor = state;
    while (pathState[at] !== ancestor) {
      ancestor = this.parent[ancestor];
      at -= 1;
    }
    if (at < depth) {
      // The actions from there on, found by going up once more for each: paths are short.
      image.restore(pathSnapshots[at]);
      for (let level = at + 1; level <= depth; level++) {
        let on = state;
        for (let up = depth; up > level; up--) on = this.parent[on];
        checked.perform(this.action[on]);
        image.hashFrom(pathSnapshots[level - 1]);
        this.snapshotAt(level);
        image.saveTo(pathSnapshots[level]);
        pathState[level] = on;
      }
    }
    pathState.length = depth + 1;
  }

  private snapshotAt(depth: number): void {
    if (this.pathSnapshots[depth] === undefined) this.pathSnapshots[depth] = this.checked.image.newSnapshot();
  }

  private push(parent: number, action: number): void {
    if (this.count === this.parent.length) {
      this.parent = grownInt32(this.parent);
      this.action = grownUint8(this.action);
    }
    this.parent[this.count] = parent;
    this.action[this.count] = action;
    this.count += 1;
  }

  private refutations(): Map<string, Refutation> {
    const refutations = new Map<string, Refutation>();
    for (const { name } of this.properties) {
      const best = this.found.get(name);
      if (best === undefined) continue;
      const actions = best.state < 0 ? [] : [best.action];
      for (let state = best.state; state > 0; state = this.parent[state]) actions.unshift(this.action[state]);
      refutations.set(name, { violation: best.violation, actions });
    }
    return refutations;
  }
}

/**
 * States that can be visited before hashes, predecessors and actions take more than so many bytes. All of them double at
 * need; less than what a search begins with is no limit.
 */
export function statesWithin(bytes: number): number {
  let entries = VisitedStates.FIRST_ENTRIES;
  while (2 * entries * (VisitedStates.BYTES_PER_ENTRY + BYTES_BESIDE_HASH) <= bytes) entries *= 2;
  return VisitedStates.statesIn(entries);
}

function grownInt32(column: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(column.length * 2);
  longer.set(column);
  return longer;
}

function grownUint8(column: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(column.length * 2);
  longer.set(column);
  return longer;
}
