import { describe, expect, it } from 'vitest';
import { QEMU_CAPABILITY } from './capability.ts';
import { TranslationType } from './context.ts';
import {
  DEVICE_TLB_ALL,
  type DescriptorWords,
  Drain,
  encodeContextCacheDevice,
  encodeContextCacheDomain,
  encodeContextCacheGlobal,
  encodeDeviceTlb,
  encodeInterruptEntryCacheGlobal,
  encodeIotlbDomain,
  encodeIotlbGlobal,
  encodeIotlbPages,
  encodePasidCache,
  encodePasidIotlb,
  encodeWait,
  newDescriptor,
} from './descriptor.ts';
import { FaultStatus } from './fault.ts';
import { QueueStep, WAIT_DONE } from './invalidation-queue.ts';
import { type Bed, bedOf, SOURCE_ID } from './iommu-unit.oracle.ts';
import { Rights } from './page-table.ts';
import { TRANSLATION_FAULT, translatePfn } from './translate.ts';

const words = newDescriptor();

function submit(bed: Bed, encode: (out: DescriptorWords) => void): number {
  encode(words);
  const slot = bed.unit.queue.append(words);
  bed.unit.queue.publish();
  return slot;
}

/** A device that has used pages 0x200 to 0x21f and a 2 MiB leaf at 0x400, all unmapped by now. */
function staleBed(): Bed {
  const bed = bedOf();
  bed.domain.map(0x200, 0x5001, 0x20, Rights.READ_WRITE, bed.calls);
  bed.domain.map(0x400, 0x800, 0x200, Rights.READ_WRITE, bed.calls);
  for (let page = 0x200; page < 0x220; page++) translatePfn(bed.unit, SOURCE_ID, page, false);
  translatePfn(bed.unit, SOURCE_ID, 0x450, false);
  bed.domain.unmap(0x200, 0x20, bed.calls);
  bed.domain.unmap(0x400, 0x200, bed.calls);
  return bed;
}

function reachable(bed: Bed): number {
  let pages = 0;
  for (let page = 0x200; page < 0x220; page++) if (translatePfn(bed.unit, SOURCE_ID, page, false) >= 0) pages++;
  if (translatePfn(bed.unit, SOURCE_ID, 0x4ff, false) >= 0) pages += 512;
  return pages;
}

