import type { Ns } from 'dmalab-core';
import type { AccessPhase } from './translation-phases.ts';

/** Bytes of somebody else that the device has read or changed: what an attack is measured by. */
export interface Gain {
  readonly kind: 'read' | 'changed';
  /** Whose bytes, and which. */
  readonly owner: string;
  readonly label: string;
  /** Counted once, however often they were reached. */
  readonly bytes: number;
  /** Life of the translation at that moment. */
  readonly phase: AccessPhase;
  /** `device`: by its own access. `driver`: a copy of the driver brought them where they do not belong. */
  readonly by: 'device' | 'driver';
  /** Simulated time of the scene. */
  readonly timeNs: Ns;
  /** Simulated time since the unmap of the page, -1 when it was not unmapped. */
  readonly afterUnmapNs: Ns;
}
