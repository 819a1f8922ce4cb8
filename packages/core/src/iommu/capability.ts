/**
 * The capability registers of a remapping unit, decoded. Registers are given as 32-bit halves.
 *
 * @source Intel VT-d specification, "Capability Register", "Extended Capability Register"; Linux v6.12 drivers/iommu/intel/iommu.h cap_*, ecap_*
 */
import { assert } from '../base/index.ts';
import type { SuperpageSupport } from './page-size.ts';

/** CAP_REG, offset 0x08. */
export interface Capability {
  /** ND: number of domain ids, 2^(4 + 2 ND). */
  readonly domainIds: number;
  /** AFL: advanced fault logging. */
  readonly advancedFaultLog: boolean;
  /** RWBF: the write buffer must be flushed after changes to tables. */
  readonly writeBufferFlush: boolean;
  /** PLMR and PHMR: protected memory regions. */
  readonly protectedLowMemory: boolean;
  readonly protectedHighMemory: boolean;
  /** CM: not-present entries may be cached. */
  readonly cachingMode: boolean;
  /** SAGAW, bits 4:0: bit k = tables of k + 2 levels, 30 + 9 k bits. */
  readonly addressWidths: number;
  /** MGAW, in bits: widest address that is accepted. */
  readonly maxAddressBits: number;
  /** ZLR: reads of zero length of write-only pages. */
  readonly zeroLengthRead: boolean;
  /** FRO, in bytes. */
  readonly faultRecordOffset: number;
  readonly superpages: SuperpageSupport;
  /** PSI: page-selective IOTLB invalidation. */
  readonly pageSelectiveInvalidation: boolean;
  /** NFR: fault recording registers. */
  readonly faultRecords: number;
  /** MAMV: greatest address mask of a page-selective invalidation. */
  readonly maxAddressMask: number;
  /** DWD and DRD: writes and reads can be drained. */
  readonly drainsWrites: boolean;
  readonly drainsReads: boolean;
  /** FL1GP: first-level leaves of 1 GiB. */
  readonly firstLevel1GiB: boolean;
  /** PI: posted interrupts. */
  readonly postedInterrupts: boolean;
  /** FL5LP: first-level tables of five levels. */
  readonly firstLevel5Levels: boolean;
}

/** ECAP_REG, offset 0x10. */
export interface ExtendedCapability {
  /** C: walks of the tables are coherent with the CPU caches. */
  readonly coherentWalks: boolean;
  /** QI: invalidation queue. */
  readonly queuedInvalidation: boolean;
  /** DT: device-TLBs. */
  readonly deviceTlb: boolean;
  /** IR and EIM: interrupt remapping, extended interrupt mode. */
  readonly interruptRemapping: boolean;
  readonly extendedInterruptMode: boolean;
  /** PT: pass-through contexts. */
  readonly passThrough: boolean;
  /** SC: snoop control. */
  readonly snoopControl: boolean;
  /** IRO, in bytes: where the IOTLB registers are. */
  readonly iotlbRegisterOffset: number;
  /** MHMV: greatest handle mask of an interrupt entry invalidation. */
  readonly maxHandleMask: number;
  /** NEST, PRS, ERS, SRS, NWFS, EAFS. */
  readonly nested: boolean;
  readonly pageRequests: boolean;
  readonly executeRequests: boolean;
  readonly supervisorRequests: boolean;
  readonly noWriteFlag: boolean;
  readonly extendedAccessedFlag: boolean;
  /** PSS, in bits, and PASID. */
  readonly pasidBits: number;
  readonly pasid: boolean;
  /** DIT and PDS. */
  readonly deviceTlbThrottle: boolean;
  readonly pageRequestDrain: boolean;
  /** SMTS: scalable mode. */
  readonly scalableMode: boolean;
  readonly virtualCommands: boolean;
  /** SLADS: accessed and dirty bits in second-level entries. */
  readonly secondLevelAccessedDirty: boolean;
  /** SLTS and FLTS: second- and first-level translation in scalable mode. */
  readonly secondLevel: boolean;
  readonly firstLevel: boolean;
  readonly scalableCoherentWalks: boolean;
  /** RPS: RID_PASID. */
  readonly ridPasid: boolean;
}

