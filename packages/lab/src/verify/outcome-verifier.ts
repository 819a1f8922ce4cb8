import { allocateSlots, CacheTagFlusher, type Machine, Observed, PAGE_SIZE, releaseSlots } from 'dmalab-core';
import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { ContextTable } from '../replay/context-table.ts';
import { DOMAIN_SELECTIVE, IOTLB_INVALIDATION, iotlbDomainId, iotlbGranularity, PAGE_SELECTIVE } from '../replay/iotlb-descriptor.ts';
import { LineQueue } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import type { Checks } from './checks.ts';
import { formatDescriptor } from './line-text.ts';
import { slotResult } from './operations.ts';
import { PoolOperation } from './resource-orders.ts';
import { VerifyContext } from './verify-context.ts';
import { outcomeLimits, type PoolLoss } from './verify-limits.ts';
import type { VerifyResult } from './verify-result.ts';
import type { VerifyScope } from './verify-scope.ts';

/** Lines that a bounce line waits for the next line of its context. */
const LOOK_AHEAD = 4096;

/** What one context did last, as far as the next line of it needs to know. */
class ContextState {
  /** Slot address of a bounce whose map line is to come, -1 without. */
  slots = -1;
  device = -1;
  bounceBytes = 0;
  /** A range that was unmapped, or (caching mode) mapped, and not yet invalidated; start -1 without. */
  unmappedStart = -1;
  unmappedEnd = -1;
  mappedStart = -1;
  mappedEnd = -1;
}

/**
 * Verifies a recording without `dma:*` events (kernels before 6.12), in which only outcomes were written.
 *
 * A map line then names neither device nor buffer, so I/O addresses cannot be predicted. What remains: the bounce
 * slots (a bounce line names device, buffer and size, the map line after it the slot), the length of bounced mappings,
 * that unmaps clear all they were asked to, and every invalidation descriptor that follows from the range before it.
 * Which domain a range belongs to is taken from its descriptor.
 */
