import { assert, Direction, type DmaAddr, Machine, type MachineParameters, PAGE_SIZE, Prng, pcMachine, strict } from 'dmalab-core';
import type { ReceiveParameters } from './receive-parameters.ts';

/** What the IOMMU did per page received. */
export interface ReceiveCounts {
  readonly pages: number;
  /** First lookups that found nothing in the IOTLB. */
  readonly iotlbMisses: number;
  /** Walks that found no entry of the 512 GiB, 1 GiB, 2 MiB level in the paging-structure caches (L1, L2, L3 of F&S). */
  readonly l1Misses: number;
  readonly l2Misses: number;
  readonly l3Misses: number;
  /** Page-table reads from memory: the sum of the four, M of F&S. */
  readonly reads: number;
  readonly acks: number;
}

/** Pages of a core's descriptor and completion rings, mapped for ever. */
const RING_BYTES = 4 * PAGE_SIZE;
/** Entries of 64 bytes in such a page. */
const ENTRIES_PER_PAGE = PAGE_SIZE / 64;
const RING_PAGES = RING_BYTES / PAGE_SIZE;

/** TCP acknowledges every second full segment. */
const SEGMENTS_PER_ACK = 2;
const ACK_BYTES = 66;

/** One receiving core: its ring of pages, and what waits for its next poll. */
interface Core {
  /** Addresses of the ring's pages, item after item. */
  readonly pages: Float64Array;
  /** Page that the next packet goes to. */
  head: number;
  /** Pages that the device has filled since the last poll. */
  filled: number;
  firstFilledNs: number;
  /** Pages of the item at the head that are used and seen by the driver. */
  consumed: number;
  /** Item that the driver gives back next. */
  oldestItem: number;
  readonly flowOfFilled: number[];
  /** Acknowledgements that the device has sent and the driver has not yet taken back. */
  readonly sent: number[];
  /** Descriptor and completion ring. */
  readonly ring: DmaAddr;
  entries: number;
}

/**
 * A receiver under strict protection on the real engine: the driver's calls, and the device's accesses through the
 * IOMMU's caches.
 *
 * Assumptions, none of them fitted: packets of all flows arrive in random order at the link's rate; each fills a page and writes a
 * completion; a core polls after a delay; pages of a work item are unmapped one by one when all are used, and replaced by
 * new ones from the same CPU's cache; packets of a flow in one poll are merged, and TCP answers each merged lot of two or
 * more segments with one acknowledgement, which is mapped, read by the device with its descriptor, completed, and
 * unmapped at the next poll.
 *
 * @source F&S, SOSP 2024, sections 2.1, 2.2, 3
 */
export class ReceiveLoad {
  private readonly machine: Machine;
  private readonly parameters: ReceiveParameters;
  private readonly random: Prng;
  private readonly cores: readonly Core[];
  private readonly unacknowledged: Uint32Array;
  private readonly segmentsInPoll: Uint32Array;
  private nextPage = 2 ** 20;
  private packets = 0;
  private acks = 0;

  constructor(parameters: ReceiveParameters) {
    assert(parameters.ringPages % parameters.itemPages === 0, 'a ring holds whole work items');
    this.parameters = parameters;
    this.machine = new Machine(machineOf(parameters));
    this.random = new Prng(parameters.seed);
    this.unacknowledged = new Uint32Array(parameters.flows);
    this.segmentsInPoll = new Uint32Array(parameters.flows);
    this.cores = Array.from({ length: parameters.cores }, (_, cpu) => this.openCore(cpu));
  }

  /** Receives so many packets. @returns what the IOMMU did for each of them */
  receive(packets: number): ReceiveCounts {
    const before = this.counters();
    const acks = this.acks;
    for (let count = 0; count < packets; count++) this.receiveOne();
    const { iotlbMisses, l1Misses, l2Misses, l3Misses } = this.counters();
    const perPage = (after: number, earlier: number): number => (after - earlier) / packets;
    const counts = {
      iotlbMisses: perPage(iotlbMisses, before.iotlbMisses),
      l1Misses: perPage(l1Misses, before.l1Misses),
      l2Misses: perPage(l2Misses, before.l2Misses),
      l3Misses: perPage(l3Misses, before.l3Misses),
    };
    const reads = counts.iotlbMisses + counts.l1Misses + counts.l2Misses + counts.l3Misses;
    return { pages: packets, ...counts, reads, acks: perPage(this.acks, acks) };
  }

