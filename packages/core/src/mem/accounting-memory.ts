import type { PhysAddr } from '../base/index.ts';
import type { Memory } from './memory.ts';

/** Memory without contents: it counts what would have been done, and everything reads as 0. */
export class AccountingMemory implements Memory {
  /** Calls of `copy` and the bytes they covered. */
  copies = 0;
  copiedBytes = 0;
  /** Calls of `zero` and the bytes they covered. */
  zeroings = 0;
  zeroedBytes = 0;

  copy(_destination: PhysAddr, _source: PhysAddr, bytes: number): void {
    this.copies += 1;
    this.copiedBytes += bytes;
  }

  zero(_address: PhysAddr, bytes: number): void {
    this.zeroings += 1;
    this.zeroedBytes += bytes;
  }

  read(_address: PhysAddr, into: Uint8Array): void {
    into.fill(0);
  }

  write(_address: PhysAddr, _from: Uint8Array): void {}
}
