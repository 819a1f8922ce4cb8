/** What happened in a scene, one step per line, for a person to follow. */
import type { Ns } from 'dmalab-core';

/** One step: who did what, when. */
export interface StoryStep {
  /** Simulated time since the scene began. */
  readonly timeNs: Ns;
  /** `cpu`, `driver`, `device`, or another one in plain words. */
  readonly who: string;
  readonly text: string;
  /** Bytes of others that this step gave to the device. */
  readonly bytesRead: number;
  /** Bytes of others that this step changed. */
  readonly bytesChanged: number;
}

/** Device and physical addresses as the kernel prints them. */
export function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** `4,096 bytes`, the same in every locale. */
export function bytesWord(bytes: number): string {
  return `${String(bytes).replace(/\B(?=(\d{3})+$)/g, ',')} ${bytes === 1 ? 'byte' : 'bytes'}`;
}
