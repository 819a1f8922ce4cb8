import {
  assert,
  CallKind,
  Direction,
  DMA_MAPPING_ERROR,
  DmaStep,
  FlushCause,
  type KernelRules,
  type LabelMemory,
  type Machine,
  NOT_MAPPED,
  Observed,
  PAGE_SIZE,
  type ProtectionPolicy,
  StateArena,
  StateImage,
} from 'dmalab-core';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { ActionKind, kindOfAction, Part } from './action.ts';
import { BUFFERS_MAX, FOREIGN, labelOf, Writer } from './labels.ts';
import { Reach, ReachTable } from './reach-table.ts';
import {
  type BufferSpec,
  bufferAddress,
  buildMachine,
  GRANULE_BYTES,
  GRANULES_PER_PAGE,
  pageAt,
  poolPages,
  type SmallMachine,
  windowPages,
} from './small-machine.ts';

/** Where a buffer stands. LIVE states are those in which its device may reach it: a call under way counts. */
export const BufferState = { IDLE: 0, MAPPING: 1, MAPPED: 2, UNMAPPING: 3, ENDED: 4, GIVEN: 5 } as const;
export type BufferState = (typeof BufferState)[keyof typeof BufferState];

/** Who got memory: nobody that does DMA. */
export const SOMEBODY_ELSE = -1;

/** How states are visited. */
export interface CheckedMachineOptions {
  /** Devices read what is mapped at once, so that the IOTLB holds all it may hold; else caching and dropping are actions of their own. */
  readonly cachesEagerly: boolean;
  /** A CPU that has done nothing yet starts only when those before it have. */
  readonly cpusInOrder: boolean;
  /** States that differ only in what nothing depends on any more are made equal. */
  readonly shedsHistory: boolean;
}

export const ALL_REDUCTIONS: CheckedMachineOptions = { cachesEagerly: true, cpusInOrder: true, shedsHistory: true };

const REACH_ROWS = 24;
/** Holder of a slot that is free. */
const NOBODY = 0;

/**
 * A small machine with its drivers, devices and memory users: what can happen next, and what it does. The engine is the one
 * that replays traces; what is kept beside it is who owns which byte, and is part of the state too.
 */
export class CheckedMachine {
  readonly spec: SmallMachine;
  readonly policy: ProtectionPolicy;
  readonly kernel: KernelRules;
  readonly machine: Machine;
  readonly image: StateImage;
  readonly reach: ReachTable;
  readonly memory: LabelMemory;
  readonly poolGranules: number;
  /** Buffer that owns each granule of the window, -1 for the kernel and the pool. */
  readonly ownerOf: Int8Array;
  /** Device that holds each slot, plus 1. */
  holder!: Uint8Array<ArrayBuffer>;
  bufferState!: Uint8Array<ArrayBuffer>;
  usesLeft!: Uint8Array<ArrayBuffer>;
  dmaAddress!: Float64Array<ArrayBuffer>;
  /** Labels that a driver must find in its buffer, and that its device must find; 0 where the device may find anything. Row buffer * 8 + granule. */
  forCpu!: Uint8Array<ArrayBuffer>;
  forDevice!: Uint8Array<ArrayBuffer>;
  /** Buffer that an actor works on, plus 1; for a timer 1 while it runs. Actors are CPUs, then the timer of each domain. */
  actorBusy!: Uint8Array<ArrayBuffer>;

  /** Of the last action: granules given to somebody, in pairs of first and last, with the device or SOMEBODY_ELSE. */
  readonly given: number[] = [];
  /** Of the last action: first granule of the window whose data a driver or device did not find as it must; -1 for none. */
  wrongGranule = -1;
  /** Of the last action: whether it changed anything that properties of states look at. */
  touched = false;
  /** Follows what the engine does, for whoever tells a path; null in a search. */
  observer: ObservationConsumer | null = null;
  /** What has happened in any state so far, besides maps and unmaps; not state. */
  readonly seen: Set<string> = new Set();

