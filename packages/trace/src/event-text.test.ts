import { describe, expect, it } from 'vitest';
import { importText } from './row-table.oracle.ts';

const FRONT = '    kworker/u4:1-26      [000] .....     5.679668: ';

/** Goal: each spelling of each event gives the row that the sheet of formats asks for. */
describe('event texts', () => {
  const forms: readonly (readonly [string, string])[] = [
    [
      'map: IOMMU: iova=0x00000000fffff000 - 0x0000000100000000 paddr=0x000000007bfd7000 size=4096',
      'map iova=0xfffff000 end=0x100000000 paddr=0x7bfd7000 size=4096',
    ],
    [
      'map: IOMMU: iova=0x00000000fffff000 paddr=0x000000007bfd7000 size=4096',
      'map iova=0xfffff000 end=0x100000000 paddr=0x7bfd7000 size=4096',
    ],
    [
      'unmap: IOMMU: iova=0x00000000fffff000 - 0x0000000100001000 size=8192 unmapped_size=4096',
      'unmap iova=0xfffff000 end=0x100001000 size=8192 unmappedSize=4096',
    ],
    [
      'unmap: IOMMU: iova=0x00000000fffff000 size=4096 unmapped_size=4096',
      'unmap iova=0xfffff000 end=0x100000000 size=4096 unmappedSize=4096',
    ],
    ['attach_device_to_domain: IOMMU: device=0000:00:02.0', 'attach_device_to_domain 0000:00:02.0'],
    ['detach_device_from_domain: IOMMU: device=0000:00:02.0', 'detach_device_from_domain 0000:00:02.0'],
    ['add_device_to_group: IOMMU: groupID=4 device=0000:00:02.0', 'add_device_to_group 0000:00:02.0 group=4'],
    ['remove_device_from_group: IOMMU: groupID=4 device=0000:00:02.0', 'remove_device_from_group 0000:00:02.0 group=4'],
    [
      'io_page_fault: IOMMU:e1000e 0000:00:03.0 iova=0x00000000ffff8000 flags=0x0001',
      'io_page_fault unit=e1000e 0000:00:03.0 iova=0xffff8000 flags=1',
    ],
    [
      'swiotlb_bounced: dev_name: 0000:01:00.0 dma_mask=ffffffffffffffff dev_addr=103a4c2 size=60 NORMAL',
      'swiotlb_bounced 0000:01:00.0 dmaMask=0x10000000000000000 origAddr=0x103a4c2 size=60 forced=0',
    ],
    [
      'swiotlb_bounced: dev_name: 0000:01:00.0 dma_mask=ffffffff dev_addr=103a4c2 size=60 FORCE',
      'swiotlb_bounced 0000:01:00.0 dmaMask=0xffffffff origAddr=0x103a4c2 size=60 forced=1',
    ],
    [
      'swiotlb_bounced: dev_name: 0000:01:00.0 dma_mask=1ffffffffffffff dev_addr=ffffffffffffffff size=60 NO_FORCE',
      'swiotlb_bounced 0000:01:00.0 dmaMask=0x200000000000000 origAddr=ones size=60 forced=2',
    ],
    [
      'swiotlb_bounced: dev_name: 0000:01:00.0 dma_mask=ffffffff dev_addr=103a4c2 size=60 swiotlb_force',
      'swiotlb_bounced 0000:01:00.0 dmaMask=0xffffffff origAddr=0x103a4c2 size=60 forced=1',
    ],
    [
      'swiotlb_bounced: dev_name: 0000:01:00.0 dma_mask=ffffffff dev_addr=103a4c2 size=60 ',
      'swiotlb_bounced 0000:01:00.0 dmaMask=0xffffffff origAddr=0x103a4c2 size=60 forced=0',
    ],
    [
      'qi_submit: iotlb_inv dmar0: 0x200f2 0xfffff041 0x0 0x0',
      'qi_submit unit=dmar0 qw0High=0 qw0Low=0x200f2 qw1High=0 qw1Low=0xfffff041 descriptorType=2',
    ],
    [
      'qi_submit: iec_inv dmar1: 0x1300000014 0xfffffffffffff000 0x0 0x0',
      'qi_submit unit=dmar1 qw0High=19 qw0Low=20 qw1High=0xffffffff qw1Low=0xfffff000 descriptorType=4',
    ],
    ['qi_submit: 0xa dmar0: 0xa 0x0 0x0 0x0', 'qi_submit unit=dmar0 qw0High=0 qw0Low=10 qw1High=0 qw1Low=0 descriptorType=0'],
    ['prq_report: dmar0/0000:00:02.0 seq# 12: rid 0x10 addr 0x0 r-w-', 'prq_report unit=dmar0 0000:00:02.0 sequence=12'],
    [
      'cache_tag_assign: dmar0/0000:00:02.0 type devtlb did 2 pasid 0 ref 1',
      'cache_tag_assign unit=dmar0 0000:00:02.0 did=2 pasid=0 users=1 tagType=1',
    ],
    ['cache_tag_unassign: dmar0/dmar0 type iotlb did 2 pasid 5 ref 1', 'cache_tag_unassign unit=dmar0 did=2 pasid=5 users=1 tagType=0'],
    [
      'cache_tag_flush_all: dmar0/dmar0 type nesting_iotlb did 10 pasid 0 ref 3',
      'cache_tag_flush_all unit=dmar0 did=10 pasid=0 users=3 tagType=2',
    ],
    [
      'cache_tag_flush_range: dmar0 dmar0[0] type iotlb did 9 [0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask 0x0',
      'cache_tag_flush_range unit=dmar0 did=9 start=0xffffd000 end=0xffffdfff addr=0xffffd000 pages=1 mask=0 tagType=0 pasid=0',
    ],
    [
      'cache_tag_flush_range: dmar0 0000:00:02.0[7] type devtlb did 9 [0x0-0xffffffffffffffff] addr 0x0 mask 0x34',
      'cache_tag_flush_range unit=dmar0 0000:00:02.0 did=9 start=0 end=ones addr=0 pages=absent mask=52 tagType=1 pasid=7',
    ],
    [
      'cache_tag_flush_range_np: dmar0 dmar0[0] type iotlb did 9 [0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask 0x0',
      'cache_tag_flush_range_np unit=dmar0 did=9 start=0xffffd000 end=0xffffdfff addr=0xffffd000 pages=1 mask=0 tagType=0 pasid=0',
    ],
    [
      'dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=1536 phys_addr=10a3f2000 attrs=',
      'dma_map_page 0000:00:03.0 FROM_DEVICE dmaAddr=0xfffff000 size=1536 physAddr=0x10a3f2000',
    ],
    [
      'dma_map_page: 0000:00:03.0 dma_addr=fffff000 size=1536 phys_addr=10a3f2000 attrs=SKIP_CPU_SYNC',
      'dma_map_page 0000:00:03.0 dmaAddr=0xfffff000 size=1536 physAddr=0x10a3f2000 SKIP_CPU_SYNC',
    ],
    [
      'dma_map_resource: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=ffffffffffffffff size=4096 phys_addr=fe000000 attrs=MMIO|0x8000',
      'dma_map_resource 0000:00:03.0 BIDIRECTIONAL dmaAddr=ones size=4096 physAddr=0xfe000000 MMIO|bit15',
    ],
    [
      'dma_map_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=1fffff000 size=60 phys_addr=10a3f2042 attrs=CC_SHARED|ALLOC_CC_SHARED',
      'dma_map_phys 0000:00:03.0 TO_DEVICE dmaAddr=0x1fffff000 size=60 physAddr=0x10a3f2042 CC_SHARED|ALLOC_CC_SHARED',
    ],
    [
      'dma_unmap_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=1536 attrs=WEAK_ORDERING|SKIP_CPU_SYNC',
      'dma_unmap_page 0000:00:03.0 FROM_DEVICE dmaAddr=0xfffff000 size=1536 WEAK_ORDERING|SKIP_CPU_SYNC',
    ],
    [
      'dma_unmap_resource: 0000:00:03.0 dir=NONE dma_addr=fffff000 size=1536 attrs=',
      'dma_unmap_resource 0000:00:03.0 NONE dmaAddr=0xfffff000 size=1536',
    ],
    [
      'dma_unmap_phys: 0000:00:03.0 dir=NONE dma_addr=fffff000 size=1536 attrs=',
      'dma_unmap_phys 0000:00:03.0 NONE dmaAddr=0xfffff000 size=1536',
    ],
    [
      'dma_alloc: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=ffffd000 size=4096 virt_addr=00000000a1b2c3d4 flags=GFP_KERNEL|__GFP_ZERO attrs=',
      'dma_alloc 0000:00:03.0 BIDIRECTIONAL dmaAddr=0xffffd000 size=4096 physAddr=absent',
    ],
    [
      'dma_alloc: 0000:00:03.0 dma_addr=ffffd000 size=4096 phys_addr=10a3f2000 flags=GFP_KERNEL attrs=NO_WARN',
      'dma_alloc 0000:00:03.0 dmaAddr=0xffffd000 size=4096 physAddr=0x10a3f2000 NO_WARN',
    ],
    [
      'dma_alloc_pages: 0000:00:03.0 dir=TO_DEVICE dma_addr=0 size=4096 virt_addr=(____ptrval____) flags=GFP_ATOMIC attrs=',
      'dma_alloc_pages 0000:00:03.0 TO_DEVICE dmaAddr=0 size=4096 physAddr=absent',
    ],
    [
      'dma_alloc_sgt: 0000:00:03.0 dir=TO_DEVICE dma_addr=ffffd000 size=8192 phys_addrs={0x104a31000,0x104a32000} flags=GFP_KERNEL attrs=',
      'dma_alloc_sgt 0000:00:03.0 TO_DEVICE dmaAddr=0xffffd000 size=8192 physAddrs={0x104a31000,0x104a32000}',
    ],
    [
      'dma_alloc_sgt_err: 0000:00:03.0 dir=TO_DEVICE dma_addr=0 size=8192 virt_addr=0000000000000000 flags=GFP_KERNEL attrs=',
      'dma_alloc_sgt_err 0000:00:03.0 TO_DEVICE dmaAddr=0 size=8192',
    ],
    [
      'dma_free: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=ffffd000 size=4096 virt_addr=00000000a1b2c3d4 attrs=',
      'dma_free 0000:00:03.0 BIDIRECTIONAL dmaAddr=0xffffd000 size=4096',
    ],
    [
      'dma_free_pages: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=ffffd000 size=4096 virt_addr=00000000a1b2c3d4 attrs=',
      'dma_free_pages 0000:00:03.0 BIDIRECTIONAL dmaAddr=0xffffd000 size=4096',
    ],
    [
      'dma_free_sgt: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=ffffd000 size=8192 phys_addrs={}',
      'dma_free_sgt 0000:00:03.0 BIDIRECTIONAL dmaAddr=0xffffd000 size=8192 physAddrs={}',
    ],
    [
      'dma_map_sg: 0000:00:1f.2 dir=TO_DEVICE nents=2/2 ents=1/1 dma_addrs={0xffffe000} sizes={0x2000} phys_addrs={0x104a31000,0x104a32000} attrs=',
      'dma_map_sg 0000:00:1f.2 TO_DEVICE nents=2 ents=1 truncated=0 dmaAddrs={0xffffe000} sizes={8192} physAddrs={0x104a31000,0x104a32000}',
    ],
    [
      'dma_map_sg: 0000:00:1f.2 dir=TO_DEVICE nents=2/200 ents=1/130 [TRUNCATED] dma_addrs={0xffffe000} sizes={0x2000} phys_addrs={0x1000,0x2000} attrs=',
      'dma_map_sg 0000:00:1f.2 TO_DEVICE nents=200 ents=130 truncated=1 dmaAddrs={0xffffe000} sizes={8192} physAddrs={4096,8192}',
    ],
    [
      'dma_map_sg: 0000:00:1f.2 dir=TO_DEVICE dma_addrs={0xffffe000} sizes={0x2000} phys_addrs={0x104a31000,0x104a32000} attrs=',
      'dma_map_sg 0000:00:1f.2 TO_DEVICE nents=2 ents=1 truncated=0 dmaAddrs={0xffffe000} sizes={8192} physAddrs={0x104a31000,0x104a32000}',
    ],
    [
      'dma_map_sg_err: 0000:00:1f.2 dir=TO_DEVICE dma_addrs={0x104a31000} err=-121 attrs=',
      'dma_map_sg_err 0000:00:1f.2 TO_DEVICE nents=1 ents=0 truncated=0 err=-121 physAddrs={0x104a31000}',
    ],
    [
      'dma_unmap_sg: 0000:00:1f.2 dir=TO_DEVICE phys_addrs={0x104a31000,0x104a32000} attrs=',
      'dma_unmap_sg 0000:00:1f.2 TO_DEVICE nents=2 ents=0 truncated=0 physAddrs={0x104a31000,0x104a32000}',
    ],
    [
      'dma_sync_single_for_cpu: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=60',
      'dma_sync_single_for_cpu 0000:00:03.0 FROM_DEVICE dmaAddr=0xfffff000 size=60',
    ],
    [
      'dma_sync_single_for_device: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=60',
      'dma_sync_single_for_device 0000:00:03.0 FROM_DEVICE dmaAddr=0xfffff000 size=60',
    ],
    [
      'dma_sync_sg_for_cpu: 0000:00:03.0 dir=FROM_DEVICE dma_addrs={0xfffff000} sizes={0x3c}',
      'dma_sync_sg_for_cpu 0000:00:03.0 FROM_DEVICE nents=1 ents=1 truncated=0 dmaAddrs={0xfffff000} sizes={60}',
    ],
    [
      'dma_sync_sg_for_device: 0000:00:03.0 dir=FROM_DEVICE dma_addrs={0xfffff000} sizes={0x3c}',
      'dma_sync_sg_for_device 0000:00:03.0 FROM_DEVICE nents=1 ents=1 truncated=0 dmaAddrs={0xfffff000} sizes={60}',
    ],
    [
      'map_single: dev=0000:01:00.0 dev_addr=0xfffff000 phys_addr=0x103a4c2 size=60',
      'map_single 0000:01:00.0 dmaAddr=0xfffff000 size=60 physAddr=0x103a4c2',
    ],
    [
      'bounce_map_single: dev=0000:01:00.0 dev_addr=0xfffff000 phys_addr=0x103a4c2 size=60',
      'bounce_map_single 0000:01:00.0 dmaAddr=0xfffff000 size=60 physAddr=0x103a4c2',
    ],
    [
      'map_sg: dev=0000:01:00.0 [1/2] dev_addr=0xfffff000 phys_addr=0x103a4c2 size=60',
      'map_sg 0000:01:00.0 dmaAddr=0xfffff000 size=60 physAddr=0x103a4c2 index=1 total=2',
    ],
    [
      'bounce_map_sg: dev=0000:01:00.0 [2/2] dev_addr=0xfffff000 phys_addr=0x103a4c2 size=60',
      'bounce_map_sg 0000:01:00.0 dmaAddr=0xfffff000 size=60 physAddr=0x103a4c2 index=2 total=2',
    ],
    ['unmap_single: dev=0000:01:00.0 dev_addr=0xfffff000 size=60', 'unmap_single 0000:01:00.0 dmaAddr=0xfffff000 size=60'],
    ['unmap_sg: dev=0000:01:00.0 dev_addr=0xfffff000 size=60', 'unmap_sg 0000:01:00.0 dmaAddr=0xfffff000 size=60'],
    ['bounce_unmap_single: dev=0000:01:00.0 dev_addr=0xfffff000 size=60', 'bounce_unmap_single 0000:01:00.0 dmaAddr=0xfffff000 size=60'],
    [
      'dma_unmap_sg:          [FAILED TO PARSE] device=0000:00:1f.2 addrs=ARRAY[00, 50, a3, 04, 01, 00, 00, 00, 00, 60, a3, 04, 01, 00, 00, 00] dir=2 attrs=0x20',
      'dma_unmap_sg 0000:00:1f.2 FROM_DEVICE nents=2 ents=0 truncated=0 physAddrs={0x104a35000,0x104a36000} SKIP_CPU_SYNC',
    ],
    [
      'dma_map_sg: [FAILED TO PARSE] device=0000:00:1f.2 full_nents=200 full_ents=1 truncated=1 phys_addrs=ARRAY[00, 50, a3, 04, 01, 00, 00, 00] dma_addrs=ARRAY[ff, ff, ff, ff, ff, ff, ff, ff] lengths=ARRAY[00, 20, 00, 00] dir=1 attrs=0x0',
      'dma_map_sg 0000:00:1f.2 TO_DEVICE nents=200 ents=1 truncated=1 dmaAddrs={ones} sizes={8192} physAddrs={0x104a35000}',
    ],
    [
      'dma_alloc_sgt: [FAILED TO PARSE] device=0000:00:1f.2 phys_addrs=ARRAY[] dma_addr=4294955008 size=8192 dir=1 flags=3264 attrs=0x0',
      'dma_alloc_sgt 0000:00:1f.2 TO_DEVICE dmaAddr=0xffffd000 size=8192 physAddrs={}',
    ],
    [
      'dma_map_page: device=0000:00:1f.2 phys_addr=0x104a35000 dma_addr=18446744073709551615 size=8192 dir=1 attrs=0x0',
      'dma_map_page 0000:00:1f.2 TO_DEVICE dmaAddr=ones size=8192 physAddr=0x104a35000',
    ],
  ];
  it.each(forms)('%s', (text, expected) => {
    const { events, parser } = importText(`${FRONT}${text}\n`);
    expect(events).toEqual([expected]);
    expect(parser.statistics.notUnderstood).toBe(0);
  });
});

