import { type Direction, DMA_MAPPING_ERROR, type DmaApi, DmaStep, type Machine } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import type { CallSequence } from './call-sequence.ts';
import type { SaturatedMachine } from './saturated-machine.ts';
import { makesMapping } from './sequence-recorder.ts';

/** No call of the CPU is between two of its steps. */
const NO_CALL = -1;

/**
 * The CPUs' copies of a sequence on one machine: where each CPU is, its call at work, and the addresses that its mappings got. Every CPU
 * begins anew when it has come to the end.
 */
export class SequencePlayer {
  /** By CPU: map and unmap pairs that have ended, and maps that failed. */
  readonly pairs: Float64Array;
  readonly failures: Float64Array;
  private readonly sequence: CallSequence;
  private readonly setup: SaturatedMachine;
  private readonly dma: DmaApi;
  private readonly machine: Machine;
  private readonly cursor: Uint32Array;
  private readonly frame: Int32Array;
  /** Rows of one CPU: a block of segments for each mapping number. */
  private readonly firstSegment: Uint32Array;
  private readonly segmentsPerCpu: number;
  private readonly dmaAddr: Float64Array;
  private readonly dmaBytes: Float64Array;
  /** By CPU and mapping number: segments, 0 when the map failed. */
  private readonly segments: Uint32Array;
  /** Ranges of the call that begins. */
  private readonly phys: Float64Array;
  private readonly lengths: Float64Array;

  constructor(machine: Machine, sequence: CallSequence, setup: SaturatedMachine) {
    const { cpus } = setup;
    const mappings = sequence.mappingRanges.length;
    this.machine = machine;
    this.dma = machine.dma;
    this.sequence = sequence;
    this.setup = setup;
    this.pairs = new Float64Array(cpus);
    this.failures = new Float64Array(cpus);
    this.cursor = new Uint32Array(cpus);
    this.frame = new Int32Array(cpus).fill(NO_CALL);
    this.firstSegment = new Uint32Array(mappings);
    let rows = 0;
    for (let mapping = 0; mapping < mappings; mapping++) {
      this.firstSegment[mapping] = rows;
      rows += sequence.mappingRanges[mapping];
    }
    this.segmentsPerCpu = rows;
    this.dmaAddr = new Float64Array(cpus * rows);
    this.dmaBytes = new Float64Array(cpus * rows);
    this.segments = new Uint32Array(cpus * mappings);
    let most = 1;
    for (const ranges of sequence.ranges) most = Math.max(most, ranges);
    this.phys = new Float64Array(most);
    this.lengths = new Float64Array(most);
  }

  /** Runs one step of a CPU, or a whole sync, which has no steps. What it did is in the machine's observations. */
  step(cpu: number): void {
    const frame = this.frame[cpu];
    if (frame === NO_CALL) {
      this.begin(cpu);
      return;
    }
    const { calls } = this.dma;
    let returned = this.dma.step(frame);
    // A CPU spins from the moment that it submits, so the wait belongs to the same step, and no two submissions are in the queue at once.
    while (!returned && (calls.flushing[frame] === 1 || this.dma.nextStep(frame) === DmaStep.WAIT_INVALIDATION))
      returned = this.dma.step(frame);
    if (returned) this.finish(cpu, frame);
  }

  private begin(cpu: number): void {
    const { sequence } = this;
    const row = this.cursor[cpu];
    const kind = sequence.kind[row] as RecordedCall;
    if (makesMapping(kind)) this.frame[cpu] = this.beginMap(cpu, row, kind);
    else if (this.segments[this.slotOf(cpu, row)] === 0) this.advance(cpu);
    else if (kind === RecordedCall.SYNC_FOR_CPU || kind === RecordedCall.SYNC_FOR_DEVICE) this.sync(cpu, row, kind);
    else this.frame[cpu] = this.beginUnmap(cpu, row, kind);
  }

  private beginMap(cpu: number, row: number, kind: RecordedCall): number {
    const { dma, sequence, phys, lengths } = this;
    const device = this.deviceOf(cpu, row);
    const direction = sequence.direction[row] as Direction;
    const attrs = sequence.attrs[row];
    const first = sequence.firstRange[row];
    const count = sequence.ranges[row];
    // Under direct mapping the reach of the device decides whether to bounce, so buffers stay where they were.
    const shift = this.machine.devices[device].policy.translated ? this.setup.shift[cpu] : 0;
    for (let range = 0; range < count; range++) {
      phys[range] = sequence.phys[first + range] + shift;
      lengths[range] = sequence.lengths[first + range];
    }
    switch (kind) {
      case RecordedCall.MAP_PAGE:
        return dma.beginMapPage(cpu, device, phys[0], lengths[0], direction, attrs);
      case RecordedCall.MAP_RESOURCE:
        return dma.beginMapResource(cpu, device, phys[0], lengths[0], direction, attrs);
      case RecordedCall.ALLOC:
        return dma.beginAlloc(cpu, device, sequence.bytes[row], phys, lengths, 0, count);
      default:
        return dma.beginMapSg(cpu, device, phys, lengths, 0, count, direction, attrs);
    }
  }