  private usedCpus!: Uint8Array<ArrayBuffer>;
  private readonly options: CheckedMachineOptions;
  private readonly arena = new StateArena();
  private readonly framesAtRest: number;
  private reachMoved = false;
  private readonly runPhys = new Float64Array(1);
  private readonly runBytes = new Float64Array(1);

  constructor(spec: SmallMachine, policy: ProtectionPolicy, kernel: KernelRules, options: CheckedMachineOptions) {
    assert(spec.buffers.length <= BUFFERS_MAX && spec.cpus <= 4, 'a small machine has at most eight buffers and four CPUs');
    this.spec = spec;
    this.policy = policy;
    this.kernel = kernel;
    this.options = options;
    this.machine = buildMachine(spec, policy, kernel);
    this.memory = this.machine.memory as LabelMemory;
    this.poolGranules = poolPages(spec) * GRANULES_PER_PAGE;
    const buffers = spec.buffers.length;
    this.arena.table('buffers', buffers, { dmaAddress: 'f64', state: 'u8', usesLeft: 'u8' }, (columns) => {
      this.dmaAddress = columns.dmaAddress;
      this.bufferState = columns.state;
      this.usesLeft = columns.usesLeft;
    });
    this.arena.table('buffers.data', buffers * 8, { forCpu: 'u8', forDevice: 'u8' }, (columns) => {
      this.forCpu = columns.forCpu;
      this.forDevice = columns.forDevice;
    });
    this.arena.table('slots', spec.slots, { holder: 'u8' }, (columns) => {
      this.holder = columns.holder;
    });
    this.arena.table('actors', spec.cpus + spec.devices, { busy: 'u8' }, (columns) => {
      this.actorBusy = columns.busy;
    });
    this.arena.table('cpus', 1, { used: 'u8' }, (columns) => {
      this.usedCpus = columns.used;
    });
    const pages = windowPages(spec);
    this.reach = new ReachTable(this.arena, this.machine, pages, REACH_ROWS, options.cachesEagerly);
    this.ownerOf = new Int8Array(pages * GRANULES_PER_PAGE).fill(-1);
    this.memory.labels.fill(FOREIGN, this.poolGranules);
    for (const [index, buffer] of spec.buffers.entries()) {
      this.usesLeft[index] = buffer.uses;
      const first = this.firstGranule(buffer);
      for (let granule = 0; granule < buffer.bytes / GRANULE_BYTES; granule++) {
        this.ownerOf[first + granule] = index;
        this.memory.labels[first + granule] = labelOf(index, Writer.CPU, granule % 8);
        if (granule < 8) this.forCpu[index * 8 + granule] = this.memory.labels[first + granule];
      }
    }
    this.framesAtRest = this.machine.frames.framesInUse - (policy.translated ? 3 * spec.devices : 0);
    this.machine.observations.clear();
    this.machine.frames.forgetWrites();
    this.image = new StateImage([this.arena, ...this.machine.arenas], this.machine.frames);
  }

  get cachesEagerly(): boolean {
    return this.options.cachesEagerly;
  }

  firstGranule(buffer: BufferSpec): number {
    return this.memory.granuleAt(bufferAddress(this.spec, buffer));
  }

  /** Whether the device may reach the buffer now. */
  isLive(buffer: number): boolean {
    const state = this.bufferState[buffer];
    return state === BufferState.MAPPING || state === BufferState.MAPPED || state === BufferState.UNMAPPING;
  }

  /** Device that holds the slot of a granule of the pool, -1 when the slot is free. */
  holderOfGranule(granule: number): number {
    return this.holder[(granule * GRANULE_BYTES) >> 11] - 1;
  }

  /** First byte of a part of a buffer and its length. */
  partOf(buffer: number, part: Part): { readonly first: number; readonly bytes: number } {
    const first = this.firstOf(buffer, part);
    return { first: first * GRANULE_BYTES, bytes: (this.lastOf(buffer, part) - first + 1) * GRANULE_BYTES };
  }