describe('stale translations', () => {
  it.each([
    ['one page', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0x203, 0, false), 543],
    ['16 pages, address not aligned', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0x213, 4, false), 528],
    ['a page of the superpage', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0x5ff, 0, false), 32],
    ['1024 pages', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0, 11, true), 0],
    ["another domain's pages", (out) => encodeIotlbPages(out, 3, Drain.BOTH, 0, 11, false), 544],
    ['the domain', (out) => encodeIotlbDomain(out, 2, Drain.BOTH), 0],
    ['another domain', (out) => encodeIotlbDomain(out, 3, Drain.BOTH), 544],
    ['everything', (out) => encodeIotlbGlobal(out, 0, Drain.BOTH), 0],
    ['the domain by PASID', (out) => encodePasidIotlb(out, 2, 0), 0],
    ['contexts only', (out) => encodeContextCacheGlobal(out), 544],
    ['interrupt entries only', (out) => encodeInterruptEntryCacheGlobal(out), 544],
    ['PASID entries only', (out) => encodePasidCache(out, 3, 0, 0), 544],
  ] as [string, (out: DescriptorWords) => void, number][])('after a flush of %s', (_name, encode, left) => {
    const bed = staleBed();
    expect(reachable(bed)).toBe(544);
    submit(bed, encode);
    expect(reachable(bed)).toBe(544);
    expect(bed.unit.queue.step()).toBe(QueueStep.EXECUTED);
    expect(reachable(bed)).toBe(left);
  });

  it('walks a detached table while the hint keeps the structures, and not without it', () => {
    const left = [true, false].map((keepsStructures) => {
      const bed = bedOf();
      bed.domain.map(0x200, 0x5001, 0x200, Rights.READ_WRITE, bed.calls);
      translatePfn(bed.unit, SOURCE_ID, 0x200, false);
      bed.domain.unmap(0x200, 0x200, bed.calls);
      submit(bed, (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0x200, 9, keepsStructures));
      bed.unit.queue.run();
      return translatePfn(bed.unit, SOURCE_ID, 0x3ff, false);
    });
    expect(left).toEqual([0x5200, TRANSLATION_FAULT]);
  });

  it('goes on through the old tables of a device until its context is invalidated', () => {
    for (const [encode, isStale] of [
      [(out) => encodeContextCacheDevice(out, 2, SOURCE_ID, 0), false],
      [(out) => encodeContextCacheDevice(out, 2, SOURCE_ID + 1, 0), true],
      [(out) => encodeContextCacheDevice(out, 2, SOURCE_ID + 7, 3), false],
      [(out) => encodeContextCacheDevice(out, 2, SOURCE_ID + 6, 2), false],
      [(out) => encodeContextCacheDevice(out, 2, SOURCE_ID + 1, 2), true],
      [(out) => encodeContextCacheDomain(out, 2), false],
      [(out) => encodeContextCacheDomain(out, 3), true],
    ] as [(out: DescriptorWords) => void, boolean][]) {
      const bed = bedOf();
      bed.domain.map(1, 0x99, 1, Rights.READ, bed.calls);
      translatePfn(bed.unit, SOURCE_ID, 1, false);
      bed.unit.contextTable.clear(SOURCE_ID);
      submit(bed, encode);
      expect(translatePfn(bed.unit, SOURCE_ID, 1, false)).toBe(0x99);
      bed.unit.queue.run();
      expect(translatePfn(bed.unit, SOURCE_ID, 1, false)).toBe(isStale ? 0x99 : TRANSLATION_FAULT);
    }
  });

  it('reaches device-TLBs by source id', () => {
    const bed = bedOf({}, TranslationType.WITH_DEVICE_TLB);
    bed.domain.map(0, 0x100, 8, Rights.READ, bed.calls);
    for (let page = 0; page < 8; page++) translatePfn(bed.unit, SOURCE_ID, page, false);
    bed.domain.unmap(0, 8, bed.calls);
    submit(bed, (out) => encodeIotlbGlobal(out, 0, Drain.BOTH));
    const count = () => [0, 1, 2, 3, 4, 5, 6, 7].filter((page) => translatePfn(bed.unit, SOURCE_ID, page, false) >= 0);
    bed.unit.queue.run();
    expect(count()).toHaveLength(8);
    submit(bed, (out) => encodeDeviceTlb(out, SOURCE_ID, 0, 0, 5, 2));
    bed.unit.queue.run();
    expect(count()).toEqual([0, 1, 2, 3]);
    submit(bed, (out) => encodeDeviceTlb(out, SOURCE_ID + 8, 0, 0, 0, DEVICE_TLB_ALL));
    bed.unit.queue.run();
    expect(count()).toHaveLength(4);
    submit(bed, (out) => encodeDeviceTlb(out, SOURCE_ID, 0, 0, 0, DEVICE_TLB_ALL));
    bed.unit.queue.run();
    expect(count()).toHaveLength(0);
  });
});

