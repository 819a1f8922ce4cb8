import { assert, type Cpu, type IovaPfn, type PhysAddr, type StateArena } from '../base/index.ts';

/** Sizes of a domain's flush queue. */
export interface FlushQueueParameters {
  /** One ring per possible CPU. */
  readonly possibleCpus: number;
  /** Entries of a ring; one always stays empty. Linux: 256 (IOVA_DEFAULT_FQ_SIZE). */
  readonly ringEntries?: number;
}

/**
 * Receives what a drained entry held: the address range and, waiting with it, emptied table pages and bounce slots.
 *
 * @param slots   tlb_addr of the slots, NO_SLOTS for none
 * @param device  that had the slots
 */
export interface FlushQueueSink {
  releaseQueued(firstPfn: IovaPfn, pages: number, freedTables: number, slots: PhysAddr, device: number, cpu: Cpu): void;
}

/** No slots wait with an entry. */
export const NO_SLOTS = -1;

const HEAD = 0;
const TAIL = 1;

const STARTED = 0;
const FINISHED = 1;
const TIMER_ON = 2;
const TIMER_CPU = 3;
const WAITING = 4;
const PEAK = 5;
const WITH_SLOTS = 6;
const SCALARS = 7;

/**
 * The flush queue of a lazy domain: ranges whose page-table entries are cleared but which the IOTLB may still hold.
 *
 * An entry carries the number of flushes begun when it was queued; it is safe once more flushes than that have ended,
 * because then at least one of them began after it was queued. A timer empties all rings; a full ring is flushed by the
 * CPU that wants to add to it.
 *
 * @source Linux v6.12 drivers/iommu/dma-iommu.c queue_iova(), fq_ring_free_locked(), fq_flush_iotlb(), fq_flush_timeout()
 */
export class FlushQueue {
  readonly possibleCpus: number;
  readonly ringEntries: number;
  private firstPfn!: Float64Array<ArrayBuffer>;
  private pages!: Float64Array<ArrayBuffer>;
  private freedTables!: Float64Array<ArrayBuffer>;
  private counter!: Float64Array<ArrayBuffer>;
  private slots!: Float64Array<ArrayBuffer>;
  private device!: Int32Array<ArrayBuffer>;
  /** When the slots were queued, on the machine's one count of such moments; 0 without slots. */
  private stamp!: Float64Array<ArrayBuffer>;
  private ring!: Uint32Array<ArrayBuffer>;
  private scalar!: Float64Array<ArrayBuffer>;

  constructor(arena: StateArena, parameters: FlushQueueParameters) {
    this.possibleCpus = parameters.possibleCpus;
    this.ringEntries = parameters.ringEntries ?? 256;
    assert(this.ringEntries >= 2, 'a flush-queue ring has at least two entries');
    const rows = this.possibleCpus * this.ringEntries;
    arena.table(
      'flushQueue.entries',
      rows,
      { firstPfn: 'f64', pages: 'f64', freedTables: 'f64', counter: 'f64', slots: 'f64', device: 'i32', stamp: 'f64' },
      (columns) => {
        this.firstPfn = columns.firstPfn;
        this.pages = columns.pages;
        this.freedTables = columns.freedTables;
        this.counter = columns.counter;
        this.slots = columns.slots;
        this.device = columns.device;
        this.stamp = columns.stamp;
      },
    );
    arena.table('flushQueue.rings', this.possibleCpus * 2, { ring: 'u32' }, (columns) => {
      this.ring = columns.ring;
    });
    arena.table(
      'flushQueue.scalars',
      SCALARS,
      { scalar: 'f64' },
      (columns) => {
        this.scalar = columns.scalar;
      },
      { statisticRows: [PEAK] },
    );
  }

  /** Flushes begun and ended since the domain was made. */
  get flushesStarted(): number {
    return this.scalar[STARTED];
  }

  get flushesFinished(): number {
    return this.scalar[FINISHED];
  }

  /** Whether the domain's one timer is armed. */
  get timerArmed(): boolean {
    return this.scalar[TIMER_ON] === 1;
  }

  /** CPU that armed the timer last. */
  get timerCpu(): Cpu {
    return this.scalar[TIMER_CPU];
  }

  /** Most entries that ever waited, over all rings. */
  get entriesPeak(): number {
    return this.scalar[PEAK];
  }

  /** Entries waiting on one CPU's ring. */
  entriesOn(cpu: Cpu): number {
    const tail = this.ring[cpu * 2 + TAIL];
    const head = this.ring[cpu * 2 + HEAD];
    return tail >= head ? tail - head : tail + this.ringEntries - head;
  }

  /** Entries waiting on all rings. */
  get entries(): number {
    return this.scalar[WAITING];
  }

  /** Entries waiting on all rings that hold bounce slots. */
  get entriesWithSlots(): number {
    return this.scalar[WITH_SLOTS];
  }

