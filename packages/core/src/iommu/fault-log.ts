/** What Linux writes to its log about a DMA fault. */
import type { IovaPfn } from '../base/index.ts';

/**
 * Texts of the legacy-mode reasons, by code.
 *
 * @source Linux v6.12 drivers/iommu/intel/dmar.c dma_remap_fault_reasons[]
 */
const REASON_TEXTS = [
  'Software',
  'Present bit in root entry is clear',
  'Present bit in context entry is clear',
  'Invalid context entry',
  'Access beyond MGAW',
  'PTE Write access is not set',
  'PTE Read access is not set',
  'Next page table ptr is invalid',
  'Root table address invalid',
  'Context table ptr is invalid',
  'non-zero reserved fields in RTP',
  'non-zero reserved fields in CTP',
  'non-zero reserved fields in PTE',
  'PCE for translation request specifies blocking',
];

/** Text of a legacy-mode reason code; `Unknown` for any other. */
export function faultReasonText(reason: number): string {
  return REASON_TEXTS[reason] ?? 'Unknown';
}

/**
 * The log line of one fault, without time stamp: the address is that of the page, the offset is not recorded.
 *
 * @param sourceId  bus 15:8, device 7:3, function 2:0
 * @param pasid     process address space id, undefined for a request without one
 * @source Linux v6.12 drivers/iommu/intel/dmar.c dmar_fault_do_one()
 */
export function formatDmarFault(sourceId: number, iovaPfn: IovaPfn, isWrite: boolean, reason: number, pasid?: number): string {
  const access = isWrite ? 'DMA Write' : 'DMA Read';
  const space = pasid === undefined ? 'NO_PASID' : `PASID 0x${pasid.toString(16)}`;
  // A page number has its three zero digits appended as text: the byte address can exceed what a number holds exactly.
  const address = iovaPfn === 0 ? '0' : `${iovaPfn.toString(16)}000`;
  return `DMAR: [${access} ${space}] Request device [${formatSourceId(sourceId)}] fault addr 0x${address} [fault reason 0x${hexByte(reason)}] ${faultReasonText(reason)}`;
}

/** Bus, device and function as `00:02.0`. */
export function formatSourceId(sourceId: number): string {
  return `${hexByte(sourceId >>> 8)}:${hexByte((sourceId >>> 3) & 0x1f)}.${sourceId & 7}`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