export class OutcomeVerifier {
  readonly checks: Checks;
  private readonly context: VerifyContext;
  private readonly machine: Machine;
  private readonly lines = new LineQueue();
  private readonly contexts = new ContextTable();
  private readonly states: ContextState[] = [];
  private readonly flusher: CacheTagFlusher;
  /** Slot address and device of live bounced mappings, by domain id and page. */
  private readonly bounced = new Map<number, { slots: number; device: number }>();
  /** Why the state of the pool is not known any more, null while it is. */
  private poolLoss: PoolLoss | null = null;
  private finished = false;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope) {
    this.context = new VerifyContext(recorded, names, scope, this.lines);
    this.checks = this.context.checks;
    this.machine = this.context.machine;
    this.flusher = new CacheTagFlusher(this.machine.unit!, this.machine.observations, recorded.parameters.kernel);
  }

  push(batch: EventBatch): void {
    for (let row = 0; row < batch.rowCount; row++) {
      const context = this.contexts.numberOf(batch.pid[row], batch.cpu[row], batch.level[row]);
      const seq = this.lines.push(batch, row, context, this.contexts.lastSeq[context]);
      this.contexts.lastSeq[context] = seq;
      if (context === this.states.length) this.states.push(new ContextState());
      this.drain();
    }
  }

  finish(): VerifyResult {
    this.finished = true;
    this.drain();
    return this.context.result(outcomeLimits(this.poolLoss), { rebuiltCalls: 0, unknownMappings: 0, strayLines: 0 });
  }

  private drain(): void {
    const { lines } = this;
    while (lines.head < lines.tail) {
      const at = lines.head & lines.mask;
      const waits = lines.kind[at] === EventKind.BOUNCED && lines.next[at] < 0;
      if (waits && !this.finished && lines.tail - lines.head < LOOK_AHEAD) return;
      this.line(lines.head, at);
      lines.pop();
    }
  }

  private line(seq: number, at: number): void {
    const { lines } = this;
    const state = this.states[lines.context[at]];
    this.context.beginLine(seq);
    this.context.orders.close(lines.context[at], seq);
    switch (lines.kind[at]) {
      case EventKind.BOUNCED:
        this.bounce(seq, at, state);
        return;
      case EventKind.MAP:
        this.map(seq, at, state);
        return;
      case EventKind.UNMAP:
        this.unmap(seq, at, state);
        return;
      case EventKind.QI_SUBMIT:
        this.descriptor(seq, at, state);
        return;
      default:
        this.context.ledger.notModelled += 1;
    }
  }

  private bounce(seq: number, at: number, state: ContextState): void {
    const { lines, machine } = this;
    const { devices, orders, window } = this.context;
    this.context.ledger.outcomes += 1;
    state.slots = -1;
    const device = devices.indexOf(lines.device[at]);
    if (device < 0 || machine.pool === null) {
      this.checks.notComparable('slot');
      return;
    }
    const { policy, parameters } = machine.devices[device];
    if (!policy.translated) this.poolLoss ??= 'direct';
    const original = lines.v1[at];
    const bytes = lines.v2[at];
    if (policy.translated && policy.bounces(original, bytes)) this.checks.equal('bounce');
    else if (policy.translated) this.context.differ('bounce', seq, 'mapped as it is', `bounced ${bytes} bytes at ${original.toString(16)}`);
    if (this.poolLoss !== null) {
      this.checks.notComparable('slot');
      return;
    }
    const next = lines.next[at];
    const mapped = next >= 0 && lines.kind[next & lines.mask] === EventKind.MAP ? lines.v2[next & lines.mask] : -1;
    const recorded = machine.pool.contains(mapped) ? mapped : -1;
    this.openWindow(seq, at);
    orders.notePool(PoolOperation.TAKE, window, recorded, original, bytes, device, 1);
    const { minAlignMask, segmentBoundaryMask } = parameters;
    let slots = allocateSlots(machine.pool, original, bytes, PAGE_SIZE - 1, minAlignMask, segmentBoundaryMask, window.cpu);
    if (slotResult(slots, true) === recorded) {
      this.checks.equal('slot');
    } else if (orders.explainPool(this.context.fileLine(seq))) {
      this.checks.equal('slot');
      slots = recorded < 0 ? -1 : recorded + Math.max(0, slots % PAGE_SIZE);
    } else if (this.context.scope.poolDescribed) {
      this.context.differ(
        'slot',
        seq,
        slots < 0 ? 'the pool is full' : slots.toString(16),
        recorded < 0 ? 'the mapping failed' : recorded.toString(16),
      );
      this.poolLoss = 'difference';
      return;
    } else {
      this.checks.notComparable('slot');
      this.poolLoss = 'guess';
      return;
    }
    state.slots = slots;
    state.device = device;
    state.bounceBytes = bytes;
  }

  private map(seq: number, at: number, state: ContextState): void {
    const { lines } = this;
    this.checks.notComparable('address');
    if (state.slots >= 0) {
      this.context.ledger.outcomes += 1;
      const expected = Math.ceil((state.bounceBytes + (state.slots % PAGE_SIZE)) / PAGE_SIZE) * PAGE_SIZE;
      if (expected === lines.v3[at]) this.checks.equal('map');
      else this.context.differ('map', seq, `${expected} bytes`, `${lines.v3[at]} bytes`);
      const { domain } = this.machine.devices[state.device];
      this.bounced.set(mappingKey(domain!.id, lines.v0[at]), { slots: state.slots, device: state.device });
      state.slots = -1;
    } else {
      this.context.ledger.notCompared += 1;
      this.checks.notComparable('map');
    }
    if (!this.flusher.flushesOnMap) return;
    if (state.mappedEnd + 1 !== lines.v0[at]) state.mappedStart = lines.v0[at];
    state.mappedEnd = lines.v1[at] - 1;
  }

  private unmap(seq: number, at: number, state: ContextState): void {
    const { lines } = this;
    this.context.ledger.outcomes += 1;
    if (lines.v2[at] === lines.v3[at]) this.checks.equal('unmap');
    else this.context.differ('unmap', seq, `${lines.v2[at]} bytes unmapped`, `${lines.v3[at]} bytes`);
    state.unmappedStart = lines.v0[at];
    state.unmappedEnd = lines.v1[at] - 1;
  }

  private descriptor(seq: number, at: number, state: ContextState): void {
    const { lines } = this;
    if (lines.v4[at] !== IOTLB_INVALIDATION) {
      this.context.ledger.notModelled += 1;
      return;
    }
    this.context.ledger.outcomes += 1;
    const did = iotlbDomainId(lines.v1[at]);
    const granularity = iotlbGranularity(lines.v1[at]);
    if (granularity === PAGE_SELECTIVE && state.unmappedStart >= 0) {
      this.flusher.flushRange(lines.cpu[at], -1, did, state.unmappedStart, state.unmappedEnd, true);
      this.compareDescriptor(seq, at);
      this.releaseSlots(seq, at, did, state);
    } else if (granularity === PAGE_SELECTIVE && state.mappedStart >= 0) {
      this.flusher.flushRangeNp(lines.cpu[at], -1, did, state.mappedStart, state.mappedEnd);
      this.compareDescriptor(seq, at);
    } else if (granularity === DOMAIN_SELECTIVE) {
      this.checks.given('flush');
      this.flusher.flushAll(lines.cpu[at], -1, did);
      this.compareDescriptor(seq, at);
    } else {
      this.checks.notComparable('descriptor');
    }
    if (granularity === PAGE_SELECTIVE) {
      state.unmappedStart = -1;
      state.mappedStart = -1;
      state.mappedEnd = -1;
    }
  }

  private compareDescriptor(seq: number, at: number): void {
    const { lines } = this;
    const { observations } = this.machine;
    let row = 0;
    while (observations.kind[row] !== Observed.DESCRIPTOR_SUBMITTED) row += 1;
    const { a, b, c, d } = observations;
    const same = a[row] === lines.v0[at] && b[row] === lines.v1[at] && c[row] === lines.v2[at] && d[row] === lines.v3[at];
    if (same) this.checks.equal('descriptor');
    else
      this.context.differ(
        'descriptor',
        seq,
        formatDescriptor(a[row], b[row], c[row], d[row]),
        formatDescriptor(lines.v0[at], lines.v1[at], lines.v2[at], lines.v3[at]),
      );
    this.flusher.wait(0, -1, 0);
    observations.clear();
  }

  /** A strict unmap of a bounced mapping gives its slots back once it is invalidated. */
  private releaseSlots(seq: number, at: number, did: number, state: ContextState): void {
    const { machine } = this;
    const { orders, window } = this.context;
    const key = mappingKey(did, state.unmappedStart);
    const mapping = this.bounced.get(key);
    if (mapping === undefined) return;
    this.bounced.delete(key);
    if (this.poolLoss !== null) return;
    this.openWindow(seq, at);
    window.otherCpu = window.cpu;
    orders.notePool(PoolOperation.RELEASE, window, Number.NaN, mapping.slots, mapping.device, 0, 0);
    releaseSlots(machine.pool!, mapping.slots, machine.devices[mapping.device].parameters.minAlignMask);
  }

  /** What follows line `seq` unseen happens before the next line of its context. */
  private openWindow(seq: number, at: number): void {
    const { lines } = this;
    const { neighbours, window } = this.context;
    window.context = lines.context[at];
    window.after = seq;
    window.before = neighbours.after(seq);
    window.cpu = lines.cpu[at];
    window.otherCpu = neighbours.otherCpu(seq, seq, window.before, window.cpu);
  }
}

function mappingKey(did: number, iova: number): number {
  return did * 2 ** 37 + Math.floor(iova / PAGE_SIZE);
}
