import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEVICE_TLB_ALL,
  Descriptor,
  type DescriptorWords,
  Drain,
  decodeDescriptor,
  descriptorTypeName,
  encodeContextCacheDevice,
  encodeContextCacheDomain,
  encodeContextCacheGlobal,
  encodeDeviceTlb,
  encodeInterruptEntryCache,
  encodeInterruptEntryCacheGlobal,
  encodeIotlbDomain,
  encodeIotlbGlobal,
  encodeIotlbPages,
  encodePasidCache,
  encodePasidDeviceTlb,
  encodePasidIotlb,
  encodePasidIotlbPages,
  encodeWait,
  newDescriptor,
} from './descriptor.ts';

function encoded(encode: (out: DescriptorWords) => void): [bigint, bigint] {
  const words = newDescriptor();
  encode(words);
  return [(BigInt(words[1]) << 32n) | BigInt(words[0]), (BigInt(words[3]) << 32n) | BigInt(words[2])];
}

function decoded(encode: (out: DescriptorWords) => void): Descriptor {
  const words = newDescriptor();
  encode(words);
  const descriptor = new Descriptor();
  decodeDescriptor(words[0], words[1], words[2], words[3], descriptor);
  return descriptor;
}

describe('quad words', () => {
  it.each([
    ['one page', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0xfffff, 0, false), 0x200f2n, 0xfffff000n],
    ['one page with hint', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0xfffff, 0, true), 0x200f2n, 0xfffff040n],
    ['16 pages, address as given', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0xffff7, 4, false), 0x200f2n, 0xffff7004n],
    ['16 pages, aligned, with hint', (out) => encodeIotlbPages(out, 2, Drain.BOTH, 0xffff0, 4, true), 0x200f2n, 0xffff0044n],
    ['domain', (out) => encodeIotlbDomain(out, 2, Drain.BOTH), 0x200e2n, 0n],
    ['global', (out) => encodeIotlbGlobal(out, 0, Drain.BOTH), 0xd2n, 0n],
    ['global, no drain', (out) => encodeIotlbGlobal(out, 0, Drain.NONE), 0x12n, 0n],
    ['context of a device', (out) => encodeContextCacheDevice(out, 2, 0x10, 0), 0x1000020031n, 0n],
    ['context of a device, function mask', (out) => encodeContextCacheDevice(out, 2, 0x10, 3), 0x3001000020031n, 0n],
    ['contexts of a domain', (out) => encodeContextCacheDomain(out, 0xffff), 0xffff0021n, 0n],
    ['all contexts', (out) => encodeContextCacheGlobal(out), 0x11n, 0n],
    ['device-TLB page', (out) => encodeDeviceTlb(out, 0x100, 0, 16, 0xfffff, 0), 0x10000100003n, 0xfffff000n],
    ['device-TLB 4 pages', (out) => encodeDeviceTlb(out, 0x100, 0x123, 32, 0xffff7, 2), 0x120010000003003n, 0xffff5001n],
    ['device-TLB everything', (out) => encodeDeviceTlb(out, 0x100, 0, 0, 0, DEVICE_TLB_ALL), 0x10000000003n, 0x7ffffffffffff001n],
    ['interrupt entry', (out) => encodeInterruptEntryCache(out, 0x1234, 3), 0x123418000014n, 0n],
    ['all interrupt entries', (out) => encodeInterruptEntryCacheGlobal(out), 0x4n, 0n],
    ['wait', (out) => encodeWait(out, 2, 0x1_2345_6784), 0x200000025n, 0x1_2345_6784n],
    ['PASID', (out) => encodePasidIotlb(out, 2, 0xabcde), 0xabcde00020026n, 0n],
    ['pages of a PASID', (out) => encodePasidIotlbPages(out, 2, 0, 0xfffff, 1, true), 0x20036n, 0xfffff041n],
    ['PASID cache, domain', (out) => encodePasidCache(out, 0, 2, 0), 0x20007n, 0n],
    ['PASID cache, global', (out) => encodePasidCache(out, 3, 0, 0), 0x37n, 0n],
    ['PASID device-TLB', (out) => encodePasidDeviceTlb(out, 0x100, 0, 1, 4, 0xfffff, 0), 0x101000048n, 0xfffff000n],
    ['PASID device-TLB, 2 pages', (out) => encodePasidDeviceTlb(out, 0x100, 0, 1, 0, 0xffffe, 1), 0x101000008n, 0xffffe800n],
  ] as [string, (out: DescriptorWords) => void, bigint, bigint][])('%s', (_name, encode, qw0, qw1) => {
    expect(encoded(encode)).toEqual([qw0, qw1]);
  });
});

