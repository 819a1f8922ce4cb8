import { pcMachine, policies } from 'dmalab-core';
import { mapUnmapSequence, type SaturationResult, saturate } from 'dmalab-lab';
import { readProfile } from 'dmalab-lab/node';
import { markdownTable, usText } from './markdown-table.ts';
import { atCacheState } from './recordings.ts';

const CPUS: readonly number[] = [1, 4, 16, 64];
const POLICIES: readonly string[] = ['strict', 'bounce-strict', 'bounce-partial', 'bounce-deferred', 'bounce-deferred-mixed', 'shadow'];
/** Buffers that begin a little behind a page boundary: both ends are partial pages. */
const OFFSET = 64;

/** What a pair costs when each of N CPUs makes them back to back, over one invalidation queue and one pool. */
export function saturateTable(profileName: string, bytes: number): string {
  const profile = readProfile(profileName);
  const sequence = mapUnmapSequence(bytes, OFFSET);
  const rows = POLICIES.map((name) => {
    const policy = policies.find((candidate) => candidate.name === name)!;
    const machine = pcMachine([policy]);
    const at = (state: number): SaturationResult[] => saturate(machine, name, sequence, atCacheState(profile, state), { cpus: CPUS });
    const [hot, stated, cold] = [at(0), at(profile.constants.copyState.value!), at(1)];
    return [`\`${name}\``, ...stated.map((result, index) => cellText(hot[index]!, result, cold[index]!))];
  });
  return markdownTable(['Policy, us/pair', ...CPUS.map((cpus) => `${cpus} CPU${cpus === 1 ? '' : 's'}`)], rows);
}

function cellText(hot: SaturationResult, stated: SaturationResult, cold: SaturationResult): string {
  const range = hot.nsPerPair === cold.nsPerPair ? '' : ` (${usText(hot.nsPerPair)}-${usText(cold.nsPerPair)})`;
  const busy = `${Math.round(stated.queueUtilisation * 100)} %`;
  const dry = stated.flushes.poolDry + stated.failures > 0 ? ', pool dry' : '';
  return `${usText(stated.nsPerPair)}${range}, queue ${busy}${dry}`;
}
