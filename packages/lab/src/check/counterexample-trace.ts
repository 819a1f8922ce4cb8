import { DMA_MAPPING_ERROR, type ObservationLog, Observed, PAGE_SIZE, type ProtectionPolicy, roundUp } from 'dmalab-core';
import { ALL_ONES, ContextLevel, EventBatch, EventKind, exportBatch, exportHeader, NO_DIRECTION, TraceNames } from 'dmalab-trace';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { ActionKind, kindOfAction, type Part } from './action.ts';
import { readAction } from './action-text.ts';
import { ALL_REDUCTIONS, BufferState, CheckedMachine } from './checked-machine.ts';
import type { Counterexample } from './counterexample.ts';
import { bufferAddress, deviceLetter, pageAddress, poolPages } from './small-machine.ts';

/** A counterexample as a recording of the machine that it happened on. */
export interface CounterexampleTrace {
  /** Lines of events; a harm that needs no call leaves none. */
  readonly events: number;
  /** As tracefs prints it. */
  readonly trace: Uint8Array;
  /** The machine description that belongs beside it, JSON. */
  readonly machine: string;
}

const START_NS = 1e9;
const LINE_NS = 1000;
/** From one step to the next: nothing is known of times, only of their order. */
const STEP_NS = 10_000;
/** A flush timer fires that long after it was armed. @source Linux v6.12 drivers/iommu/dma-iommu.c IOVA_DEFAULT_FQ_TIMEOUT */
const TIMER_NS = 10e6;
const FIRST_PID = 100;
const MASK_64 = 2 ** 64;
const ROWS_MAX = 4096;
/** Most steps until a call under way has returned. */
const STEPS_MAX = 32;

/**
 * What a kernel would have recorded of the counterexample: the lines of its calls, until those under way have returned.
 *
 * Times are made up, 10 us from step to step. What devices, the remapping unit and other users of memory do leaves no line.
 * Kernels with 6.1 rules have no lines of the DMA API.
 */
export function counterexampleTrace(example: Counterexample, policy: ProtectionPolicy): CounterexampleTrace {
  const { machine: spec, kernel, actions } = example;
  const checked = new CheckedMachine(spec, policy, kernel, { ...ALL_REDUCTIONS, cachesEagerly: false });
  const recorder = new LineRecorder(checked);
  for (const text of actions) recorder.perform(readAction(spec, text));
  for (let cpu = 0; cpu < spec.cpus; cpu++) {
    for (let step = 0; step < STEPS_MAX && checked.actorBusy[cpu] !== 0; step++) recorder.perform(ActionKind.STEP + cpu);
  }
  return { events: recorder.events, trace: recorder.bytes(), machine: `${JSON.stringify(descriptionOf(example, policy), null, 2)}\n` };
}

/** Performs actions and writes the lines of each as rows of a batch. */
class LineRecorder implements ObservationConsumer {
  private readonly checked: CheckedMachine;
  private readonly batch = new EventBatch(new TraceNames(), ROWS_MAX);
  private readonly devices: readonly number[];
  private readonly driver: number;
  private readonly idle: number;
  private readonly unit: number;
  private nowNs = START_NS;
  /** Who writes the lines of the action at work. */
  private actor = 0;

  constructor(checked: CheckedMachine) {
    const { names } = this.batch;
    this.checked = checked;
    this.devices = checked.machine.devices.map((_, device) => names.devices.internText(deviceAddress(device)));
    this.driver = names.comms.internText('driver');
    this.idle = names.comms.internText('<idle>');
    this.unit = names.units.internText('dmar0');
    checked.observer = this;
  }

  get events(): number {
    return this.batch.rowCount;
  }

  /** The whole file. */
  bytes(): Uint8Array {
    const header = exportHeader(this.batch.rowCount, this.checked.spec.cpus);
    const lines = exportBatch(this.batch);
    const bytes = new Uint8Array(header.length + lines.length);
    bytes.set(header);
    bytes.set(lines, header.length);
    return bytes;
  }

  perform(action: number): void {
    const { checked } = this;
    const { cpus } = checked.spec;
    const kind = kindOfAction(action);
    const operand = action - kind;
    this.nowNs = roundUp(this.nowNs + 1, STEP_NS) + (kind === ActionKind.TIMER ? TIMER_NS : 0);
    switch (kind) {
      case ActionKind.MAP:
      case ActionKind.UNMAP:
        this.actor = operand & 3;
        this.performCall(action, operand >> 2, kind === ActionKind.UNMAP);
        break;
      case ActionKind.STEP:
        this.actor = operand;
        if (operand < cpus) this.performCall(action, checked.actorBusy[operand] - 1, false);
        else checked.perform(action);
        break;
      case ActionKind.SYNC_FOR_CPU:
      case ActionKind.SYNC_FOR_DEVICE:
        this.actor = 0;
        checked.perform(action);
        this.syncLine(kind === ActionKind.SYNC_FOR_CPU, operand >> 2, (operand & 3) as Part);
        break;
      default:
        this.actor = kind === ActionKind.TIMER ? cpus + operand : 0;
        checked.perform(action);
    }
  }

  /** A step of a driver's call: its API line comes when it returns, that of a free before everything else. */
  private performCall(action: number, buffer: number, isBegun: boolean): void {
    const { checked } = this;
    const { coherent } = checked.spec.buffers[buffer];
    const address = checked.dmaAddress[buffer];
    if (isBegun && coherent) this.apiLine(EventKind.DMA_FREE, buffer, address);
    checked.perform(action);
    if (checked.actorBusy[this.actor] !== 0) return;
    if (checked.bufferState[buffer] === BufferState.MAPPED) {
      this.apiLine(coherent ? EventKind.DMA_ALLOC : EventKind.DMA_MAP_PAGE, buffer, checked.dmaAddress[buffer]);
    } else if (checked.bufferState[buffer] === BufferState.IDLE) {
      this.apiLine(coherent ? EventKind.DMA_ALLOC : EventKind.DMA_MAP_PAGE, buffer, coherent ? 0 : DMA_MAPPING_ERROR);
    } else if (!coherent) {
      this.apiLine(EventKind.DMA_UNMAP_PAGE, buffer, address);
    }
  }