describe('decoding', () => {
  const pfn = fc.integer({ min: 0, max: 2 ** 45 - 1 });
  const id = fc.integer({ min: 0, max: 0xffff });
  const settings = { seed: 1, numRuns: 300 };

  it('gives back what was encoded for pages', () => {
    fc.assert(
      fc.property(
        id,
        fc.constantFrom(...Object.values(Drain)),
        pfn,
        fc.integer({ min: 0, max: 63 }),
        fc.boolean(),
        (domainId, drain, iovaPfn, addressMask, hint) => {
          expect(decoded((out) => encodeIotlbPages(out, domainId, drain, iovaPfn, addressMask, hint))).toMatchObject({
            type: 2,
            granularity: 3,
            domainId,
            drain,
            iovaPfn,
            addressMask,
            keepsStructures: hint,
          });
          expect(decoded((out) => encodePasidIotlbPages(out, domainId, iovaPfn % 2 ** 20, iovaPfn, addressMask, hint))).toMatchObject({
            type: 6,
            domainId,
            pasid: iovaPfn % 2 ** 20,
            iovaPfn,
            addressMask,
            keepsStructures: hint,
          });
        },
      ),
      settings,
    );
  });

  it('gives back what was encoded for devices', () => {
    fc.assert(
      fc.property(
        id,
        id,
        fc.integer({ min: 0, max: 31 }),
        pfn,
        fc.integer({ min: 0, max: 45 }),
        (sourceId, physicalSourceId, maxPending, iovaPfn, addressMask) => {
          const expected = { sourceId, physicalSourceId, maxPending, addressMask, iovaPfn: iovaPfn - (iovaPfn % 2 ** addressMask) };
          expect(decoded((out) => encodeDeviceTlb(out, sourceId, physicalSourceId, maxPending, iovaPfn, addressMask))).toMatchObject({
            type: 3,
            ...expected,
          });
          expect(
            decoded((out) => encodePasidDeviceTlb(out, sourceId, physicalSourceId & 0xfff, 5, maxPending, iovaPfn, addressMask)),
          ).toMatchObject({
            type: 8,
            pasid: 5,
            ...expected,
            physicalSourceId: physicalSourceId & 0xfff,
          });
        },
      ),
      { ...settings, examples: [] },
    );
  });

  it('reads the rest', () => {
    expect(decoded((out) => encodeWait(out, 2, 0x1_2345_6784))).toMatchObject({
      type: 5,
      writesStatus: true,
      statusData: 2,
      statusAddress: 0x1_2345_6784,
    });
    expect(decoded((out) => encodeContextCacheDevice(out, 2, 0x10, 1))).toMatchObject({
      granularity: 3,
      domainId: 2,
      sourceId: 0x10,
      functionMask: 1,
    });
    expect(decoded((out) => encodeInterruptEntryCache(out, 7, 31))).toMatchObject({
      interruptIndex: 7,
      interruptIndexMask: 31,
      granularity: 1,
    });
    expect(decoded((out) => encodeDeviceTlb(out, 1, 0, 0, 0, DEVICE_TLB_ALL))).toMatchObject({ addressMask: DEVICE_TLB_ALL, iovaPfn: 0 });
    expect(decoded((out) => encodePasidCache(out, 1, 2, 3))).toMatchObject({ granularity: 1, domainId: 2, pasid: 3 });
  });

  it('leaves nothing of the descriptor before', () => {
    const descriptor = new Descriptor();
    decodeDescriptor(0xffff_fff2, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, descriptor);
    decodeDescriptor(0, 0, 0, 0, descriptor);
    expect(descriptor).toEqual(new Descriptor());
  });

  it('names types as the trace does', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(descriptorTypeName)).toEqual([
      undefined,
      'cc_inv',
      'iotlb_inv',
      'dev_tlb_inv',
      'iec_inv',
      'inv_wait',
      'p_iotlb_inv',
      'pc_inv',
      'p_dev_tlb_inv',
      'page_grp_resp',
      undefined,
    ]);
  });
});
