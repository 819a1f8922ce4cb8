import { PAGE_SIZE } from 'dmalab-core';

/** How the ends of the compared buffers lie to page boundaries. */
export const BUFFER_ALIGNMENTS = ['unaligned', 'start-aligned', 'aligned'] as const;
export type BufferAlignment = (typeof BUFFER_ALIGNMENTS)[number];

/**
 * Where an unaligned buffer begins in its page. Of a buffer of whole pages head and tail then have 3072 and 1024 bytes; any
 * other offset makes the same 4096 of both.
 */
const UNALIGNED_OFFSET = 1024;
/** Smallest buffer that is looked at. */
const LEAST_BYTES = 64;
/** By how much a row falls short of whole pages, where a buffer of whole pages would be of another alignment. */
const SHORT_BYTES = 64;

/**
 * Sizes of rows, bytes: a frame, a page, and powers of two between and beyond; the longest mapping of the device comes to
 * them. None of those above it fits a bounce slot.
 */
const ROW_BYTES: readonly number[] = [64, 256, 512, 1500, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 524_288, 1_048_576];

/** Where in its page a buffer of this alignment begins. */
export function offsetOf(alignment: BufferAlignment): number {
  return alignment === 'unaligned' ? UNALIGNED_OFFSET : 0;
}

/** Whether a buffer of so many bytes is of this alignment: it must not end on a page boundary unless it is page aligned at both ends. */
export function isOfAlignment(alignment: BufferAlignment, bytes: number): boolean {
  const endsOnPage = (offsetOf(alignment) + bytes) % PAGE_SIZE === 0;
  return bytes >= LEAST_BYTES && endsOnPage === (alignment === 'aligned');
}

/** The rows of an alignment, ascending, bytes. `longest` is the longest mapping that fits bounce slots. */
export function rowSizes(alignment: BufferAlignment, longest: number): number[] {
  const sizes = [...ROW_BYTES, longest].sort((a, b) => a - b);
  if (alignment === 'aligned') return sizes.filter((bytes) => isOfAlignment(alignment, bytes));
  return sizes.map((bytes) => (isOfAlignment(alignment, bytes) ? bytes : bytes - SHORT_BYTES));
}