export function decodeCapability(high: number, low: number): Capability {
  return {
    domainIds: 2 ** (4 + 2 * (low & 7)),
    advancedFaultLog: bit(low, 3),
    writeBufferFlush: bit(low, 4),
    protectedLowMemory: bit(low, 5),
    protectedHighMemory: bit(low, 6),
    cachingMode: bit(low, 7),
    addressWidths: (low >>> 8) & 0x1f,
    maxAddressBits: ((low >>> 16) & 0x3f) + 1,
    zeroLengthRead: bit(low, 22),
    faultRecordOffset: (((high & 3) << 8) | (low >>> 24)) * 16,
    superpages: superpagesOf((high >>> 2) & 3),
    pageSelectiveInvalidation: bit(high, 39 - 32),
    faultRecords: ((high >>> 8) & 0xff) + 1,
    maxAddressMask: (high >>> 16) & 0x3f,
    drainsWrites: bit(high, 54 - 32),
    drainsReads: bit(high, 55 - 32),
    firstLevel1GiB: bit(high, 56 - 32),
    postedInterrupts: bit(high, 59 - 32),
    firstLevel5Levels: bit(high, 60 - 32),
  };
}

export function decodeExtendedCapability(high: number, low: number): ExtendedCapability {
  return {
    coherentWalks: bit(low, 0),
    queuedInvalidation: bit(low, 1),
    deviceTlb: bit(low, 2),
    interruptRemapping: bit(low, 3),
    extendedInterruptMode: bit(low, 4),
    passThrough: bit(low, 6),
    snoopControl: bit(low, 7),
    iotlbRegisterOffset: ((low >>> 8) & 0x3ff) * 16,
    maxHandleMask: (low >>> 20) & 0xf,
    nested: bit(low, 26),
    pageRequests: bit(low, 29),
    executeRequests: bit(low, 30),
    supervisorRequests: bit(low, 31),
    noWriteFlag: bit(high, 33 - 32),
    extendedAccessedFlag: bit(high, 34 - 32),
    pasidBits: ((high >>> 3) & 0x1f) + 1,
    pasid: bit(high, 40 - 32),
    deviceTlbThrottle: bit(high, 41 - 32),
    pageRequestDrain: bit(high, 42 - 32),
    scalableMode: bit(high, 43 - 32),
    virtualCommands: bit(high, 44 - 32),
    secondLevelAccessedDirty: bit(high, 45 - 32),
    secondLevel: bit(high, 46 - 32),
    firstLevel: bit(high, 47 - 32),
    scalableCoherentWalks: bit(high, 48 - 32),
    ridPasid: bit(high, 49 - 32),
  };
}

/** Bits that tables of so many levels translate: 39, 48 or 57. */
export function addressBitsOf(levels: number): number {
  return 12 + 9 * levels;
}

/**
 * Levels of the tables Linux builds: the largest supported width. 57 bits, the greatest there is, is its default too.
 *
 * @source Linux v6.12 drivers/iommu/intel/iommu.c iommu_calculate_agaw()
 */
export function tableLevelsOf(capability: Capability): number {
  for (let levels = 5; levels >= 3; levels--) {
    if (supportsLevels(capability, levels)) return levels;
  }
  assert(false, 'unit supports 39, 48 or 57 bits');
}

/** True when SAGAW has the width of so many levels. */
export function supportsLevels(capability: Capability, levels: number): boolean {
  return levels >= 3 && levels <= 5 && bit(capability.addressWidths, levels - 2);
}

/** Bits of an address that translate: what the tables cover, lowered to MGAW. */
export function usableAddressBits(capability: Capability, levels: number): number {
  return Math.min(addressBitsOf(levels), capability.maxAddressBits);
}

/** The unit of QEMU 7.2 with a 48-bit address width: cap 0xd2008c222f0606, ecap 0xf00f4a. */
export const QEMU_CAPABILITY: Capability = decodeCapability(0x00d2008c, 0x222f0606);
export const QEMU_EXTENDED_CAPABILITY: ExtendedCapability = decodeExtendedCapability(0, 0x00f00f4a);

function bit(word: number, index: number): boolean {
  return ((word >>> index) & 1) === 1;
}

/** 1 GiB without 2 MiB does not exist: the sizes count from the smallest. */
function superpagesOf(field: number): SuperpageSupport {
  return field === 2 ? 0 : (field as SuperpageSupport);
}