  /** No call is under way and every buffer is unmapped: the moment at which devices may be removed. */
  isQuiet(): boolean {
    for (let actor = 0; actor < this.actorBusy.length; actor++) if (this.actorBusy[actor] !== 0) return false;
    for (let buffer = 0; buffer < this.bufferState.length; buffer++) if (this.isLive(buffer)) return false;
    return true;
  }

  /** What is left over once the devices have been removed from a quiet machine; empty when all has been given back. */
  leftOver(): string[] {
    const { machine } = this;
    machine.removeDevices(0);
    machine.observations.clear();
    const left: string[] = [];
    if (machine.pool!.used !== 0) left.push(`${machine.pool!.used} slots`);
    for (const { iova, flushQueue } of machine.domains) {
      if (flushQueue !== null && flushQueue.entries > 0) left.push(`${flushQueue.entries} entries of a flush queue`);
      if (iova.nodeCount !== iova.reservedNodeCount) left.push(`${iova.nodeCount - iova.reservedNodeCount} ranges of device addresses`);
    }
    if (machine.frames.framesInUse !== this.framesAtRest) left.push(`${machine.frames.framesInUse - this.framesAtRest} table pages`);
    return left;
  }

  /** Fills `into` with the actions that are possible now and returns how many. */
  actions(into: Uint8Array): number {
    const { spec, actorBusy, bufferState } = this;
    const { cpus } = spec;
    let count = 0;
    for (let actor = 0; actor < actorBusy.length; actor++) if (actorBusy[actor] !== 0) into[count++] = ActionKind.STEP + actor;
    const { unit, domains } = this.machine;
    if (unit !== null && unit.queue.head !== unit.queue.tail) into[count++] = ActionKind.UNIT;
    for (let domain = 0; domain < domains.length; domain++) {
      const queue = domains[domain].flushQueue;
      if (queue?.timerArmed && actorBusy[cpus + domain] === 0) into[count++] = ActionKind.TIMER + domain;
    }
    const lastCpu = this.options.cpusInOrder ? Math.min(cpus - 1, this.usedCpus[0]) : cpus - 1;
    for (let buffer = 0; buffer < bufferState.length; buffer++) {
      const state = bufferState[buffer];
      const canMap = (state === BufferState.IDLE || state === BufferState.ENDED) && this.usesLeft[buffer] > 0;
      if (canMap || state === BufferState.MAPPED) {
        const kind = canMap ? ActionKind.MAP : ActionKind.UNMAP;
        for (let cpu = 0; cpu <= lastCpu; cpu++) if (actorBusy[cpu] === 0) into[count++] = kind + buffer * 4 + cpu;
      }
      if (state === BufferState.ENDED && spec.buffers[buffer].reclaimed) into[count++] = ActionKind.GIVE + buffer;
      if (state === BufferState.MAPPED && spec.movesData && !spec.buffers[buffer].coherent) count = this.dataActions(buffer, into, count);
    }
    if (!this.options.cachesEagerly) {
      const { reach, machine } = this;
      for (let row = 0; row < reach.count; row++) {
        if (machine.devices[reach.device[row]].domain === null) continue;
        if ((reach.how[row] & Reach.CACHED) !== 0) into[count++] = ActionKind.EVICT + row;
        else if (reach.how[row] === Reach.VALID) into[count++] = ActionKind.CACHE + row;
      }
    }
    return count;
  }

  /** Performs an action that is possible now. */
  perform(action: number): void {
    this.given.length = 0;
    this.wrongGranule = -1;
    this.touched = false;
    this.reachMoved = false;
    const kind = kindOfAction(action);
    const operand = action - kind;
    const buffer = operand >> 2;
    switch (kind) {
      case ActionKind.STEP:
        this.step(operand);
        break;
      case ActionKind.UNIT:
        this.machine.unit!.queue.step();
        this.reachMoved = true;
        break;
      case ActionKind.TIMER:
        this.fireTimer(operand);
        break;
      case ActionKind.MAP:
        this.beginMap(buffer, operand & 3);
        break;
      case ActionKind.UNMAP:
        this.beginUnmap(buffer, operand & 3);
        break;
      case ActionKind.GIVE:
        this.give(operand);
        break;
      case ActionKind.DEVICE_WRITE:
        this.deviceWrites(buffer, operand & 3);
        break;
      case ActionKind.SYNC_FOR_CPU:
        this.syncForCpu(buffer, operand & 3);
        break;
      case ActionKind.SYNC_FOR_DEVICE:
        this.syncForDevice(buffer, operand & 3);
        break;
      case ActionKind.CACHE:
        this.reach.cache(operand);
        break;
      case ActionKind.EVICT:
        this.reach.evict(operand);
        this.reachMoved = true;
        break;
    }
    this.absorb(-1);
    if (this.reachMoved) {
      this.reach.refresh();
      this.touched = true;
    }
    if (this.options.shedsHistory) {
      this.machine.unit?.queue.rewind();
      this.machine.dma.rewind();
    }
  }

