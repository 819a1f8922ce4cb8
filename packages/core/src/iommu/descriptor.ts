/**
 * Descriptors of the invalidation queue: 128 bits as four unsigned 32-bit halves, in the order qw0 low, qw0 high, qw1
 * low, qw1 high.
 *
 * @source Intel VT-d specification, "Queued Invalidation Interface"; Linux v6.12 drivers/iommu/intel/iommu.h QI_IOTLB_*, QI_DEV_IOTLB_*, QI_IWD_*
 */
import { assert, type DomainId, high32, type IovaPfn, join32, low32, type PhysAddr } from '../base/index.ts';

/** One descriptor; encoders fill it, the queue copies it. */
export type DescriptorWords = Uint32Array<ArrayBuffer>;

/** An empty buffer for one descriptor. */
export function newDescriptor(): DescriptorWords {
  return new Uint32Array(4);
}

/** Bits 3:0 of qw0. */
export const DescriptorType = {
  CONTEXT_CACHE: 1,
  IOTLB: 2,
  DEVICE_TLB: 3,
  INTERRUPT_ENTRY_CACHE: 4,
  WAIT: 5,
  PASID_IOTLB: 6,
  PASID_CACHE: 7,
  PASID_DEVICE_TLB: 8,
  PAGE_GROUP_RESPONSE: 9,
} as const;
export type DescriptorType = (typeof DescriptorType)[keyof typeof DescriptorType];

const TYPE_NAMES = [
  '',
  'cc_inv',
  'iotlb_inv',
  'dev_tlb_inv',
  'iec_inv',
  'inv_wait',
  'p_iotlb_inv',
  'pc_inv',
  'p_dev_tlb_inv',
  'page_grp_resp',
];

/** The name that a qi_submit trace line has for a type; undefined for a reserved one, which such a line shows in hex. */
export function descriptorTypeName(type: number): string | undefined {
  return type >= 1 && type <= 9 ? TYPE_NAMES[type] : undefined;
}

/** Granularity field 5:4 of the context-cache and IOTLB descriptors. */
export const Granularity = { GLOBAL: 1, DOMAIN: 2, SELECTIVE: 3 } as const;
/** Granularity field 5:4 of the PASID-based IOTLB descriptor. */
export const PasidIotlbGranularity = { PASID: 2, PAGES: 3 } as const;
/** Granularity field 5:4 of the PASID-cache descriptor. */
export const PasidCacheGranularity = { DOMAIN: 0, PASID: 1, GLOBAL: 3 } as const;

/** Bits 6 and 7 of qw0 of an IOTLB descriptor: the unit drains writes and reads before it completes. */
export const Drain = { NONE: 0, WRITES: 1, READS: 2, BOTH: 3 } as const;
export type Drain = (typeof Drain)[keyof typeof Drain];

/** Address mask of a device-TLB descriptor that covers every address. */
export const DEVICE_TLB_ALL = 52;

export function encodeContextCacheGlobal(out: DescriptorWords): void {
  fill(out, DescriptorType.CONTEXT_CACHE | (Granularity.GLOBAL << 4), 0, 0, 0);
}

export function encodeContextCacheDomain(out: DescriptorWords, domainId: DomainId): void {
  fill(out, DescriptorType.CONTEXT_CACHE | (Granularity.DOMAIN << 4) | (domainId << 16), 0, 0, 0);
}

/** @param functionMask  0 = exactly this source id; 1, 2, 3 = ignore function bit 2, bits 2:1, bits 2:0 */
export function encodeContextCacheDevice(out: DescriptorWords, domainId: DomainId, sourceId: number, functionMask: number): void {
  fill(out, DescriptorType.CONTEXT_CACHE | (Granularity.SELECTIVE << 4) | (domainId << 16), sourceId | (functionMask << 16), 0, 0);
}

/** Everything; Linux passes domain id 0. */
export function encodeIotlbGlobal(out: DescriptorWords, domainId: DomainId, drain: Drain): void {
  fill(out, DescriptorType.IOTLB | (Granularity.GLOBAL << 4) | (drain << 6) | (domainId << 16), 0, 0, 0);
}

export function encodeIotlbDomain(out: DescriptorWords, domainId: DomainId, drain: Drain): void {
  fill(out, DescriptorType.IOTLB | (Granularity.DOMAIN << 4) | (drain << 6) | (domainId << 16), 0, 0, 0);
}

/**
 * The aligned block of 2^addressMask pages that holds `iovaPfn`. The page is written as given: 6.1 leaves address bits
 * below the mask in place, 6.12 passes an aligned one; the hardware ignores them.
 *
 * @param addressMask  0 to 63
 * @param keepsStructures  invalidation hint: entries above the leaves have not changed
 */
export function encodeIotlbPages(
  out: DescriptorWords,
  domainId: DomainId,
  drain: Drain,
  iovaPfn: IovaPfn,
  addressMask: number,
  keepsStructures: boolean,
): void {
  fill(
    out,
    DescriptorType.IOTLB | (Granularity.SELECTIVE << 4) | (drain << 6) | (domainId << 16),
    0,
    pfnLow(iovaPfn) | (keepsStructures ? 0x40 : 0) | addressMask,
    pfnHigh(iovaPfn),
  );
}

