import { Direction, shadow, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCosts } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

const THREADS = 16;
const FRAME_BITS = 1500 * 8;
const LINK_GBPS = 100;

/** hns3: frames copied into a buffer that stays mapped, against mapping each, with 16 senders. */
export function hns3TransmitCopy(smmuv3: CostProfile): ValidationCheck {
  const throughput = (policy: typeof strict): number => {
    const buffer = { bytes: 1500, offset: 64, direction: Direction.TO_DEVICE };
    const [{ pairsPerCpuPerSecond }] = pairCosts(smmuv3, policy, buffer, { cpus: [THREADS], sharing: 'device' });
    return Math.min(LINK_GBPS, (THREADS * pairsPerCpuPerSecond * FRAME_BITS) / 1e9);
  };
  return {
    id: 'hns3-transmit-copy',
    statement: 'hns3 transmit, 16 senders, MTU 1500: mapping each frame under strict, and copying it instead',
    sourceId: 'K2',
    source: 'hns3 series, 2021-06-16; Kunpeng, 100G; "90+" is taken as 90',
    inputs: [
      { name: 'link', value: `${LINK_GBPS} Gb/s`, source: 'the adapter', restsOn: [] },
      ...constantInputs(smmuv3, ['pageInvalidation', 'queueService', 'copyState']),
    ],
    rows: [
      { label: 'mapped', unit: 'Gb/s', published: 30, computed: throughput(strict) },
      { label: 'copied', unit: 'Gb/s', published: 90, computed: throughput(shadow) },
    ],
    remarks: [
      'Mapped, the command queue is the limit in the model. Copied, the model finds no limit before the link, as the rest of the network stack takes no time in it.',
    ],
  };
}
