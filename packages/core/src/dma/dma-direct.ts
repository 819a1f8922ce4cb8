import { PAGE_SIZE, type PhysAddr, roundUp } from '../base/index.ts';
import type { DmaDevice } from './dma-device.ts';

/**
 * Whether direct mapping bounces a range: the pool is forced, or the device cannot reach the range's last byte.
 *
 * @source Linux v6.12 kernel/dma/direct.h dma_direct_map_page()
 */
export function directBounces(device: DmaDevice, address: PhysAddr, bytes: number, forced: boolean): boolean {
  return forced || !directReaches(device, address, bytes);
}

/** Whether the device can address the whole range; `dma_capable`. */
export function directReaches(device: DmaDevice, address: PhysAddr, bytes: number): boolean {
  return address + bytes - 1 <= device.limitUnder(device.parameters.dmaMask);
}

/**
 * Whether coherent memory is within the device's reach, in whole pages; its mask may be another one than for streaming.
 *
 * @source Linux v6.12 kernel/dma/direct.c dma_coherent_ok()
 */
export function directReachesCoherent(device: DmaDevice, address: PhysAddr, bytes: number): boolean {
  return address + roundUp(bytes, PAGE_SIZE) - 1 <= device.limitUnder(device.parameters.coherentDmaMask);
}
