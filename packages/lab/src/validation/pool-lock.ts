import { swiotlbForce } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { withConstants } from '../cost/with-constants.ts';
import { pairCost, pairCosts } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

const JOBS = 4;
const AREAS = 8;
/** Reads with the split lock, K I/O/s of all jobs. */
const SPLIT = 567;
const ONE_LOCK = 214.9;

/** A bounce pool with one lock against one that is split into areas, in a VM that bounces everything. */
export function poolLock(vtd: CostProfile): ValidationCheck {
  const buffer = { bytes: 4096 };
  const ioNs = (JOBS * 1e6) / SPLIT;
  const restNs = ioNs - pairCost(vtd, swiotlbForce, buffer).nsPerPair;
  const profile = withConstants(vtd, { mapCall: vtd.constants.mapCall.value! + restNs });
  const [split] = pairCosts(profile, swiotlbForce, buffer, { cpus: [JOBS], areas: AREAS });
  const [together] = pairCosts(profile, swiotlbForce, buffer, { cpus: [JOBS], areas: 1 });
  return {
    id: 'pool-lock',
    statement: 'Every buffer bounced, 4 jobs of 4 KiB reads: gain of splitting the lock of the pool',
    sourceId: 'K38',
    source: 'Chao Gao, 2022-06-28; VM of 8 vCPUs with swiotlb=force, queue depth 256',
    inputs: [
      { name: 'time of an I/O with the split lock', value: `${ioNs.toFixed(0)} ns`, source: 'the rate with the split lock', restsOn: [] },
      ...constantInputs(vtd, ['slotSearch', 'slotLook', 'slotTake', 'slotRelease', 'lock']),
    ],
    otherFigureOfSource: 'the rate with the split lock; the gain over one lock is predicted',
    rows: [
      {
        label: 'split / one lock',
        unit: 'times',
        published: SPLIT / ONE_LOCK,
        computed: split.pairsPerCpuPerSecond / together.pairsPerCpuPerSecond,
      },
    ],
    remarks: [
      'The model holds the lock for some hundred nanoseconds of an I/O of seven microseconds and finds no contention. The published series also replaced the list of free slots, whose scan under the lock grows with a queue depth of 256, and a lock that bounces between vCPUs costs more than one that does not.',
    ],
  };
}