  /** The step that an actor would take next, RETURN for one without a call. */
  nextStep(actor: number): DmaStep {
    return this.actorBusy[actor] === 0 ? DmaStep.RETURN : this.machine.dma.nextStep(actor);
  }

  /** Physical address that a device reaches at an address, by what the IOTLB holds before the tables are asked; -1 when there is none. */
  private behind(device: number, address: number): number {
    const { domain } = this.machine.devices[device];
    if (domain === null) return address;
    const iovaPfn = Math.floor(address / PAGE_SIZE);
    const { cache } = this.machine.unit!.iotlb!;
    const entry = cache.find(domain.id, iovaPfn, 1);
    const pfn = entry >= 0 ? cache.pfn[entry] : domain.hardware.lookup(iovaPfn);
    return pfn === NOT_MAPPED ? -1 : pfn * PAGE_SIZE + (address % PAGE_SIZE);
  }

  private beginMap(buffer: number, cpu: number): void {
    const spec = this.spec.buffers[buffer];
    const { dma } = this.machine;
    this.startOn(cpu, buffer);
    this.bufferState[buffer] = BufferState.MAPPING;
    this.usesLeft[buffer] -= 1;
    const address = bufferAddress(this.spec, spec);
    let call: number;
    if (spec.coherent) {
      this.runPhys[0] = address;
      this.runBytes[0] = spec.bytes;
      call = dma.beginAlloc(cpu, spec.device, spec.bytes, this.runPhys, this.runBytes, 0, 1);
    } else {
      call = dma.beginMapPage(cpu, spec.device, address, spec.bytes, spec.direction, 0);
    }
    assert(call === cpu, 'a call has the row of its CPU');
    this.noteDirectUse(buffer);
    this.step(cpu);
  }

  /** An untranslated device uses the buffer itself from now on, unless it is bounced. */
  private noteDirectUse(buffer: number): void {
    const spec = this.spec.buffers[buffer];
    if (this.policy.translated || (!spec.coherent && this.policy.bounces(bufferAddress(this.spec, spec), spec.bytes))) return;
    const first = this.firstGranule(spec);
    for (let granule = first; granule < first + spec.bytes / GRANULE_BYTES; granule++) {
      this.reach.noteUse(spec.device, Math.floor(granule / GRANULES_PER_PAGE), 1 << (granule % GRANULES_PER_PAGE));
    }
  }

  private beginUnmap(buffer: number, cpu: number): void {
    const { device, bytes, direction, coherent } = this.spec.buffers[buffer];
    const { dma } = this.machine;
    this.startOn(cpu, buffer);
    this.bufferState[buffer] = BufferState.UNMAPPING;
    const address = this.dmaAddress[buffer];
    if (coherent && this.slotsWait()) this.seen.add('coherent memory freed while slots wait');
    if (coherent) dma.beginFree(cpu, device, address, bytes);
    else dma.beginUnmapPage(cpu, device, address, bytes, direction, 0);
    this.step(cpu);
  }

  private slotsWait(): boolean {
    return this.machine.domains.some(({ flushQueue }) => flushQueue !== null && flushQueue.entriesWithSlots > 0);
  }

