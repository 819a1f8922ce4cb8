import { lazy, passthrough, strict } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import { pairCost } from '../saturate/pair-cost.ts';
import { constantInputs, type ValidationCheck } from './validation-check.ts';

/** Time of one I/O in pass-through mode, ns: 5.01 M I/Os a second, if one core was the limit. */
const PASS_THROUGH_IO_NS = 200;
const MILLION = 1e6;

/** NVMe 4 KiB reads under the three modes: what the policies add to an I/O whose other work is given. */
export function nvmeStrictLazy(vtd: CostProfile): ValidationCheck {
  const buffer = { bytes: 4096 };
  const [none, lazyPair, strictPair] = [passthrough, lazy, strict].map((policy) => pairCost(vtd, policy, buffer).nsPerPair);
  const lazyNs = PASS_THROUGH_IO_NS + lazyPair - none;
  const strictNs = PASS_THROUGH_IO_NS + strictPair - none;
  return {
    id: 'nvme-strict-lazy',
    statement: 'NVMe Optane, 4 KiB I/Os mapped one by one: strict : lazy : pass-through',
    sourceId: 'K6',
    source: 'Anuj Gupta, linux-nvme 2025-11-24; Intel Optane host, cores not stated',
    inputs: [
      {
        name: 'time of an I/O in pass-through mode',
        value: `${PASS_THROUGH_IO_NS} ns`,
        source: 'workload input: the pass-through figure of the same mail, so that its own row is no check',
        restsOn: [],
      },
      ...constantInputs(vtd, ['mapFirstPage', 'unmapFirstPage', 'iovaCacheAlloc', 'iovaCacheFree', 'pageInvalidation']),
    ],
    rows: [
      { label: 'lazy / strict', unit: 'times', published: 1.93 / 0.57, computed: strictNs / lazyNs, requiredWithin: 0.25 },
      { label: 'strict / lazy', unit: 'times', published: 0.57 / 1.93, computed: lazyNs / strictNs, requiredWithin: 0.25 },
      { label: 'strict', unit: 'M I/O/s', published: 0.57, computed: 1e9 / strictNs / MILLION },
      { label: 'lazy', unit: 'M I/O/s', published: 1.93, computed: 1e9 / lazyNs / MILLION },
      { label: 'strict less lazy', unit: 'ns', published: 1e3 / 0.57 - 1e3 / 1.93, computed: strictNs - lazyNs },
      { label: 'lazy less pass-through', unit: 'ns', published: 1e3 / 1.93 - 1e3 / 5.01, computed: lazyNs - PASS_THROUGH_IO_NS },
    ],
    remarks: [
      'The invalidation is that of the 2,127 to 2,135 cycles of P11 at 2.9 GHz; the clock of the host is not stated.',
      'Both differences come out too small by about the same share, so that the ratio is nearer than the rates.',
    ],
  };
}
