/**
 * Finds the free slots that the kernel's linear search would find, without looking at each slot on the way.
 *
 * Two shortcuts: segments whose longest free run is known to be too short are passed over, and the others are not tested
 * slot by slot: for few slots a word of 32 at once, for many the 128 of a segment.
 */
import type { SwiotlbPool } from './pool.ts';
import { lowestBit } from './slot-bits.ts';

/** Words with every step-th bit set, for steps of 1, 2, 4, 8, 16 and 32 slots; 0 for any other step. */
const EVERY = new Int32Array(33);
EVERY[1] = -1;
EVERY[2] = 0x55555555;
EVERY[4] = 0x11111111;
EVERY[8] = 0x01010101;
EVERY[16] = 0x00010001;
EVERY[32] = 1;

/** Runs up to this length are looked for word by word. */
const SHORT_RUN_MAX = 8;

/**
 * First of the slots `slot`, `slot + step`, `slot + 2 step`, ... below `end` from which `count` slots are free in one
 * segment and do not cross a boundary; -1 when there is none.
 *
 * @param count          1 up to the slots of a segment, and not more than `boundarySlots`
 * @param boundarySlots  slots between two boundaries, a power of two, counted from address 0; 0 when none matters
 */
export function findFreeRun(pool: SwiotlbPool, slot: number, end: number, step: number, count: number, boundarySlots: number): number {
  if (boundarySlots === 0) {
    if (count <= SHORT_RUN_MAX && step <= 32 && EVERY[step] !== 0 && pool.wordShift === 5)
      return findShortRun(pool, slot, end, step, count);
    // The first candidate is the commonest answer of a next-fit search.
    if (pool.listOf(slot) >= count) return slot;
  }
  const bound = pool.runBound;
  const shift = pool.segmentShift;
  let candidate = slot;
  while (candidate < end) {
    let segment = candidate >> shift;
    let resume = 0;
    if (bound[segment] >= count) {
      const found = findInSegment(pool, segment, candidate, end, step, count);
      if (found >= 0) {
        if (boundarySlots === 0) return found;
        const room = slotsToBoundary(pool, found, boundarySlots);
        if (room >= count) return found;
        resume = found + room;
      } else {
        resume = (segment + 1) << shift;
      }
    } else {
      const segments = pool.segments;
      do segment++;
      while (segment < segments && bound[segment] < count);
      resume = segment << shift;
    }
    const distance = resume - candidate + step - 1;
    candidate += distance - (distance % step);
  }
  return -1;
}

/**
 * As findFreeRun, for few slots and whole words of bits. A word nearly always has them, unless its segment has none and is
 * passed over, so the loop ends where it began and no branch depends on the slots.
 */
function findShortRun(pool: SwiotlbPool, slot: number, end: number, step: number, count: number): number {
  const free = pool.freeBits;
  const bound = pool.runBound;
  const wordsShift = pool.segmentWordShift;
  const lastOfSegment = (1 << wordsShift) - 1;
  const lastWord = (end - 1) >> 5;
  const every = EVERY[step] << (slot & (step - 1));
  let word = slot >> 5;
  let candidates = every & (-1 << (slot & 31));
  let whole = false;
  let anywhere = 0;
  for (; word <= lastWord; word++) {
    const place = word & lastOfSegment;
    if (place === 0) {
      if (bound[word >> wordsShift] < count) {
        word += lastOfSegment;
        candidates = every;
        continue;
      }
      whole = true;
      anywhere = 0;
    }
    let runs = free[word];
    if (count > 1) {
      let next = place === lastOfSegment ? 0 : free[word + 1];
      for (let length = 1; length < count; ) {
        const longer = Math.min(length, count - length);
        runs &= (runs >>> longer) | (next << (32 - longer));
        next &= next >>> longer;
        length += longer;
      }
    }
    const fitting = runs & candidates;
    if (fitting !== 0) {
      const found = (word << 5) + lowestBit(fitting);
      return found < end ? found : -1;
    }
    candidates = every;
    anywhere |= runs;
    if (place === lastOfSegment && whole && anywhere === 0) bound[word >> wordsShift] = count - 1;
  }
  return -1;
}

/** Slots from `slot` to the next boundary, 1 or more. */
function slotsToBoundary(pool: SwiotlbPool, slot: number, boundarySlots: number): number {
  if (boundarySlots <= 2 ** 30) return boundarySlots - ((pool.startSlotLow + slot) & (boundarySlots - 1));
  return boundarySlots - ((pool.start / pool.slotBytes + slot) % boundarySlots);
}

/**
 * As findFreeRun, for the candidates of one segment. Slot b of the segment is bit b of the 128-bit number x3 x2 x1 x0;
 * the loop leaves those bits set from which `count` slots are free.
 */
function findInSegment(pool: SwiotlbPool, segment: number, candidate: number, end: number, step: number, count: number): number {
  const free = pool.freeBits;
  const base = segment << pool.segmentShift;
  const word = segment << pool.segmentWordShift;
  const words = 1 << pool.segmentWordShift;
  let x0 = free[word];
  let x1 = words > 1 ? free[word + 1] : 0;
  let x2 = words > 2 ? free[word + 2] : 0;
  let x3 = words > 2 ? free[word + 3] : 0;
  for (let length = 1; length < count; ) {
    const longer = Math.min(length, count - length);
    const bits = longer & 31;
    let y0 = x0;
    let y1 = x1;
    let y2 = x2;
    let y3 = x3;
    if (longer >= 64) {
      y0 = x2;
      y1 = x3;
      y2 = 0;
      y3 = 0;
    } else if (longer >= 32) {
      y0 = x1;
      y1 = x2;
      y2 = x3;
      y3 = 0;
    }
    if (bits !== 0) {
      const back = 32 - bits;
      y0 = (y0 >>> bits) | (y1 << back);
      y1 = (y1 >>> bits) | (y2 << back);
      y2 = (y2 >>> bits) | (y3 << back);
      y3 >>>= bits;
    }
    x0 &= y0;
    x1 &= y1;
    x2 &= y2;
    x3 &= y3;
    length += longer;
  }
  if ((x0 | x1 | x2 | x3) === 0) {
    pool.runBound[segment] = count - 1;
    return -1;
  }

  const from = candidate - base;
  const pattern = step <= 32 ? EVERY[step] : 0;
  if (pattern !== 0) {
    const every = pattern << (from & (step - 1));
    const firstWord = from >> 5;
    const upward = -1 << (from & 31);
    let bits = 0;
    let found = base;
    if (firstWord === 0) bits = x0 & every & upward;
    if (bits === 0 && firstWord <= 1) {
      bits = x1 & every & (firstWord === 1 ? upward : -1);
      found = base + 32;
    }
    if (bits === 0 && firstWord <= 2) {
      bits = x2 & every & (firstWord === 2 ? upward : -1);
      found = base + 64;
    }
    if (bits === 0) {
      bits = x3 & every & (firstWord === 3 ? upward : -1);
      found = base + 96;
    }
    if (bits === 0) return -1;
    found += lowestBit(bits);
    return found < end ? found : -1;
  }

  const stop = Math.min(end - base, pool.segmentSlots);
  for (let bit = from; bit < stop; bit += step) {
    const w = bit >> 5;
    const bits = w === 0 ? x0 : w === 1 ? x1 : w === 2 ? x2 : x3;
    if (((bits >>> (bit & 31)) & 1) !== 0) return base + bit;
  }
  return -1;
}
