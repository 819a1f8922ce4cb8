import { assert, FlushCause, IOVA_RANGE_CACHE_MAX_SIZE, Machine, Observed, SEGMENT_SLOTS } from 'dmalab-core';
import { emptyCharges } from '../cost/charges.ts';
import { rangeOf } from '../cost/constant-range.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { costPerPair, priceCharges } from '../cost/price-charges.ts';
import { RowCharger } from '../cost/row-charger.ts';
import { SharedResource, StepPrice } from '../cost/step-price.ts';
import type { CallSequence } from './call-sequence.ts';
import { CpuHeap } from './cpu-heap.ts';
import type { SaturatedMachine } from './saturated-machine.ts';
import type { SaturationResult } from './saturation-result.ts';
import { SequencePlayer } from './sequence-player.ts';

/** Room for all values of FlushCause. */
const CAUSES_MAX = 8;
const NO_CPU = -1;

/** Time spent waiting for others so far, ns, over all CPUs. */
interface Waiting {
  queue: number;
  pool: number;
  iova: number;
  ring: number;
}

/**
 * Many CPUs that map and unmap without pause on the real engine, in simulated time.
 *
 * The CPU that is behind runs its next step, which takes the time of what it did. Some of that holds a resource of which
 * there is one: the invalidation queue, the lock of a pool area, the tree and the depots of an address space, the rings
 * of a flush queue while a timer drains them. A resource serves in the order in which it is asked, and a CPU that finds
 * it taken waits.
 *
 * Differs: a step is never interrupted, so within one of them (under a microsecond) a later request can be served first; a
 * timer runs at once and delays the next step of its CPU by what it took.
 */
export class Saturation {
  private readonly machine: Machine;
  private readonly player: SequencePlayer;
  private readonly profile: CostProfile;
  private readonly price: StepPrice;
  private readonly charger: RowCharger;
  private readonly heap: CpuHeap;
  private readonly cpus: number;
  private charges = emptyCharges();
  private waiting: Waiting = { queue: 0, pool: 0, iova: 0, ring: 0 };
  private readonly flushes = new Float64Array(CAUSES_MAX);
  /** When each resource is free again, ns. */
  private queueFreeNs = 0;
  private readonly areaFreeNs: Float64Array;
  private readonly treeFreeNs: Float64Array;
  private readonly depotFreeNs: Float64Array;
  private readonly ringsFreeNs: Float64Array;
  /** Time for which the queue has been asked, ns, and the CPU that asked last. */
  private queueServiceNs = 0;
  private lastSubmitter = NO_CPU;
  private readonly domainOfId = new Int32Array(2 ** 16).fill(-1);
  private readonly depotMagazines: Float64Array;
  private readonly depotHoldNs: number;
  private readonly areaSlots: number;

  /** @param profile  has every constant that a call can need */
  constructor(setup: SaturatedMachine, sequence: CallSequence, profile: CostProfile) {
    const { cpus } = setup;
    const price = StepPrice.of(profile, cpus);
    assert(price !== null, 'a profile without gaps');
    assert(sequence.pairs > 0, 'a sequence that makes mappings');
    this.cpus = cpus;
    this.profile = profile;
    this.price = price;
    this.charger = new RowCharger(cpus);
    this.machine = new Machine(setup.parameters);
    this.player = new SequencePlayer(this.machine, sequence, setup);
    this.heap = new CpuHeap(cpus);
    const { domains, pool } = this.machine;
    this.areaFreeNs = new Float64Array(pool?.areas ?? 1);
    this.areaSlots = pool?.areaSlots ?? SEGMENT_SLOTS;
    this.treeFreeNs = new Float64Array(domains.length);
    this.depotFreeNs = new Float64Array(domains.length);
    this.ringsFreeNs = new Float64Array(domains.length);
    this.depotMagazines = new Float64Array(domains.length);
    // Two pointers change hands under the lock, which is no more than what a cached range takes.
    this.depotHoldNs = rangeOf(profile, 'iovaCacheAlloc')!.mid;
    for (const { id, index } of domains) this.domainOfId[id] = index;
  }

