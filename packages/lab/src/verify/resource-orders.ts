import type { Machine } from 'dmalab-core';
import {
  DomainOperation,
  DomainOperations,
  domainOperationNames,
  PoolOperation,
  PoolOperations,
  poolOperationNames,
} from './operations.ts';
import { OrderLog } from './order-log.ts';
import type { DecidedWindow } from './verify-result.ts';

/** Windows that are described; all are counted. */
const DESCRIBED_MAX = 1000;

/** An operation's window: after line `after`, before line `before` of its context, and the CPUs it may have run on. */
export interface OperationWindow {
  context: number;
  after: number;
  before: number;
  cpu: number;
  otherCpu: number;
}

/**
 * The order logs of all resources that several contexts share: every domain's address space and the bounce pool.
 * Operations are noted here before the engine performs them.
 */
export class ResourceOrders {
  readonly decisions: DecidedWindow[] = [];
  decisionCount = 0;
  private readonly machine: Machine;
  private readonly domains: readonly OrderLog[];
  private readonly pool: OrderLog | null;
  /** Logs with an operation of the context whose window is still open. */
  private readonly open = new Map<number, OrderLog[]>();

  constructor(machine: Machine) {
    this.machine = machine;
    this.domains = machine.domains.map((domain) => new OrderLog(new DomainOperations(domain, machine.devices, machine.parameters.kernel)));
    this.pool = machine.pool === null ? null : new OrderLog(new PoolOperations(machine.poolArena, { pool: machine.pool }, machine.devices));
  }

  /** Notes an operation on a domain's address space. `recorded` is its result in the recording, NaN when it has none. */
  noteDomain(domain: number, operation: number, window: OperationWindow, recorded: number, a: number, b: number, c: number): void {
    this.note(this.domains[domain], operation, window, recorded, a, b, c, 0);
  }

  notePool(operation: number, window: OperationWindow, recorded: number, a: number, b: number, c: number, d: number): void {
    this.note(this.pool!, operation, window, recorded, a, b, c, d);
  }

  /** The context has written line `seq`. */
  close(context: number, seq: number): void {
    const logs = this.open.get(context);
    if (logs === undefined || logs.length === 0) return;
    for (const log of logs) log.close(context, seq);
    logs.length = 0;
  }

  /**
   * Tries to explain the failure of the newest operation on a domain, seen at line `line` of the file.
   *
   * @returns whether an order was found; the domain is in the state after it then
   */
  explainDomain(domain: number, line: number): boolean {
    return this.explain(this.domains[domain], this.domainName(domain), domainOperationNames, line);
  }

  explainPool(line: number): boolean {
    return this.explain(this.pool!, 'bounce pool', poolOperationNames, line);
  }

  /**
   * Performs the newest operation of a domain, noted but not yet performed.
   *
   * @returns whether its recorded result came out
   */
  performDomain(domain: number): boolean {
    const log = this.domains[domain];
    return log.repeatNewest();
  }

  /** Books a window of a domain that the caller has decided. */
  bookDomain(domain: number, moved: string, tried: number, line: number): void {
    this.book(this.domainName(domain), moved, tried, line);
  }

  /** Orders that the last explanation of a domain tried. */
  triedDomain(domain: number): number {
    return this.domains[domain].triedLast;
  }

  triedPool(): number {
    return this.pool!.triedLast;
  }

  /** Takes the newest operation back; the caller then adopts what was recorded and calls `restart…`. */
  undoDomain(domain: number): void {
    this.domains[domain].undoNewest();
  }

  undoPool(): void {
    this.pool!.undoNewest();
  }

  restartDomain(domain: number): void {
    this.domains[domain].restart();
  }

  restartPool(): void {
    this.pool!.restart();
  }

  private domainName(domain: number): string {
    return `addresses of domain ${this.machine.domains[domain].id}`;
  }

  private note(
    log: OrderLog,
    operation: number,
    window: OperationWindow,
    recorded: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ): void {
    log.add(operation, window.cpu, window.otherCpu, window.context, window.after, window.before, recorded, a, b, c, d);
    if (window.before !== Number.POSITIVE_INFINITY) return;
    const logs = this.open.get(window.context);
    if (logs === undefined) this.open.set(window.context, [log]);
    else if (!logs.includes(log)) logs.push(log);
  }

  private explain(log: OrderLog, resource: string, names: readonly string[], line: number): boolean {
    const decision = log.explain();
    if (decision === null) return false;
    const moved = decision.moved.map(({ operation, earlier }) => `${names[operation]} ${earlier ? 'earlier' : 'later'}`).join(', ');
    this.book(resource, moved, decision.tried, line);
    return true;
  }

  private book(resource: string, moved: string, tried: number, line: number): void {
    this.decisionCount += 1;
    if (this.decisions.length < DESCRIBED_MAX) this.decisions.push({ resource, moved, tried, line });
  }
}

export { DomainOperation, PoolOperation };
