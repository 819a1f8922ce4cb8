/** A published figure that the model does not give, and why. */
export interface OutOfReach {
  readonly sourceId: string;
  readonly figure: string;
  readonly reason: string;
}

export const OUT_OF_REACH: readonly OutOfReach[] = [
  {
    sourceId: 'P1',
    figure: 'F&S figures 3 and 8 to 12: ring sizes, latency tails, Redis, nginx, SPDK',
    reason: 'needs the network, drops and the applications; the model has no device time',
  },
  {
    sourceId: 'P6',
    figure: 'nested guest, 1 to 20 cores: qi_submit_sync 8.8 to 92 us',
    reason: 'the load is bound by the network up to 8 cores and not stated per core; the profile rests on the 1-core figure',
  },
  {
    sourceId: 'K5',
    figure: 'virtio-net receive, one mapping per page shared by its buffers: 742,853 and 1,010,514 packets/s',
    reason: 'how many buffers share a page is not stated',
  },
  { sourceId: 'K33', figure: '8 NVMe on Grace, strict 2.8 M I/O/s', reason: 'how many SMMUs and queues share the load is not stated' },
  {
    sourceId: 'K21',
    figure: 'ice 100G on AMD, strict 34.0 and lazy 95.3 Gb/s',
    reason: 'bytes per mapping are not stated, and AMD-Vi has no cost figure',
  },
  { sourceId: 'K37', figure: 'Hyper-V guest, one pool lock 24-25, split 40 Gb/s', reason: 'CPUs and packets per second are not stated' },
  {
    sourceId: 'K45',
    figure: 'hns3, 1 TCP flow: zero-copy 22, copying 30, recycled 40 Gb/s',
    reason: 'the stack around the DMA API makes most of the time',
  },
  {
    sourceId: 'K2',
    figure: 'hns3 receive, copying instead of mapping: more than +50 %',
    reason: 'the time of the rest of a packet is not stated',
  },
  {
    sourceId: 'K18',
    figure: 'user-space block device, caches 758 K against tree 113 K I/O/s with 8 jobs',
    reason: 'how long the tree lock is held with so many ranges is not priced',
  },
  { sourceId: 'P4', figure: 'IOTLB wall at 200G', reason: 'needs the link and parallel walks; only misses are counted here' },
  { sourceId: 'K46', figure: 'SMMUv2 iperf, 3.87 to 1.52 Gb/s', reason: 'the profile of SMMUv2 has no invalidation apart from the unmap' },
];
