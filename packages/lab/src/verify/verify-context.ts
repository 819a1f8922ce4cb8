import { Machine } from 'dmalab-core';
import type { TraceNames } from 'dmalab-trace';
import type { LineQueue } from '../replay/line-queue.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { TracedDevices } from '../replay/traced-devices.ts';
import { Checks } from './checks.ts';
import { LineNeighbours } from './line-neighbours.ts';
import { type OperationWindow, ResourceOrders } from './resource-orders.ts';
import { type CheckId, checkIds, type Difference, type LineLedger, type VerifyResult } from './verify-result.ts';
import type { VerifyScope } from './verify-scope.ts';

/** What the assembler knows of calls that were not whole. */
type AssemblyCounts = Pick<VerifyResult, 'rebuiltCalls' | 'unknownMappings' | 'strayLines'>;

/** What more a difference can tell. */
type DifferenceDetails = Partial<Pick<Difference, 'state' | 'ordersTried' | 'domain'>>;

/** What all parts of a verifier share: the model's machine, the recorded lines, and what came out so far. */
export class VerifyContext {
  readonly recorded: RecordedMachine;
  readonly scope: VerifyScope;
  readonly lines: LineQueue;
  readonly machine: Machine;
  readonly devices: TracedDevices;
  readonly neighbours: LineNeighbours;
  readonly orders: ResourceOrders;
  readonly checks: Checks = new Checks();
  readonly ledger: Record<keyof LineLedger, number> = { calls: 0, outcomes: 0, crossChecks: 0, notModelled: 0, notCompared: 0 };
  /** Window of the operation that is being performed, one object for all. */
  readonly window: OperationWindow = { context: 0, after: 0, before: 0, cpu: 0, otherCpu: 0 };
  /** The line that is being handled. */
  private seq = 0;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope, lines: LineQueue) {
    this.recorded = recorded;
    this.scope = scope;
    this.lines = lines;
    this.machine = new Machine(recorded.parameters);
    this.devices = new TracedDevices(recorded, names);
    this.neighbours = new LineNeighbours(lines);
    this.orders = new ResourceOrders(this.machine);
  }

  /** Line `seq` is handled from here on. */
  beginLine(seq: number): void {
    this.seq = seq;
    this.machine.observations.nowNs = this.lines.timeNs[seq & this.lines.mask];
  }

  /** Line of the file of `seq`, 0 for -1. */
  fileLine(seq: number): number {
    return seq < 0 ? 0 : this.lines.line[seq & this.lines.mask];
  }

  /** A prediction failed at line `seq`, or, once that has left the queue, shows only at the line that is being handled. */
  differ(check: CheckId, seq: number, expected: string, got: string, details: DifferenceDetails = {}): void {
    const { lines } = this;
    const at = (seq >= lines.head && seq < lines.tail ? seq : this.seq) & lines.mask;
    if (lines.line[at] >= this.scope.lossLine()) {
      this.checks.notComparable(check);
      return;
    }
    this.checks.differ({
      domain: details.domain ?? -1,
      check,
      line: lines.line[at],
      timeNs: lines.timeNs[at],
      cpu: lines.cpu[at],
      device: this.devices.nameOf(lines.device[at]),
      expected,
      got,
      state: details.state ?? [],
      ordersTried: details.ordersTried ?? 0,
    });
  }

  /** What came out, once there are no more lines. */
  result(limits: readonly string[], assembly: AssemblyCounts): VerifyResult {
    const { checks, orders } = this;
    const { kernel, possibleCpus } = this.recorded.parameters;
    return {
      limits,
      kernel,
      cpus: possibleCpus,
      checks: checkIds.map((id) => checks.rows[id]),
      differences: checks.differences,
      equalAfterFirst: checks.equalAfterFirst,
      windows: orders.decisions,
      windowCount: orders.decisionCount,
      ledger: this.ledger,
      ...assembly,
    };
  }
}