  /** Stamp of the slots that have waited longest, Infinity when none wait. */
  oldestSlotStamp(): number {
    let oldest = Number.POSITIVE_INFINITY;
    if (this.scalar[WITH_SLOTS] === 0) return oldest;
    for (let cpu = 0; cpu < this.possibleCpus; cpu++) {
      const tail = this.ring[cpu * 2 + TAIL];
      let head = this.ring[cpu * 2 + HEAD];
      while (head !== tail && this.stamp[cpu * this.ringEntries + head] === 0) head = head + 1 === this.ringEntries ? 0 : head + 1;
      if (head !== tail) oldest = Math.min(oldest, this.stamp[cpu * this.ringEntries + head]);
    }
    return oldest;
  }

  isFull(cpu: Cpu): boolean {
    return this.entriesOn(cpu) === this.ringEntries - 1;
  }

  /** Whether the CPU's ring is full and no entry of it can be released before a flush. */
  mustFlush(cpu: Cpu): boolean {
    const head = cpu * this.ringEntries + this.ring[cpu * 2 + HEAD];
    return this.isFull(cpu) && this.counter[head] >= this.scalar[FINISHED];
  }

  /** Releases the leading entries of `ringCpu`'s ring that are safe, to the caches of `cpu`; stops at the first that is not. */
  drain(ringCpu: Cpu, cpu: Cpu, sink: FlushQueueSink): void {
    const finished = this.scalar[FINISHED];
    const tail = this.ring[ringCpu * 2 + TAIL];
    let head = this.ring[ringCpu * 2 + HEAD];
    while (head !== tail) {
      const row = ringCpu * this.ringEntries + head;
      if (this.counter[row] >= finished) break;
      const slots = this.stamp[row] === 0 ? NO_SLOTS : this.slots[row];
      if (slots !== NO_SLOTS) this.scalar[WITH_SLOTS] -= 1;
      sink.releaseQueued(this.firstPfn[row], this.pages[row], this.freedTables[row], slots, this.device[row], cpu);
      this.firstPfn[row] = 0;
      this.pages[row] = 0;
      this.freedTables[row] = 0;
      this.counter[row] = 0;
      this.slots[row] = 0;
      this.device[row] = 0;
      this.stamp[row] = 0;
      this.scalar[WAITING] -= 1;
      head = head + 1 === this.ringEntries ? 0 : head + 1;
    }
    this.ring[ringCpu * 2 + HEAD] = head;
  }

  /**
   * Adds a range to the CPU's ring, which has room.
   *
   * @param freedTables  chain of emptied table pages that waits with it
   * @param slots        tlb_addr of bounce slots that wait with it, NO_SLOTS for none; of `device`
   * @param stamp        when the slots were queued, above 0; see `oldestSlotStamp`
   */
  append(cpu: Cpu, firstPfn: IovaPfn, pages: number, freedTables: number, slots: PhysAddr = NO_SLOTS, device = 0, stamp = 0): void {
    assert(!this.isFull(cpu), 'append to a full flush-queue ring');
    const tail = this.ring[cpu * 2 + TAIL];
    const row = cpu * this.ringEntries + tail;
    this.firstPfn[row] = firstPfn;
    this.pages[row] = pages;
    this.freedTables[row] = freedTables;
    this.counter[row] = this.scalar[STARTED];
    if (slots !== NO_SLOTS) {
      this.slots[row] = slots;
      this.device[row] = device;
      this.stamp[row] = stamp;
      this.scalar[WITH_SLOTS] += 1;
    }
    this.ring[cpu * 2 + TAIL] = tail + 1 === this.ringEntries ? 0 : tail + 1;
    this.scalar[WAITING] += 1;
    if (this.scalar[WAITING] > this.scalar[PEAK]) this.scalar[PEAK] = this.scalar[WAITING];
  }

  /** Marks the timer armed by `cpu`; false when it already was. */
  armTimer(cpu: Cpu): boolean {
    if (this.scalar[TIMER_ON] === 1) return false;
    this.scalar[TIMER_ON] = 1;
    this.scalar[TIMER_CPU] = cpu;
    return true;
  }

  disarmTimer(): void {
    this.scalar[TIMER_ON] = 0;
  }

  /**
   * Counts flushes from the last that has ended, and an empty queue starts at the head of its rings. It behaves as before:
   * counts matter only in relation to that one, and safe is safe. States that differ in history alone become equal.
   */
  rewind(): void {
    const { counter, ring, scalar } = this;
    const ended = scalar[FINISHED];
    if (scalar[TIMER_ON] === 0) scalar[TIMER_CPU] = 0;
    if (scalar[WAITING] === 0) ring.fill(0);
    if (ended === 0) return;
    scalar[STARTED] -= ended;
    scalar[FINISHED] = 0;
    for (let cpu = 0; cpu < this.possibleCpus; cpu++) {
      const tail = ring[cpu * 2 + TAIL];
      for (let at = ring[cpu * 2 + HEAD]; at !== tail; at = at + 1 === this.ringEntries ? 0 : at + 1) {
        const row = cpu * this.ringEntries + at;
        counter[row] = Math.max(-1, counter[row] - ended);
      }
    }
  }

  beginFlush(): void {
    this.scalar[STARTED] += 1;
  }

  endFlush(): void {
    this.scalar[FINISHED] += 1;
  }
}

/** Time after which a flush timer may fire (IOVA_DEFAULT_FQ_TIMEOUT), ns. */
export const FLUSH_QUEUE_TIMEOUT_NS = 10e6;
