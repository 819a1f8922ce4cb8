import { FlushCause, IOVA_RANGE_CACHE_MAX_SIZE, Machine, type ObservationLog, Observed } from 'dmalab-core';
import type { CallSequence } from './call-sequence.ts';
import { CpuHeap } from './cpu-heap.ts';
import type { SaturatedMachine } from './saturated-machine.ts';
import type { SaturationResult } from './saturation-result.ts';
import { SequencePlayer } from './sequence-player.ts';
import { type StepPricer, WORK_KINDS, WorkKind } from './step-pricer.ts';

/** What CPUs wait for. */
const Resource = { QUEUE: 0, POOL: 1, IOVA: 2, RING: 3 } as const;
type Resource = (typeof Resource)[keyof typeof Resource];
const RESOURCES = Object.keys(Resource).length;

/** Room for all values of FlushCause. */
const CAUSES_MAX = 8;

/**
 * Many CPUs that map and unmap without pause on the real engine, in simulated time.
 *
 * The CPU that is behind runs its next step. What the step did is read from the observations: each takes the time of
 * its price, and some hold a resource of which there is one: the invalidation queue, the lock of a pool area, the tree
 * and the depots of an address space, the rings of a flush queue while a timer drains them. A resource serves in the order in which it
 * is asked, and a CPU that finds it taken waits.
 *
 * Differs: a step is never interrupted, so within one of them (under a microsecond) a later request can overtake; a timer
 * runs at once and delays its CPU's next step by what it took.
 */
export class Saturation {
  readonly machine: Machine;
  readonly player: SequencePlayer;
  private readonly pricer: StepPricer;
  private readonly heap: CpuHeap;
  /** Time spent so far, ns, over all CPUs. */
  private readonly work = new Float64Array(WORK_KINDS);
  private readonly waiting = new Float64Array(RESOURCES);
  private readonly flushes = new Float64Array(CAUSES_MAX);
  /** When each resource is free again, ns. */
  private queueFreeNs = 0;
  private readonly areaFreeNs: Float64Array;
  private readonly treeFreeNs: Float64Array;
  private readonly depotFreeNs: Float64Array;
  private readonly ringsFreeNs: Float64Array;
  /** Time for which the queue has been asked, ns. */
  private queueServiceNs = 0;
  /** By CPU: when the descriptor that it submitted last is done, and how long that takes on an idle queue. */
  private readonly doneNs: Float64Array;
  private readonly ownLatencyNs: Float64Array;
  private readonly domainOfId = new Int32Array(2 ** 16).fill(-1);
  private readonly depotMagazines: Float64Array;
  private readonly areaSlots: number;
  private readonly cpus: number;

  constructor(setup: SaturatedMachine, sequence: CallSequence, pricer: StepPricer) {
    const { cpus } = setup;
    this.cpus = cpus;
    this.pricer = pricer;
    this.machine = new Machine(setup.parameters);
    this.player = new SequencePlayer(this.machine, sequence, setup);
    this.heap = new CpuHeap(cpus);
    const { domains, pool } = this.machine;
    this.areaFreeNs = new Float64Array(pool?.areas ?? 1);
    this.areaSlots = pool?.areaSlots ?? 1;
    this.treeFreeNs = new Float64Array(domains.length);
    this.depotFreeNs = new Float64Array(domains.length);
    this.ringsFreeNs = new Float64Array(domains.length);
    this.depotMagazines = new Float64Array(domains.length);
    this.doneNs = new Float64Array(cpus);
    this.ownLatencyNs = new Float64Array(cpus);
    for (const { id, index } of domains) this.domainOfId[id] = index;
  }

