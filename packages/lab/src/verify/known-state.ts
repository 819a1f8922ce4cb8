import type { Machine } from 'dmalab-core';
import type { Checks } from './checks.ts';
import type { VerifyScope } from './verify-scope.ts';

/** Of which allocators the state is known, so that an address or a slot can be predicted. */
export class KnownState {
  /** Domains, and whether the pool, held something when the recording began: their state is unknown, addresses are adopted. */
  readonly midLifeDomains: Set<number> = new Set();
  midLifePool = false;
  /** Lazy domains whose flushes were not recorded: when an address becomes free again is unknown. */
  readonly blindDomains: Set<number> = new Set();
  /** Slots that the recording shows could not be adopted after a difference: where the model's pool is from there on, nobody knows. */
  poolAdrift = false;
  /** The pool was not described, and what was guessed of it from its slots has proved wrong. */
  poolMisjudged = false;
  /** Domains of devices that bounce: whether their mappings succeed depends on the pool. */
  private readonly bouncingDomains = new Set<number>();
  private readonly scope: VerifyScope;
  private readonly checks: Checks;

  constructor(machine: Machine, scope: VerifyScope, checks: Checks) {
    this.scope = scope;
    this.checks = checks;
    const flushesAreSeen = scope.descriptors || scope.cacheTags;
    for (const domain of machine.domains) {
      if (domain.flushQueue !== null && !flushesAreSeen) this.blindDomains.add(domain.index);
    }
    for (const { domain, policy } of machine.devices) if (domain !== null && policy.mapsSgPerEntry) this.bouncingDomains.add(domain.index);
    if (scope.devicesWithoutCalls.size > 0) this.losePool();
  }

  /** Whether the domain's addresses can be predicted. */
  knowsDomain(domain: number): boolean {
    if (this.poolMisjudged && this.bouncingDomains.has(domain)) return false;
    return !this.midLifeDomains.has(domain) && !this.blindDomains.has(domain) && !this.scope.startsInMidLife();
  }

  /** Whether the pool's slots can be predicted. */
  knowsPool(): boolean {
    return !this.poolAdrift && !this.poolMisjudged && !this.midLifePool && !this.scope.startsInMidLife();
  }

  /** Whether nothing had to be adopted for want of knowledge. */
  knowsAll(): boolean {
    return this.knowsPool() && this.midLifeDomains.size === 0 && this.blindDomains.size === 0;
  }

  /** A mapping ends whose beginning was not recorded: so was that of others, and the domain was in use. */
  loseDomain(domain: number): void {
    this.midLifeDomains.add(domain);
    this.checks.forgive('address', domain);
    this.checks.forgive('flush', domain);
  }

  /** The pool was in use by what was not recorded. */
  losePool(): void {
    this.midLifePool = true;
    this.checks.forgive('slot', -1);
  }
}