  private beginUnmap(cpu: number, row: number, kind: RecordedCall): number {
    const { dma, sequence } = this;
    const device = this.deviceOf(cpu, row);
    const direction = sequence.direction[row] as Direction;
    const attrs = sequence.attrs[row];
    const bytes = sequence.bytes[row];
    const block = this.blockOf(cpu, row);
    switch (kind) {
      case RecordedCall.UNMAP_PAGE:
        return dma.beginUnmapPage(cpu, device, this.dmaAddr[block], bytes, direction, attrs);
      case RecordedCall.UNMAP_RESOURCE:
        return dma.beginUnmapResource(cpu, device, this.dmaAddr[block], bytes, direction, attrs);
      case RecordedCall.FREE:
        return dma.beginFree(cpu, device, this.dmaAddr[block], bytes);
      default:
        return dma.beginUnmapSg(cpu, device, this.dmaAddr, this.dmaBytes, block, this.segments[this.slotOf(cpu, row)], direction, attrs);
    }
  }

  private sync(cpu: number, row: number, kind: RecordedCall): void {
    const { dma, sequence } = this;
    const device = this.deviceOf(cpu, row);
    const direction = sequence.direction[row] as Direction;
    const offset = sequence.offset[row];
    const block = this.blockOf(cpu, row);
    const last = offset < 0 ? block + this.segments[this.slotOf(cpu, row)] : block + 1;
    for (let segment = block; segment < last; segment++) {
      const address = this.dmaAddr[segment] + Math.max(0, offset);
      const bytes = offset < 0 ? this.dmaBytes[segment] : sequence.bytes[row];
      if (kind === RecordedCall.SYNC_FOR_CPU) dma.syncSingleForCpu(cpu, device, address, bytes, direction);
      else dma.syncSingleForDevice(cpu, device, address, bytes, direction);
    }
    this.advance(cpu);
  }

  /** The call has returned: keeps what it made. */
  private finish(cpu: number, frame: number): void {
    const { dma, sequence } = this;
    const row = this.cursor[cpu];
    const kind = sequence.kind[row] as RecordedCall;
    if (makesMapping(kind)) this.keepSegments(cpu, row, kind, frame);
    else this.pairs[cpu] += 1;
    this.machine.noticeTimersAfter(this.deviceOf(cpu, row), frame);
    dma.end(frame);
    this.frame[cpu] = NO_CALL;
    this.advance(cpu);
  }

  private keepSegments(cpu: number, row: number, kind: RecordedCall, frame: number): void {
    const { calls } = this.dma;
    const result = calls.result[frame];
    const slot = this.slotOf(cpu, row);
    if (result === DMA_MAPPING_ERROR) {
      this.failures[cpu] += 1;
      this.segments[slot] = 0;
      return;
    }
    const block = this.blockOf(cpu, row);
    if (kind !== RecordedCall.MAP_SG) {
      this.dmaAddr[block] = result;
      this.dmaBytes[block] = this.sequence.bytes[row];
      this.segments[slot] = 1;
      return;
    }
    const first = frame * calls.entriesMax;
    for (let segment = 0; segment < result; segment++) {
      this.dmaAddr[block + segment] = calls.entryDmaAddr[first + segment];
      this.dmaBytes[block + segment] = calls.entryDmaBytes[first + segment];
    }
    this.segments[slot] = result;
  }

  private advance(cpu: number): void {
    const next = this.cursor[cpu] + 1;
    this.cursor[cpu] = next === this.sequence.calls ? 0 : next;
  }

  private deviceOf(cpu: number, row: number): number {
    return this.setup.deviceOf[cpu * this.setup.devicesOfSequence + this.sequence.device[row]];
  }

  private slotOf(cpu: number, row: number): number {
    return cpu * this.sequence.mappingRanges.length + this.sequence.mapping[row];
  }

  private blockOf(cpu: number, row: number): number {
    return cpu * this.segmentsPerCpu + this.firstSegment[this.sequence.mapping[row]];
  }
}
