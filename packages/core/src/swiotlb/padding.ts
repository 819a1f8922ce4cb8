/** Clearing what a device can reach besides its buffer, since an IOMMU maps whole pages. */
import { type Cpu, Direction, type DomainId, Observed, PAGE_SIZE, type PhysAddr, roundDown, roundUp } from '../base/index.ts';
import type { Bounce } from './bounce.ts';

/**
 * Clears the padding of a mapping just bounced for an untrusted device. Emits a ZEROED for each range that is not empty.
 *
 * In 6.12 these are the bytes of its first page before it and of its last page after it. In 6.1 the bytes before it are
 * left alone, and the mapping itself is cleared as well, copied-in data included, unless the data is for the device.
 *
 * @param tlb          where the mapping begins in the pool
 * @param bytes        length of the mapping
 * @param skipCpuSync  attribute DMA_ATTR_SKIP_CPU_SYNC
 * @source Linux v6.12 and v6.1 drivers/iommu/dma-iommu.c iommu_dma_map_page()
 */
export function zeroPadding(
  bounce: Bounce,
  tlb: PhysAddr,
  bytes: number,
  direction: Direction,
  skipCpuSync: boolean,
  cpu: Cpu,
  device: number,
  domain: DomainId,
): void {
  const end = tlb + bytes;
  if (bounce.kernel === '6.1') {
    const forDevice = direction === Direction.TO_DEVICE || direction === Direction.BIDIRECTIONAL;
    zeroRange(bounce, forDevice && !skipCpuSync ? end : tlb, tlb + roundUp(bytes, PAGE_SIZE), cpu, device, domain);
  } else {
    zeroRange(bounce, roundDown(tlb, PAGE_SIZE), tlb, cpu, device, domain);
    zeroRange(bounce, end, roundUp(end, PAGE_SIZE), cpu, device, domain);
  }
}

/** Clears bytes `start` to `end` - 1 of the pool. Emits ZEROED if there are any. */
export function zeroRange(bounce: Bounce, start: PhysAddr, end: PhysAddr, cpu: Cpu, device: number, domain: DomainId): void {
  if (start === end) return;
  bounce.memory.zero(start, end - start);
  bounce.log.emit(Observed.ZEROED, cpu, device, domain, start, end - start);
}
