import { Direction, lazy, passthrough, shadow } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCost } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

/** A full frame of the receive ring, at the driver's offset in its page. */
const FRAME = { bytes: 1522, offset: 64 };

/** e1000e: a received frame is either copied out of a buffer that stays mapped, or its buffer is mapped anew. */
export function receiveCopyRemap(vtd: CostProfile): ValidationCheck {
  const none = pairCost(vtd, passthrough, FRAME).nsPerPair;
  const remap = pairCost(vtd, lazy, FRAME).work.total;
  // One copy: a buffer that the device reads is copied in and not out.
  const copy = pairCost(vtd, shadow, { ...FRAME, direction: Direction.TO_DEVICE }).work.split.copy;
  const less = (a: typeof copy, b: typeof copy): { low: number; high: number } => ({ low: a.low! - b.high!, high: a.high! - b.low! });
  return {
    id: 'receive-copy-remap',
    statement: 'e1000e receive: copying a frame out of a buffer that stays mapped, against mapping a new buffer',
    sourceId: 'K3',
    source: 'Vollrath, intel-wired-lan, spring 2026; Xeon E3-1240 v3, I218; mode not named, lazy assumed',
    inputs: constantInputs(vtd, ['mapFirstPage', 'unmapFirstPage', 'iovaCacheAlloc', 'flushQueueAdd', 'copyState']),
    rows: [
      {
        label: 'mapping a new buffer',
        unit: 'ns',
        published: 1139 - 454,
        computed: remap.value! - none,
        range: { low: remap.low! - none, high: remap.high! - none },
      },
      { label: 'copy', unit: 'ns', published: 555 - 454, computed: copy.value!, range: { low: copy.low!, high: copy.high! } },
      {
        label: 'gain of the copy with the IOMMU on',
        unit: 'ns',
        published: 1139 - 562,
        computed: remap.value! - none - copy.value!,
        range: less({ ...remap, low: remap.low! - none, high: remap.high! - none }, copy),
      },
    ],
    remarks: [
      'The published copy includes a new skb and still costs less than the stated constant, which lies a fifth of the way from hot to cold; it fits the hot end. A frame that the adapter has just written lies in the cache of this client part.',
      'Mapping costs three times what the micro-benchmarks add up to. They run hot, and the mail does not say whether the mode was lazy.',
    ],
  };
}
