const TWO_30 = 2 ** 30;
const TWO_31 = 2 ** 31;

/**
 * The longest naturally aligned request that fits a gap.
 *
 * Every allocation starts at a multiple of its length rounded up to a power of two. If such a request fits, so does each
 * shorter one, since its alignment divides the longer one's. One number per gap therefore answers the whole question
 * "does it fit here, aligned", and the greatest such number of many gaps says whether it fits any of them.
 *
 * @param start  first free page frame of the gap
 * @param end    page frame after its last, Infinity for the gap without an end; at or above `start`
 * @returns pages, 0 for an empty gap
 */
export function naturalRoom(start: number, end: number): number {
  if (end === Infinity) return Infinity;
  const length = end - start;
  if (length <= 0) return 0;
  if (length < TWO_30) return naturalRoom32(start, length);
  const floor = floorPowerOfTwo(length);
  const doubled = floor * 2;
  const afterDoubled = end - Math.ceil(start / doubled) * doubled;
  if (afterDoubled > floor) return afterDoubled;
  const afterFloor = end - Math.ceil(start / floor) * floor;
  if (afterFloor >= floor) return floor;
  // A gap of `floor` pages or more always holds an aligned block of half as many.
  return afterFloor * 2 > floor ? afterFloor : floor / 2;
}

/** The same for a gap of 1 to 2^30 - 1 pages, whose remainders the low 32 bits of `start` decide. */
function naturalRoom32(start: number, length: number): number {
  const belowStart = -(start | 0);
  const floor = 1 << (31 - Math.clz32(length));
  const afterDoubled = length - (belowStart & (2 * floor - 1));
  if (afterDoubled > floor) return afterDoubled;
  const afterFloor = length - (belowStart & (floor - 1));
  if (afterFloor >= floor) return floor;
  return afterFloor * 2 > floor ? afterFloor : floor >> 1;
}

/** Largest multiple of `alignment`, a power of two up to 2^31, at or below `pfn`. */
export function alignDown(pfn: number, alignment: number): number {
  return pfn - (pfn & (alignment - 1));
}

/** Smallest power of two at or above `pages`, 1 to 2^31: the alignment of every allocation. */
export function naturalAlignment(pages: number): number {
  if (pages <= 1) return 1;
  return pages > TWO_30 ? TWO_31 : 1 << (32 - Math.clz32(pages - 1));
}

/** Largest power of two at or below `value`, 1 to 2^53. */
function floorPowerOfTwo(value: number): number {
  if (value < TWO_31) return 1 << (31 - Math.clz32(value));
  return (1 << (31 - Math.clz32(value / TWO_31))) * TWO_31;
}
