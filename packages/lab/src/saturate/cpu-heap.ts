/**
 * The CPUs of a simulation, earliest first: a binary heap in typed arrays. Of two at the same time the lower number comes first, so
 * that a run is the same every time.
 */
export class CpuHeap {
  /** By CPU: when it goes on, ns. */
  readonly timeNs: Float64Array;
  /** Heap order of the CPUs, and where each stands in it. */
  private readonly order: Int32Array;
  private readonly place: Int32Array;

  /** All at time 0. */
  constructor(cpus: number) {
    this.timeNs = new Float64Array(cpus);
    this.order = Int32Array.from({ length: cpus }, (_, cpu) => cpu);
    this.place = this.order.slice();
  }

  /** The CPU that goes on next. */
  get earliest(): number {
    return this.order[0];
  }

  /** Moves a CPU to a later time. */
  delay(cpu: number, timeNs: number): void {
    this.timeNs[cpu] = timeNs;
    const { order } = this;
    let at = this.place[cpu];
    for (;;) {
      const left = 2 * at + 1;
      if (left >= order.length) break;
      const right = left + 1;
      const child = right < order.length && this.isBefore(order[right], order[left]) ? right : left;
      if (!this.isBefore(order[child], cpu)) break;
      this.put(order[child], at);
      at = child;
    }
    this.put(cpu, at);
  }

  private put(cpu: number, at: number): void {
    this.order[at] = cpu;
    this.place[cpu] = at;
  }

  private isBefore(cpu: number, other: number): boolean {
    const difference = this.timeNs[cpu] - this.timeNs[other];
    return difference < 0 || (difference === 0 && cpu < other);
  }
}
