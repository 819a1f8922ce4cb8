/**
 * Labels of memory: whose data lies in a granule.
 *
 * 0 is zeroed memory and 1 the kernel's own or somebody else's. A buffer has 24 labels from 8 on: eight granules of what
 * its CPU wrote first, eight of what the CPU wrote later, eight of what the device wrote.
 */
export const ZEROED = 0;
export const FOREIGN = 1;

/** Who wrote a granule of a buffer. */
export const Writer = { CPU: 0, CPU_LATER: 1, DEVICE: 2 } as const;
export type Writer = (typeof Writer)[keyof typeof Writer];

/** Most granules of a buffer. */
const BUFFER_GRANULES_MAX = 8;
/** Most buffers of a machine. */
export const BUFFERS_MAX = 8;

const FIRST = 8;
const PER_BUFFER = 24;

/** @param granule  of the buffer, from 0 */
export function labelOf(buffer: number, writer: Writer, granule: number): number {
  return FIRST + buffer * PER_BUFFER + writer * BUFFER_GRANULES_MAX + granule;
}

/** Buffer whose data it is; -1 for zeroed and foreign memory. */
export function bufferOfLabel(label: number): number {
  return label < FIRST ? -1 : Math.floor((label - FIRST) / PER_BUFFER);
}
