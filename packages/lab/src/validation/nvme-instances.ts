import { strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { withConstants } from '../cost/with-constants.ts';
import { pairCost, pairCosts } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

/** CPU time of an I/O with one instance, ns: middle of what was published. */
const IO_NS = 5350;
/** The invalidation that rests on another source than this one. */
const INVALIDATION_NS = 740;

/** Instances in all, on two drives, and K I/Os a second. */
const PUBLISHED: readonly (readonly [number, number])[] = [
  [2, 365],
  [4, 507],
  [8, 669],
  [16, 739],
];

/** NVMe under strict with more and more instances behind one IOMMU unit. */
export function nvmeInstances(vtd: CostProfile): ValidationCheck {
  const invalidation = withConstants(vtd, { pageInvalidation: INVALIDATION_NS });
  const buffer = { bytes: 4096 };
  const restNs = IO_NS - pairCost(invalidation, strict, buffer).nsPerPair;
  // All work of an I/O outside the DMA API stands in its map call.
  const profile = withConstants(invalidation, { mapCall: vtd.constants.mapCall.value! + restNs });
  const results = pairCosts(profile, strict, buffer, { cpus: PUBLISHED.map(([instances]) => instances) });
  return {
    id: 'nvme-instances',
    statement: 'NVMe 4 KiB reads under strict, instances on two drives behind one unit: I/Os a second together',
    sourceId: 'P7',
    source: 'lab notes of 2026, section on Skylake; 4 x Xeon Gold 6140, kernel 5.15; grade C',
    inputs: [
      { name: 'CPU time of an I/O alone', value: `${IO_NS} ns`, source: 'the one-instance figure of the same notes', restsOn: [] },
      { name: 'pageInvalidation', value: `${INVALIDATION_NS} ns`, source: 'P11, 2,127 to 2,135 cycles at 2.9 GHz', restsOn: ['P11'] },
      ...constantInputs(vtd, ['queueService']),
    ],
    otherFigureOfSource: 'the CPU time with one instance',
    rows: PUBLISHED.map(([instances, rate], index) => ({
      label: `${instances} instances`,
      unit: 'K I/O/s',
      published: rate,
      computed: (results[index].pairsPerCpuPerSecond * instances) / 1000,
    })),
    remarks: [
      'In the notes all five CPUs that take interrupts are at 100 %, and their author favours that limit over the queue. The model gives each instance a CPU of its own, so that only the queue limits it, at 1.34 M.',
    ],
  };
}