/**
 * @param physicalSourceId  PFSID: the physical function of a virtual one, else 0
 * @param maxPending        0 to 31, greater counts as 0
 * @param addressMask       0 for the one page, DEVICE_TLB_ALL for everything
 */
export function encodeDeviceTlb(
  out: DescriptorWords,
  sourceId: number,
  physicalSourceId: number,
  maxPending: number,
  iovaPfn: IovaPfn,
  addressMask: number,
): void {
  const pending = maxPending >= 32 ? 0 : maxPending;
  fill(
    out,
    DescriptorType.DEVICE_TLB | ((physicalSourceId & 0xf) << 12) | (pending << 16),
    sourceId | ((physicalSourceId >>> 4) << 20),
    sizedLow(iovaPfn, addressMask) | (addressMask > 0 ? 1 : 0),
    sizedHigh(iovaPfn, addressMask),
  );
}

/** One entry or 2^indexMask entries of the interrupt entry cache. */
export function encodeInterruptEntryCache(out: DescriptorWords, index: number, indexMask: number): void {
  fill(out, DescriptorType.INTERRUPT_ENTRY_CACHE | (1 << 4) | (indexMask << 27), index, 0, 0);
}

export function encodeInterruptEntryCacheGlobal(out: DescriptorWords): void {
  fill(out, DescriptorType.INTERRUPT_ENTRY_CACHE, 0, 0, 0);
}

/** Writes `statusData` to `statusAddress` (a multiple of 4) once everything before it has completed. */
export function encodeWait(out: DescriptorWords, statusData: number, statusAddress: PhysAddr): void {
  assert(statusAddress % 4 === 0, 'status word is aligned');
  fill(out, DescriptorType.WAIT | (1 << 5), statusData, low32(statusAddress), high32(statusAddress));
}

export function encodePasidIotlb(out: DescriptorWords, domainId: DomainId, pasid: number): void {
  fill(out, DescriptorType.PASID_IOTLB | (PasidIotlbGranularity.PASID << 4) | (domainId << 16), pasid, 0, 0);
}

export function encodePasidIotlbPages(
  out: DescriptorWords,
  domainId: DomainId,
  pasid: number,
  iovaPfn: IovaPfn,
  addressMask: number,
  keepsStructures: boolean,
): void {
  fill(
    out,
    DescriptorType.PASID_IOTLB | (PasidIotlbGranularity.PAGES << 4) | (domainId << 16),
    pasid,
    pfnLow(iovaPfn) | (keepsStructures ? 0x40 : 0) | addressMask,
    pfnHigh(iovaPfn),
  );
}

/** @param granularity  a PasidCacheGranularity */
export function encodePasidCache(out: DescriptorWords, granularity: number, domainId: DomainId, pasid: number): void {
  fill(out, DescriptorType.PASID_CACHE | (granularity << 4) | (domainId << 16), pasid, 0, 0);
}

/** Parameters as for `encodeDeviceTlb`; `maxPending` above 31 counts as 0. */
export function encodePasidDeviceTlb(
  out: DescriptorWords,
  sourceId: number,
  physicalSourceId: number,
  pasid: number,
  maxPending: number,
  iovaPfn: IovaPfn,
  addressMask: number,
): void {
  const pending = maxPending >= 32 ? 0 : maxPending;
  fill(
    out,
    DescriptorType.PASID_DEVICE_TLB | (pending << 4) | ((physicalSourceId & 0xf) << 12) | (sourceId << 16),
    pasid | ((physicalSourceId >>> 4) << 20),
    sizedLow(iovaPfn, addressMask) | (addressMask > 0 ? 0x800 : 0),
    sizedHigh(iovaPfn, addressMask),
  );
}

/** The fields of a descriptor. A field that its type does not have is 0 or false. One object is reused for many. */
export class Descriptor {
  /** Bits 3:0, reserved values included. */
  type = 0;
  granularity = 0;
  domainId: DomainId = 0;
  sourceId = 0;
  physicalSourceId = 0;
  functionMask = 0;
  pasid = 0;
  drain: Drain = Drain.NONE;
  maxPending = 0;
  /** First page of the address field, without its size code. */
  iovaPfn: IovaPfn = 0;
  /** log2 of the pages; for device-TLB commands out of the size code. */
  addressMask = 0;
  keepsStructures = false;
  interruptIndex = 0;
  interruptIndexMask = 0;
  writesStatus = false;
  statusData = 0;
  statusAddress: PhysAddr = 0;
}

