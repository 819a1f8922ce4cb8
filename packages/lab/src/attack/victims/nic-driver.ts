import { Direction, DMA_ATTR_SKIP_CPU_SYNC, PAGE_SIZE, type PhysAddr } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Mapping } from '../mapping.ts';
import type { Scene } from '../scene.ts';

/**
 * Receive buffers of the common layout: two to a page.
 *
 * @source Characterizing, Exploiting, and Detecting DMA Code Injection Vulnerabilities, EuroSys 2021: two of 2 KiB in a page
 */
export const RX_BUFFER_BYTES = 2048;

/**
 * What the kernel keeps at the end of a receive buffer that becomes a packet (struct skb_shared_info): fragment list and,
 * first of all here, the callback that frees the buffer. 320 bytes is an *estimate* of its size on 64 bits.
 */
export const METADATA_BYTES = 320;
export const CALLBACK_BYTES = 8;

const WHO = 'driver';
const POINTER = 0xff;

/** The driver of a network card, and the card's rings as far as an attack needs them. */
export class NicDriver {
  private readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  /** A page with two receive buffers; only the first is given to the card. */
  postHalfPage(page: PhysAddr): Mapping | null {
    const { scene } = this;
    const request = { device: ATTACKER, phys: page, bytes: RX_BUFFER_BYTES, direction: Direction.FROM_DEVICE };
    return scene.map({ ...request, who: WHO, what: 'a receive buffer, half a page' });
  }

  /** The second half of the same page, as another receive buffer of the same card. */
  postOtherHalf(page: PhysAddr): Mapping | null {
    const request = { device: ATTACKER, phys: page + RX_BUFFER_BYTES, bytes: RX_BUFFER_BYTES, direction: Direction.FROM_DEVICE };
    return this.scene.map({ ...request, who: WHO, what: 'the other half of the page as a receive buffer' });
  }

  /**
   * A receive buffer of a whole page, mapped without copies at unmap: the driver syncs what a packet fills.
   *
   * @source Linux v6.12 drivers/net/ethernet/intel/i40e/i40e_txrx.c I40E_RX_DMA_ATTR
   */
  postWholePage(page: PhysAddr): Mapping | null {
    const request = { device: ATTACKER, phys: page, bytes: PAGE_SIZE, direction: Direction.FROM_DEVICE, attrs: DMA_ATTR_SKIP_CPU_SYNC };
    return this.scene.map({ ...request, who: WHO, what: 'a receive buffer, a whole page' });
  }

  /** The card puts a packet into a buffer and reports it; the driver takes it over. */
  receive(buffer: Mapping, bytes: number): void {
    this.scene.device.deliver(buffer, bytes, 'a packet');
    this.scene.device.complete(buffer);
    this.scene.syncForCpu(WHO, buffer, bytes);
  }

  /** The driver ends a receive mapping. */
  release(buffer: Mapping): void {
    this.scene.unmap(WHO, buffer);
  }

  /** The driver makes a packet of the buffer: metadata at its end, with a callback that the kernel will jump to. */
  buildSkb(buffer: Mapping): PhysAddr {
    const metadata = buffer.phys + buffer.bytes - METADATA_BYTES;
    this.scene.store(metadata, METADATA_BYTES, POINTER);
    const range = { owner: 'kernel', label: 'callback of the packet', phys: metadata, bytes: CALLBACK_BYTES };
    this.scene.watch(range, 'puts the metadata with its callback at the end of the buffer');
    return metadata;
  }

  /** Hands a packet to the card to be sent; `toldBytes` of the mapping are in the descriptor. */
  transmit(phys: PhysAddr, bytes: number, toldBytes: number = bytes): Mapping | null {
    const request = { device: ATTACKER, phys, bytes, direction: Direction.TO_DEVICE, toldBytes };
    return this.scene.map({ ...request, who: WHO, what: 'a packet to send' });
  }

  /** The card fetches a packet and reports it sent. */
  fetch(packet: Mapping, bytes: number): void {
    this.scene.device.fetch(packet, bytes, 'a packet');
    this.scene.device.complete(packet);
  }
}
