import { PAGE_SIZE } from 'dmalab-core';
import type { ExposureClass } from './exposure-class.ts';
import { PAGE_PARTS } from './exposure-meter.ts';

const FIRST_EDGES = 64;
/** Classes that an owner decides, in order of precedence. */
const OWNED_CLASSES = PAGE_PARTS - 1;

/**
 * Divides the bytes of one page among the classes that cover them: intervals are added with their class, then each byte
 * goes to the first class, in order of precedence, of those that cover it, and to the rest when none does.
 */
export class PageParts {
  /** Edges of the intervals in order: offset, and class with the sign of what begins (+) or ends (-). */
  private offsets: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_EDGES);
  private edges: Int8Array<ArrayBuffer> = new Int8Array(FIRST_EDGES);
  private count = 0;
  private readonly open: Uint32Array = new Uint32Array(OWNED_CLASSES);

  begin(): void {
    this.count = 0;
  }

  /** Bytes `from` to `to` - 1 of the page are of this class. */
  cover(cls: ExposureClass, from: number, to: number): void {
    if (from >= to) return;
    if (this.count + 2 > this.offsets.length) this.grow();
    this.insert(from, cls + 1);
    this.insert(to, -cls - 1);
  }

  /** Writes the bytes of each class to `parts[first ...]`. */
  divide(parts: Uint16Array, first: number): void {
    const { offsets, edges, open, count } = this;
    for (let part = first; part < first + PAGE_PARTS; part++) parts[part] = 0;
    open.fill(0);
    let at = 0;
    let winner = OWNED_CLASSES;
    for (let edge = 0; edge < count; edge++) {
      const offset = offsets[edge];
      if (offset > at) {
        parts[first + winner] += offset - at;
        at = offset;
      }
      const cls = edges[edge];
      if (cls > 0) open[cls - 1] += 1;
      else open[-cls - 1] -= 1;
      winner = 0;
      while (winner < OWNED_CLASSES && open[winner] === 0) winner += 1;
    }
    parts[first + OWNED_CLASSES] += PAGE_SIZE - at;
  }

  private insert(offset: number, edge: number): void {
    const { offsets, edges } = this;
    let at = this.count;
    while (at > 0 && offsets[at - 1] > offset) {
      offsets[at] = offsets[at - 1];
      edges[at] = edges[at - 1];
      at -= 1;
    }
    offsets[at] = offset;
    edges[at] = edge;
    this.count += 1;
  }

  private grow(): void {
    const offsets = new Uint16Array(this.offsets.length * 2);
    const edges = new Int8Array(offsets.length);
    offsets.set(this.offsets);
    edges.set(this.edges);
    this.offsets = offsets;
    this.edges = edges;
  }
}
