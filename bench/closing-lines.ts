/** Ends what a recording leaves open, so that it can be followed by itself. */
import { assert, CacheTagFlusher, Direction, Machine, Observed, PAGE_SIZE, roundDown, roundUp } from 'dmalab-core';
import { CallAssembler, type Recording } from 'dmalab-lab';
import { EventBatch, EventKind, exportBatch, NO_DIRECTION } from 'dmalab-trace';

const COMM = 'closing';
const PID = 999_999;
const CPU = 0;
/** Mappings that are open at the end of a recording take a few lines each. */
const ROWS_MAX = 1 << 18;
const STEP_NS = 10_000;
/** Longer than a flush timer takes. */
const FLUSH_AFTER_NS = 30e6;

/** What the unmap line of a mapping repeats of the line that made it. */
interface Origin {
  readonly kind: number;
  readonly attrs: number;
  readonly phys: Float64Array;
}

/** Event that ends a mapping, by the event that made it. */
const endOf: Readonly<Record<number, EventKind>> = {
  [EventKind.DMA_MAP_PAGE]: EventKind.DMA_UNMAP_PAGE,
  [EventKind.DMA_MAP_PHYS]: EventKind.DMA_UNMAP_PHYS,
  [EventKind.DMA_MAP_RESOURCE]: EventKind.DMA_UNMAP_RESOURCE,
  [EventKind.DMA_ALLOC]: EventKind.DMA_FREE,
  [EventKind.DMA_ALLOC_PAGES]: EventKind.DMA_FREE_PAGES,
  [EventKind.DMA_MAP_SG]: EventKind.DMA_UNMAP_SG,
};

/**
 * Lines as ftrace writes them that unmap and free what is alive at the end of the recording and flush the lazy domains.
 *
 * @param recording  just opened; its batches are used up
 */
export async function closingLines(recording: Recording): Promise<Uint8Array> {
  const origins = new Map<number, Origin>();
  const recorded = recording.machine();
  const machine = new Machine(recorded.parameters);
  const deviceOf = (device: number) => recorded.deviceByName.get(recording.names.devices.nameOf(device)) ?? -1;
  const assembler = new CallAssembler(
    (device) => machine.devices[deviceOf(device)]?.policy.translated ?? false,
    (paddr) => machine.pool?.contains(paddr) ?? false,
  );
  for await (const batch of recording.batches()) {
    for (let row = 0; row < batch.rowCount; row++) {
      noteOrigin(batch, row, origins);
      assembler.push(batch, row);
      while (assembler.ready) assembler.lines.pop();
    }
  }
  assembler.finish();
  const writer = new ClosingWriter(recording, machine);
  for (const mapping of assembler.mappings.findable()) {
    writer.end(assembler, mapping, deviceOf(assembler.mappings.device[mapping]), origins.get(assembler.mappings.line[mapping])!);
  }
  writer.flushLazyDomains();
  return exportBatch(writer.batch, recording.statistics.timeBaseSeconds);
}

function noteOrigin(batch: EventBatch, row: number, origins: Map<number, Origin>): void {
  const kind = batch.kind[row];
  if (endOf[kind] === undefined) return;
  const start = batch.physAddrsOffset[row];
  origins.set(batch.line[row], { kind, attrs: batch.attrs[row], phys: batch.list.slice(start, start + batch.physAddrsCount[row]) });
}

/** Writes the lines as rows of a batch. */
class ClosingWriter {
  readonly batch: EventBatch;
  private readonly machine: Machine;
  private readonly flusher: CacheTagFlusher | null;
  private readonly comm: number;
  private readonly unit: number;
  private nowNs: number;

  constructor(recording: Recording, machine: Machine) {
    this.machine = machine;
    this.flusher = machine.unit === null ? null : new CacheTagFlusher(machine.unit, machine.observations, machine.parameters.kernel);
    this.batch = new EventBatch(recording.names, ROWS_MAX);
    this.comm = recording.names.comms.internText(COMM);
    this.unit = recording.names.units.internText(machine.unit?.name ?? '');
    this.nowNs = roundUp(recording.statistics.lastTimeNs, STEP_NS);
  }

