import {
  assert,
  type Cpu,
  type Direction,
  type DmaAddr,
  type DomainId,
  FlushCause,
  type Ns,
  ObservationLog,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
  StateArena,
} from '../base/index.ts';
import { CacheTagFlusher, DmaApi, type DmaApiParts, DmaDevice, DmaDomain, FLUSH_QUEUE_TIMEOUT_NS, ShadowBuffers } from '../dma/index.ts';
import {
  ADVERSARIAL_CACHES,
  createDomain,
  DMA_PAGE_TABLE_OPTIONS,
  DomainIds,
  destroyDomain,
  IommuUnit,
  PageTables,
  QUEUE_ENTRIES,
  TranslationType,
  tableLevelsOf,
  translate,
} from '../iommu/index.ts';
import { IOVA_DEPOT_DELAY_NS, IOVA_RANGE_CACHE_MAX_SIZE, iovaDomainParameters } from '../iova/index.ts';
import { AccountingMemory, ByteMemory, FrameStore, LabelMemory, type Memory } from '../mem/index.ts';
import { type Bounce, SwiotlbPool, tblRelease } from '../swiotlb/index.ts';
import { checkDevices, type MachineParameters, type MachineSizes } from './parameters.ts';
import { TimerWheel } from './timer-wheel.ts';

/** First page frame of the model's page tables: physical memory that no real machine of the time has. */
const TABLE_FRAMES_PFN = 2 ** 39;

/** Domain id of identity domains (FLPT_DEFAULT_DID). */
const PASS_THROUGH_DOMAIN_ID = 1;

/** One for the flush queue, then one for the depot of each rcache bin. */
const TIMERS_PER_DOMAIN = 1 + IOVA_RANGE_CACHE_MAX_SIZE;

const MACHINE_SIZES: MachineSizes = {
  tableFrames: 64,
  tableSets: 16,
  memoryFrames: 16,
  calls: 16,
  callEntries: 64,
  queueEntries: QUEUE_ENTRIES,
};

/** A saved machine: its clock and all its arenas. */
export interface MachineState {
  readonly nowNs: Ns;
  readonly arenas: readonly Uint8Array<ArrayBuffer>[];
}

/** What a driver programs its device with: a range of device addresses. */
export interface DmaSegment {
  readonly address: DmaAddr;
  readonly bytes: number;
}

