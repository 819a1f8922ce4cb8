import { PAGE_SIZE, roundDown } from 'dmalab-core';
import type { LineQueue } from './line-queue.ts';

/** The entries of a scatter list as columns; buffers are reused. */
export class SgEntries {
  phys: Float64Array<ArrayBuffer> = new Float64Array(256);
  bytes: Float64Array<ArrayBuffer> = new Float64Array(256);
  count = 0;
  /** Lengths that the API line does not carry and that were taken from the map lines. */
  given = false;
  /** The kernel cut the line's lists: entries beyond were taken from the map lines, as whole runs. */
  truncated = false;

  /**
   * Reads the entries of a dma_map_sg line.
   *
   * With as many segments as entries each size is an entry's length. Fewer segments hide the lengths: then an entry
   * reaches to where the next one begins inside the same mapped run, or to the end of the run, and the last of each
   * segment ends where the segment's size says.
   *
   * @param seq       the API line
   * @param mapLines  its map lines, in order
   */
  read(lines: LineQueue, seq: number, mapLines: readonly number[]): void {
    const at = seq & lines.mask;
    const count = lines.physAddrsCount[at];
    const segments = lines.sizesCount[at];
    const nents = Math.max(count, lines.v0[at]);
    this.reserve(Math.max(nents, mapLines.length));
    this.truncated = count < nents || segments < lines.v1[at];
    this.given = this.truncated;
    this.count = count;
    if (this.truncated && mapLines.length > 0) {
      this.readRuns(lines, mapLines);
      return;
    }
    for (let index = 0; index < count; index++) this.phys[index] = lines.list[(lines.physAddrs[at] + index) & lines.listMask];
    if (segments === count) {
      for (let index = 0; index < count; index++) this.bytes[index] = lines.list[(lines.sizes[at] + index) & lines.listMask];
      return;
    }
    this.given = true;
    this.measure(lines, at, segments, mapLines);
  }

  /** Runs of physically contiguous memory, as the map lines show them. */
  readRuns(lines: LineQueue, mapLines: readonly number[]): void {
    this.reserve(mapLines.length);
    this.count = mapLines.length;
    for (let index = 0; index < mapLines.length; index++) {
      const at = mapLines[index] & lines.mask;
      this.phys[index] = lines.v2[at];
      this.bytes[index] = lines.v3[at];
    }
  }

  private measure(lines: LineQueue, at: number, segments: number, mapLines: readonly number[]): void {
    let run = 0;
    let cursor = mapLines.length > 0 ? lines.v2[mapLines[0] & lines.mask] : 0;
    let segment = 0;
    let rest = segments > 0 ? lines.list[lines.sizes[at] & lines.listMask] : 0;
    for (let index = 0; index < this.count; index++) {
      const offset = this.phys[index] - roundDown(this.phys[index], PAGE_SIZE);
      const runAt = run < mapLines.length ? mapLines[run] & lines.mask : -1;
      const runEnd = runAt < 0 ? Number.POSITIVE_INFINITY : lines.v2[runAt] + lines.v3[runAt];
      const nextPage = index + 1 < this.count ? roundDown(this.phys[index + 1], PAGE_SIZE) : -1;
      const inRun = nextPage > cursor && nextPage < runEnd;
      const padded = (inRun ? nextPage : runEnd) - cursor;
      const bytes = Math.min(padded - offset, rest);
      this.bytes[index] = bytes;
      rest -= bytes;
      if (rest === 0 && segment + 1 < segments) {
        segment += 1;
        rest = lines.list[(lines.sizes[at] + segment) & lines.listMask];
      }
      if (inRun) {
        cursor = nextPage;
      } else {
        run += 1;
        if (run < mapLines.length) cursor = lines.v2[mapLines[run] & lines.mask];
      }
    }
  }

  private reserve(count: number): void {
    if (count <= this.phys.length) return;
    this.phys = new Float64Array(count * 2);
    this.bytes = new Float64Array(count * 2);
  }
}
