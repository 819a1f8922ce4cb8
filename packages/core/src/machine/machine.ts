import { assert, type Cpu, type DmaAddr, type Ns, ObservationLog, type PhysAddr, StateArena } from '../base/index.ts';
import { CacheTagFlusher, DmaApi, DmaDevice, DmaDomain, FLUSH_QUEUE_TIMEOUT_NS } from '../dma/index.ts';
import {
  ADVERSARIAL_CACHES,
  createDomain,
  DMA_PAGE_TABLE_OPTIONS,
  DomainIds,
  IommuUnit,
  PageTables,
  TranslationType,
  tableLevelsOf,
  translate,
} from '../iommu/index.ts';
import { IOVA_DEPOT_DELAY_NS, IOVA_RANGE_CACHE_MAX_SIZE, iovaDomainParameters } from '../iova/index.ts';
import { AccountingMemory, ByteMemory, FrameStore, type Memory } from '../mem/index.ts';
import { type Bounce, SwiotlbPool } from '../swiotlb/index.ts';
import type { MachineParameters } from './parameters.ts';
import { TimerWheel } from './timer-wheel.ts';

/** First page frame of the model's page tables: physical memory that no real machine of the time has. */
const TABLE_FRAMES_PFN = 2 ** 39;

/** Domain id of identity domains (FLPT_DEFAULT_DID). */
const PASS_THROUGH_DOMAIN_ID = 1;

/** One for the flush queue, then one for the depot of each rcache bin. */
const TIMERS_PER_DOMAIN = 1 + IOVA_RANGE_CACHE_MAX_SIZE;

/**
 * A whole machine: memory, remapping unit, bounce pool, domains, devices, and the DMA API over them. This is where the
 * layers are put together; no other file of the core knows all of them.
 */
export class Machine {
  readonly parameters: MachineParameters;
  readonly observations: ObservationLog = new ObservationLog();
  /** State that belongs to no single domain or pool. */
  readonly arena: StateArena = new StateArena();
  readonly poolArena: StateArena = new StateArena();
  readonly memory: Memory;
  readonly frames: FrameStore;
  readonly unit: IommuUnit | null;
  readonly tables: PageTables | null;
  readonly pool: SwiotlbPool | null;
  readonly domains: readonly DmaDomain[];
  readonly devices: readonly DmaDevice[];
  readonly dma: DmaApi;
  private readonly timers: TimerWheel;

  constructor(parameters: MachineParameters) {
    this.parameters = parameters;
    const { arena, observations } = this;
    this.memory = parameters.memory === 'bytes' ? new ByteMemory(arena, 16) : new AccountingMemory();
    this.frames = new FrameStore(arena, TABLE_FRAMES_PFN, 64);
    this.unit = parameters.iommu === null ? null : this.buildUnit();
    this.tables = this.unit === null ? null : new PageTables(arena, this.frames, 16, DMA_PAGE_TABLE_OPTIONS, observations);
    this.pool = parameters.swiotlb === null ? null : new SwiotlbPool(this.poolArena, { ...parameters.swiotlb, kernel: parameters.kernel });
    this.domains = this.buildDomains();
    this.devices = parameters.devices.map((device, index) => {
      const domain = device.domain < 0 ? null : this.domains[device.domain];
      return new DmaDevice(domain?.arena ?? arena, index, device, domain, device.policy);
    });
    const bounce: Bounce | null = this.pool === null ? null : { pool: this.pool, memory: this.memory, log: observations };
    this.dma = new DmaApi(arena, {
      kernel: parameters.kernel,
      log: observations,
      devices: this.devices,
      domains: this.domains,
      bounce,
      poolForced: parameters.swiotlb?.forced ?? false,
      flusher: this.unit === null ? null : new CacheTagFlusher(this.unit, observations, parameters.kernel),
    });
    this.timers = new TimerWheel(arena, this.domains.length * TIMERS_PER_DOMAIN);
    this.attachDevices();
    observations.clear();
  }

  /**
   * Moves the clock to `ns`, not backwards; background work that falls due on the way runs at its own time. Flush
   * timers fire at the first tick that Linux allows, on the CPU that armed them.
   */
  advanceTo(ns: Ns): void {
    while (this.timers.firstDueNs <= ns) {
      const timer = this.timers.firstDue;
      this.observations.nowNs = this.timers.firstDueNs;
      this.timers.stop(timer);
      this.runTimer(timer);
    }
    this.observations.nowNs = ns;
  }