/**
 * A whole machine: memory, remapping unit, bounce pool, domains, devices, and the DMA API over them. This is where the
 * layers are put together; no other file of the core knows all of them.
 *
 * The `dma…` methods are a driver's calls, each run to its end; `dma` has them step by step. CPUs and devices are
 * numbers, in the order of the parameters.
 *
 * ```ts
 * const machine = new Machine(pcMachine([bounceStrict]));
 * machine.memory.write(0x103a4c2, Uint8Array.of(1, 2, 3));
 * const address = machine.dmaMapPage(0, 0, 0x103a4c2, 3, Direction.TO_DEVICE);
 * const seen = new Uint8Array(3);
 * machine.deviceRead(0, address, seen); // 3 bytes: 1, 2, 3
 * machine.dmaUnmapPage(0, 0, address, 3, Direction.TO_DEVICE);
 * machine.deviceRead(0, address, seen); // 0 bytes, and a fault is recorded in machine.unit.faults
 * ```
 *
 * Device TLBs (ATS) and first-level tables are not modelled.
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
  private readonly flusher: CacheTagFlusher | null;
  private readonly timers: TimerWheel;
  private readonly domainIds: DomainIds | null;

  /** @throws LabError MCH010 or MCH011 when a device's policy and domain do not fit together */
  constructor(parameters: MachineParameters) {
    checkDevices(parameters);
    this.parameters = parameters;
    const { arena, observations } = this;
    const sizes = { ...MACHINE_SIZES, ...parameters.sizes };
    this.memory = memoryOf(arena, parameters.memory, sizes);
    this.frames = new FrameStore(arena, TABLE_FRAMES_PFN, sizes.tableFrames);
    this.unit = parameters.iommu === null ? null : this.buildUnit(sizes);
    this.tables = this.unit === null ? null : new PageTables(arena, this.frames, sizes.tableSets, DMA_PAGE_TABLE_OPTIONS, observations);
    this.pool = parameters.swiotlb === null ? null : new SwiotlbPool(this.poolArena, { ...parameters.swiotlb, kernel: parameters.kernel });
    const bounce: Bounce | null =
      this.pool === null ? null : { pool: this.pool, kernel: parameters.kernel, memory: this.memory, log: observations };
    this.domainIds = this.unit === null ? null : new DomainIds(arena, this.unit.name, this.unit.capability.domainIds);
    this.domains = this.buildDomains(bounce);
    this.devices = parameters.devices.map((device, index) => {
      const domain = device.domain < 0 ? null : this.domains[device.domain];
      return new DmaDevice(domain?.arena ?? arena, index, device, domain, device.policy);
    });
    this.flusher = this.unit === null ? null : new CacheTagFlusher(this.unit, observations, parameters.kernel);
    const hasShadows = this.devices.some((device) => device.hasShadows);
    const parts: DmaApiParts = {
      kernel: parameters.kernel,
      log: observations,
      devices: this.devices,
      domains: this.domains,
      bounce,
      bounceKeepingOffsets: bounce === null ? null : { ...bounce, kernel: '6.12' },
      shadows: hasShadows && this.pool !== null ? new ShadowBuffers(arena, this.pool.slots, this.devices.length) : null,
      poolForced: parameters.swiotlb?.forced ?? false,
      flusher: this.flusher,
    };
    this.dma = new DmaApi(arena, parts, sizes.calls, sizes.callEntries);
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

  /** dma_map_page, dma_map_single: the device address, or DMA_MAPPING_ERROR. `attrs` as DMA_ATTR_SKIP_CPU_SYNC. */
  dmaMapPage(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction, attrs = 0): DmaAddr {
    return this.run(this.dma.beginMapPage(cpu, device, phys, bytes, direction, attrs));
  }

  /** dma_unmap_page, with the address, length and direction of the mapping. */
  dmaUnmapPage(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction, attrs = 0): void {
    this.run(this.dma.beginUnmapPage(cpu, device, address, bytes, direction, attrs));
  }

  /** dma_map_sg: the segments, none when the list cannot be mapped. Entry k is `bytes[k]` bytes at `phys[k]`. */
  dmaMapSg(cpu: Cpu, device: number, phys: readonly PhysAddr[], bytes: readonly number[], direction: Direction, attrs = 0): DmaSegment[] {
    const { dma } = this;
    assert(phys.length > 0 && phys.length === bytes.length, 'a scatter list has entries, each with a length');
    const call = dma.beginMapSg(cpu, device, Float64Array.from(phys), Float64Array.from(bytes), 0, phys.length, direction, attrs);
    while (!dma.step(call));
    const segments: DmaSegment[] = [];
    const first = call * dma.calls.entriesMax;
    for (let row = first; row < first + dma.calls.result[call]; row++) {
      segments.push({ address: dma.calls.entryDmaAddr[row], bytes: dma.calls.entryDmaBytes[row] });
    }
    this.noticeTimersAfter(device, call);
    dma.end(call);
    return segments;
  }

  /** dma_unmap_sg, with the segments that dmaMapSg gave. */
  dmaUnmapSg(cpu: Cpu, device: number, segments: readonly DmaSegment[], direction: Direction, attrs = 0): void {
    const addresses = Float64Array.from(segments, ({ address }) => address);
    const bytes = Float64Array.from(segments, (segment) => segment.bytes);
    this.run(this.dma.beginUnmapSg(cpu, device, addresses, bytes, 0, segments.length, direction, attrs));
  }

  /** dma_map_resource: device memory at `phys`, never bounced. */
  dmaMapResource(cpu: Cpu, device: number, phys: PhysAddr, bytes: number, direction: Direction): DmaAddr {
    return this.run(this.dma.beginMapResource(cpu, device, phys, bytes, direction, 0));
  }

  dmaUnmapResource(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    this.run(this.dma.beginUnmapResource(cpu, device, address, bytes, direction, 0));
  }

  /** dma_alloc_coherent, of whole pages in one run at `phys`, which the caller chooses: the device address or DMA_MAPPING_ERROR. */
  dmaAllocCoherent(cpu: Cpu, device: number, phys: PhysAddr, bytes: number): DmaAddr {
    assert(phys % PAGE_SIZE === 0, 'coherent memory begins at a page');
    const runBytes = Float64Array.of(roundUp(bytes, PAGE_SIZE));
    return this.run(this.dma.beginAlloc(cpu, device, bytes, Float64Array.of(phys), runBytes, 0, 1));
  }

  dmaFreeCoherent(cpu: Cpu, device: number, address: DmaAddr, bytes: number): void {
    this.run(this.dma.beginFree(cpu, device, address, bytes));
  }

  /** dma_sync_single_for_cpu: after it the CPU sees what the device has written so far to this part of a mapping. */
  dmaSyncSingleForCpu(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    this.dma.syncSingleForCpu(cpu, device, address, bytes, direction);
  }

  /** dma_sync_single_for_device: after it the device sees what the CPU has written so far to this part of a mapping. */
  dmaSyncSingleForDevice(cpu: Cpu, device: number, address: DmaAddr, bytes: number, direction: Direction): void {
    this.dma.syncSingleForDevice(cpu, device, address, bytes, direction);
  }

  /** The device reads from `address` on, page by page until a request is refused. @returns bytes read into `into` */
  deviceRead(device: number, address: DmaAddr, into: Uint8Array): number {
    return this.deviceTransfer(device, address, into, false);
  }

  /** The device writes from `address` on, page by page until a request is refused. @returns bytes written */
  deviceWrite(device: number, address: DmaAddr, from: Uint8Array): number {
    return this.deviceTransfer(device, address, from, true);
  }

  /** Every arena of the machine, in a fixed order. */
  get arenas(): readonly StateArena[] {
    return [this.arena, this.poolArena, ...this.domains.map((domain) => domain.arena)];
  }

  /** A copy of the whole state, calls in flight included; statistics and observations are not part of it. */
  save(): MachineState {
    return { nowNs: this.observations.nowNs, arenas: this.arenas.map((arena) => arena.save()) };
  }

  /** Goes back to a state that a machine of the same parameters had. */
  restore(state: MachineState): void {
    this.observations.nowNs = state.nowNs;
    for (const [index, arena] of this.arenas.entries()) arena.restore(state.arenas[index]);
  }

  /**
   * Starts the timers that a call of a device has armed; for calls that are run through `dma` in modelled time, before
   * the next one begins. A call that has flushed for room in the pool may have filled the address caches of other domains
   * than its own.
   */
  noticeTimersAfter(device: number, call: number): void {
    const { domain } = this.devices[device];
    if (this.dma.calls.flushDomain[call] >= 0) for (const { index } of this.domains) this.noticeArmedTimers(index);
    else if (domain !== null) this.noticeArmedTimers(domain.index);
  }

  /** Starts the timers that are armed in `domain`. */
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

  /**
   * All devices are removed, and with them their domains; drivers have given back what they had, and no call is in flight.
   * Every flush queue is flushed once, shadow buffers and cached addresses go back, table pages are freed. Then the
   * machine does no more DMA; a state saved before can still be restored.
   *
   * @param cpu  that does the work
   */
  removeDevices(cpu: Cpu = 0): void {
    const { dma, devices, domains, domainIds, unit, tables } = this;
    assert(dma.calls.inFlight === 0, 'devices are removed when no call is in flight');
    for (const { index } of devices) {
      for (let call = dma.beginReleaseShadow(cpu, index); call >= 0; call = dma.beginReleaseShadow(cpu, index)) dma.run(call);
    }
    for (const { index, flushQueue } of domains) {
      if (flushQueue !== null) dma.run(dma.beginFlush(cpu, index, FlushCause.TEARDOWN));
    }
    for (let timer = 0; timer < domains.length * TIMERS_PER_DOMAIN; timer++) this.timers.stop(timer);
    if (unit === null || tables === null || domainIds === null) return;
    for (const { parameters } of devices) unit.contextTable.clear(parameters.sourceId);
    for (const { id, iova, hardware } of domains) {
      this.flusher!.flushDetached(cpu, id);
      iova.releaseCaches();
      tables.pages.freeChain(destroyDomain(domainIds, hardware));
    }
  }

  private run(call: number): number {
    const { calls } = this.dma;
    const device = calls.device[call];
    while (!this.dma.step(call));
    this.noticeTimersAfter(device, call);
    this.dma.end(call);
    return calls.result[call];
  }

  private deviceTransfer(device: number, address: DmaAddr, buffer: Uint8Array, isWrite: boolean): number {
    let done = 0;
    while (done < buffer.length) {
      const length = Math.min(buffer.length - done, PAGE_SIZE - ((address + done) % PAGE_SIZE));
      const phys: number = this.deviceAccess(device, address + done, isWrite);
      if (phys < 0) return done;
      const part = buffer.subarray(done, done + length);
      if (isWrite) this.memory.write(phys, part);
      else this.memory.read(phys, part);
      done += length;
    }
    return done;
  }

  private buildUnit({ queueEntries }: MachineSizes): IommuUnit {
    const { capability, extendedCapability, iotlb, pagingStructures } = this.parameters.iommu!;
    return new IommuUnit(
      this.arena,
      this.frames,
      { ...ADVERSARIAL_CACHES, name: 'dmar0', capability, extendedCapability, iotlb, pagingStructures, queueEntries },
      this.observations,
    );
  }

  private buildDomains(bounce: Bounce | null): DmaDomain[] {
    const { parameters, unit, tables, domainIds: ids } = this;
    if (unit === null || tables === null || ids === null) return [];
    const releaseSlots = (slots: PhysAddr, cpu: Cpu, device: number, domainId: DomainId): void =>
      tblRelease(bounce!, slots, parameters.devices[device].minAlignMask, cpu, device, domainId);
    for (const { domainId } of parameters.domains) if (domainId !== undefined) ids.take(domainId);
    return parameters.domains.map(({ reserved, domainId }, index) => {
      const hardware = createDomain(ids, tables, unit.capability, domainId);
      assert(hardware !== null, 'the unit has a domain id for every domain of the machine');
      const lazy = parameters.devices.some((device) => device.domain === index && device.policy.lazy);
      const domain = new DmaDomain(new StateArena(), this.observations, index, hardware, {
        iova: { ...iovaDomainParameters(parameters.kernel, parameters.possibleCpus, parameters.onlineCpus), ...parameters.iova },
        flushQueue: lazy ? { possibleCpus: parameters.possibleCpus, ...ringEntriesOf(parameters) } : undefined,
        apertureEnd: 2 ** hardware.widthBits - 1,
        releaseSlots,
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
      if (domain === null)
        unit.contextTable.set(parameters.sourceId, PASS_THROUGH_DOMAIN_ID, TranslationType.PASS_THROUGH, 0, levels, false);
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

function memoryOf(arena: StateArena, kind: MachineParameters['memory'], sizes: MachineSizes): Memory {
  if (kind === 'bytes') return new ByteMemory(arena, sizes.memoryFrames);
  return kind === 'accounting' ? new AccountingMemory() : new LabelMemory(arena, kind);
}

/**
 * When a timer armed at `nowNs` fires: the kernel counts whole ticks (jiffies) from the last one and its timer wheel adds
 * one, so a timeout of 10 ms takes 12 to 16 ms at HZ 250 and 10 to 11 ms at HZ 1000.
 *
 * @source Linux v6.12 kernel/time/timer.c, calc_index()
 */
export function expiryOf(nowNs: Ns, timeoutNs: number, hz: number): Ns {
  const tickNs = 1e9 / hz;
  return (Math.floor(nowNs / tickNs) + Math.ceil(timeoutNs / tickNs) + 1) * tickNs;
}

function ringEntriesOf(parameters: MachineParameters): { ringEntries?: number } {
  return parameters.ringEntries === undefined ? {} : { ringEntries: parameters.ringEntries };
}