  observe(log: ObservationLog): void {
    for (let row = 0; row < log.length; row++) {
      const [a, b, c, d, e] = [log.a[row], log.b[row], log.c[row], log.d[row], log.e[row]];
      const domain = log.domain[row];
      switch (log.kind[row]) {
        case Observed.MAPPED:
          this.line(EventKind.MAP, -1, [a, a + c, b, c]);
          break;
        case Observed.UNMAPPED:
          this.line(EventKind.UNMAP, -1, [a, a + b, b, c]);
          break;
        case Observed.BOUNCED:
          this.line(EventKind.BOUNCED, log.device[row], [MASK_64, a, b, c]);
          break;
        case Observed.DESCRIPTOR_SUBMITTED:
          this.line(EventKind.QI_SUBMIT, -1, [a, b, c, d, b & 0xf]);
          break;
        case Observed.CACHE_TAG_FLUSH_ALL:
          this.newKernelLine(EventKind.CACHE_TAG_FLUSH_ALL, [domain, 0, 1, 0]);
          break;
        case Observed.CACHE_TAG_FLUSH_RANGE:
          this.newKernelLine(EventKind.CACHE_TAG_FLUSH_RANGE, [domain, a, b, c, d, e, 0, 0]);
          break;
        case Observed.CACHE_TAG_FLUSH_RANGE_NP:
          this.newKernelLine(EventKind.CACHE_TAG_FLUSH_RANGE_NP, [domain, a, b, c, d, e, 0, 0]);
          break;
      }
    }
  }

  private newKernelLine(kind: EventKind, values: readonly number[]): void {
    if (this.checked.kernel !== '6.1') this.line(kind, -1, values);
  }

  private apiLine(kind: EventKind, buffer: number, address: number): void {
    const { spec, kernel } = this.checked;
    if (kernel === '6.1') return;
    const { device, bytes, direction } = spec.buffers[buffer];
    const dmaAddr = address === DMA_MAPPING_ERROR ? ALL_ONES : address;
    const row = this.line(kind, device, [dmaAddr, bytes, bufferAddress(spec, spec.buffers[buffer])]);
    this.batch.direction[row] = direction;
  }

  private syncLine(isForCpu: boolean, buffer: number, part: Part): void {
    const { checked } = this;
    const { first, bytes } = checked.partOf(buffer, part);
    if (checked.kernel === '6.1') return;
    const kind = isForCpu ? EventKind.DMA_SYNC_SINGLE_FOR_CPU : EventKind.DMA_SYNC_SINGLE_FOR_DEVICE;
    const row = this.line(kind, checked.spec.buffers[buffer].device, [checked.dmaAddress[buffer] + first, bytes]);
    this.batch.direction[row] = checked.spec.buffers[buffer].direction;
  }

  private line(kind: EventKind, device: number, values: readonly number[]): number {
    const { batch, actor, checked } = this;
    const isTimer = actor >= checked.spec.cpus;
    const row = batch.rowCount++;
    batch.timeNs[row] = this.nowNs;
    this.nowNs += LINE_NS;
    batch.cpu[row] = isTimer ? checked.machine.dma.calls.cpu[actor] : actor;
    batch.pid[row] = isTimer ? 0 : FIRST_PID + actor;
    batch.comm[row] = isTimer ? this.idle : this.driver;
    batch.level[row] = isTimer ? ContextLevel.SOFTIRQ : ContextLevel.TASK;
    batch.kind[row] = kind;
    batch.device[row] = device < 0 ? -1 : this.devices[device];
    batch.unit[row] = this.unit;
    batch.direction[row] = NO_DIRECTION;
    for (const [column, value] of values.entries()) batch.values[column][row] = value;
    return row;
  }
}

/** The machine as its description tells it; policies that no kernel has are described as the kernel's that flushes alike. */
function descriptionOf({ machine: spec, kernel, policy: name, property }: Counterexample, policy: ProtectionPolicy): object {
  const cpus = spec.cpus === 1 ? '0' : `0-${spec.cpus - 1}`;
  const start = pageAddress(0);
  return {
    kernelRelease: `${kernel}.0`,
    architecture: 'x86_64',
    kernelHz: 250,
    possibleCpus: cpus,
    onlineCpus: cpus,
    invalidationPolicy: policy.lazy ? 'lazy' : 'strict',
    swiotlb: { start: hexText(start), endExclusive: hexText(start + poolPages(spec) * PAGE_SIZE), slots: spec.slots, areas: 1 },
    devices: Array.from({ length: spec.devices }, (_, device) => ({
      address: deviceAddress(device),
      driver: `device-${deviceLetter(device).toLowerCase()}`,
      dmaMaskBits: 64,
      iommuGroup: device,
      domainType: policy.translated ? (policy.lazy ? 'DMA-FQ' : 'DMA') : 'identity',
      removable: policy.translated,
    })),
    lostEvents: 0,
    recordedOn: `model: ${name} breaks ${property} on the machine ${spec.name}`,
  };
}

/** Devices of one bus, as their source numbers say. */
function deviceAddress(device: number): string {
  return `0000:01:${device.toString(16).padStart(2, '0')}.0`;
}

function hexText(address: number): string {
  return `0x${address.toString(16)}`;
}