  /**
   * Runs to the steady state and measures there.
   *
   * @param warmUpPairs  pairs of each CPU before measuring begins, failed maps included
   * @param perCpu       pairs of each CPU to measure, at least, failed maps included
   */
  measure(policy: string, warmUpPairs: number, perCpu: number): SaturationResult {
    this.runEachFor(warmUpPairs);
    const { player, heap, cpus, work, waiting, flushes } = this;
    const begin = {
      clocks: heap.timeNs.slice(),
      pairs: player.pairs.slice(),
      failures: sumOf(player.failures),
      ns: heap.timeNs[heap.earliest],
      busyNs: this.queueBusyNs(),
    };
    work.fill(0);
    waiting.fill(0);
    flushes.fill(0);
    this.runEachFor(perCpu);

    const pairs = sumOf(player.pairs) - sumOf(begin.pairs);
    const cpuNs = sumOf(heap.timeNs) - sumOf(begin.clocks);
    const ns = heap.timeNs[heap.earliest] - begin.ns;
    const nsPerPair = cpuNs / pairs;
    return {
      policy,
      cpus,
      pairsPerCpuPerSecond: 1e9 / nsPerPair,
      nsPerPair,
      work: {
        call: work[WorkKind.CALL] / pairs,
        iova: work[WorkKind.IOVA] / pairs,
        pageTable: work[WorkKind.PAGE_TABLE] / pairs,
        slots: work[WorkKind.SLOTS] / pairs,
        copy: work[WorkKind.COPY] / pairs,
        invalidation: work[WorkKind.INVALIDATION] / pairs,
        flushQueue: work[WorkKind.FLUSH_QUEUE] / pairs,
      },
      waiting: {
        queue: waiting[Resource.QUEUE] / pairs,
        pool: waiting[Resource.POOL] / pairs,
        iova: waiting[Resource.IOVA] / pairs,
        ring: waiting[Resource.RING] / pairs,
      },
      queueUtilisation: ns > 0 ? (this.queueBusyNs() - begin.busyNs) / ns : 0,
      flushes: {
        ringFull: flushes[FlushCause.RING_FULL],
        timer: flushes[FlushCause.TIMER],
        poolDry: sumOf(flushes.subarray(FlushCause.TEARDOWN + 1)),
      },
      failures: sumOf(player.failures) - begin.failures,
      measured: { pairs, warmUpPairsPerCpu: warmUpPairs, ns },
    };
  }

  /** Goes on until every CPU has ended or failed so many pairs more. */
  private runEachFor(count: number): void {
    const { heap, player, machine } = this;
    const { pairs, failures } = player;
    const target = pairs.map((ended, cpu) => ended + failures[cpu] + count);
    let behind = this.cpus;
    while (behind > 0) {
      const cpu = heap.earliest;
      const now = heap.timeNs[cpu];
      machine.advanceTo(now);
      if (machine.observations.length > 0) {
        this.chargeTimers();
        continue;
      }
      const before = pairs[cpu] + failures[cpu];
      player.step(cpu);
      heap.delay(cpu, this.chargeStep(cpu, now));
      if (before < target[cpu] && pairs[cpu] + failures[cpu] >= target[cpu]) behind -= 1;
    }
  }

  /** What a step of `cpu` has done, from `begin` on. @returns when it is over, ns */
  private chargeStep(cpu: number, begin: number): number {
    const log = this.machine.observations;
    let now = begin;
    for (let row = 0; row < log.length; row++) now = this.chargeRow(log, row, cpu, now);
    log.clear();
    return now;
  }

  /** Timers have fired: each takes its time from the CPU on which it ran, and holds the rings of its domain until it is over. */
  private chargeTimers(): void {
    const { heap } = this;
    const log = this.machine.observations;
    for (let row = 0; row < log.length; row++) {
      const cpu = log.cpu[row];
      const now = this.chargeRow(log, row, cpu, heap.timeNs[cpu]);
      heap.delay(cpu, now);
      const domain = this.domainOf(log, row);
      if (domain >= 0) this.ringsFreeNs[domain] = now;
    }
    log.clear();
  }

  private chargeRow(log: ObservationLog, row: number, cpu: number, begin: number): number {
    const { pricer, work } = this;
    const kind = log.kind[row];
    const price = pricer.workNs(log, row);
    if (price > 0) work[pricer.workKind(log, row)] += price;
    switch (kind) {
      case Observed.DESCRIPTOR_SUBMITTED:
        return this.submit(log, row, cpu, begin + price);
      case Observed.INVALIDATION_COMPLETED:
        return this.spin(cpu, begin) + price;
      case Observed.SLOT_ALLOCATED:
        return this.searchAreas(cpu, areaOf(log.a[row], this.areaSlots), begin, price);
      case Observed.SLOT_FAILED:
        return this.searchAreas(cpu, (cpu - 1) & (this.areaFreeNs.length - 1), begin, price);
      case Observed.SLOT_RELEASED:
        return this.hold(Resource.POOL, this.areaFreeNs, areaOf(log.a[row], this.areaSlots), begin, price);
      case Observed.IOVA_ALLOCATED:
      case Observed.IOVA_FREED:
        return this.useAddressSpace(log, row, begin, price);
      case Observed.FLUSH_QUEUED:
        return this.queueOnRing(log, row, begin, price);
      case Observed.FLUSH_STARTED:
        this.flushes[log.a[row]] += 1;
        return begin + price;
      default:
        return begin + price;
    }
  }

