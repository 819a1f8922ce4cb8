import type { PhysAddr } from '../base/index.ts';

/**
 * Physical memory as the bounce code uses it. Addresses are bytes below 2^52, lengths are bytes, 0 or more.
 *
 * Two kinds exist: `AccountingMemory` for runs where only the amount of work matters, `ByteMemory` for runs where the
 * bytes themselves do.
 */
export interface Memory {
  /** Copies between two ranges that do not overlap. */
  copy(destination: PhysAddr, source: PhysAddr, bytes: number): void;
  /** Fills with 0. */
  zero(address: PhysAddr, bytes: number): void;
  /** Fills `into` with the bytes from `address` on. */
  read(address: PhysAddr, into: Uint8Array): void;
  /** Stores all of `from` at `address`. */
  write(address: PhysAddr, from: Uint8Array): void;
}
