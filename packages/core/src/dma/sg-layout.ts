import { PAGE_SIZE, roundUp } from '../base/index.ts';
import type { DmaCallTable } from './dma-call.ts';

/**
 * Lays a scatter list out in one I/O address range: rounds every entry to whole pages and pads where an entry would
 * cross a segment boundary (naturally aligned ranges make boundary arithmetic on the running total valid).
 *
 * The padding is mapped memory that belongs to nobody in the list.
 *
 * @returns bytes of the whole range, a multiple of 4096
 * @source Linux v6.12 drivers/iommu/dma-iommu.c iommu_dma_map_sg(), first loop
 */
export function layOutSg(calls: DmaCallTable, call: number, boundaryMask: number): number {
  const first = call * calls.entriesMax;
  const last = first + calls.entries[call];
  const boundary = boundaryMask + 1;
  let total = 0;
  for (let row = first; row < last; row++) {
    const offset = calls.entryPhys[row] % PAGE_SIZE;
    const padded = roundUp(calls.entryBytes[row] + offset, PAGE_SIZE);
    const beyond = total % boundary;
    const padding = beyond === 0 || boundary === Infinity ? 0 : boundary - beyond;
    if (padding !== 0 && padding < padded - 1) {
      calls.entryPadded[row - 1] += padding;
      total += padding;
    }
    calls.entryPadded[row] = padded;
    total += padded;
  }
  return total;
}

/**
 * Cuts the mapped range into the segments that the driver programs: an entry joins the segment before it when it starts
 * on a page, the entry before ended on one, and neither the segment's length nor its boundary forbids it.
 *
 * @param startAddress  first byte of the I/O address range
 * @returns number of segments; segment k is in row k of the call's entries
 * @source Linux v6.12 drivers/iommu/dma-iommu.c __finalise_sg()
 */
export function finaliseSg(calls: DmaCallTable, call: number, startAddress: number, boundaryMask: number, maxSegmentBytes: number): number {
  const first = call * calls.entriesMax;
  const last = first + calls.entries[call];
  const boundary = boundaryMask + 1;
  let address = startAddress;
  let segment = first - 1;
  let segmentBytes = 0;
  for (let row = first; row < last; row++) {
    const offset = calls.entryPhys[row] % PAGE_SIZE;
    const bytes = calls.entryBytes[row];
    const padded = calls.entryPadded[row];
    const joins = segmentBytes !== 0 && offset === 0 && address % boundary !== 0 && maxSegmentBytes - segmentBytes >= bytes;
    if (joins) {
      segmentBytes += bytes;
      calls.entryDmaBytes[segment] = segmentBytes;
    } else {
      segment += 1;
      segmentBytes = bytes;
      calls.entryDmaAddr[segment] = address + offset;
      calls.entryDmaBytes[segment] = bytes;
    }
    address += padded;
    if (bytes + offset < padded) segmentBytes = 0;
  }
  for (let row = segment + 1; row < last; row++) {
    calls.entryDmaAddr[row] = -1;
    calls.entryDmaBytes[row] = 0;
  }
  return segment - first + 1;
}