  private receiveOne(): void {
    const { parameters, random, cores } = this;
    const now = (this.packets * 1e9) / parameters.packetsPerSecond;
    this.packets += 1;
    for (const [cpu, core] of cores.entries()) {
      if (core.filled > 0 && (now >= core.firstFilledNs + parameters.pollDelayNs || core.filled >= parameters.pollPackets))
        this.poll(cpu, core);
    }
    const flow = random.below(parameters.flows);
    const cpu = flow % cores.length;
    const core = cores[cpu];
    if (core.filled === 0) core.firstFilledNs = now;
    this.access(core.pages[core.head], true);
    this.useRing(core, true);
    core.head = (core.head + 1) % parameters.ringPages;
    core.filled += 1;
    core.flowOfFilled.push(flow);
    this.machine.observations.clear();
  }

  /** The driver takes back what was sent, hands up what has come, acknowledges, and posts new pages. */
  private poll(cpu: number, core: Core): void {
    const { parameters } = this;
    for (const address of core.sent) this.machine.dmaUnmapPage(cpu, 0, address, ACK_BYTES, Direction.TO_DEVICE);
    core.sent.length = 0;
    this.segmentsInPoll.fill(0);
    for (const flow of core.flowOfFilled) this.segmentsInPoll[flow] += 1;
    core.flowOfFilled.length = 0;
    core.consumed += core.filled;
    core.filled = 0;
    this.acknowledge(cpu, core);
    while (core.consumed >= parameters.itemPages) {
      core.consumed -= parameters.itemPages;
      this.replaceItem(cpu, core);
    }
  }

  private acknowledge(cpu: number, core: Core): void {
    const { mergedPackets } = this.parameters;
    for (let flow = cpu; flow < this.segmentsInPoll.length; flow += this.cores.length) {
      for (let left = this.segmentsInPoll[flow]; left > 0; left -= mergedPackets) {
        this.unacknowledged[flow] += Math.min(left, mergedPackets);
        if (this.unacknowledged[flow] < SEGMENTS_PER_ACK) continue;
        this.unacknowledged[flow] = 0;
        this.sendAck(cpu, core);
      }
    }
  }

  private sendAck(cpu: number, core: Core): void {
    const phys = this.nextPage++ * PAGE_SIZE;
    const address = this.machine.dmaMapPage(cpu, 0, phys, ACK_BYTES, Direction.TO_DEVICE);
    this.useRing(core, false);
    this.access(address, false);
    this.useRing(core, true);
    core.sent.push(address);
    this.acks += 1;
  }

  /** All pages of the item that was used up first are unmapped, then as many new ones are mapped. */
  private replaceItem(cpu: number, core: Core): void {
    const { itemPages, ringPages } = this.parameters;
    const first = core.oldestItem * itemPages;
    for (let page = first; page < first + itemPages; page++) {
      this.machine.dmaUnmapPage(cpu, 0, core.pages[page], PAGE_SIZE, Direction.FROM_DEVICE);
    }
    for (let page = first; page < first + itemPages; page++) core.pages[page] = this.mapPage(cpu);
    core.oldestItem = (core.oldestItem + 1) % (ringPages / itemPages);
    this.useRing(core, false);
  }

  private openCore(cpu: number): Core {
    const { ringPages } = this.parameters;
    const ring = this.machine.dmaAllocCoherent(cpu, 0, this.nextPage * PAGE_SIZE, RING_BYTES);
    this.nextPage += RING_PAGES;
    return {
      pages: Float64Array.from({ length: ringPages }, () => this.mapPage(cpu)),
      head: 0,
      filled: 0,
      firstFilledNs: 0,
      consumed: 0,
      oldestItem: 0,
      flowOfFilled: [],
      sent: [],
      ring,
      entries: 0,
    };
  }

  private mapPage(cpu: number): DmaAddr {
    return this.machine.dmaMapPage(cpu, 0, this.nextPage++ * PAGE_SIZE, PAGE_SIZE, Direction.FROM_DEVICE);
  }

  /** The device reads or writes the next entry of the core's ring. */
  private useRing(core: Core, isWrite: boolean): void {
    const page = Math.floor(core.entries / ENTRIES_PER_PAGE) % RING_PAGES;
    core.entries += 1;
    this.access(core.ring + page * PAGE_SIZE, isWrite);
  }

  private access(address: DmaAddr, isWrite: boolean): void {
    assert(this.machine.deviceAccess(0, address, isWrite) >= 0, 'the device uses addresses that are mapped');
  }

  private counters(): { iotlbMisses: number; l1Misses: number; l2Misses: number; l3Misses: number } {
    const { iotlb, pagingStructures } = this.machine.unit!;
    const { hitsAt, misses } = pagingStructures!;
    const l2Misses = misses + hitsAt[4];
    return { iotlbMisses: iotlb!.misses, l1Misses: misses, l2Misses, l3Misses: l2Misses + hitsAt[3] };
  }
}

function machineOf({ cores, kernel, iotlb, pagingStructures }: ReceiveParameters): MachineParameters {
  const one = pcMachine([strict], { possibleCpus: cores, kernel, memory: 'accounting' });
  return { ...one, iommu: { ...one.iommu!, iotlb, pagingStructures } };
}
