import { Direction, DMA_MAPPING_ERROR, type DmaSegment, Machine, type MachineParameters, type ObservationLog, Observed } from 'dmalab-core';
import { MappedMemory } from '../exposure/exposure-class.ts';

/** What ExposureAuditor and its oracle have in common. */
interface Follower {
  callBegins(line: number, timeNs: number): void;
  mappingMade(
    device: number,
    mapping: number,
    memory: MappedMemory,
    dmaAddr: Float64Array,
    bytes: Float64Array,
    first: number,
    count: number,
  ): void;
  mappingEnds(mapping: number): void;
  observe(log: ObservationLog): void;
  finish(timeNs: number): void;
}

/** A mapping that a driver holds. */
export interface HeldMapping {
  readonly id: number;
  readonly device: number;
  readonly memory: MappedMemory;
  readonly isList: boolean;
  readonly segments: readonly DmaSegment[];
  readonly bytes: number;
  readonly direction: Direction;
}

/** A machine whose calls are followed as a row of a comparison has them followed. Every call has a line of its own, from 1 on. */
export class AuditedMachine {
  readonly machine: Machine;
  /** Line of the newest call. */
  line = 0;
  private readonly followers: readonly Follower[];
  private readonly freeIds: number[] = [];
  private ids = 0;

  constructor(parameters: MachineParameters, follow: (machine: Machine) => readonly Follower[]) {
    this.machine = new Machine(parameters);
    this.followers = follow(this.machine);
  }

  /** undefined when the mapping fails. */
  mapPage(device: number, phys: number, bytes: number, direction: Direction, cpu = 0): HeldMapping | undefined {
    this.begin();
    const address = this.machine.dmaMapPage(cpu, device, phys, bytes, direction);
    return this.made(device, MappedMemory.STREAMING, false, [{ address, bytes }], bytes, direction);
  }

  mapList(device: number, phys: readonly number[], lengths: readonly number[], direction: Direction, cpu = 0): HeldMapping | undefined {
    this.begin();
    const segments = this.machine.dmaMapSg(cpu, device, phys, lengths, direction);
    return this.made(device, MappedMemory.STREAMING, true, segments, 0, direction);
  }

  mapResource(device: number, phys: number, bytes: number, direction: Direction, cpu = 0): HeldMapping | undefined {
    this.begin();
    const address = this.machine.dmaMapResource(cpu, device, phys, bytes, direction);
    return this.made(device, MappedMemory.RESOURCE, false, [{ address, bytes }], bytes, direction);
  }

  allocate(device: number, phys: number, bytes: number, cpu = 0): HeldMapping | undefined {
    this.begin();
    const address = this.machine.dmaAllocCoherent(cpu, device, phys, bytes);
    return this.made(device, MappedMemory.COHERENT, false, [{ address, bytes }], bytes, Direction.BIDIRECTIONAL);
  }

  /** @param bytes  what the driver says the length was */
  unmap(mapping: HeldMapping, cpu = 0, bytes = mapping.bytes): void {
    const { machine } = this;
    const { device, direction, segments, memory } = mapping;
    const { address } = segments[0];
    this.begin();
    for (const follower of this.followers) follower.mappingEnds(mapping.id);
    if (mapping.isList) machine.dmaUnmapSg(cpu, device, segments, direction);
    else if (memory === MappedMemory.COHERENT) machine.dmaFreeCoherent(cpu, device, address, bytes);
    else if (memory === MappedMemory.RESOURCE) machine.dmaUnmapResource(cpu, device, address, bytes, direction);
    else machine.dmaUnmapPage(cpu, device, address, bytes, direction);
    this.observe(direction);
    this.freeIds.push(mapping.id);
  }

  /** Time passes, and flush timers fire in it. */
  wait(ns: number): void {
    this.machine.advanceTo(this.nowNs + ns);
    this.observe(Direction.BIDIRECTIONAL);
  }

  get nowNs(): number {
    return this.machine.observations.nowNs;
  }

  finish(): void {
    for (const follower of this.followers) follower.finish(this.nowNs);
  }

  private begin(): void {
    this.line += 1;
    for (const follower of this.followers) follower.callBegins(this.line, this.nowNs);
  }

  private made(
    device: number,
    memory: MappedMemory,
    isList: boolean,
    segments: readonly DmaSegment[],
    bytes: number,
    direction: Direction,
  ): HeldMapping | undefined {
    this.observe(direction);
    if (segments.length === 0 || segments[0].address === DMA_MAPPING_ERROR) return undefined;
    const id = this.freeIds.pop() ?? this.ids++;
    const addresses = Float64Array.from(segments, ({ address }) => address);
    const lengths = Float64Array.from(segments, (segment) => segment.bytes);
    for (const follower of this.followers) follower.mappingMade(device, id, memory, addresses, lengths, 0, segments.length);
    return { id, device, memory, isList, segments, bytes, direction };
  }

  private observe(direction: Direction): void {
    const log = this.machine.observations;
    for (let row = 0; row < log.length; row++) {
      // As Linux 6.12 sets the entries: readable whatever the direction.
      if (log.kind[row] === Observed.MAPPED && log.d[row] === 0) log.d[row] = direction === Direction.TO_DEVICE ? 1 : 3;
    }
    for (const follower of this.followers) follower.observe(log);
    log.clear();
  }
}
