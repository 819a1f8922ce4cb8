/** Memory that a CPU relies on: any byte of it that changes without the CPU is damage. */
import type { Memory, PhysAddr } from 'dmalab-core';

/** A range under watch. */
export interface WatchedRange {
  readonly owner: string;
  readonly label: string;
  readonly phys: PhysAddr;
  readonly bytes: number;
}

/** Bytes of a range that have changed since the last look. */
export interface Damage {
  readonly range: WatchedRange;
  readonly bytes: number;
}

interface Watch {
  readonly range: WatchedRange;
  readonly expected: Uint8Array;
  /** 1 for each byte that was found changed; counted once. */
  readonly changed: Uint8Array;
}

/** The watched ranges of one scene. */
export class WatchedMemory {
  private readonly memory: Memory;
  private readonly watches: Watch[] = [];

  constructor(memory: Memory) {
    this.memory = memory;
  }

  /** From now on the range must keep what it holds. */
  watch(range: WatchedRange): void {
    this.watches.push({ range, expected: this.contentOf(range), changed: new Uint8Array(range.bytes) });
  }

  /** Looks at all ranges. */
  takeDamage(): Damage[] {
    const damage: Damage[] = [];
    for (const { range, expected, changed } of this.watches) {
      const content = this.contentOf(range);
      let bytes = 0;
      for (let index = 0; index < content.length; index++) {
        if (content[index] === expected[index] || changed[index] === 1) continue;
        changed[index] = 1;
        bytes += 1;
      }
      if (bytes > 0) damage.push({ range, bytes });
    }
    return damage;
  }

  private contentOf({ phys, bytes }: WatchedRange): Uint8Array {
    const content = new Uint8Array(bytes);
    this.memory.read(phys, content);
    return content;
  }
}
