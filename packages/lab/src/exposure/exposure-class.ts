/** What a byte that a device can reach is to that device; in order of precedence, so that each byte is exactly one of these. */
export const ExposureClass = {
  /** Data of a live streaming or resource mapping of this device. */
  OWN_LIVE: 0,
  /** Memory of a live coherent allocation of this device, whole pages. */
  OWN_COHERENT: 1,
  /** Data of a live mapping of another device, or a bounce slot that another device holds. */
  OTHER_DEVICE: 2,
  /** The rest of an own bounce slot with a live mapping on it: cleared, or data that this device had before. */
  OWN_PADDING: 3,
  /** An own bounce slot without a live mapping: retired in a flush queue, or idle and still mapped. */
  OWN_SLOT: 4,
  /** Anything else that a valid page-table entry reaches; the trace does not tell whose it is. */
  NEIGHBOUR: 5,
  /** Anything else that only cleared entries reach which have not been invalidated yet. */
  STALE: 6,
} as const;
export type ExposureClass = (typeof ExposureClass)[keyof typeof ExposureClass];

export const EXPOSURE_CLASSES = 7;

/** What is measured: the classes, and sums over some of them, whose peak is not the sum of peaks. */
export const ExposureMeasure = {
  OWN_LIVE: 0,
  OWN_COHERENT: 1,
  OTHER_DEVICE: 2,
  OWN_PADDING: 3,
  OWN_SLOT: 4,
  NEIGHBOUR: 5,
  STALE: 6,
  /** Neighbours and other devices. */
  SUB_PAGE: 7,
  /** The part of OWN_SLOT that only cleared entries reach. */
  RETIRED_SLOT: 8,
  /** Reached for writing by cleared entries only, outside the bounce pool, and not mapped again for this device. */
  AFTER_UNMAP: 9,
} as const;
export type ExposureMeasure = (typeof ExposureMeasure)[keyof typeof ExposureMeasure];

export const EXPOSURE_MEASURES = 10;

/** How the bytes are reached. EITHER counts a byte once that can be read and written. */
export const AccessKind = { READ: 0, WRITE: 1, EITHER: 2 } as const;
export type AccessKind = (typeof AccessKind)[keyof typeof AccessKind];

export const ACCESS_KINDS = 3;

/** How an access gets there: by a valid entry, or only by cleared ones. */
export const Reach = { NONE: 0, LIVE: 1, STALE: 2 } as const;
export type Reach = (typeof Reach)[keyof typeof Reach];

/** What kind of memory a mapping gives its device. */
export const MappedMemory = { STREAMING: 0, COHERENT: 1, RESOURCE: 2 } as const;
export type MappedMemory = (typeof MappedMemory)[keyof typeof MappedMemory];
