import { PAGE_SIZE } from 'dmalab-core';
import type { TraceNames } from 'dmalab-trace';
import type { LineQueue } from '../replay/line-queue.ts';
import { type AddressSpaces, UNKNOWN_SPACE } from './address-spaces.ts';
import type { Flush } from './flush-line.ts';
import { lifeEvent, type OpenLife } from './mapping-life.ts';

/** Lines that tell of invalidations: the descriptors, or where they were not recorded the lines of the caches' tags. */
export type FlushSource = 'descriptors' | 'cacheTags' | 'none';

/** A reuse whose mapping has no number yet: its API line is to come. */
interface UnnumberedReuse {
  readonly call: number;
  readonly life: OpenLife;
  readonly index: number;
}

/**
 * Lives whose page-table entry is cleared while the IOTLB may still hold it: finds the flush that ends that, and who
 * gets the memory before.
 */
export class StaleLives {
  private lives: OpenLife[] = [];
  /** Lives without a call wait for a flush of their own context. */
  private readonly contextOf = new Map<OpenLife, number>();
  private unnumbered: UnnumberedReuse[] = [];
  private readonly spaces: AddressSpaces;
  private readonly source: FlushSource;
  private readonly names: TraceNames;

  constructor(spaces: AddressSpaces, source: FlushSource, names: TraceNames) {
    this.spaces = spaces;
    this.source = source;
    this.names = names;
  }

  get isEmpty(): boolean {
    return this.lives.length === 0;
  }

  /** A life that was unmapped just now. `cleared`: a line shows the page-table entry cleared. */
  add(life: OpenLife, cleared: boolean): void {
    if (this.source !== 'none' && cleared) this.lives.push(life);
    else this.assume(life);
  }

  /** A life without a call: the next page-selective flush of its context that covers the page is its own. */
  expectFlush(life: OpenLife, context: number): void {
    this.contextOf.set(life, context);
  }

  /** A mapping of memory was made: by `call` (-1 without), whose number comes later unless it is given. */
  noteMap(phys: number, bytes: number, line: number, timeNs: number, device: string | null, call: number, number: number = 0): void {
    this.expire(timeNs);
    for (const life of this.lives) {
      if (life.tablePhys === null || phys + bytes <= life.tablePhys || phys >= life.tablePhys + PAGE_SIZE) continue;
      if (call >= 0) this.unnumbered.push({ call, life, index: life.reuses.length });
      life.reuses.push({ line, timeNs, device, number });
    }
  }

  /** The API line of `call` gives its mapping a number. */
  noteNumber(call: number, number: number): void {
    if (this.unnumbered.length === 0) return;
    for (const reuse of this.unnumbered) {
      if (reuse.call === call) reuse.life.reuses[reuse.index] = { ...reuse.life.reuses[reuse.index], number };
    }
    this.unnumbered = this.unnumbered.filter((reuse) => reuse.call !== call);
  }

  /** Line `seq` is `flush`. */
  noteFlush(lines: LineQueue, seq: number, flush: Flush): void {
    // The tag's line before a descriptor says the same.
    if (flush.isDescriptor !== (this.source === 'descriptors')) return;
    const at = seq & lines.mask;
    this.expire(lines.timeNs[at]);
    const covered = this.lives.filter((life) => this.covers(flush, life, lines.call[at], lines.context[at]));
    if (covered.length === 0) return;
    const whole = flush.end === Number.POSITIVE_INFINITY;
    for (const life of covered) {
      life.events.push(
        lifeEvent(lines, seq, this.names.comms, whole ? 'domainInvalidated' : 'pagesInvalidated', {
          domainId: flush.domainId,
          ...(whole ? {} : { address: flush.start, bytes: flush.end - flush.start }),
        }),
      );
      const timeNs = lines.timeNs[at];
      life.invalidation = { timeNs, line: lines.line[at], basis: 'recorded', how: whole ? 'domain' : 'pages' };
      this.contextOf.delete(life);
    }
    this.lives = this.lives.filter((life) => !covered.includes(life));
  }

  private covers(flush: Flush, life: OpenLife, call: number, context: number): boolean {
    if (life.page < flush.start || life.page >= flush.end) return false;
    if (life.call >= 0 && life.call === call) return true;
    if (flush.domainId < 0) return true;
    const space = this.spaces.ofDomainId(flush.domainId);
    if (life.space !== UNKNOWN_SPACE) return space === life.space;
    // A page-selective flush right behind a lone unmap tells whose it was.
    if (flush.end === Number.POSITIVE_INFINITY || this.contextOf.get(life) !== context) return false;
    this.adopt(life, space);
    return true;
  }

  private adopt(life: OpenLife, space: number): void {
    if (space === UNKNOWN_SPACE) return;
    life.space = space;
    const devices = this.spaces.devicesOf(space);
    if (life.device === null && devices.length === 1) life.device = devices[0].name;
  }

  /** No flush will be seen: what the kernel's rules say. */
  private assume(life: OpenLife): void {
    const timeNs = life.unmappedNs!;
    if (life.lazy && life.space >= 0) {
      this.spaces.noteUnmap(life.space, timeNs);
      life.invalidation = { timeNs: this.spaces.timerDueNs(life.space), line: null, basis: 'model', how: 'timer' };
    } else if (life.space >= 0) {
      life.invalidation = { timeNs, line: null, basis: 'model', how: 'unmap' };
    } else {
      life.invalidation = { timeNs: life.lazyDueNs!, line: null, basis: 'model', how: 'timer' };
    }
  }

  /** A life of nobody knows whose space was flushed when the slowest timer had fallen due. */
  private expire(nowNs: number): void {
    const due = this.lives.filter(({ space, lazyDueNs }) => space === UNKNOWN_SPACE && lazyDueNs !== null && lazyDueNs <= nowNs);
    if (due.length === 0) return;
    for (const life of due) life.invalidation = { timeNs: life.lazyDueNs!, line: null, basis: 'model', how: 'timer' };
    this.lives = this.lives.filter((life) => !due.includes(life));
  }

  /** The trace ends: what is still waiting was not flushed in it. */
  finish(lastNs: number): void {
    this.expire(lastNs);
    for (const life of this.lives) {
      const due = life.lazy && life.space >= 0 ? this.spaces.timerDueNs(life.space) : -1;
      if (due > lastNs) life.invalidation = { timeNs: due, line: null, basis: 'model', how: 'timer' };
    }
    this.lives = [];
  }
}
