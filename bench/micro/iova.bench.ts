import { IovaDomain, iovaDomainParameters, Prng, StateArena } from 'dmalab-core';
import type { MicroBench } from './micro-bench.ts';

/** Highest page frame of a 32-bit and of a 48-bit device. */
const LIMIT_32 = 0xfffff;
const LIMIT_48 = 2 ** 36 - 1;
/** A size past the caches; each range takes the lower part of 64 aligned pages. */
const TREE_PAGES = 33;

/** One domain serves all batches of a row, so that the warm-up batches bring it to the state that is timed. */
function domainOf(): IovaDomain {
  return new IovaDomain(new StateArena(), iovaDomainParameters('6.12', 1));
}

function cacheHit(): MicroBench {
  const domain = domainOf();
  return {
    name: '1a iova: 1 page, cache hit, alloc/free alternating',
    unit: 'ns/op',
    iterations: 1_000_000,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const pfn = domain.allocIovaFast(1, LIMIT_32, true, 0);
        domain.freeIovaFast(pfn, 1, 0);
      }
    },
  };
}

/** Allocates `depth` single pages, then frees them, last first or first first. */
function cacheDepth(name: string, depth: number, lastFirst: boolean, note?: string): MicroBench {
  const domain = domainOf();
  const pfns = new Float64Array(depth);
  return {
    name,
    unit: 'ns/op',
    iterations: 1_000_000,
    ...(note === undefined ? {} : { note }),
    run(iterations) {
      for (let done = 0; done < iterations; done += depth) {
        for (let i = 0; i < depth; i++) pfns[i] = domain.allocIovaFast(1, LIMIT_32, true, 0);
        for (let i = 0; i < depth; i++) domain.freeIovaFast(pfns[lastFirst ? depth - 1 - i : i], 1, 0);
      }
    },
  };
}

function treeAlternating(): MicroBench {
  const domain = domainOf();
  return {
    name: '2a iova: 33 pages, empty tree, alternating',
    unit: 'ns/op',
    iterations: 500_000,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const pfn = domain.allocIovaFast(TREE_PAGES, LIMIT_48, true, 0);
        domain.freeIovaFast(pfn, TREE_PAGES, 0);
      }
    },
  };
}

/** With `live` ranges in the tree: frees `burst` of them at random, then allocates as many. */
function treeHoles(row: string, live: number, burst: number): MicroBench {
  const prng = new Prng(live + burst);
  let domain: IovaDomain | undefined;
  const pfns = new Float64Array(live);
  const freed = new Int32Array(burst);
  return {
    name: `${row} iova: 33 pages, ${live} live, free ${burst} at random, allocate ${burst}`,
    unit: 'ns/op',
    iterations: 100_000,
    run(iterations) {
      if (domain === undefined) {
        domain = domainOf();
        for (let i = 0; i < live; i++) pfns[i] = domain.allocIovaFast(TREE_PAGES, LIMIT_48, true, 0);
      }
      for (let done = 0; done < iterations; done += burst) {
        for (let i = 0; i < burst; i++) {
          // The same range twice in a burst is passed over.
          let at = prng.below(live);
          while (pfns[at] === 0) at = (at + 1) % live;
          domain.freeIovaFast(pfns[at], TREE_PAGES, 0);
          pfns[at] = 0;
          freed[i] = at;
        }
        for (let i = 0; i < burst; i++) pfns[freed[i]] = domain.allocIovaFast(TREE_PAGES, LIMIT_48, true, 0);
      }
    },
  };
}

/** Allocates `live` ranges, then frees all of them in one random order. */
function treeFill(live: number): MicroBench {
  const domain = domainOf();
  const pfns = new Float64Array(live);
  const order = Int32Array.from({ length: live }, (_, i) => i);
  const prng = new Prng(live);
  for (let i = live - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    const at = order[i];
    order[i] = order[j];
    order[j] = at;
  }
  return {
    name: `2d iova: 33 pages, allocate ${live}, free all in random order`,
    unit: 'ns/op',
    iterations: Math.max(100_000, live),
    run(iterations) {
      for (let done = 0; done < iterations; done += live) {
        for (let i = 0; i < live; i++) pfns[i] = domain.allocIovaFast(TREE_PAGES, LIMIT_48, true, 0);
        for (let i = 0; i < live; i++) domain.freeIovaFast(pfns[order[i]], TREE_PAGES, 0);
      }
    },
  };
}

/** IOVA allocator: one allocation and one free are one operation. */
export const iovaBenches: MicroBench[] = [
  cacheHit(),
  cacheDepth('1b iova: 1 page, cache hit, last in first out, depth 64', 64, true),
  treeAlternating(),
  treeHoles('2b', 1000, 1),
  treeHoles('2b', 100_000, 1),
  treeHoles('2c', 1000, 64),
  treeHoles('2c', 100_000, 64),
  treeFill(1000),
  treeFill(100_000),
  cacheDepth('3a iova: 1 page, allocate 4096, free 4096', 4096, false, 'depot never trimmed'),
];