describe('ring', () => {
  it('executes nothing before the tail is written, then one descriptor at a time', () => {
    const { unit } = bedOf({ queueEntries: 8 });
    const { queue } = unit;
    encodeIotlbDomain(words, 2, Drain.BOTH);
    const slot = queue.append(words);
    encodeWait(words, WAIT_DONE, queue.statusAddress(slot));
    queue.append(words);
    expect([queue.step(), queue.free]).toEqual([QueueStep.IDLE, 5]);
    queue.publish();
    expect([queue.step(), queue.statusOf(slot), queue.head]).toEqual([QueueStep.EXECUTED, 0, 1]);
    expect([queue.step(), queue.statusOf(slot), queue.head, queue.free]).toEqual([QueueStep.EXECUTED, WAIT_DONE, 2, 7]);
    expect([queue.executed[2], queue.executed[5], queue.domainSelective, queue.pageSelective]).toEqual([1, 1, 1, 0]);
  });

  it('rewinds when it is empty, and then is as new', () => {
    const { queue } = bedOf({ queueEntries: 8 }).unit;
    encodeIotlbDomain(words, 2, Drain.BOTH);
    queue.append(words);
    queue.rewind();
    expect([queue.head, queue.free]).toEqual([0, 6]);
    queue.publish();
    queue.rewind();
    expect(queue.tail).toBe(1);
    const slot = queue.append(words);
    encodeWait(words, WAIT_DONE, queue.statusAddress(slot));
    queue.append(words);
    queue.publish();
    queue.run();
    expect([queue.head, queue.statusOf(slot)]).toEqual([3, WAIT_DONE]);
    queue.rewind();
    expect([queue.head, queue.tail, queue.free, queue.statusOf(slot)]).toEqual([0, 0, 7, 0]);
    expect(queue.append(words)).toBe(0);
  });

  it('wraps, and refuses to overrun', () => {
    const { unit } = bedOf({ queueEntries: 4 });
    encodeIotlbDomain(words, 2, Drain.BOTH);
    for (let round = 0; round < 10; round++) {
      expect(unit.queue.append(words)).toBe((round * 2) % 4);
      unit.queue.append(words);
      unit.queue.publish();
      expect(unit.queue.run()).toBe(QueueStep.IDLE);
    }
    for (let i = 0; i < 3; i++) unit.queue.append(words);
    expect(() => unit.queue.append(words)).toThrow('free slot');
  });

  it.each([
    ['reserved type 0', [0, 0, 0, 0]],
    ['reserved type 10', [10, 0, 0, 0]],
    ['IOTLB granularity 0', [0x200c2, 0, 0, 0]],
    ['context granularity 0', [0x1, 0, 0, 0]],
    ['address mask beyond MAMV', [0x200f2, 0, QEMU_CAPABILITY.maxAddressMask + 1, 0]],
    ['PASID-IOTLB granularity 1', [0x16, 0, 0, 0]],
    ['PASID-cache granularity 2', [0x27, 0, 0, 0]],
  ])('stops at %s until software mends it', (_name, halves) => {
    const { unit } = bedOf();
    const { queue, faults } = unit;
    words.set(halves);
    const bad = queue.append(words);
    encodeWait(words, WAIT_DONE, queue.statusAddress(bad));
    queue.append(words);
    queue.publish();
    expect([queue.run(), queue.head, faults.status]).toEqual([QueueStep.STOPPED, bad, FaultStatus.QUEUE_ERROR]);
    expect(queue.step()).toBe(QueueStep.STOPPED);
    queue.replace(bad, words);
    faults.clearStatus(FaultStatus.QUEUE_ERROR);
    expect([queue.run(), queue.statusOf(bad), faults.status]).toEqual([QueueStep.IDLE, WAIT_DONE, 0]);
  });

  it('stops at a page invalidation that the unit does not have', () => {
    const { unit } = bedOf({ capability: { ...QEMU_CAPABILITY, pageSelectiveInvalidation: false } });
    encodeIotlbPages(words, 2, Drain.BOTH, 0, 0, false);
    unit.queue.append(words);
    unit.queue.publish();
    expect(unit.queue.run()).toBe(QueueStep.STOPPED);
  });

  it('can be saved between two descriptors', () => {
    const bed = staleBed();
    submit(bed, (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0x200, 3, false));
    submit(bed, (out) => encodeIotlbDomain(out, 2, Drain.BOTH));
    bed.unit.queue.step();
    const saved = bed.arena.save();
    const hash = bed.arena.hash();
    bed.unit.queue.run();
    const after = bed.arena.hash();
    expect(after).not.toBe(hash);
    bed.arena.restore(saved);
    expect(bed.arena.hash()).toBe(hash);
    bed.unit.queue.run();
    expect(bed.arena.hash()).toBe(after);
  });
});
