import type { Machine, ObservationLog } from 'dmalab-core';
import { CostMeter } from '../cost/cost-meter.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { DeviceAccesses } from '../cost/device-accesses.ts';
import { ExposureAuditor } from '../exposure/exposure-auditor.ts';
import { MappedMemory } from '../exposure/exposure-class.ts';
import { RecordedCall } from '../replay/call-records.ts';
import type { ObservationConsumer } from '../replay/observation-consumer.ts';
import { PoolOccupancy } from './pool-occupancy.ts';
import type { SegmentStore } from './segment-store.ts';

/** What to measure a row with. */
export interface MeasureOptions {
  readonly profile: CostProfile;
  /** Devices whose exposure is summed up. */
  readonly devices: ReadonlySet<number>;
  /** Follow exposure and pool over time as well. */
  readonly series: boolean;
}

/**
 * What is measured of a row besides its counts: the work that a profile prices, what the devices' own accesses need of
 * the translation caches, and what the devices could reach.
 *
 * The order for one call: `callBegins`, for a call that ends a mapping `mappingEnds`, the call's observations to
 * `observe`, for one that made a mapping `mappingMade`.
 */
export class RowMeasures implements ObservationConsumer {
  readonly cost: CostMeter;
  /** Null when the profile does not describe the translation caches. */
  readonly accesses: DeviceAccesses | null;
  readonly exposure: ExposureAuditor;
  /** Null without a bounce pool, and when nothing is followed over time. */
  readonly pool: PoolOccupancy | null;
  private readonly segments: SegmentStore;

  /** @param segments  DMA addresses of the row's mappings */
  constructor(machine: Machine, { profile, devices, series }: MeasureOptions, segments: SegmentStore) {
    this.cost = new CostMeter(machine, profile);
    this.accesses = DeviceAccesses.of(machine, profile);
    this.exposure = new ExposureAuditor(machine, { counted: devices, series });
    this.pool = machine.pool === null || !series ? null : new PoolOccupancy(machine.pool.slots);
    this.segments = segments;
  }

  /** @param line  the call's line in the trace */
  callBegins(line: number, timeNs: number): void {
    this.exposure.callBegins(line, timeNs);
  }

  /** Segments `first` to `first + count - 1` are the DMA addresses that the call returned. */
  mappingMade(device: number, mapping: number, kind: RecordedCall, first: number, count: number): void {
    const { dmaAddr, bytes } = this.segments;
    this.exposure.mappingMade(device, mapping, memoryOf(kind), dmaAddr, bytes, first, count);
  }

  mappingEnds(device: number, mapping: number, first: number, count: number): void {
    const { dmaAddr, bytes } = this.segments;
    this.exposure.mappingEnds(mapping);
    this.accesses?.mappingEnds(device, dmaAddr, bytes, first, count);
  }

  /** The recording has ended. */
  finish(timeNs: number): void {
    this.exposure.finish(timeNs);
    this.pool?.finish(timeNs);
  }

  observe(log: ObservationLog): void {
    this.cost.observe(log);
    this.accesses?.observe(log);
    this.exposure.observe(log);
    this.pool?.observe(log);
  }
}

/** What kind of memory a call that maps gives its device. */
function memoryOf(kind: RecordedCall): MappedMemory {
  if (kind === RecordedCall.ALLOC) return MappedMemory.COHERENT;
  return kind === RecordedCall.MAP_RESOURCE ? MappedMemory.RESOURCE : MappedMemory.STREAMING;
}