  end(assembler: CallAssembler, mapping: number, index: number, origin: Origin): void {
    const { mappings } = assembler;
    const event = endOf[origin.kind];
    const isFree = event === EventKind.DMA_FREE || event === EventKind.DMA_FREE_PAGES;
    const isList = event === EventKind.DMA_UNMAP_SG;
    const direction = isFree ? Direction.BIDIRECTIONAL : mappings.direction[mapping];
    if (isFree || isList) this.apiLine(event, assembler, mapping, direction, origin);
    const device = index < 0 ? undefined : this.machine.devices[index];
    if (device?.policy.translated) {
      const { dmaAddr, bytes } = isList
        ? mappings.segments[mapping]!
        : { dmaAddr: [mappings.dmaAddr[mapping]], bytes: [mappings.bytes[mapping]] };
      const last = dmaAddr.length - 1;
      if (isList && !device.policy.mapsSgPerEntry) this.unmapLines(index, dmaAddr[0], dmaAddr[last] + bytes[last]);
      else for (let entry = 0; entry <= last; entry++) this.unmapLines(index, dmaAddr[entry], dmaAddr[entry] + bytes[entry]);
    }
    if (!isFree && !isList) this.apiLine(event, assembler, mapping, direction, origin);
  }

  flushLazyDomains(): void {
    this.nowNs += FLUSH_AFTER_NS;
    for (const domain of this.machine.domains) {
      if (domain.flushQueue === null) continue;
      this.flusher!.flushAll(CPU, -1, domain.id);
      this.flushLines(domain.id);
    }
  }

  private apiLine(event: EventKind, assembler: CallAssembler, mapping: number, direction: number, origin: Origin): void {
    const { mappings } = assembler;
    const { batch } = this;
    const row = this.line(event, mappings.device[mapping], direction, [mappings.dmaAddr[mapping], mappings.bytes[mapping]]);
    batch.attrs[row] = origin.attrs;
    batch.physAddrsOffset[row] = batch.listLength;
    batch.physAddrsCount[row] = origin.phys.length;
    for (const address of origin.phys) batch.pushListItem(address);
  }

  /** Unmaps the pages of one range, and invalidates them unless that is left to a flush. */
  private unmapLines(device: number, first: number, end: number): void {
    const { domain, policy } = this.machine.devices[device];
    const start = roundDown(first, PAGE_SIZE);
    const bytes = roundUp(end, PAGE_SIZE) - start;
    this.line(EventKind.UNMAP, -1, NO_DIRECTION, [start, start + bytes, bytes, bytes]);
    if (policy.lazy) return;
    this.flusher!.flushRange(CPU, device, domain!.id, start, start + bytes - 1, true);
    this.flushLines(domain!.id);
  }

  /** What the kernel writes for the flush that has just been submitted. */
  private flushLines(domainId: number): void {
    const { observations: log } = this.machine;
    this.flusher!.wait(CPU, -1, domainId);
    for (let row = 0; row < log.length; row++) {
      const [a, b, c, d, e] = [log.a[row], log.b[row], log.c[row], log.d[row], log.e[row]];
      if (log.kind[row] === Observed.DESCRIPTOR_SUBMITTED) this.line(EventKind.QI_SUBMIT, -1, NO_DIRECTION, [a, b, c, d, b & 0xf]);
      else if (log.kind[row] === Observed.CACHE_TAG_FLUSH_ALL)
        this.line(EventKind.CACHE_TAG_FLUSH_ALL, -1, NO_DIRECTION, [domainId, 0, 1, 0]);
      else if (log.kind[row] === Observed.CACHE_TAG_FLUSH_RANGE)
        this.line(EventKind.CACHE_TAG_FLUSH_RANGE, -1, NO_DIRECTION, [domainId, a, b, c, d, e, 0, 0]);
    }
    log.clear();
  }

  private line(event: EventKind, device: number, direction: number, values: readonly number[]): number {
    const { batch } = this;
    assert(batch.rowCount < batch.capacity, 'room for all closing lines');
    const row = batch.rowCount++;
    this.nowNs += STEP_NS;
    batch.timeNs[row] = this.nowNs;
    batch.cpu[row] = CPU;
    batch.pid[row] = PID;
    batch.comm[row] = this.comm;
    batch.unit[row] = this.unit;
    batch.kind[row] = event;
    batch.device[row] = device;
    batch.direction[row] = direction;
    for (const [column, value] of values.entries()) batch.values[column][row] = value;
    return row;
  }
}
