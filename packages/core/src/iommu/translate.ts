/**
 * What the unit does with one memory request of a device: context entry, width, IOTLB, walk of the tables, rights.
 *
 * A cached translation that lacks the right asked for does not decide: the tables are walked again, because software
 * need not flush when it adds rights. A translation that has the right is used without a look at the tables.
 *
 * @source Intel VT-d specification, "DMA Remapping", "Caching Translation Information"
 */
import { assert, type Iova, type IovaPfn, Observed, PAGE_SIZE, type Pfn, type PhysAddr } from '../base/index.ts';
import { WORDS_PER_FRAME } from '../mem/index.ts';
import { usableAddressBits } from './capability.ts';
import { ContextEntry, TranslationType } from './context.ts';
import { FaultReason } from './fault.ts';
import type { IommuUnit } from './iommu-unit.ts';
import { ENTRY_LARGE, ENTRY_READ, ENTRY_RIGHTS, ENTRY_WRITE, entryPages, entryPfn, entryStart } from './second-level-entry.ts';
import { NO_ENTRY } from './translation-cache.ts';

/** The request was refused; the reason is in the fault records. */
export const TRANSLATION_FAULT = -1;
/** The request is a write to the interrupt window: a message to a CPU, not to memory. */
export const INTERRUPT_REQUEST = -2;

/** The interrupt window, 0xfee00000 to 0xfeefffff: never translated. */
const INTERRUPT_FIRST_PFN = 0xfee00;
const INTERRUPT_LAST_PFN = 0xfeeff;

const UPPER_LEVELS_SPAN = 2 ** 27;

/** Scratch for a context-cache miss. */
const fetched = new ContextEntry();

/**
 * Physical byte address that a request reaches, TRANSLATION_FAULT or INTERRUPT_REQUEST.
 *
 * @param sourceId  requester id, 16 bits
 * @param iova      byte address, 0 to 2^53 - 1; wider ones as page numbers through `translatePfn`
 */
export function translate(unit: IommuUnit, sourceId: number, iova: Iova, isWrite: boolean): PhysAddr {
  const offset = iova & (PAGE_SIZE - 1);
  const pfn: number = translatePfn(unit, sourceId, (iova - offset) / PAGE_SIZE, isWrite);
  return pfn < 0 ? pfn : pfn * PAGE_SIZE + offset;
}

/** As `translate`, in pages: the physical page frame, TRANSLATION_FAULT or INTERRUPT_REQUEST. */
export function translatePfn(unit: IommuUnit, sourceId: number, iovaPfn: IovaPfn, isWrite: boolean): Pfn {
  const isInterruptWindow = iovaPfn >= INTERRUPT_FIRST_PFN && iovaPfn <= INTERRUPT_LAST_PFN;
  if (isInterruptWindow && isWrite) return INTERRUPT_REQUEST;
  if (!unit.translationEnabled) return identity(iovaPfn);
  const contexts = unit.contextCache;
  let row = contexts.find(sourceId);
  if (row === NO_ENTRY) {
    row = fetchContext(unit, sourceId, iovaPfn, isWrite);
    if (row === NO_ENTRY) return TRANSLATION_FAULT;
  }
  if (isInterruptWindow) return refuse(unit, row, sourceId, iovaPfn, FaultReason.NO_READ, isWrite);
  if (iovaPfn >= contexts.limitPfn[row]) return refuse(unit, row, sourceId, iovaPfn, FaultReason.BEYOND_ADDRESS_WIDTH, isWrite);
  const type = contexts.type[row];
  if (type === TranslationType.PASS_THROUGH) return identity(iovaPfn);
  const need = isWrite ? ENTRY_WRITE : ENTRY_READ;
  if (type === TranslationType.WITH_DEVICE_TLB && unit.deviceTlb !== null) {
    const entry = unit.deviceTlb.lookup(sourceId, iovaPfn);
    if (entry !== NO_ENTRY && (unit.deviceTlb.rightsAt(entry) & need) !== 0) return unit.deviceTlb.pfnAt(entry, iovaPfn);
  }
  const iotlb = unit.iotlb;
  if (iotlb !== null) {
    const entry = iotlb.lookup(contexts.domainId[row], iovaPfn);
    if (entry !== NO_ENTRY && (iotlb.rightsAt(entry) & need) !== 0) {
      if (type === TranslationType.WITH_DEVICE_TLB) fillDeviceTlbFrom(unit, sourceId, iovaPfn, entry);
      return iotlb.pfnAt(entry, iovaPfn);
    }
  }
  return walk(unit, row, sourceId, iovaPfn, isWrite);
}

/** Untranslated: the address is physical. */
function identity(page: number): Pfn {
  return page;
}

