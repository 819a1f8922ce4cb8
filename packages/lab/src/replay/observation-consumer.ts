import type { ObservationLog } from 'dmalab-core';

/** Something that follows what the engine of one row does. */
export interface ObservationConsumer {
  /** Takes rows 0 to `length` - 1, before the log is cleared. */
  observe(log: ObservationLog): void;
}
