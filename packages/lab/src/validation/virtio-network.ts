import { Direction, lazy, passthrough, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCost } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

const CONSTANTS = ['mapFirstPage', 'unmapFirstPage', 'pageInvalidation'] as const;

/** pktgen over virtio-net: what strict adds to a packet that is sent. */
export function virtioTransmit(vtd: CostProfile): ValidationCheck {
  const added = (bytes: number): number => {
    const buffer = { bytes, offset: 64, direction: Direction.TO_DEVICE };
    return pairCost(vtd, strict, buffer).nsPerPair - pairCost(vtd, passthrough, buffer).nsPerPair;
  };
  return {
    id: 'virtio-transmit',
    statement: 'virtio-net transmit, pktgen: time that strict adds to a packet',
    sourceId: 'K4',
    source: 'Xuan Zhuo, 2024-01-16; Xeon 8269CY',
    inputs: constantInputs(vtd, CONSTANTS),
    rows: [
      { label: '16 bytes', unit: 'ns', published: 1e9 / 390_756 - 1e9 / 1_716_796, computed: added(16) },
      { label: '1400 bytes', unit: 'ns', published: 1e9 / 374_493 - 1e9 / 1_581_829, computed: added(1400) },
    ],
    remarks: [
      'One mapping per packet is assumed. virtio-net maps header and data apart when it cannot put the header in front of them, as with the cloned packets of pktgen; two mappings would double the computed time.',
    ],
  };
}

/** virtio-net receive, a mapping for each buffer: strict against lazy. */
export function virtioReceive(vtd: CostProfile): ValidationCheck {
  const buffer = { bytes: 1536, offset: 0 };
  const strictNs = pairCost(vtd, strict, buffer).nsPerPair;
  const lazyNs = pairCost(vtd, lazy, buffer).nsPerPair;
  return {
    id: 'virtio-receive',
    statement: 'virtio-net receive, one mapping per buffer: time that strict adds to lazy',
    sourceId: 'K5',
    source: 'Xuan Zhuo, quoted 2023-07-19; Aliyun',
    inputs: constantInputs(vtd, CONSTANTS),
    rows: [{ label: 'strict less lazy', unit: 'ns', published: 1e9 / 428_614 - 1e9 / 775_496, computed: strictNs - lazyNs }],
    remarks: ['The pass-through figure of the mail is from another machine and is not used.'],
  };
}
