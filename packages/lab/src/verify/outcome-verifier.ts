import { allocateSlots, CacheTagFlusher, Machine, Observed, PAGE_SIZE, releaseSlots } from 'dmalab-core';
import { type EventBatch, EventKind, type TraceNames } from 'dmalab-trace';
import { ContextTable } from '../replay/context-table.ts';
import { LineQueue } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { Checks } from './checks.ts';
import { slotResult } from './operations.ts';
import { type OperationWindow, PoolOperation, ResourceOrders } from './resource-orders.ts';
import type { VerifyScope } from './verifier.ts';
import { checkIds, type DecidedWindow, type VerifyResult } from './verify-result.ts';

/** Lines that a bounce line waits for the next line of its context. */
const LOOK_AHEAD = 4096;

/** Granularity field of an IOTLB descriptor. */
const DOMAIN_SELECTIVE = 2;
const PAGE_SELECTIVE = 3;

const IOTLB_INVALIDATION = 2;

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
  readonly machine: Machine;
  readonly checks: Checks = new Checks();
  private readonly recorded: RecordedMachine;
  private readonly names: TraceNames;
  private readonly scope: VerifyScope;
  private readonly lines = new LineQueue();
  private readonly contexts = new ContextTable();
  private readonly states: ContextState[] = [];
  private readonly orders: ResourceOrders;
  private readonly flusher: CacheTagFlusher;
  /** Slot address and device of live bounced mappings, by domain id and page. */
  private readonly bounced = new Map<number, { slots: number; device: number }>();
  private readonly window: OperationWindow = { context: 0, after: 0, before: 0, cpu: 0, otherCpu: 0 };
  private readonly windowLines: number[] = [];
  /** A device without translation bounced: where its slots are was not recorded, so the pool's state is unknown. */
  private poolUnknown = false;
  private finished = false;
  private outcomes = 0;
  private notModelled = 0;
  private notCompared = 0;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope) {
    this.recorded = recorded;
    this.names = names;
    this.scope = scope;
    this.machine = new Machine(recorded.parameters);
    this.orders = new ResourceOrders(this.machine);
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
    return this.result();
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
    this.machine.observations.nowNs = lines.timeNs[at];
    this.orders.close(lines.context[at], seq);
    switch (lines.kind[at]) {
      case EventKind.BOUNCED:
        this.bounce(seq, at, state);
        return;
      case EventKind.MAP:
        this.map(at, state);
        return;
      case EventKind.UNMAP:
        this.unmap(at, state);
        return;
      case EventKind.QI_SUBMIT:
        this.descriptor(seq, at, state);
        return;
      default:
        this.notModelled += 1;
    }
  }

  private bounce(seq: number, at: number, state: ContextState): void {
    const { lines, machine, window } = this;
    this.outcomes += 1;
    state.slots = -1;
    const device = this.recorded.deviceByName.get(this.names.devices.nameOf(lines.device[at])) ?? -1;
    if (device < 0 || machine.pool === null) {
      this.checks.notComparable('slot');
      return;
    }
    const { policy, parameters } = machine.devices[device];
    if (!policy.translated) this.poolUnknown = true;
    const original = lines.v1[at];
    const bytes = lines.v2[at];
    if (policy.translated && policy.bounces(original, bytes)) this.checks.equal('bounce');
    else if (policy.translated) this.differ('bounce', at, 'mapped as it is', `bounced ${bytes} bytes at ${original.toString(16)}`);
    if (this.poolUnknown) {
      this.checks.notComparable('slot');
      return;
    }
    const next = lines.next[at];
    const mapped = next >= 0 && lines.kind[next & lines.mask] === EventKind.MAP ? lines.v2[next & lines.mask] : -1;
    const recorded = machine.pool.contains(mapped) ? mapped : -1;
    window.context = lines.context[at];
    window.after = seq;
    window.before = next >= 0 ? next : Number.POSITIVE_INFINITY;
    window.cpu = lines.cpu[at];
    window.otherCpu = next >= 0 ? lines.cpu[next & lines.mask] : window.cpu;
    this.orders.notePool(PoolOperation.TAKE, window, recorded, original, bytes, device, 1);
    const { minAlignMask, segmentBoundaryMask } = parameters;
    let slots = allocateSlots(machine.pool, original, bytes, PAGE_SIZE - 1, minAlignMask, segmentBoundaryMask, window.cpu);
    if (slotResult(slots, true) === recorded) {
      this.checks.equal('slot');
    } else if (this.orders.explainPool() !== null) {
      this.windowLines.push(lines.line[at]);
      this.checks.equal('slot');
      slots = recorded < 0 ? -1 : recorded + Math.max(0, slots % PAGE_SIZE);
    } else {
      this.differ(
        'slot',
        at,
        slots < 0 ? 'the pool is full' : slots.toString(16),
        recorded < 0 ? 'the mapping failed' : recorded.toString(16),
      );
      this.poolUnknown = true;
      return;
    }
    state.slots = slots;
    state.device = device;
    state.bounceBytes = bytes;
  }

  private map(at: number, state: ContextState): void {
    const { lines } = this;
    this.checks.notComparable('address');
    if (state.slots >= 0) {
      this.outcomes += 1;
      const expected = Math.ceil((state.bounceBytes + (state.slots % PAGE_SIZE)) / PAGE_SIZE) * PAGE_SIZE;
      if (expected === lines.v3[at]) this.checks.equal('map');
      else this.differ('map', at, `${expected} bytes`, `${lines.v3[at]} bytes`);
      const { domain } = this.machine.devices[state.device];
      this.bounced.set(mappingKey(domain!.id, lines.v0[at]), { slots: state.slots, device: state.device });
      state.slots = -1;
    } else {
      this.notCompared += 1;
      this.checks.notComparable('map');
    }
    if (!this.flusher.flushesOnMap) return;
    if (state.mappedEnd + 1 !== lines.v0[at]) state.mappedStart = lines.v0[at];
    state.mappedEnd = lines.v1[at] - 1;
  }

  private unmap(at: number, state: ContextState): void {
    const { lines } = this;
    this.outcomes += 1;
    if (lines.v2[at] === lines.v3[at]) this.checks.equal('unmap');
    else this.differ('unmap', at, `${lines.v2[at]} bytes unmapped`, `${lines.v3[at]} bytes`);
    state.unmappedStart = lines.v0[at];
    state.unmappedEnd = lines.v1[at] - 1;
  }

  private descriptor(seq: number, at: number, state: ContextState): void {
    const { lines } = this;
    if (lines.v4[at] !== IOTLB_INVALIDATION) {
      this.notModelled += 1;
      return;
    }
    this.outcomes += 1;
    const did = lines.v1[at] >>> 16;
    const granularity = (lines.v1[at] >>> 4) & 3;
    if (granularity === PAGE_SELECTIVE && state.unmappedStart >= 0) {
      this.flusher.flushRange(lines.cpu[at], -1, did, state.unmappedStart, state.unmappedEnd, true);
      this.compareDescriptor(at);
      this.releaseSlots(seq, at, did, state);
    } else if (granularity === PAGE_SELECTIVE && state.mappedStart >= 0) {
      this.flusher.flushRangeNp(lines.cpu[at], -1, did, state.mappedStart, state.mappedEnd);
      this.compareDescriptor(at);
    } else if (granularity === DOMAIN_SELECTIVE) {
      this.checks.given('flush');
      this.flusher.flushAll(lines.cpu[at], -1, did);
      this.compareDescriptor(at);
    } else {
      this.checks.notComparable('descriptor');
    }
    if (granularity === PAGE_SELECTIVE) {
      state.unmappedStart = -1;
      state.mappedStart = -1;
      state.mappedEnd = -1;
    }
  }

  private compareDescriptor(at: number): void {
    const { lines } = this;
    const { observations } = this.machine;
    let row = 0;
    while (observations.kind[row] !== Observed.DESCRIPTOR_SUBMITTED) row += 1;
    const { a, b, c, d } = observations;
    const same = a[row] === lines.v0[at] && b[row] === lines.v1[at] && c[row] === lines.v2[at] && d[row] === lines.v3[at];
    if (same) this.checks.equal('descriptor');
    else
      this.differ('descriptor', at, words(a[row], b[row], c[row], d[row]), words(lines.v0[at], lines.v1[at], lines.v2[at], lines.v3[at]));
    this.flusher.wait(0, -1, 0);
    observations.clear();
  }

  /** A strict unmap of a bounced mapping gives its slots back once it is invalidated. */
  private releaseSlots(seq: number, at: number, did: number, state: ContextState): void {
    const { lines, machine, window } = this;
    const key = mappingKey(did, state.unmappedStart);
    const mapping = this.bounced.get(key);
    if (mapping === undefined) return;
    this.bounced.delete(key);
    if (this.poolUnknown) return;
    const next = lines.next[at];
    window.context = lines.context[at];
    window.after = seq;
    window.before = next >= 0 ? next : Number.POSITIVE_INFINITY;
    window.cpu = lines.cpu[at];
    window.otherCpu = window.cpu;
    this.orders.notePool(PoolOperation.RELEASE, window, Number.NaN, mapping.slots, mapping.device, 0, 0);
    releaseSlots(machine.pool!, mapping.slots, machine.devices[mapping.device].parameters.minAlignMask);
  }

  private differ(check: 'bounce' | 'slot' | 'map' | 'unmap' | 'descriptor', at: number, expected: string, got: string): void {
    const { lines } = this;
    if (lines.line[at] >= this.scope.lossLine()) {
      this.checks.notComparable(check);
      return;
    }
    const device = lines.device[at] >= 0 ? this.names.devices.nameOf(lines.device[at]) : '';
    this.checks.differ({
      domain: -1,
      check,
      line: lines.line[at],
      timeNs: lines.timeNs[at],
      cpu: lines.cpu[at],
      device,
      expected,
      got,
      state: [],
      ordersTried: 0,
    });
  }

  private result(): VerifyResult {
    const { checks } = this;
    const limits = [
      'no dma:* events (kernels before 6.12 have none): a map line names neither device nor buffer, so I/O addresses cannot be predicted',
      'the domain of a range is taken from its invalidation descriptor; lazy unmaps have none, so address reuse cannot be checked',
    ];
    if (this.poolUnknown) limits.push('a device without translation bounced: its slots were not recorded, later slots are not compared');
    return {
      limits,
      kernel: this.recorded.parameters.kernel,
      cpus: this.recorded.parameters.possibleCpus,
      checks: checkIds.map((id) => checks.rows[id]),
      differences: checks.differences,
      equalAfterFirst: checks.equalAfterFirst,
      windows: this.orders.decisions.map((decision, index): DecidedWindow => ({ ...decision, line: this.windowLines[index] })),
      windowCount: this.orders.decisionCount,
      ledger: { calls: 0, outcomes: this.outcomes, crossChecks: 0, notModelled: this.notModelled, notCompared: this.notCompared },
      rebuiltCalls: 0,
      unknownMappings: 0,
      strayLines: 0,
    };
  }
}

function mappingKey(did: number, iova: number): number {
  return did * 2 ** 37 + Math.floor(iova / PAGE_SIZE);
}

function words(qw0High: number, qw0Low: number, qw1High: number, qw1Low: number): string {
  return `0x${(qw0High * 2 ** 32 + qw0Low).toString(16)} 0x${(qw1High * 2 ** 32 + qw1Low).toString(16)}`;
}
