import type { Direction, DmaAddr, PhysAddr } from 'dmalab-core';

/** A streaming mapping as its driver and its device know it. */
export interface Mapping {
  readonly device: number;
  /** Where the driver's buffer is. */
  readonly phys: PhysAddr;
  readonly bytes: number;
  readonly direction: Direction;
  readonly attrs: number;
  /** What the device was told. */
  readonly address: DmaAddr;
}

/** What a driver says of a mapping that it makes. */
export interface MapRequest {
  readonly device: number;
  readonly phys: PhysAddr;
  readonly bytes: number;
  readonly direction: Direction;
  readonly attrs?: number;
  readonly cpu?: number;
  /** Who maps, in the story. */
  readonly who: string;
  /** What is mapped, in the story: `a receive buffer`. */
  readonly what: string;
  /** How much of it the device is to use; default all of it. */
  readonly toldBytes?: number;
}
