import { ReceiveLoad } from '../receive/receive-load.ts';
import { FAST_AND_SAFE_RECEIVER, fullyAssociative, type ReceiveParameters, setAssociative } from '../receive/receive-parameters.ts';
import { FLOWS_ROWS, fastAndSafeThroughput, readsOf } from './fast-and-safe-equation.ts';
import type { ValidationCheck, ValidationInput } from './validation-check.ts';

/** Packets before counting begins, several times round all rings, and packets counted. */
const WARM_UP_PACKETS = 5_120;
const PACKETS = 6_400;

const SOURCE = 'F&S, SOSP 2024, figure 2; Xeon Gold 6234, ConnectX-5 100G, 4 KiB MTU, 5 cores, ring 256, Linux 6.0';

const INPUTS: readonly ValidationInput[] = [
  {
    name: 'IOTLB',
    value: '64 entries, one set, LRU',
    source: 'guess: the knee of a Broadwell unit (P2), the guess of two papers; associativity is not public',
    restsOn: ['P2'],
  },
  {
    name: 'paging-structure caches',
    value: '64 entries per level, one set, LRU',
    source: 'guess: lower end of what the authors guess for the last level; sizes are not public',
    restsOn: ['P1'],
  },
  {
    name: 'work item',
    value: '64 pages, unmapped together',
    source: 'mlx5 of Linux 6.0: multi-packet work item of 256 KiB',
    restsOn: [],
  },
  {
    name: 'poll of a core',
    value: '16 us after its first packet, or 32 packets',
    source: 'mlx5 of Linux 6.0: default moderation; adaptive moderation is not modelled',
    restsOn: [],
  },
  {
    name: 'acknowledgements',
    value: 'one for each merged lot of two segments or more',
    source: 'merging within one poll to 64 KiB, acknowledgement of every second segment',
    restsOn: [],
  },
];

/** Receive flows on the engine, through IOTLB and walk caches of a guessed geometry. */
export function fastAndSafeFlows(): ValidationCheck {
  const rows = FLOWS_ROWS.flatMap((row) => {
    const counts = countsOf({ flows: row.flows });
    const label = (what: string): string => `${row.flows} flows, ${what}`;
    return [
      { label: label('IOTLB misses'), unit: 'per page', published: row.iotlb, computed: counts.iotlbMisses },
      { label: label('L1 misses'), unit: 'per page', published: row.l1, computed: counts.l1Misses },
      { label: label('L2 misses'), unit: 'per page', published: row.l2, computed: counts.l2Misses },
      { label: label('L3 misses'), unit: 'per page', published: row.l3, computed: counts.l3Misses },
      { label: label('all reads (M)'), unit: 'per page', published: readsOf(row), computed: counts.reads },
      { label: label('throughput by the equation'), unit: 'Gb/s', published: row.measured, computed: fastAndSafeThroughput(counts.reads) },
    ];
  });
  return {
    id: 'fast-and-safe-flows',
    statement: 'IOTLB misses and page-table reads per page received under strict, 5 to 40 flows',
    sourceId: 'P1',
    source: SOURCE,
    inputs: INPUTS,
    otherFigureOfSource: 'a guess at a size, and the equation that turns reads into throughput; no count is an input',
    rows,
    remarks: [
      'Nothing is fitted. One miss for the page itself and one for each acknowledgement explain the IOTLB misses at few flows.',
      'The published walk misses grow with the flows, the modelled ones do not: here the number of polls, and with it how finely unmaps and accesses alternate, depends on the link rate alone. In the testbed packets were dropped and sent again, polls got shorter, and moderation adapted; none of that is modelled.',
      'The last level misses less than published: the modelled allocator has no history, so its addresses stay within a few blocks of 2 MiB.',
    ],
  };
}

/** The guesses changed one at a time. */
export function fastAndSafeGeometries(): ValidationCheck {
  const variants: readonly (readonly [string, Partial<ReceiveParameters>])[] = [
    ['128-entry IOTLB', { iotlb: fullyAssociative(128) }],
    ['64-entry IOTLB of 4 ways', { iotlb: setAssociative(64, 4) }],
    ['16-entry IOTLB', { iotlb: fullyAssociative(16) }],
    ['4 entries per level of the walk caches', { pagingStructures: fullyAssociative(4) }],
    ['pages unmapped one by one', { itemPages: 1 }],
    ['polls after 3 us', { pollDelayNs: 3_000 }],
    ['walk caches kept (6.12 rules)', { kernel: '6.12' }],
  ];
  const published = FLOWS_ROWS.filter(({ flows }) => flows === 5 || flows === 40);
  return {
    id: 'fast-and-safe-geometries',
    statement: 'All reads per page (M) when one assumption changes',
    sourceId: 'P1',
    source: SOURCE,
    inputs: INPUTS,
    otherFigureOfSource: 'a guess at a size, and the equation that turns reads into throughput; no count is an input',
    rows: variants.flatMap(([name, changes]) =>
      published.map((row) => ({
        label: `${row.flows} flows, ${name}`,
        unit: 'per page',
        published: readsOf(row),
        computed: countsOf({ ...changes, flows: row.flows }).reads,
      })),
    ),
    remarks: [
      'Under strict a page is used once between map and unmap, so the size of the IOTLB hardly matters; what matters is how often unmaps come between accesses.',
      'The row with kept walk caches has no published counterpart at these flows: it shows what dropping them costs in the model.',
    ],
  };
}

function countsOf(changes: Partial<ReceiveParameters>): ReturnType<ReceiveLoad['receive']> {
  const load = new ReceiveLoad({ ...FAST_AND_SAFE_RECEIVER, ...changes });
  load.receive(WARM_UP_PACKETS);
  return load.receive(PACKETS);
}