/** Reads a context entry into the context cache; NO_ENTRY and a fault record when there is no valid one. */
function fetchContext(unit: IommuUnit, sourceId: number, iovaPfn: IovaPfn, isWrite: boolean): number {
  const reason = unit.contextTable.read(sourceId, fetched);
  if (reason !== 0) {
    recordFault(unit, sourceId, -1, iovaPfn, reason, isWrite);
    return NO_ENTRY;
  }
  const limitPfn = 2 ** (usableAddressBits(unit.capability, fetched.levels) - 12);
  return unit.contextCache.store(sourceId, fetched, limitPfn);
}

/** Walks from the lowest cached table pointer, or from the root, and fills the caches on the way. */
function walk(unit: IommuUnit, row: number, sourceId: number, iovaPfn: IovaPfn, isWrite: boolean): Pfn {
  const contexts = unit.contextCache;
  const domainId = contexts.domainId[row];
  const structures = unit.pagingStructures;
  const words = unit.frames.words;
  const base = unit.frames.basePfn;
  const need = isWrite ? ENTRY_WRITE : ENTRY_READ;
  const lower = iovaPfn & (UPPER_LEVELS_SPAN - 1);
  const upper = Math.floor(iovaPfn / UPPER_LEVELS_SPAN);
  let level = contexts.levels[row];
  let tablePfn = contexts.rootPfn[row];
  let rights: number = ENTRY_RIGHTS;
  if (structures !== null) {
    const cached = structures.lookup(domainId, iovaPfn, level);
    if (cached !== 0) {
      level = cached - 1;
      tablePfn = structures.tablePfn;
      rights = structures.rights;
    }
  }
  const frameCount = words.length / WORDS_PER_FRAME;
  for (; ; level--) {
    const table = tablePfn - base;
    if (table < 0 || table >= frameCount) return refuse(unit, row, sourceId, iovaPfn, FaultReason.TABLE_POINTER_INVALID, isWrite);
    const index = level <= 3 ? lower >>> (9 * level - 9) : upper >>> (9 * level - 36);
    // In range, so the cut to 32 bits loses nothing and keeps what follows in integers.
    const word = (table | 0) * WORDS_PER_FRAME + 2 * (index & 511);
    const low = words[word];
    rights &= low;
    if ((rights & need) === 0) return refuse(unit, row, sourceId, iovaPfn, isWrite ? FaultReason.NO_WRITE : FaultReason.NO_READ, isWrite);
    const pfn = entryPfn(words[word + 1], low);
    if (level === 1) return finish(unit, row, sourceId, iovaPfn, 1, pfn, rights);
    if ((low & ENTRY_LARGE) !== 0) {
      if (!isLeaf(unit, level, pfn)) return refuse(unit, row, sourceId, iovaPfn, FaultReason.ENTRY_RESERVED_BITS, isWrite);
      return finish(unit, row, sourceId, iovaPfn, level, pfn + (iovaPfn - entryStart(iovaPfn, level)), rights);
    }
    if (structures !== null) structures.store(domainId, iovaPfn, level, pfn, rights);
    tablePfn = pfn;
  }
}

/** The page-size bit is allowed at this level, and the address bits inside the leaf are zero. */
function isLeaf(unit: IommuUnit, level: number, pfn: Pfn): boolean {
  return level <= 3 && ((unit.capability.superpages >> (level - 2)) & 1) === 1 && pfn % entryPages(level) === 0;
}

function finish(unit: IommuUnit, row: number, sourceId: number, iovaPfn: IovaPfn, level: number, pfn: Pfn, rights: number): Pfn {
  unit.iotlb?.store(unit.contextCache.domainId[row], iovaPfn, level, pfn, rights);
  if (unit.deviceTlb !== null && unit.contextCache.type[row] === TranslationType.WITH_DEVICE_TLB) {
    unit.deviceTlb.store(sourceId, iovaPfn, level, pfn, rights);
  }
  return pfn;
}

/** The device gets what the IOTLB holds, page by page. */
function fillDeviceTlbFrom(unit: IommuUnit, sourceId: number, iovaPfn: IovaPfn, entry: number): void {
  if (unit.deviceTlb === null || unit.iotlb === null) return;
  unit.deviceTlb.store(sourceId, iovaPfn, 1, unit.iotlb.pfnAt(entry, iovaPfn), unit.iotlb.rightsAt(entry));
}

function refuse(unit: IommuUnit, row: number, sourceId: number, iovaPfn: IovaPfn, reason: FaultReason, isWrite: boolean): number {
  assert(row !== NO_ENTRY, 'a refused request has a context');
  if (unit.contextCache.faultsDisabled[row] === 0) recordFault(unit, sourceId, unit.contextCache.domainId[row], iovaPfn, reason, isWrite);
  return TRANSLATION_FAULT;
}

function recordFault(unit: IommuUnit, sourceId: number, domainId: number, iovaPfn: IovaPfn, reason: FaultReason, isWrite: boolean): void {
  unit.faults.record(sourceId, iovaPfn, reason, isWrite);
  unit.log?.emit(Observed.FAULTED, 0, -1, domainId, iovaPfn * PAGE_SIZE, reason, isWrite ? 0 : 1);
}