  private submit(log: ObservationLog, row: number, cpu: number, now: number): number {
    const service = this.pricer.serviceNs(log, row);
    const latency = this.pricer.latencyNs(log, row);
    const start = Math.max(now, this.queueFreeNs);
    this.queueFreeNs = start + service;
    this.queueServiceNs += service;
    this.doneNs[cpu] = start + latency;
    this.ownLatencyNs[cpu] = latency;
    return now;
  }

  /** Spins until the own descriptor is done: its latency, and as long as others were before it. */
  private spin(cpu: number, now: number): number {
    const spun = Math.max(0, this.doneNs[cpu] - now);
    const own = Math.min(spun, this.ownLatencyNs[cpu]);
    this.work[WorkKind.INVALIDATION] += own;
    this.waiting[Resource.QUEUE] += spun - own;
    return now + spun;
  }

  /** The search goes from the CPU's own area to the one where it ends, and holds the lock of each for its share of the time. */
  private searchAreas(cpu: number, last: number, begin: number, price: number): number {
    const { areaFreeNs } = this;
    const mask = areaFreeNs.length - 1;
    const own = cpu & mask;
    const visited = ((last - own) & mask) + 1;
    let now = begin;
    for (let index = 0; index < visited; index++) {
      now = this.hold(Resource.POOL, areaFreeNs, (own + index) & mask, now, price / visited);
    }
    return now;
  }

  /** From and to the CPU's own cache without a lock that others take; else under the lock of the tree, or of a depot. */
  private useAddressSpace(log: ObservationLog, row: number, begin: number, price: number): number {
    const domain = this.domainOf(log, row);
    if (log.c[row] === 0) return this.hold(Resource.IOVA, this.treeFreeNs, domain, begin, price);
    const magazines = this.magazinesIn(domain);
    const exchanged = Math.abs(magazines - this.depotMagazines[domain]);
    if (exchanged === 0) return begin + price;
    this.depotMagazines[domain] = magazines;
    const holdNs = exchanged * this.pricer.depotHoldNs;
    this.work[WorkKind.IOVA] += holdNs;
    return this.hold(Resource.IOVA, this.depotFreeNs, domain, begin + price, holdNs);
  }

  private queueOnRing(log: ObservationLog, row: number, begin: number, price: number): number {
    const free = this.ringsFreeNs[this.domainOf(log, row)];
    if (free <= begin) return begin + price;
    this.waiting[Resource.RING] += free - begin;
    return free + price;
  }

  private hold(resource: Resource, freeNs: Float64Array, index: number, begin: number, price: number): number {
    const start = Math.max(begin, freeNs[index]);
    this.waiting[resource] += start - begin;
    freeNs[index] = start + price;
    return start + price;
  }

  /** Time for which the queue has worked so far, ns: what it was asked for less what is still to do. */
  private queueBusyNs(): number {
    return this.queueServiceNs - Math.max(0, this.queueFreeNs - this.heap.timeNs[this.heap.earliest]);
  }

  private magazinesIn(domain: number): number {
    const { iova } = this.machine.domains[domain];
    let magazines = 0;
    for (let bin = 0; bin < IOVA_RANGE_CACHE_MAX_SIZE; bin++) magazines += iova.depotSize(bin);
    return magazines;
  }

  private domainOf(log: ObservationLog, row: number): number {
    const id = log.domain[row];
    return id < 0 ? -1 : this.domainOfId[id];
  }
}

function areaOf(slot: number, areaSlots: number): number {
  return Math.floor(slot / areaSlots);
}

function sumOf(column: Float64Array): number {
  let sum = 0;
  for (const value of column) sum += value;
  return sum;
}