  private startOn(cpu: number, buffer: number): void {
    this.machine.dma.calls.arrangeFree(cpu);
    this.actorBusy[cpu] = buffer + 1;
    if (this.usedCpus[0] < cpu + 1) this.usedCpus[0] = cpu + 1;
    this.touched = true;
  }

  private fireTimer(domain: number): void {
    const actor = this.spec.cpus + domain;
    const { dma, domains } = this.machine;
    dma.calls.arrangeFree(actor);
    const call = dma.beginFlushTimer(domains[domain].flushQueue!.timerCpu, domain);
    assert(call === actor, 'a timer has a row of its own');
    this.actorBusy[actor] = 1;
    this.step(actor);
  }

  /** One step; what follows it without doing anything on this machine, and the return to the driver, are part of it. */
  private step(actor: number): void {
    const { dma } = this.machine;
    let returned = dma.step(actor);
    this.absorb(actor);
    while (!returned && this.doesNothing(actor)) {
      returned = dma.step(actor);
      this.absorb(actor);
    }
    if (!returned) return;
    const kind = dma.calls.kind[actor];
    const result = dma.calls.result[actor];
    dma.calls.clear(actor);
    dma.end(actor);
    const buffer = this.actorBusy[actor] - 1;
    this.actorBusy[actor] = 0;
    dma.calls.arrangeFree(this.lowestFreeRow());
    this.touched = true;
    if (actor < this.spec.cpus) this.returned(buffer, kind, result);
  }

  private lowestFreeRow(): number {
    return this.actorBusy.indexOf(0);
  }

  /** The next step has no effect here: it takes no turn. */
  private doesNothing(actor: number): boolean {
    const { dma } = this.machine;
    switch (dma.nextStep(actor)) {
      case DmaStep.RETURN:
      case DmaStep.FLUSH_MAP:
        return true;
      case DmaStep.FREE_TABLES:
        return dma.calls.freedTables[actor] < 0;
      default:
        return false;
    }
  }

  private returned(buffer: number, kind: number, result: number): void {
    const isMap = kind === CallKind.MAP_PAGE || kind === CallKind.ALLOC;
    if (isMap && result === DMA_MAPPING_ERROR) {
      this.seen.add('mapping failed');
      this.bufferState[buffer] = BufferState.IDLE;
      return;
    }
    if (isMap) {
      this.bufferState[buffer] = BufferState.MAPPED;
      this.dmaAddress[buffer] = result;
      this.expectAtMap(buffer);
      return;
    }
    this.bufferState[buffer] = BufferState.ENDED;
    this.dmaAddress[buffer] = 0;
    this.expectForCpu(buffer, Part.WHOLE);
    this.forDevice.fill(0, buffer * 8, buffer * 8 + 8);
  }

  private give(buffer: number): void {
    const spec = this.spec.buffers[buffer];
    const first = this.firstGranule(spec);
    const last = first + spec.bytes / GRANULE_BYTES - 1;
    this.bufferState[buffer] = BufferState.GIVEN;
    this.usesLeft[buffer] = 0;
    this.memory.labels.fill(FOREIGN, first, last + 1);
    this.forCpu.fill(0, buffer * 8, buffer * 8 + 8);
    this.given.push(first, last, SOMEBODY_ELSE);
    this.touched = true;
  }

  /** Takes over what the engine has reported. */
  private absorb(actor: number): void {
    const log = this.machine.observations;
    this.observer?.observe(log);
    for (let row = 0; row < log.length; row++) {
      switch (log.kind[row]) {
        case Observed.SLOT_ALLOCATED:
          this.slotsTaken(log.a[row], log.b[row], log.device[row]);
          break;
        case Observed.SLOT_RELEASED:
          this.holder.fill(NOBODY, log.a[row], log.a[row] + log.b[row]);
          this.touched = true;
          break;
        case Observed.MAPPED:
          this.mapped(log.device[row], log.a[row], log.b[row], log.c[row], log.d[row], actor);
          break;
        case Observed.UNMAPPED:
        case Observed.INVALIDATION_COMPLETED:
          this.reachMoved = true;
          break;
        case Observed.COPIED_IN:
        case Observed.COPIED_OUT:
        case Observed.ZEROED:
          this.touched = true;
          break;
        case Observed.FLUSH_STARTED:
          if (this.isFlushing(log.domain[row], actor)) this.seen.add('two flushes of one domain at once');
          break;
        case Observed.FLUSH_FINISHED:
          this.seen.add(FLUSH_CAUSES[log.a[row]]);
          break;
        case Observed.TABLE_FREED:
          assert(false, 'tables of a small machine are never freed');
      }
    }
    log.clear();
  }

