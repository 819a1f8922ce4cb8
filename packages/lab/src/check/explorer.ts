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
}

/** A broken property and the actions that lead there, fewest first. */
export interface Refutation {
  readonly violation: Violation;
  readonly actions: readonly number[];
}

/** What a search has come to. */
export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Actions on the longest path to a state visited. */
  readonly depth: number;
  /** States whose successors were not looked at: 0 when all states of the machine have been visited. */
  readonly frontier: number;
  /** Whether the bound on states ended it, rather than the bound on depth or the end of states. */
  readonly stopped: boolean;
  readonly refutations: ReadonlyMap<string, Refutation>;
  /** Bytes that the search kept per state. */
  readonly bytesPerState: number;
}

/** How far a search has come. */
export interface SearchProgress {
  readonly states: number;
  readonly depth: number;
}

/** States between two reports of progress. */
const PROGRESS_EVERY = 4096;
const ACTIONS_MAX = 64;

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
  private parent = new Int32Array(2 ** 12);
  private action = new Uint8Array(2 ** 12);
  private count = 0;
  /** States of the path to the one at work: number and contents, by depth. */
  private readonly pathState: number[] = [];
  private readonly pathSnapshots: StateSnapshot[] = [];
  /** Depth of a property's best refutation, with one more where the device has to use a translation first. */
  private readonly found = new Map<string, { cost: number; depth: number; violation: Violation; state: number; action: number }>();
  private open: readonly Property[];

  constructor(checked: CheckedMachine, properties: readonly Property[], bound: SearchBound) {
    this.checked = checked;
    this.properties = properties;
    this.open = properties;
    this.bound = bound;
  }

  /** Runs until all states are visited, a bound is met, or every property is refuted; yields now and then. Whoever does not go on has stopped it. */
  *run(): Generator<SearchProgress, Exploration> {
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
    let transitions = 0;
    let depth = 0;
    let levelEnd = 1;
    let state = 0;
    let stopped = false;
    for (; state < this.count && !stopped; state++) {
      if (state === levelEnd) {
        depth += 1;
        levelEnd = this.count;
        this.open = this.properties.filter(({ name }) => !this.found.has(name));
        if (this.open.length === 0) break;
      }
      if (depth === bound.depth) break;
      if (state % PROGRESS_EVERY === PROGRESS_EVERY - 1) yield { states: this.count, depth };
      this.goTo(state, depth);
      const base = this.pathSnapshots[depth];
      const count = checked.actions(actions);
      for (let index = 0; index < count; index++) {
        if (index > 0) image.restore(base);
        checked.perform(actions[index]);
        transitions += 1;
        image.hashFrom(base);
        const isNew = visited.add(image.hashLow, image.hashHigh);
        if (isNew) this.push(state, actions[index]);
        this.look(isNew, depth + 1, state, actions[index]);
      }
      image.restore(base);
      if (this.count >= bound.states) stopped = true;
    }
    return {
      states: this.count,
      transitions,
      depth: this.count > levelEnd ? depth + 1 : depth,
      frontier: this.count - state,
      stopped,
      refutations: this.refutations(),
      bytesPerState: 5 + Math.round(visited.byteLength / this.count),
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
