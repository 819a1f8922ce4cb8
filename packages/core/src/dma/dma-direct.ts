import type { PhysAddr } from '../base/index.ts';
import type { DmaDevice } from './dma-device.ts';

/**
 * Whether direct mapping bounces a range: the pool is forced, or the device cannot reach the range's last byte.
 *
 * @source Linux v6.12 kernel/dma/direct.h dma_direct_map_page()
 */
export function directBounces(device: DmaDevice, address: PhysAddr, bytes: number, forced: boolean): boolean {
  return forced || !directReaches(device, address, bytes);
}

/** Whether the device can address the whole range. */
export function directReaches(device: DmaDevice, address: PhysAddr, bytes: number): boolean {
  return address + bytes - 1 <= device.limitUnder(device.parameters.dmaMask);
}
