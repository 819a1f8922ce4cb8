/**
 * The text of kernel trace events, for tests that write a recording by hand or print one that a machine has made.
 *
 * @source Linux v6.12 include/trace/events/{iommu,swiotlb,dma,intel_iommu}.h
 */

const FAILED = 'f'.repeat(16);
const DIRECTIONS: readonly string[] = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'];
/** Type, granularity and both drain bits of an IOTLB invalidation. */
const PAGE_SELECTIVE = 0xf2;
const DOMAIN_SELECTIVE = 0xe2;
const LEAF_ONLY = 0x40;
const PAGE = 4096;

/** One entry of a scatter list or one segment of its mapping. */
export interface Range {
  readonly address: number;
  readonly bytes: number;
}

export function mapText(iova: number, paddr: number, bytes: number): string {
  return `map: IOMMU: iova=${wide(iova)} - ${wide(iova + bytes)} paddr=${wide(paddr)} size=${bytes}`;
}

export function unmapText(iova: number, bytes: number, unmapped: number = bytes): string {
  return `unmap: IOMMU: iova=${wide(iova)} - ${wide(iova + bytes)} size=${bytes} unmapped_size=${unmapped}`;
}

export function bouncedText(device: string, original: number, bytes: number, force = 'NORMAL'): string {
  return `swiotlb_bounced: dev_name: ${device} dma_mask=${FAILED} dev_addr=${hex(original)} size=${bytes} ${force}`;
}

/** Invalidation of 2^mask pages of a domain. `leafOnly` is the hint of an unmap that freed no table page. */
export function pagesDescriptorText(did: number, address: number, mask: number, leafOnly = true): string {
  return descriptorText(
    0,
    did * 0x10000 + PAGE_SELECTIVE,
    Math.floor(address / 2 ** 32),
    (address % 2 ** 32) + (leafOnly ? LEAF_ONLY : 0) + mask,
  );
}

function domainDescriptorText(did: number): string {
  return descriptorText(0, did * 0x10000 + DOMAIN_SELECTIVE, 0, 0);
}

/** An IOTLB invalidation, its two words as 32-bit halves. */
export function descriptorText(qw0High: number, qw0Low: number, qw1High: number, qw1Low: number): string {
  return `qi_submit: iotlb_inv dmar0: 0x${halves(qw0High, qw0Low)} 0x${halves(qw1High, qw1Low)} 0x0 0x0`;
}

/** Interrupt remapping: no business of DMA. */
export function interruptDescriptorText(): string {
  return 'qi_submit: iec_inv dmar0: 0x1300000014 0x0 0x0 0x0';
}

/** @param end  inclusive */
export function flushRangeText(did: number, start: number, end: number, address: number, mask: number, present = false): string {
  const name = present ? 'cache_tag_flush_range_np' : 'cache_tag_flush_range';
  return `${name}: dmar0 dmar0[0] type iotlb did ${did} [0x${hex(start)}-0x${hex(end)}] addr 0x${hex(address)} pages 0x${hex(2 ** mask)} mask 0x${hex(mask)}`;
}

export function flushAllText(did: number): string {
  return `cache_tag_flush_all: dmar0/dmar0 type iotlb did ${did} pasid 0 ref 1`;
}

/** What a strict unmap of one aligned power of two of pages writes before its API line. */
export function strictFlushTexts(did: number, iova: number, pages = 1): string[] {
  const mask = Math.log2(pages);
  return [flushRangeText(did, iova, iova + pages * PAGE - 1, iova, mask), pagesDescriptorText(did, iova, mask)];
}

/** The flush of a whole lazy domain. */
export function domainFlushTexts(did: number): string[] {
  return [flushAllText(did), domainDescriptorText(did)];
}

/** @param dmaAddr  -1 for a mapping that failed */
export function mapPageText(device: string, dmaAddr: number, bytes: number, phys: number, direction = 1, call = 'dma_map_page'): string {
  return `${call}: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(dmaAddr)} size=${bytes} phys_addr=${hex(phys)} attrs=`;
}

export function unmapPageText(device: string, dmaAddr: number, bytes: number, direction = 1, call = 'dma_unmap_page'): string {
  return `${call}: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(dmaAddr)} size=${bytes} attrs=`;
}

export function allocText(device: string, dmaAddr: number, bytes: number): string {
  return `dma_alloc: ${device} dir=BIDIRECTIONAL dma_addr=${hex(dmaAddr)} size=${bytes} virt_addr=00000000d3442577 flags=GFP_KERNEL attrs=`;
}

export function freeText(device: string, dmaAddr: number, bytes: number): string {
  return `dma_free: ${device} dir=BIDIRECTIONAL dma_addr=${hex(dmaAddr)} size=${bytes} virt_addr=00000000d3442577 attrs=`;
}

/** Of a list whose entries start at `phys`; lists longer than 128 are cut as the kernel cuts them. */
export function mapSgText(device: string, phys: readonly number[], segments: readonly Range[], direction = 1): string {
  const keptPhys = phys.slice(0, 128);
  const kept = segments.slice(0, 128);
  const cut = keptPhys.length < phys.length || kept.length < segments.length ? ' [TRUNCATED]' : '';
  const counts = `nents=${keptPhys.length}/${phys.length} ents=${kept.length}/${segments.length}${cut}`;
  const addresses = listText(kept.map(({ address }) => address));
  const sizes = listText(kept.map(({ bytes }) => bytes));
  return `dma_map_sg: ${device} dir=${DIRECTIONS[direction]} ${counts} dma_addrs=${addresses} sizes=${sizes} phys_addrs=${listText(keptPhys)} attrs=`;
}

export function unmapSgText(device: string, phys: readonly number[], direction = 1): string {
  return `dma_unmap_sg: ${device} dir=${DIRECTIONS[direction]} phys_addrs=${listText(phys)} attrs=`;
}

export function syncText(device: string, forCpu: boolean, dmaAddr: number, bytes: number, direction = 1): string {
  return `dma_sync_single_for_${forCpu ? 'cpu' : 'device'}: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(dmaAddr)} size=${bytes}`;
}

function listText(items: readonly number[]): string {
  return `{${items.map((item) => `0x${hex(item)}`).join(',')}}`;
}

function wide(value: number): string {
  return `0x${hex(value).padStart(16, '0')}`;
}

function hex(value: number): string {
  return value === -1 ? FAILED : value.toString(16);
}

function halves(high: number, low: number): string {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}