/** Fills `into` from four halves. Reserved bits are not looked at. */
export function decodeDescriptor(qw0Low: number, qw0High: number, qw1Low: number, qw1High: number, into: Descriptor): void {
  clear(into);
  into.type = qw0Low & 0xf;
  switch (into.type) {
    case DescriptorType.CONTEXT_CACHE:
      into.granularity = (qw0Low >>> 4) & 3;
      into.domainId = qw0Low >>> 16;
      into.sourceId = qw0High & 0xffff;
      into.functionMask = (qw0High >>> 16) & 3;
      break;
    case DescriptorType.IOTLB:
      into.granularity = (qw0Low >>> 4) & 3;
      into.drain = ((qw0Low >>> 6) & 3) as Drain;
      into.domainId = qw0Low >>> 16;
      decodePages(qw1Low, qw1High, into);
      break;
    case DescriptorType.DEVICE_TLB:
      into.physicalSourceId = ((qw0Low >>> 12) & 0xf) | ((qw0High >>> 20) << 4);
      into.maxPending = (qw0Low >>> 16) & 0x1f;
      into.sourceId = qw0High & 0xffff;
      decodeSizedPages(qw1Low, qw1High, (qw1Low & 1) !== 0, into);
      break;
    case DescriptorType.INTERRUPT_ENTRY_CACHE:
      into.granularity = (qw0Low >>> 4) & 1;
      into.interruptIndexMask = qw0Low >>> 27;
      into.interruptIndex = qw0High & 0xffff;
      break;
    case DescriptorType.WAIT:
      into.writesStatus = (qw0Low & 0x20) !== 0;
      into.statusData = qw0High;
      into.statusAddress = join32(qw1High & 0x1fffff, qw1Low & ~3);
      break;
    case DescriptorType.PASID_IOTLB:
      into.granularity = (qw0Low >>> 4) & 3;
      into.domainId = qw0Low >>> 16;
      into.pasid = qw0High & 0xfffff;
      decodePages(qw1Low, qw1High, into);
      break;
    case DescriptorType.PASID_CACHE:
      into.granularity = (qw0Low >>> 4) & 3;
      into.domainId = qw0Low >>> 16;
      into.pasid = qw0High & 0xfffff;
      break;
    case DescriptorType.PASID_DEVICE_TLB:
      into.maxPending = (qw0Low >>> 4) & 0x1f;
      into.physicalSourceId = ((qw0Low >>> 12) & 0xf) | ((qw0High >>> 20) << 4);
      into.sourceId = qw0Low >>> 16;
      into.pasid = qw0High & 0xfffff;
      decodeSizedPages(qw1Low, qw1High, (qw1Low & 0x800) !== 0, into);
      break;
  }
}

function clear(into: Descriptor): void {
  into.granularity = 0;
  into.domainId = 0;
  into.sourceId = 0;
  into.physicalSourceId = 0;
  into.functionMask = 0;
  into.pasid = 0;
  into.drain = Drain.NONE;
  into.maxPending = 0;
  into.iovaPfn = 0;
  into.addressMask = 0;
  into.keepsStructures = false;
  into.interruptIndex = 0;
  into.interruptIndexMask = 0;
  into.writesStatus = false;
  into.statusData = 0;
  into.statusAddress = 0;
}

function decodePages(low: number, high: number, into: Descriptor): void {
  into.addressMask = low & 0x3f;
  into.keepsStructures = (low & 0x40) !== 0;
  into.iovaPfn = pfnOf(high, low);
}

/** With the size bit set, the lowest clear bit of the page number is half the size; all set means everything. */
function decodeSizedPages(low: number, high: number, isSized: boolean, into: Descriptor): void {
  const pfn = pfnOf(high, low);
  if (!isSized) {
    into.iovaPfn = pfn;
    return;
  }
  let addressMask = 1;
  let rest = pfn;
  while (rest % 2 === 1) {
    rest = (rest - 1) / 2;
    addressMask++;
  }
  into.addressMask = addressMask;
  into.iovaPfn = addressMask >= DEVICE_TLB_ALL ? 0 : pfn - (pfn % 2 ** addressMask);
}

function fill(out: DescriptorWords, qw0Low: number, qw0High: number, qw1Low: number, qw1High: number): void {
  out[0] = qw0Low;
  out[1] = qw0High;
  out[2] = qw1Low;
  out[3] = qw1High;
}

function pfnLow(pfn: IovaPfn): number {
  return (pfn & 0xfffff) << 12;
}

function pfnHigh(pfn: IovaPfn): number {
  return Math.floor(pfn / 2 ** 20);
}

function pfnOf(high: number, low: number): IovaPfn {
  return (low >>> 12) + high * 2 ** 20;
}

/** Address halves of a device-TLB command: page bits below `addressMask` - 1 set, the one at it clear. */
function sizedLow(iovaPfn: IovaPfn, addressMask: number): number {
  return pfnLow(sizedPfn(iovaPfn, addressMask));
}

function sizedHigh(iovaPfn: IovaPfn, addressMask: number): number {
  return pfnHigh(sizedPfn(iovaPfn, addressMask));
}

function sizedPfn(iovaPfn: IovaPfn, addressMask: number): IovaPfn {
  if (addressMask === 0) return iovaPfn;
  const block = 2 ** addressMask;
  return iovaPfn - (iovaPfn % block) + block / 2 - 1;
}