  /** Starts the timers that a call in `domain` has armed; called after each call of a replay in modelled time. */
  noticeArmedTimers(domain: number): void {
    const { flushQueue, iova } = this.domains[domain];
    const { hz } = this.parameters;
    const now = this.observations.nowNs;
    const first = domain * TIMERS_PER_DOMAIN;
    if (flushQueue?.timerArmed && !this.timers.isRunning(first)) this.timers.start(first, expiryOf(now, FLUSH_QUEUE_TIMEOUT_NS, hz));
    for (let bin = 0; bin < IOVA_RANGE_CACHE_MAX_SIZE; bin++) {
      if (iova.depotWorkArmed(bin) && !this.timers.isRunning(first + 1 + bin)) {
        this.timers.start(first + 1 + bin, expiryOf(now, IOVA_DEPOT_DELAY_NS, hz));
      }
    }
  }

  /** A device reads or writes. @returns the physical address, or a negative outcome of `translate` with a fault recorded */
  deviceAccess(device: number, address: DmaAddr, isWrite: boolean): PhysAddr {
    const { unit, devices } = this;
    if (unit === null || devices[device].domain === null) return address as number;
    return translate(unit, devices[device].parameters.sourceId, address as number, isWrite);
  }

  private buildUnit(): IommuUnit {
    const { capability, extendedCapability, iotlb, pagingStructures } = this.parameters.iommu!;
    return new IommuUnit(
      this.arena,
      this.frames,
      { ...ADVERSARIAL_CACHES, name: 'dmar0', capability, extendedCapability, iotlb, pagingStructures },
      this.observations,
    );
  }

  private buildDomains(): DmaDomain[] {
    const { parameters, unit, tables } = this;
    if (unit === null || tables === null) return [];
    const ids = new DomainIds(this.arena, unit.name, unit.capability.domainIds);
    return parameters.domains.map(({ reserved }, index) => {
      const hardware = createDomain(ids, tables, unit.capability);
      assert(hardware !== null, 'the unit has a domain id for every domain of the machine');
      const lazy = parameters.devices.some((device) => device.domain === index && device.policy.lazy);
      const domain = new DmaDomain(new StateArena(), this.observations, index, hardware, {
        iova: { ...iovaDomainParameters(parameters.kernel, parameters.possibleCpus, parameters.onlineCpus), ...parameters.iova },
        flushQueue: lazy ? { possibleCpus: parameters.possibleCpus, ...ringEntriesOf(parameters) } : undefined,
        apertureEnd: 2 ** hardware.widthBits - 1,
      });
      for (const { loPfn, hiPfn } of reserved) domain.iova.reserveIova(loPfn, hiPfn);
      return domain;
    });
  }

  private attachDevices(): void {
    const { unit } = this;
    if (unit === null) return;
    const levels = tableLevelsOf(unit.capability);
    for (const { domain, parameters } of this.devices) {
      if (domain === null) unit.contextTable.set(parameters.sourceId, PASS_THROUGH_DOMAIN_ID, TranslationType.PASS_THROUGH, 0, levels, false);
      else unit.contextTable.set(parameters.sourceId, domain.id, TranslationType.UNTRANSLATED, domain.hardware.rootPfn, levels, false);
    }
    unit.setTranslationEnabled(true);
  }

  private runTimer(timer: number): void {
    const index = Math.floor(timer / TIMERS_PER_DOMAIN);
    const bin = (timer % TIMERS_PER_DOMAIN) - 1;
    const domain = this.domains[index];
    if (bin < 0) {
      const cpu: Cpu = domain.flushQueue!.timerCpu;
      this.dma.run(this.dma.beginFlushTimer(cpu, index));
    } else {
      domain.iova.depotWork(bin);
    }
    this.noticeArmedTimers(index);
  }
}

/**
 * When a timer armed at `nowNs` fires: the kernel counts whole ticks (jiffies) from the last one and its timer wheel adds
 * one, so a timeout of 10 ms takes 12 to 16 ms at HZ 250 and 10 to 11 ms at HZ 1000.
 */
function expiryOf(nowNs: Ns, timeoutNs: number, hz: number): Ns {
  const tickNs = 1e9 / hz;
  return (Math.floor(nowNs / tickNs) + Math.ceil(timeoutNs / tickNs) + 1) * tickNs;
}

function ringEntriesOf(parameters: MachineParameters): { ringEntries?: number } {
  return parameters.ringEntries === undefined ? {} : { ringEntries: parameters.ringEntries };
}
