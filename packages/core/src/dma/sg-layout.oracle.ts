/** The layout of scatter lists step by step, with objects and 64-bit integers, for comparison. */

const PAGE = 4096n;

export interface SgEntry {
  readonly phys: number;
  readonly bytes: number;
}

/** Padded length of each entry and the total, for a segment boundary mask. */
export function laidOut(list: readonly SgEntry[], mask: bigint): { lengths: bigint[]; total: bigint } {
  let total = 0n;
  const lengths: bigint[] = [];
  for (const { phys, bytes } of list) {
    const offset = BigInt(phys) % PAGE;
    const length = ((BigInt(bytes) + offset + PAGE - 1n) / PAGE) * PAGE;
    const pad = BigInt.asUintN(64, mask - total + 1n) & mask;
    if (pad !== 0n && pad < length - 1n) {
      lengths[lengths.length - 1] += pad;
      total += pad;
    }
    lengths.push(length);
    total += length;
  }
  return { lengths, total };
}

/** The segments that the driver gets, for a list mapped at `start`. */
export function segmentsOf(
  list: readonly SgEntry[],
  start: bigint,
  mask: bigint,
  maxSegmentBytes: bigint,
): { address: bigint; bytes: bigint }[] {
  const { lengths } = laidOut(list, mask);
  const segments: { address: bigint; bytes: bigint }[] = [];
  let address = start;
  let currentLength = 0n;
  list.forEach(({ phys, bytes }, index) => {
    const offset = BigInt(phys) % PAGE;
    const length = BigInt(bytes);
    if (currentLength !== 0n && offset === 0n && (address & mask) !== 0n && maxSegmentBytes - currentLength >= length) {
      currentLength += length;
      segments[segments.length - 1].bytes = currentLength;
    } else {
      currentLength = length;
      segments.push({ address: address + offset, bytes: length });
    }
    address += lengths[index];
    if (length + offset < lengths[index]) currentLength = 0n;
  });
  return segments;
}
