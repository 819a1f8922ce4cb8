import type { CallContext } from './call-context.ts';

/**
 * What a recording with calls could not show, one sentence each.
 *
 * @param stopped  why the comparison stopped, null when it did not
 */
export function callLimits(context: CallContext, stopped: string | null): string[] {
  const { assembler, scope } = context;
  const limits: string[] = [];
  if (!scope.descriptors) limits.push('no qi_submit events: invalidations and flushes were not recorded and cannot be compared');
  limits.push(...domainLimits(context));
  for (const name of scope.devicesWithoutCalls) {
    limits.push(
      `${name} is not covered: it maps on a path without dma:* events (dma_iova_link of later kernels); later slots are not predicted`,
    );
  }
  const { strayLines, firstStrayLine } = assembler.counters;
  if (strayLines > 0) {
    limits.push(
      `${strayLines} table lines belong to no recorded call (first L${firstStrayLine}): made with a domain, cut off, or by a path without dma:* events such as dma_iova_link of later kernels; not covered`,
    );
  }
  limits.push(...poolLimits(context));
  if (stopped !== null) limits.push(`comparison stopped where the engine could not follow: ${stopped}`);
  return limits;
}

function domainLimits({ known, machine, scope }: CallContext): string[] {
  const limits: string[] = [];
  if (scope.startsInMidLife())
    limits.push('events before the first line are missing: addresses depend on them and are adopted, not predicted');
  else if (known.midLifeDomains.size > 0) {
    const names = [...known.midLifeDomains].map((domain) => machine.domains[domain].id).sort((a, b) => a - b);
    limits.push(`mappings older than the recording end in it (domain ${names.join(', ')}): addresses there are adopted, not predicted`);
  }
  if (known.blindDomains.size > 0)
    limits.push('flushes of lazy domains were not recorded: when an address is free again is unknown, addresses there are adopted');
  return limits;
}

function poolLimits({ known }: CallContext): string[] {
  if (known.midLifePool) return ['the bounce pool was in use before the recording began: slots are adopted, not predicted'];
  if (known.poolMisjudged) return [POOL_MISJUDGED];
  if (!known.poolAdrift) return [];
  return ['the bounce pool could not be made to agree with a slot that was recorded: later slots are not compared'];
}

const POOL_MISJUDGED =
  'the bounce pool was not described, and what its slots suggest does not hold: later slots and addresses of bouncing devices are not compared; a machine description helps';

/** Why the pool's state is not known any more: a bounce in direct mode, a guess of its size that failed, or a difference. */
export type PoolLoss = 'direct' | 'guess' | 'difference';

const POOL_LOSSES: Readonly<Record<PoolLoss, string>> = {
  direct: 'a device without translation bounced: its slots were not recorded, later slots are not compared',
  guess: POOL_MISJUDGED,
  difference: 'after a slot that differs the state of the pool is unknown: later slots are not compared',
};

/** What a recording without calls could not show. */
export function outcomeLimits(poolLoss: PoolLoss | null): string[] {
  const limits = [
    'no dma:* events (kernels before 6.12 have none): a map line names neither device nor buffer, so I/O addresses cannot be predicted',
    'the domain of a range is taken from its invalidation descriptor; lazy unmaps have none, so address reuse cannot be checked',
  ];
  if (poolLoss !== null) limits.push(POOL_LOSSES[poolLoss]);
  return limits;
}
