import { expect, test } from 'vitest';
import { type KernelRules, ObservationLog, Observed, PAGE_SIZE, StateArena } from '../base/index.ts';
import { ADVERSARIAL_CACHES, type Capability, IommuUnit, QEMU_CAPABILITY, QEMU_EXTENDED_CAPABILITY } from '../iommu/index.ts';
import { FrameStore } from '../mem/index.ts';
import { CacheTagFlusher } from './cache-tag.ts';

const DID = 2;

interface Bench {
  readonly log: ObservationLog;
  readonly unit: IommuUnit;
  readonly flusher: CacheTagFlusher;
}

function bench(kernel: KernelRules, capability: Partial<Capability> = {}): Bench {
  const arena = new StateArena();
  const log = new ObservationLog();
  const unit = new IommuUnit(
    arena,
    new FrameStore(arena, 0x1000, 4),
    {
      ...ADVERSARIAL_CACHES,
      name: 'dmar0',
      capability: { ...QEMU_CAPABILITY, ...capability },
      extendedCapability: QEMU_EXTENDED_CAPABILITY,
    },
    log,
  );
  return { log, unit, flusher: new CacheTagFlusher(unit, log, kernel) };
}

function flushed({ log, flusher }: Bench, firstPfn: number, pages: number, leafEntriesOnly: boolean): number[] {
  log.clear();
  flusher.flushRange(0, 0, DID, firstPfn * PAGE_SIZE, (firstPfn + pages) * PAGE_SIZE - 1, leafEntriesOnly);
  flusher.wait(0, 0, DID);
  const at = log.kind.indexOf(Observed.DESCRIPTOR_SUBMITTED);
  return [log.b[at], log.c[at], log.d[at]];
}

// First page, pages, whether only leaves changed; low qw0, high and low qw1 under 6.1 and under 6.12.
test.each([
  ['one page', 0xfffff, 1, true, [0x200f2, 0, 0xfffff000], [0x200f2, 0, 0xfffff040]],
  ['one page, tables freed', 0xfffff, 1, false, [0x200f2, 0, 0xfffff000], [0x200f2, 0, 0xfffff000]],
  ['two aligned pages', 0xffffe, 2, true, [0x200f2, 0, 0xffffe001], [0x200f2, 0, 0xffffe041]],
  ['two pages across a block of 16', 0xffff7, 2, true, [0x200f2, 0, 0xffff7004], [0x200f2, 0, 0xffff0044]],
  ['three pages across a block of 8', 0xffffa, 3, false, [0x200f2, 0, 0xffffa003], [0x200f2, 0, 0xffff8003]],
  ['five pages in a block of 8', 0xffff8, 5, true, [0x200f2, 0, 0xffff8003], [0x200f2, 0, 0xffff8043]],
  ['above 4 GiB', 0x7ffffff, 1, true, [0x200f2, 0x7f, 0xfffff000], [0x200f2, 0x7f, 0xfffff040]],
])('%s', (_, firstPfn, pages, leafEntriesOnly, under61, under612) => {
  expect(flushed(bench('6.1'), firstPfn, pages, leafEntriesOnly)).toEqual(under61);
  expect(flushed(bench('6.12'), firstPfn, pages, leafEntriesOnly)).toEqual(under612);
});

test('every flushed range lies in the block that is named', () => {
  const { log, flusher } = bench('6.12');
  for (let firstPfn = 0; firstPfn < 70; firstPfn++) {
    for (let pages = 1; pages < 40; pages++) {
      log.clear();
      flusher.flushRange(0, 0, DID, firstPfn * PAGE_SIZE, (firstPfn + pages) * PAGE_SIZE - 1, true);
      flusher.wait(0, 0, DID);
      const address = log.c[0] / PAGE_SIZE;
      const block = log.d[0];
      expect(block).toBe(2 ** log.e[0]);
      expect(address % block).toBe(0);
      expect(address <= firstPfn && firstPfn + pages <= address + block).toBe(true);
      // Smallest: no block of half the size would do.
      expect(Math.floor(firstPfn / (block / 2)) === Math.floor((firstPfn + pages - 1) / (block / 2)) && block > 1).toBe(false);
    }
  }
});

test('the mask that the unit can take decides between pages and the domain, inclusive', () => {
  const limited = bench('6.12', { maxAddressMask: 4 });
  expect(flushed(limited, 16, 16, true)).toEqual([0x200f2, 0, 0x10044]);
  expect(flushed(limited, 32, 32, true)).toEqual([0x200e2, 0, 0]);
  expect(flushed(bench('6.12', { pageSelectiveInvalidation: false }), 16, 1, true)).toEqual([0x200e2, 0, 0]);
});

test('a flush takes effect when it is waited for, and waiting again finds nothing to do', () => {
  const { log, unit, flusher } = bench('6.12');
  unit.iotlb!.store(DID, 5, 1, 77, 3);
  flusher.flushAll(0, 0, DID);
  expect(unit.iotlb!.lookup(DID, 5)).toBeGreaterThanOrEqual(0);
  flusher.wait(0, 0, DID);
  expect(unit.iotlb!.lookup(DID, 5)).toBe(-1);
  log.clear();
  flusher.wait(0, 0, DID);
  expect([log.kind[0], log.a[0]]).toEqual([Observed.INVALIDATION_COMPLETED, 0]);
});

test('the write buffer is flushed only on units that ask for it, by a register and not by a descriptor', () => {
  for (const [writeBufferFlush, flushes] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const { log, flusher } = bench('6.12', { writeBufferFlush });
    flusher.flushWriteBuffer();
    expect([flusher.writeBufferFlushes, log.length]).toEqual([flushes, 0]);
  }
});