/** Goal: a text that is not one of the forms is counted under the right cause and gives no row. */
describe('event texts that are wrong', () => {
  const wrong: readonly (readonly [string, string])[] = [
    ['map: IOMMU: iova=0x00000000fffff000 - 0x0000000100000000 paddr=0x000000007bfd7000 size=40', 'cut line'],
    ['map: IOMMU: iova=0x00000000fffff000 - 0x00000001', 'cut line'],
    ['map: IOMMU:', 'cut line'],
    ['map: I', 'unknown form'],
    ['map: something else', 'unknown form'],
    ['map: IOMMU: iova=0x00000000fffff000 - 0x0000000100000000 paddr=0x000000007bzd7000 size=4096', 'bad number'],
    ['map: IOMMU: iova=0x0020000000000000 - 0x0020000000001000 paddr=0x000000007bfd7000 size=4096', 'number beyond 2^53'],
    ['dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=15', 'cut line'],
    ['dma_map_page: 0000:00:03.0 dir=FROM_DE', 'cut line'],
    ['dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=15x6 phys_addr=10a3f2000 attrs=', 'bad number'],
    ['dma_map_page: 0000:00:03.0 dir=FROM_DEVICE bus_addr=fffff000 size=1536 phys_addr=10a3f2000 attrs=', 'unknown form'],
    ['dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=ffffffff00000000 size=1536 phys_addr=10a3f2000 attrs=', 'number beyond 2^53'],
    ['dma_unmap_sg: 0000:00:1f.2 dir=TO_DEVICE phys_addrs={0x104a31000,0x104', 'cut line'],
    ['dma_unmap_sg: 0000:00:1f.2 dir=TO_DEVICE phys_addrs={0x104a31000,0x104a32000;0x1} attrs=', 'bad number'],
    ['dma_unmap_sg: 0000:00:1f.2 dir=TO_DEVICE phys_addrs=[0x104a31000] attrs=', 'unknown form'],
    ['dma_unmap_sg: [FAILED TO PARSE] device=a addrs=ARRAY[00, 50] dir=2 attrs=0x0', 'unknown form'],
    ['dma_unmap_sg: [FAILED TO PARSE] device=a addrs=ARRAY[00, 50', 'cut line'],
    ['qi_submit: iotlb_inv dmar0: 0x200f2 0xfffff041 0x0', 'cut line'],
    ['qi_submit: iotlb_inv dmar0 0x200f2 0xfffff041 0x0 0x0', 'unknown form'],
    ['qi_submit: iotlb_inv dmar0: 0x200f2 0xfffffffff0000f041 0x0 0x0', 'bad number'],
    ['cache_tag_flush_range: dmar0 dmar0[0] type iotlb did 9 [0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask', 'cut line'],
    ['cache_tag_flush_range: dmar0 dmar0[0] type iotlb did 9 [0xffffd000-0xff', 'cut line'],
    ['cache_tag_flush_range: dmar0 dmar0 type iotlb did 9 [0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask 0x0', 'unknown form'],
    ['cache_tag_flush_all: dmar0/dmar0 kind iotlb did 10 pasid 0 ref 3', 'unknown form'],
    ['swiotlb_bounced: device 0000:01:00.0 size=60 NORMAL', 'unknown form'],
    ['prq_report: dmar0/0000:00:02.0 seq# x: y', 'unknown form'],
  ];
  it.each(wrong)('%s', (text, cause) => {
    const good = `${FRONT}map: IOMMU: iova=0x1000 paddr=0x2000 size=4096\n`;
    const { events, parser } = importText(`${good}${FRONT}${text}\n`);
    expect([...parser.statistics.problems.values()].map((problem) => [problem.cause, problem.firstLine])).toEqual([[cause, 2]]);
    expect(events).toHaveLength(1);
  });

  it.each([
    ['attrs=SKIP_CPU_SYNC|NEW_ATTRIBUTE', 'unknown attribute name', 'SKIP_CPU_SYNC'],
    ['attrs= new_field=3', 'unknown field name', ''],
  ])('keeps the event and remarks %s', (tail, cause, attrs) => {
    const { events, parser } = importText(`${FRONT}dma_unmap_page: a dir=NONE dma_addr=0 size=1 ${tail}\n`);
    expect(events).toEqual([`dma_unmap_page a NONE dmaAddr=0 size=1 ${attrs}`.trimEnd()]);
    expect([...parser.statistics.problems.values()].map((problem) => [problem.cause, problem.severity])).toEqual([[cause, 'info']]);
    expect(parser.statistics.notUnderstood).toBe(0);
  });

  it('does not guess an unknown direction', () => {
    const { events, parser } = importText(`${FRONT}dma_unmap_page: a dir=SIDEWAYS dma_addr=0 size=1 attrs=\n`);
    expect(events).toEqual(['dma_unmap_page a dmaAddr=0 size=1']);
    expect([...parser.statistics.problems.keys()]).toEqual(['unknown direction dma_unmap_page']);
  });

  it('remarks descriptor words that it does not keep', () => {
    const { parser } = importText(`${FRONT}qi_submit: page_grp_resp dmar0: 0x9 0x0 0x1 0x0\n`);
    expect([...parser.statistics.problems.values()].map((problem) => problem.cause)).toEqual(['descriptor words 2 and 3 not kept']);
  });
});
