import { FlushCause, type Machine, type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';
import { ObservationOwners } from '../replay/observation-owners.ts';
import { Counter, CounterTable } from './counters.ts';
import { isDomainSelective } from './recorded-counts.ts';

/** What the observations of a call count for. */
export const Phase = { MAP: 0, SYNC: 1, UNMAP: 2 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** Counts what one row does, from the observations that its calls leave, and what it holds: now and at most. */
export class RowCounts {
  readonly counters: CounterTable;
  /** Slots in use, by device. */
  readonly slotsUsed: Float64Array;
  readonly slotsPeak: Float64Array;
  /** Those of them that wait for a flush, by device and, last, of all devices together. */
  readonly slotsWaiting: Float64Array;
  readonly slotsWaitingPeak: Float64Array;
  /** Page-table pages with their root, by domain. */
  readonly tablePages: Float64Array;
  readonly tablePagesPeak: Float64Array;
  tablePagesTotal: number;
  tablePagesTotalPeak: number;
  /** Of the call at work: ranges for which it has asked for slots, but those that went on without. */
  bouncedRanges = 0;
  bouncedBytes = 0;
  /** Its last search for slots was in vain. */
  slotsFailed = false;
  addressesFailed = false;
  /** It has flushed because a ring was full. */
  ringFull = false;
  /** It has flushed to get slots, or gone on without them. */
  wasDry = false;
  /** It has taken slots or given some back. */
  slotsMoved = false;
  private readonly owners: ObservationOwners;
  private readonly domainOfId: Int32Array;
  /** By first slot: 1 while its slots wait for a flush. */
  private readonly isWaiting: Uint8Array;

  constructor(machine: Machine) {
    const devices = machine.devices.length;
    const domains = machine.domains.length;
    this.owners = new ObservationOwners(machine);
    this.counters = new CounterTable(this.owners.count);
    this.slotsUsed = new Float64Array(devices);
    this.slotsPeak = new Float64Array(devices);
    this.slotsWaiting = new Float64Array(devices + 1);
    this.slotsWaitingPeak = new Float64Array(devices + 1);
    this.isWaiting = new Uint8Array(machine.pool?.slots ?? 0);
    this.tablePages = new Float64Array(domains).fill(1);
    this.tablePagesPeak = this.tablePages.slice();
    this.tablePagesTotal = domains;
    this.tablePagesTotalPeak = domains;
    this.domainOfId = new Int32Array(2 ** 16).fill(-1);
    for (const { id, index } of machine.domains) this.domainOfId[id] = index;
  }

  /** Most slots of all devices together that waited for a flush at once. */
  get slotsWaitingPeakTotal(): number {
    return this.slotsWaitingPeak[this.slotsWaitingPeak.length - 1];
  }

  /** Index of the domain with this id, -1 for none. */
  domainOf(id: number): number {
    return id >= 0 && id < this.domainOfId.length ? this.domainOfId[id] : -1;
  }

  /** A call begins, or what runs by itself. */
  begin(): void {
    this.bouncedRanges = 0;
    this.bouncedBytes = 0;
    this.slotsFailed = false;
    this.addressesFailed = false;
    this.ringFull = false;
    this.wasDry = false;
    this.slotsMoved = false;
  }

  /** Counts what observations tell. */
  count(log: ObservationLog, phase: Phase): void {
    const { counters } = this;
    for (let row = 0; row < log.length; row++) {
      const owner = this.owners.ownerOf(log, row);
      switch (log.kind[row]) {
        case Observed.MAPPED:
          counters.add(owner, Counter.TABLE_MAPS, 1);
          counters.add(owner, Counter.TABLE_MAPPED_PAGES, log.c[row] / PAGE_SIZE);
          break;
        case Observed.UNMAPPED:
          counters.add(owner, Counter.TABLE_UNMAPS, 1);
          counters.add(owner, Counter.TABLE_UNMAPPED_PAGES, log.c[row] / PAGE_SIZE);
          break;
        case Observed.BOUNCED:
          counters.add(owner, Counter.BOUNCE_ATTEMPTS, 1);
          this.bouncedRanges += 1;
          this.bouncedBytes += log.b[row];
          break;
        case Observed.BOUNCE_FORGONE:
          counters.add(owner, Counter.DIRECT_WHEN_DRY, 1);
          this.bounceForgone(log.b[row]);
          break;
        case Observed.SLOT_ALLOCATED:
          this.slotsAllocated(log.device[row], log.b[row]);
          break;
        case Observed.SLOT_RELEASED:
          this.slotsReleased(log.device[row], log.a[row], log.b[row]);
          break;
        case Observed.SLOT_DEFERRED:
          this.isWaiting[log.a[row]] = 1;
          this.slotsWait(log.device[row], log.b[row]);
          this.slotsWait(this.slotsWaiting.length - 1, log.b[row]);
          break;
        case Observed.SLOT_FAILED:
          this.slotsFailed = true;
          break;
        case Observed.COPIED_IN:
          counters.add(owner, phase === Phase.MAP ? Counter.COPIED_IN_MAP : Counter.COPIED_IN_SYNC, log.b[row]);
          break;
        case Observed.COPIED_OUT:
          counters.add(owner, phase === Phase.SYNC ? Counter.COPIED_OUT_SYNC : Counter.COPIED_OUT_UNMAP, log.b[row]);
          break;
        case Observed.ZEROED:
          counters.add(owner, Counter.ZEROED, log.b[row]);
          break;
        case Observed.IOVA_FAILED:
          this.addressesFailed = true;
          break;
        case Observed.DESCRIPTOR_SUBMITTED:
          counters.add(owner, isDomainSelective(log.b[row]) ? Counter.DOMAIN_SELECTIVE : Counter.PAGE_SELECTIVE, 1);
          break;
        case Observed.FLUSH_STARTED:
          this.flushStarted(owner, log.a[row]);
          break;
        case Observed.TABLE_ALLOCATED:
          this.changeTablePages(log.domain[row], 1);
          break;
        case Observed.TABLE_FREED:
          this.changeTablePages(log.domain[row], -1);
          break;
      }
    }
  }

  /** The observation's device is the one whose slots they are: a flush gives back those of others. */
  private slotsAllocated(device: number, slots: number): void {
    this.slotsMoved = true;
    // A search in vain before an early flush does not count once the slots are there.
    this.slotsFailed = false;
    this.slotsUsed[device] += slots;
    if (this.slotsUsed[device] > this.slotsPeak[device]) this.slotsPeak[device] = this.slotsUsed[device];
  }

  private bounceForgone(bytes: number): void {
    this.slotsFailed = false;
    this.wasDry = true;
    this.bouncedRanges -= 1;
    this.bouncedBytes -= bytes;
  }

  private slotsReleased(device: number, first: number, slots: number): void {
    this.slotsMoved = true;
    this.slotsUsed[device] -= slots;
    if (this.isWaiting[first] === 0) return;
    this.isWaiting[first] = 0;
    this.slotsWaiting[device] -= slots;
    this.slotsWaiting[this.slotsWaiting.length - 1] -= slots;
  }

  private slotsWait(of: number, slots: number): void {
    this.slotsWaiting[of] += slots;
    if (this.slotsWaiting[of] > this.slotsWaitingPeak[of]) this.slotsWaitingPeak[of] = this.slotsWaiting[of];
  }

  private flushStarted(owner: number, cause: number): void {
    const { counters } = this;
    switch (cause) {
      case FlushCause.TIMER:
        counters.add(owner, Counter.FLUSHES_TIMER, 1);
        break;
      case FlushCause.RING_FULL:
        this.ringFull = true;
        counters.add(owner, Counter.FLUSHES_RING_FULL, 1);
        break;
      case FlushCause.POOL_OWN:
        this.wasDry = true;
        counters.add(owner, Counter.FLUSHES_EARLY_OWN, 1);
        break;
      case FlushCause.POOL_FOREIGN:
        this.wasDry = true;
        counters.add(owner, Counter.FLUSHES_EARLY_FOREIGN, 1);
        break;
      case FlushCause.TEARDOWN:
        // Behind the end of the recording; nothing of the workload asked for it.
        break;
    }
  }

  private changeTablePages(domainId: number, change: number): void {
    const domain = this.domainOf(domainId);
    this.tablePages[domain] += change;
    if (this.tablePages[domain] > this.tablePagesPeak[domain]) this.tablePagesPeak[domain] = this.tablePages[domain];
    this.tablePagesTotal += change;
    if (this.tablePagesTotal > this.tablePagesTotalPeak) this.tablePagesTotalPeak = this.tablePagesTotal;
  }
}
