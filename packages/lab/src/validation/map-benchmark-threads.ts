import { Direction, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCosts } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

const THREADS = 10;

/** KiB, then map and unmap in us with ten threads, after map_pages and unmap_pages. */
const PUBLISHED: readonly (readonly [number, number, number])[] = [
  [4, 0.1, 5.8],
  [8, 0.3, 6.0],
  [16, 0.3, 5.6],
  [32, 0.2, 6.3],
  [64, 0.3, 12.4],
  [128, 0.2, 24.2],
  [256, 1.2, 46.4],
  [512, 1.3, 94.2],
  [1024, 1.8, 191.5],
];

/** dma_map_benchmark with ten threads on one device, from constants of one thread. */
export function mapBenchmarkThreads(smmuv3: CostProfile): ValidationCheck {
  return {
    id: 'map-benchmark-threads',
    statement: 'dma_map_benchmark on SMMUv3, ten threads on one device: map and unmap of one buffer by size',
    sourceId: 'K11',
    source: 'chenxiang, 2021-07-31; Kunpeng, strict fits the figures',
    inputs: constantInputs(smmuv3, ['mapFirstPage', 'mapNextPage', 'unmapFirstPage', 'unmapNextPage', 'pageInvalidation']),
    otherFigureOfSource: 'the columns of one thread; those of ten are predicted',
    rows: PUBLISHED.map(([size, map, unmap]) => {
      const buffer = { bytes: size * 1024, direction: Direction.TO_DEVICE };
      const [{ nsPerPair }] = pairCosts(smmuv3, strict, buffer, { cpus: [THREADS], sharing: 'device' });
      return { label: `${size} KiB`, unit: 'us', published: map + unmap, computed: nsPerPair / 1000 };
    }),
    remarks: [
      'From 64 KiB on this unit is sent one command per page, so that the queue is busy longer with larger buffers; the model has one service time for all of them.',
    ],
  };
}
