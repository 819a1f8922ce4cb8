import { type Cpu, type IovaPfn, type KernelRules, NO_IOVA, PAGE_SIZE } from '../base/index.ts';
import type { DmaDevice } from './dma-device.ts';
import type { DmaDomain } from './dma-domain.ts';

const LOW_LIMIT = 0xffffffff;
const LOW_LIMIT_PFN = 0xfffff;

/**
 * Takes `pages` from the domain's I/O address space for a device, below 4 GiB first where the kernel does so.
 *
 * 6.1 tries the low space for every mapping of a PCI device; 6.12 until that has failed once. The low try must not
 * flush the CPU caches, the other one may.
 *
 * @param mask  highest address for this kind of memory (streaming or coherent mask), inclusive
 * @returns first page frame, or NO_IOVA
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_alloc_iova()
 */
export function allocateDmaIova(domain: DmaDomain, device: DmaDevice, pages: number, mask: number, cpu: Cpu, kernel: KernelRules): IovaPfn {
  const limit = domain.highestAddress(device, mask);
  if (limit > LOW_LIMIT && device.triesLowFirst) {
    const pfn = domain.iova.allocIovaFast(pages, LOW_LIMIT_PFN, false, cpu);
    if (pfn !== NO_IOVA) return pfn;
    if (kernel !== '6.1') device.stopTryingLowFirst();
  }
  return domain.iova.allocIovaFast(pages, Math.floor(limit / PAGE_SIZE), true, cpu);
}
