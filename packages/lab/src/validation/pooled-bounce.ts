import { Direction, shadow, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCost } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

const KIB = 1024;
/** Unmap time per GB that the pool saved in the guest, by request size in KiB. */
const GUEST_SAVINGS: readonly (readonly [number, number])[] = [
  [4, 0.97],
  [16, 0.94],
  [64, 0.9],
  [128, 0.87],
];

/** Bounce buffers that stay mapped (the policy `shadow`) against mapping each request (`strict`). */
export function pooledBounce(vtd: CostProfile, guest: CostProfile): ValidationCheck {
  const ratio = (profile: CostProfile, bytes: number): number => {
    const buffer = { bytes, direction: Direction.TO_DEVICE };
    return pairCost(profile, shadow, buffer).nsPerPair / pairCost(profile, strict, buffer).nsPerPair;
  };
  return {
    id: 'pooled-bounce',
    statement: 'Bounce buffers that stay mapped against mapping each NVMe request under strict',
    sourceId: 'K49',
    source: 'David Stevens, 2021-08-06; i5-10210U, guest with virtio-iommu, and bare metal with the NVMe marked untrusted',
    inputs: [...constantInputs(vtd, ['pageInvalidation', 'copyState']), ...constantInputs(guest, ['pageInvalidation', 'unmapFirstPage'])],
    rows: [
      { label: 'bare metal, 64 KiB: pooled / mapped', unit: 'times', published: 2.17 / 2.28, computed: ratio(vtd, 64 * KIB) },
      ...GUEST_SAVINGS.map(([size, saving]) => ({
        label: `guest, ${size} KiB: share of the time saved`,
        unit: 'share',
        published: saving,
        computed: 1 - ratio(guest, size * KIB),
      })),
    ],
    remarks: [
      'Published on bare metal is the CPU load of the whole machine, computed the time in the DMA API alone; the copies are a part of it that the published load hides. Only the sign can be compared: published slightly below 1.',
      'Published for the guest is the time of unmaps, computed that of map and unmap. Constants of the guest are those of a nested VT-d, as there are none of virtio-iommu.',
      'One copy per request, as the published pool makes; SWIOTLB copies a buffer that the device writes both ways. The copies are priced a fifth of the way from hot to cold, and 64 KiB of them cost more than any invalidation of bare metal.',
    ],
  };
}
