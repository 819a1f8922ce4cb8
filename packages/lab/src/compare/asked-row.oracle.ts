import { Direction, DMA_ATTR_SKIP_CPU_SYNC, type DmaDevice, type ObservationLog, Observed, PAGE_SIZE } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import { Counter } from './counters.ts';
import { PolicyRow } from './policy-row.ts';
import { isStreamingMap, type ReplayCall } from './replay-call.ts';

/** A part of a range that goes through slots: bytes from the range's first one. */
type Part = readonly [begin: number, end: number];

/** Says from the calls alone how many bytes have to be copied, slowly and plainly. */
export class AskedRow extends PolicyRow {
  /** By device. */
  readonly copiedIn: number[] = this.machine.devices.map(() => 0);
  readonly copiedOut: number[] = this.machine.devices.map(() => 0);
  /** Frames before the first call: tables of the unit, and a root for each domain. */
  readonly framesAtFirst: number = this.machine.frames.framesInUse;
  /** By mapping: the parts of each of its ranges. */
  private readonly mappings: Map<number, readonly (readonly Part[])[]> = new Map();
  private readonly forgone: Set<number> = new Set();

  /** Notes which ranges of the call at work went without slots. */
  followForgone(): void {
    this.consumers.push({
      observe: (log: ObservationLog): void => {
        for (let row = 0; row < log.length; row++) if (log.kind[row] === Observed.BOUNCE_FORGONE) this.forgone.add(log.a[row]);
      },
    });
  }

  override replay(call: ReplayCall): boolean {
    const { counters } = this;
    const { device, mapping, direction, attrs } = call;
    const mappedBefore = counters.get(device, Counter.MAPPED);
    const inBefore = counters.get(device, Counter.COPIED_IN_MAP);
    this.forgone.clear();
    const ringFull = super.replay(call);
    if (isStreamingMap(call.kind)) {
      const ranges = this.partsOf(call, this.machine.devices[device]);
      const asked = sum(ranges.flat().map(([begin, end]) => end - begin));
      if (counters.get(device, Counter.MAPPED) === mappedBefore) {
        // How far a call came before it failed, it does not say.
        const done = counters.get(device, Counter.COPIED_IN_MAP) - inBefore;
        if (done > asked) throw new Error(`line ${call.line}: ${done} bytes copied in of ${asked}`);
        this.copiedIn[device] += done;
        return ringFull;
      }
      this.copiedIn[device] += asked;
      if (mapping >= 0) this.mappings.set(mapping, ranges);
      else this.unmapped(device, ranges, direction, attrs);
    } else if (call.kind === RecordedCall.SYNC_FOR_CPU || call.kind === RecordedCall.SYNC_FOR_DEVICE) {
      this.synced(call);
    } else if (call.kind === RecordedCall.UNMAP_PAGE || call.kind === RecordedCall.UNMAP_SG) {
      this.unmapped(device, this.mappings.get(mapping) ?? [], direction, attrs);
      this.mappings.delete(mapping);
    }
    return ringFull;
  }

  private unmapped(device: number, ranges: readonly (readonly Part[])[], direction: Direction, attrs: number): void {
    if (direction === Direction.TO_DEVICE || (attrs & DMA_ATTR_SKIP_CPU_SYNC) !== 0) return;
    this.copiedOut[device] += sum(ranges.flat().map(([begin, end]) => end - begin));
  }

  private synced({ kind, device, mapping, direction, offset, bytes }: ReplayCall): void {
    const forCpu = kind === RecordedCall.SYNC_FOR_CPU;
    if (direction === (forCpu ? Direction.TO_DEVICE : Direction.FROM_DEVICE)) return;
    const ranges = this.mappings.get(mapping) ?? [];
    const [first, last] = offset < 0 ? [0, Number.POSITIVE_INFINITY] : [offset, offset + bytes];
    const parts = offset < 0 ? ranges.flat() : (ranges[0] ?? []);
    const amount = sum(parts.map(([begin, end]) => Math.max(0, Math.min(end, last) - Math.max(begin, first))));
    (forCpu ? this.copiedOut : this.copiedIn)[device] += amount;
  }

  private partsOf(call: ReplayCall, { policy, parameters }: DmaDevice): readonly (readonly Part[])[] {
    const asOne = call.kind === RecordedCall.MAP_SG && policy.translated && !policy.mapsSgPerEntry;
    const reach = Math.min(parameters.dmaMask, parameters.busDmaLimit === 0 ? Number.POSITIVE_INFINITY : parameters.busDmaLimit);
    return Array.from({ length: call.count }, (_, range): readonly Part[] => {
      const start = call.phys[range];
      const bytes = call.lengths[range];
      const must = !policy.translated && (this.machine.parameters.swiotlb?.forced === true || start + bytes - 1 > reach);
      if (asOne || this.forgone.has(start) || !(policy.bounces(start, bytes) || must)) return [];
      if (!policy.bouncesEdgesOnly) return [[0, bytes]];
      // The whole pages inside, and what is left of the range on either side of them.
      const inner = Math.ceil(start / PAGE_SIZE) * PAGE_SIZE - start;
      const outer = Math.floor((start + bytes) / PAGE_SIZE) * PAGE_SIZE - start;
      if (inner > outer) return [[0, bytes]];
      const parts: Part[] = [];
      if (inner > 0) parts.push([0, inner]);
      if (outer < bytes) parts.push([outer, bytes]);
      return parts;
    });
  }
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