  /** Whether an actor besides the given one has begun a flush of a domain and still waits for it. */
  private isFlushing(domain: number, besides: number): boolean {
    const { calls } = this.machine.dma;
    for (let actor = 0; actor < this.actorBusy.length; actor++) {
      if (actor === besides || this.actorBusy[actor] === 0) continue;
      if (calls.flushing[actor] === 1 && calls.domain[actor] === domain) return true;
      if (this.nextStep(actor) === DmaStep.WAIT_FLUSH && this.machine.domains[calls.flushDomain[actor]].id === domain) return true;
    }
    return false;
  }

  private slotsTaken(first: number, count: number, device: number): void {
    const perSlot = 2048 / GRANULE_BYTES;
    this.given.push(first * perSlot, (first + count) * perSlot - 1, device);
    this.holder.fill(device + 1, first, first + count);
    this.touched = true;
    if (!this.policy.translated) {
      for (let granule = first * perSlot; granule < (first + count) * perSlot; granule++) {
        this.reach.noteUse(device, Math.floor(granule / GRANULES_PER_PAGE), 1 << (granule % GRANULES_PER_PAGE));
      }
    }
  }

  private mapped(device: number, iova: number, phys: number, bytes: number, rights: number, actor: number): void {
    const buffer = this.actorBusy[actor] - 1;
    for (let done = 0; done < bytes; done += PAGE_SIZE) {
      const page = pageAt(phys + done);
      this.reach.add(device, (iova + done) / PAGE_SIZE, page, this.madeFor(page, device, buffer), rights);
    }
    this.touched = true;
  }

  /** Granules of a page that a mapping is for: those of its slots in the pool, those of its buffer elsewhere. */
  private madeFor(page: number, device: number, buffer: number): number {
    let made = 0;
    for (let index = 0; index < GRANULES_PER_PAGE; index++) {
      const granule = page * GRANULES_PER_PAGE + index;
      const isIts = granule < this.poolGranules ? this.holderOfGranule(granule) === device : this.ownerOf[granule] === buffer;
      if (isIts) made |= 1 << index;
    }
    return made;
  }

  private dataActions(buffer: number, into: Uint8Array, from: number): number {
    const { direction, bytes } = this.spec.buffers[buffer];
    const parts = bytes > GRANULE_BYTES ? 3 : 1;
    let count = from;
    for (let part = 0; part < parts; part++) {
      if (direction !== Direction.TO_DEVICE) {
        into[count++] = ActionKind.DEVICE_WRITE + buffer * 4 + part;
        into[count++] = ActionKind.SYNC_FOR_CPU + buffer * 4 + part;
      }
      if (direction !== Direction.FROM_DEVICE) into[count++] = ActionKind.SYNC_FOR_DEVICE + buffer * 4 + part;
    }
    return count;
  }

  private deviceWrites(buffer: number, part: number): void {
    const { device } = this.spec.buffers[buffer];
    for (let granule = this.firstOf(buffer, part); granule <= this.lastOf(buffer, part); granule++) {
      const label = labelOf(buffer, Writer.DEVICE, granule);
      const phys = this.behind(device, this.dmaAddress[buffer] + granule * GRANULE_BYTES);
      if (phys < 0) this.wrong(buffer, granule);
      else this.memory.labels[this.memory.granuleAt(phys)] = label;
      this.forDevice[buffer * 8 + granule] = label;
    }
  }

  private syncForCpu(buffer: number, part: number): void {
    const { device, direction } = this.spec.buffers[buffer];
    const { first, bytes } = this.partOf(buffer, part as Part);
    this.machine.dmaSyncSingleForCpu(0, device, this.dmaAddress[buffer] + first, bytes, direction);
    this.expectForCpu(buffer, part);
  }