  /**
   * Runs to the steady state and measures there.
   *
   * @param warmUpPairs  pairs of each CPU before measuring begins, failed maps included
   * @param perCpu       pairs of each CPU to measure, at least, failed maps included
   */
  measure(policy: string, warmUpPairs: number, perCpu: number): SaturationResult {
    const { player, heap, cpus, flushes } = this;
    this.runEachFor(warmUpPairs);
    const pairsBefore = sumOf(player.pairs);
    const failuresBefore = sumOf(player.failures);
    const clocksBefore = sumOf(heap.timeNs);
    const beginNs = heap.timeNs[heap.earliest];
    const busyBefore = this.queueBusyNs();
    this.charges = emptyCharges();
    this.waiting = { queue: 0, pool: 0, iova: 0, ring: 0 };
    flushes.fill(0);
    this.runEachFor(perCpu);

    const { waiting } = this;
    const pairs = sumOf(player.pairs) - pairsBefore;
    const ns = heap.timeNs[heap.earliest] - beginNs;
    const nsPerPair = (sumOf(heap.timeNs) - clocksBefore) / pairs;
    const ringFull = flushes[FlushCause.RING_FULL];
    const timer = flushes[FlushCause.TIMER];
    return {
      policy,
      cpus,
      pairsPerCpuPerSecond: 1e9 / nsPerPair,
      nsPerPair,
      charges: this.charges,
      work: costPerPair(priceCharges(this.charges, this.profile), pairs),
      waiting: { queue: waiting.queue / pairs, pool: waiting.pool / pairs, iova: waiting.iova / pairs, ring: waiting.ring / pairs },
      queueUtilisation: ns > 0 ? (this.queueBusyNs() - busyBefore) / ns : 0,
      flushes: { ringFull, timer, poolDry: flushes[FlushCause.POOL_OWN] + flushes[FlushCause.POOL_FOREIGN] },
      failures: sumOf(player.failures) - failuresBefore,
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

  /** Timers have fired: each takes its time from the CPU on which it ran, and holds the rings of its domain until it is over. */
  private chargeTimers(): void {
    const { heap } = this;
    const log = this.machine.observations;
    for (let from = 0, to = 0; from < log.length; from = to) {
      const cpu = log.cpu[from];
      const domainId = log.domain[from];
      for (to = from + 1; to < log.length && log.cpu[to] === cpu && log.domain[to] === domainId; to++);
      const now = this.chargeRows(from, to, cpu, heap.timeNs[cpu]);
      heap.delay(cpu, now);
      if (domainId >= 0) this.ringsFreeNs[this.domainOfId[domainId]] = now;
    }
    log.clear();
  }

  /** What a step of `cpu` has done, from `begin` on. @returns when it is over, ns */
  private chargeStep(cpu: number, begin: number): number {
    const log = this.machine.observations;
    if (log.length === 0) return begin;
    const now = this.chargeRows(0, log.length, cpu, this.takeLocks(begin));
    log.clear();
    return now;
  }

  private chargeRows(from: number, to: number, cpu: number, begin: number): number {
    const { charger, charges, flushes, price } = this;
    const log = this.machine.observations;
    for (let row = from; row < to; row++) {
      charger.charge(log, row, charges.quantities, 0);
      if (log.kind[row] === Observed.FLUSH_STARTED) flushes[log.a[row]] += 1;
    }
    price.price(log, from, to);
    let now = begin;
    for (let use = 0; use < price.length; use++) now = this.useResource(use, cpu, now + price.localNs[use]);
    return now + price.tailNs;
  }

  /** Locks that the price of a step does not name: a ring that a timer drains, and a depot of magazines. @returns when it has them */
  private takeLocks(begin: number): number {
    const { machine, waiting } = this;
    const log = machine.observations;
    let now = begin;
    for (let row = 0; row < log.length; row++) {
      const kind = log.kind[row];
      if (kind !== Observed.FLUSH_QUEUED && kind !== Observed.IOVA_ALLOCATED && kind !== Observed.IOVA_FREED) continue;
      const domain = this.domainOfId[log.domain[row]];
      if (kind === Observed.FLUSH_QUEUED) {
        const wait = Math.max(0, this.ringsFreeNs[domain] - now);
        waiting.ring += wait;
        now += wait;
        continue;
      }
      const magazines = this.magazinesIn(domain);
      if (magazines === this.depotMagazines[domain]) continue;
      const wait = Math.max(0, this.depotFreeNs[domain] - now);
      waiting.iova += wait;
      now += wait;
      this.depotFreeNs[domain] = now + Math.abs(magazines - this.depotMagazines[domain]) * this.depotHoldNs;
      this.depotMagazines[domain] = magazines;
    }
    return now;
  }

  /** @returns when the CPU is through with it, ns */
  private useResource(use: number, cpu: number, now: number): number {
    const { price, waiting } = this;
    const usedNs = price.usedNs[use];
    const index = price.index[use];
    let start = now;
    switch (price.resource[use]) {
      case SharedResource.INVALIDATION_QUEUE:
        start = this.submit(cpu, now, price.busyNs[use]);
        waiting.queue += start - now;
        break;
      case SharedResource.SLOT_AREA:
        return this.lockAreas(index, now, usedNs);
      default: {
        const domain = this.domainOfId[index];
        start = Math.max(now, this.treeFreeNs[domain]);
        this.treeFreeNs[domain] = start + usedNs;
        waiting.iova += start - now;
      }
    }
    return start + usedNs;
  }

  /** A CPU that submits twice in a row has waited for its first one itself. @returns when the unit begins with it */
  private submit(cpu: number, now: number, serviceNs: number): number {
    const start = cpu === this.lastSubmitter ? now : Math.max(now, this.queueFreeNs);
    this.lastSubmitter = cpu;
    this.queueFreeNs = start + serviceNs;
    this.queueServiceNs += serviceNs;
    return start;
  }

  /** Holds the lock of the slot's area; a search that failed has held each for its share. */
  private lockAreas(slot: number, begin: number, usedNs: number): number {
    const { areaFreeNs } = this;
    if (slot >= 0) return this.lockArea(Math.floor(slot / this.areaSlots), begin, usedNs);
    let now = begin;
    for (let area = 0; area < areaFreeNs.length; area++) now = this.lockArea(area, now, usedNs / areaFreeNs.length);
    return now;
  }

  private lockArea(area: number, now: number, usedNs: number): number {
    const start = Math.max(now, this.areaFreeNs[area]);
    this.waiting.pool += start - now;
    this.areaFreeNs[area] = start + usedNs;
    return start + usedNs;
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
}

function sumOf(column: Float64Array): number {
  let sum = 0;
  for (const value of column) sum += value;
  return sum;
}
