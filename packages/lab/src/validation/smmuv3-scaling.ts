import { Direction, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { withConstants } from '../cost/with-constants.ts';
import { pairCosts } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck, type ValidationRow } from './validation-check.ts';

/** Thousands of pairs per CPU and second, by number of CPUs. */
interface Series {
  readonly label: string;
  readonly cpus: readonly number[];
  readonly published: readonly number[];
}

const REQUIRED: Series = { label: 'machine 1, after', cpus: [8, 16, 32, 64], published: [302, 193, 80, 30] };
const REQUIRED_WITHIN = 0.3;

const OTHERS: readonly Series[] = [
  { label: 'machine 1, before', cpus: [8, 16, 32, 64], published: [282, 115, 36, 11] },
  { label: 'machine 2, after', cpus: [8, 16, 32, 64], published: [420, 291, 156, 47] },
  { label: 'machine 2, before', cpus: [8, 16, 32, 64], published: [379, 102, 41, 6] },
  { label: 'machine 3, after', cpus: [32, 64, 128], published: [93.287, 44.789, 15.862] },
  { label: 'machine 3, before', cpus: [32, 64, 128], published: [63.187, 19.418, 10.169] },
];

/** The queue is full from the first pair on, and every pair is like the others. */
const WARM_UP_PAIRS = 20;
const PAIRS_PER_CPU = 60;

/**
 * Map and unmap pairs against CPUs on one command queue. The one unknown, how long an invalidation occupies the queue, is
 * taken from the point with the fewest CPUs.
 */
export function smmuv3Scaling(smmuv3: CostProfile): ValidationCheck {
  const serviceNs = serviceOf(REQUIRED);
  return {
    id: 'smmuv3-scaling',
    statement: 'Map and unmap pairs of 4 KiB per CPU against CPUs on one SMMUv3 command queue, after the work on its lock',
    sourceId: 'K9',
    source: 'John Garry, 2020-11-13; arm64 server',
    inputs: [
      {
        name: 'service time of the queue',
        value: `${serviceNs.toFixed(0)} ns`,
        source:
          'the 8-CPU point alone: the queue is full there, as one CPU alone needs less than 8 service times, so it serves 8 x 302 K a second',
        restsOn: [],
      },
      ...constantInputs(smmuv3, ['mapFirstPage', 'unmapFirstPage', 'pageInvalidation']),
    ],
    otherFigureOfSource: 'the point of 8 CPUs, from which the service time is taken; the points of 16, 32 and 64 are predicted',
    rows: seriesRows(smmuv3, REQUIRED, REQUIRED_WITHIN),
    remarks: [
      'A serial server makes the time of a pair grow as the CPUs. The machine does better at 16 and worse at 64: its queue lock gets dearer with each CPU that waits for it, which one service time cannot say.',
    ],
  };
}

/** The same for the other series of the source: nothing is promised, as their lock is not modelled. */
export function smmuv3OtherSeries(smmuv3: CostProfile): ValidationCheck {
  return {
    id: 'smmuv3-other-series',
    statement: 'The same on other machines, and before the work on the lock',
    sourceId: 'K9',
    source: 'John Garry, 2020-11-13 (machines 1 and 2), 2020-06-23 (machine 3); arm64 servers',
    inputs: OTHERS.map((series) => ({
      name: `service time, ${series.label}`,
      value: `${serviceOf(series).toFixed(0)} ns`,
      source: `the ${series.cpus[0]}-CPU point of the series`,
      restsOn: [],
    })),
    otherFigureOfSource: 'the first point of each series',
    rows: OTHERS.flatMap((series) => seriesRows(smmuv3, series)),
    remarks: [
      'Before the work, every CPU that waited made the compare-and-swap on the queue pointers dearer for all; rates fall faster than 1/N, and a serial server cannot.',
    ],
  };
}

/** With the queue full, it serves what all CPUs do together. */
function serviceOf({ cpus, published }: Series): number {
  return 1e6 / (cpus[0] * published[0]);
}

/** Rows of all points but the first. */
function seriesRows(profile: CostProfile, series: Series, requiredWithin?: number): ValidationRow[] {
  const latency = profile.constants.pageInvalidation.value!;
  const calibrated = withConstants(profile, { queueService: serviceOf(series) / latency, lock: 0 });
  const results = pairCosts(
    calibrated,
    strict,
    { bytes: 4096, direction: Direction.TO_DEVICE },
    {
      cpus: series.cpus.slice(1),
      warmUpPairs: WARM_UP_PAIRS,
      pairsPerCpu: PAIRS_PER_CPU,
    },
  );
  return results.map(({ cpus, pairsPerCpuPerSecond }, index) => ({
    label: `${series.label}, ${cpus} CPUs`,
    unit: 'K pairs/CPU/s',
    published: series.published[index + 1],
    computed: pairsPerCpuPerSecond / 1000,
    ...(requiredWithin === undefined ? {} : { requiredWithin }),
  }));
}