  /** The CPU changes the part, then hands it over. */
  private syncForDevice(buffer: number, part: number): void {
    const { device, direction } = this.spec.buffers[buffer];
    const first = this.firstOf(buffer, part);
    const last = this.lastOf(buffer, part);
    const base = this.firstGranule(this.spec.buffers[buffer]);
    for (let granule = first; granule <= last; granule++) {
      const label = labelOf(buffer, Writer.CPU_LATER, granule);
      this.memory.labels[base + granule] = label;
      this.forCpu[buffer * 8 + granule] = label;
      this.forDevice[buffer * 8 + granule] = label;
    }
    const address = this.dmaAddress[buffer] + first * GRANULE_BYTES;
    this.machine.dmaSyncSingleForDevice(0, device, address, (last - first + 1) * GRANULE_BYTES, direction);
    this.checkForDevice(buffer, first, last);
  }

  /** A mapping hands all of the buffer to the device, which finds what the CPU wrote unless it is only there to be written. */
  private expectAtMap(buffer: number): void {
    const { direction, coherent } = this.spec.buffers[buffer];
    if (coherent || direction === Direction.FROM_DEVICE) return;
    const last = this.lastOf(buffer, Part.WHOLE);
    for (let granule = 0; granule <= last; granule++) this.forDevice[buffer * 8 + granule] = this.forCpu[buffer * 8 + granule];
    this.checkForDevice(buffer, 0, last);
  }

  private checkForDevice(buffer: number, first: number, last: number): void {
    const { device } = this.spec.buffers[buffer];
    for (let granule = first; granule <= last; granule++) {
      const phys = this.behind(device, this.dmaAddress[buffer] + granule * GRANULE_BYTES);
      const found = phys < 0 ? -1 : this.memory.labels[this.memory.granuleAt(phys)];
      if (found !== this.forDevice[buffer * 8 + granule]) this.wrong(buffer, granule);
    }
  }

  /**
   * The CPU gets a part back: what the device wrote there, and its own data where the device wrote nothing. Under 6.1 rules
   * a bounced buffer that only the device writes comes back zeroed there, which is known and no finding.
   */
  private expectForCpu(buffer: number, part: number): void {
    const { direction, coherent } = this.spec.buffers[buffer];
    if (coherent) return;
    const base = this.firstGranule(this.spec.buffers[buffer]);
    for (let granule = this.firstOf(buffer, part); granule <= this.lastOf(buffer, part); granule++) {
      const at = buffer * 8 + granule;
      if (direction !== Direction.TO_DEVICE && this.forDevice[at] !== 0) this.forCpu[at] = this.forDevice[at];
      const found = this.memory.labels[base + granule];
      if (found === this.forCpu[at]) continue;
      if (this.kernel === '6.1' && found === 0 && direction === Direction.FROM_DEVICE && this.forDevice[at] === 0) this.forCpu[at] = 0;
      else this.wrong(buffer, granule);
    }
  }

  private wrong(buffer: number, granule: number): void {
    if (this.wrongGranule < 0) this.wrongGranule = this.firstGranule(this.spec.buffers[buffer]) + granule;
  }

  private firstOf(buffer: number, part: number): number {
    return part === Part.LAST ? this.spec.buffers[buffer].bytes / GRANULE_BYTES - 1 : 0;
  }

  private lastOf(buffer: number, part: number): number {
    return part === Part.FIRST ? 0 : this.spec.buffers[buffer].bytes / GRANULE_BYTES - 1;
  }
}

const FLUSH_CAUSES: Record<number, string> = {
  [FlushCause.TIMER]: 'flush by timer',
  [FlushCause.RING_FULL]: 'flush of a full ring',
  [FlushCause.TEARDOWN]: 'flush at removal',
  [FlushCause.POOL_OWN]: 'early flush of the own domain',
  [FlushCause.POOL_FOREIGN]: 'early flush of another domain',
};
