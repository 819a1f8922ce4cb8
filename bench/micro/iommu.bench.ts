import {
  ADVERSARIAL_CACHES,
  type CacheShape,
  CallList,
  createDomain,
  DMA_PAGE_TABLE_OPTIONS,
  DomainIds,
  Drain,
  encodeIotlbPages,
  encodeWait,
  FrameStore,
  type IommuDomain,
  IommuUnit,
  newDescriptor,
  PageTables,
  QEMU_CAPABILITY,
  QEMU_EXTENDED_CAPABILITY,
  Rights,
  StateArena,
  TranslationType,
  translate,
  WAIT_DONE,
} from 'dmalab-core';
import type { MicroBench } from './micro-bench.ts';

/** Device 00:02.0. */
const SOURCE_ID = 0x10;
/** Above 4 GiB, clear of the interrupt window. */
const FIRST_IOVA_PFN = 0x100000;
const FIRST_PFN = 0x200000;
/** Odd, so that its multiples modulo a power of two visit each page once in no obvious order. */
const SCRAMBLE = 0x9e3779b1;

const SMALL_CACHE: CacheShape = { kind: 'associative', sets: 16, ways: 4, replacement: 'lru', seed: 1 };
const UNBOUNDED_CACHE: CacheShape = { kind: 'unbounded', slots: 64 };

interface Bed {
  readonly unit: IommuUnit;
  readonly domain: IommuDomain;
}

/** A unit with one device, whose 4-level tables map `pages` pages (a power of two, 16 or more) by 4 KiB leaves. */
function bedOf(pages: number, iotlb: CacheShape, pagingStructures: CacheShape): Bed {
  const arena = new StateArena();
  const frames = new FrameStore(arena, 0x1000, 1024);
  const unit = new IommuUnit(
    arena,
    frames,
    {
      ...ADVERSARIAL_CACHES,
      name: 'dmar0',
      capability: QEMU_CAPABILITY,
      extendedCapability: QEMU_EXTENDED_CAPABILITY,
      iotlb,
      pagingStructures,
    },
    null,
  );
  const tables = new PageTables(arena, frames, 2, DMA_PAGE_TABLE_OPTIONS, null);
  const domain = createDomain(new DomainIds(arena, 'dmar0', QEMU_CAPABILITY.domainIds), tables, QEMU_CAPABILITY)!;
  // Neighbours swap places, so that no larger leaf fits.
  for (let i = 0; i < pages; i++) tables.mapPages(domain.row, FIRST_IOVA_PFN + i, FIRST_PFN + (i ^ 1), 1, 1, Rights.READ_WRITE);
  unit.contextTable.set(SOURCE_ID, domain.domainId, TranslationType.UNTRANSLATED, domain.rootPfn, domain.levels, false);
  unit.setTranslationEnabled(true);
  return { unit, domain };
}

function translation(name: string, pages: number, iotlb: CacheShape, pagingStructures: CacheShape, note: string): MicroBench {
  const { unit } = bedOf(pages, iotlb, pagingStructures);
  const mask = pages - 1;
  return {
    name: `iommu: translate, ${name}, ${pages} pages`,
    unit: 'ns/op',
    iterations: 1_000_000,
    note,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const address = translate(unit, SOURCE_ID, (FIRST_IOVA_PFN + (Math.imul(i, SCRAMBLE) & mask)) * 4096 + 8, false);
        if (address < 0) throw new Error('a mapped page faulted');
      }
    },
  };
}

function mapUnmap(pages: number): MicroBench {
  const { domain } = bedOf(16, null, null);
  const calls = new CallList();
  return {
    name: `iommu: map and unmap ${pages} ${pages === 1 ? 'page' : 'pages'}`,
    unit: 'ns/op',
    iterations: Math.ceil(1_000_000 / pages),
    note: 'one op is a map and an unmap; the leaf table stays',
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const iovaPfn = FIRST_IOVA_PFN + 512 + ((i * pages) & 0x1ff);
        domain.map(iovaPfn, FIRST_PFN, pages, Rights.READ_WRITE, calls);
        domain.unmap(iovaPfn, pages, calls);
      }
    },
  };
}

/** One page-selective invalidation and its wait, with the entry cached anew each time. */
function pageInvalidation(name: string, iotlb: CacheShape, pagingStructures: CacheShape): MicroBench {
  const { unit, domain } = bedOf(4096, iotlb, pagingStructures);
  const words = newDescriptor();
  return {
    name: `iommu: queue, page invalidation and wait, ${name}`,
    unit: 'ns/op',
    iterations: 500_000,
    note: 'one op is a translation that fills the caches, two descriptors encoded, appended and executed',
    run(iterations) {
      const queue = unit.queue;
      for (let i = 0; i < iterations; i++) {
        const iovaPfn = FIRST_IOVA_PFN + (i & 4095);
        translate(unit, SOURCE_ID, iovaPfn * 4096, false);
        encodeIotlbPages(words, domain.domainId, Drain.BOTH, iovaPfn, 0, false);
        const slot = queue.append(words);
        encodeWait(words, WAIT_DONE, queue.statusAddress(slot));
        queue.append(words);
        queue.publish();
        queue.run();
        if (queue.statusOf(slot) !== WAIT_DONE) throw new Error('the wait did not complete');
      }
    },
  };
}

const WALK_SIZES = [16, 4096, 262_144];

export const iommuBenches: MicroBench[] = [
  translation('IOTLB hit', 16, SMALL_CACHE, null, 'IOTLB of 16 sets, 4 ways, lru'),
  translation('IOTLB hit', 4096, UNBOUNDED_CACHE, null, 'unbounded IOTLB'),
  ...WALK_SIZES.map((pages) => translation('4-level walk', pages, null, null, 'IOTLB and paging-structure caches off')),
  ...WALK_SIZES.map((pages) =>
    translation('walk from paging-structure caches', pages, null, SMALL_CACHE, 'IOTLB off; 64 entries per level'),
  ),
  translation(
    'IOTLB thrashing',
    4096,
    SMALL_CACHE,
    SMALL_CACHE,
    'IOTLB of 64 entries misses and is filled each time; paging-structure caches of 64 entries per level',
  ),
  mapUnmap(1),
  mapUnmap(32),
  pageInvalidation('64-entry caches', SMALL_CACHE, SMALL_CACHE),
  pageInvalidation('unbounded caches', UNBOUNDED_CACHE, UNBOUNDED_CACHE),
];
