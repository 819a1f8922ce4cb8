import { expiryOf, FLUSH_QUEUE_TIMEOUT_NS, Machine } from 'dmalab-core';
import type { RecordedDevice, RecordedMachine } from '../replay/recorded-machine.ts';
import type { Recording } from '../replay/recording.ts';
import { TracedDevices } from '../replay/traced-devices.ts';

/** The device's addresses are physical ones. */
export const UNTRANSLATED = -1;
/** Nobody knows whose address space it is. */
export const UNKNOWN_SPACE = -2;

/**
 * Which devices of a recording share an I/O address space: a space is a domain of the recorded machine, and devices of
 * one IOMMU group are in one domain.
 */
export class AddressSpaces {
  readonly recorded: RecordedMachine;
  private readonly devices: TracedDevices;
  private readonly hz: number;
  /** Domain id by space, and the space of an id. */
  private readonly ids: readonly number[];
  private readonly ofId: ReadonlyMap<number, number>;
  /** By space: moment at which its flush timer falls due, -1 while it is not armed. */
  private readonly dueNs: number[];

  constructor(recording: Recording) {
    this.recorded = recording.machine();
    this.devices = new TracedDevices(this.recorded, recording.names);
    this.hz = recording.inference.kernelHz;
    this.ids = new Machine(this.recorded.parameters).domains.map(({ id }) => id);
    this.ofId = new Map(this.ids.map((id, space) => [id, space]));
    this.dueNs = this.ids.map(() => -1);
  }

  /** Number of spaces. */
  get count(): number {
    return this.ids.length;
  }

  /** Space of device `device` of the trace, UNTRANSLATED or UNKNOWN_SPACE. */
  ofDevice(device: number): number {
    const index = this.devices.indexOf(device);
    return index < 0 ? UNKNOWN_SPACE : this.ofIndex(index);
  }

  /** Space of device `index` of the machine. */
  ofIndex(index: number): number {
    const { domain } = this.recorded.parameters.devices[index];
    return domain < 0 ? UNTRANSLATED : domain;
  }

  /** Space that has the domain id, UNKNOWN_SPACE for none. */
  ofDomainId(did: number): number {
    return this.ofId.get(did) ?? UNKNOWN_SPACE;
  }

  /** Unmapped ranges of the space wait for a flush of the whole domain. */
  isLazy(space: number): boolean {
    return this.recorded.parameters.devices.some(({ domain, policy }) => domain === space && policy.lazy);
  }

  /** Name of a device of the trace, empty when the line names none. */
  nameOf(device: number): string {
    return this.devices.nameOf(device);
  }

  /** Devices of a space, in the order of the machine. */
  devicesOf(space: number): readonly RecordedDevice[] {
    return this.recorded.devices.filter((_, index) => this.ofIndex(index) === space);
  }

  /** A range of the space was unmapped: its flush timer runs from the first one on. */
  noteUnmap(space: number, nowNs: number): void {
    if (!(this.dueNs[space] > nowNs)) this.dueNs[space] = this.flushDueNs(nowNs);
  }

  /** When the running flush timer of the space falls due. */
  timerDueNs(space: number): number {
    return this.dueNs[space];
  }

  /** When a flush timer armed at `nowNs` falls due. */
  flushDueNs(nowNs: number): number {
    return expiryOf(nowNs, FLUSH_QUEUE_TIMEOUT_NS, this.hz);
  }
}
