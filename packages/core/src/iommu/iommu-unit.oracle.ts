import { ObservationLog, StateArena } from '../base/index.ts';
import { FrameStore } from '../mem/index.ts';
import { type Capability, QEMU_CAPABILITY, QEMU_EXTENDED_CAPABILITY } from './capability.ts';
import { type TranslationType, TranslationType as Types } from './context.ts';
import { createDomain, DomainIds, type IommuDomain } from './domain.ts';
import { CallList } from './iommu-map.ts';
import { ADVERSARIAL_CACHES, IommuUnit, type IommuUnitOptions } from './iommu-unit.ts';
import { type PageTableOptions, PageTables } from './page-table.ts';

/** Device 00:02.0. */
export const SOURCE_ID = 0x10;

/** A unit with one domain and one device in it. */
export interface Bed {
  readonly arena: StateArena;
  readonly frames: FrameStore;
  readonly log: ObservationLog;
  readonly unit: IommuUnit;
  readonly ids: DomainIds;
  readonly tables: PageTables;
  readonly domain: IommuDomain;
  readonly calls: CallList;
}

export function bedOf(
  options: Partial<IommuUnitOptions> = {},
  type: TranslationType = Types.UNTRANSLATED,
  tableOptions: PageTableOptions = { leafAlwaysReadable: false, snoop: false },
): Bed {
  const arena = new StateArena();
  const frames = new FrameStore(arena, 0x1000, 8);
  const log = new ObservationLog();
  const capability: Capability = options.capability ?? QEMU_CAPABILITY;
  const unit = new IommuUnit(
    arena,
    frames,
    { ...ADVERSARIAL_CACHES, name: 'dmar0', capability, extendedCapability: { ...QEMU_EXTENDED_CAPABILITY, deviceTlb: true }, ...options },
    log,
  );
  const tables = new PageTables(arena, frames, 1, tableOptions, log);
  const ids = new DomainIds(arena, 'dmar0', capability.domainIds);
  const domain = createDomain(ids, tables, capability)!;
  unit.contextTable.set(SOURCE_ID, domain.domainId, type, domain.rootPfn, domain.levels, false);
  unit.setTranslationEnabled(true);
  log.clear();
  return { arena, frames, log, unit, ids, tables, domain, calls: new CallList() };
}

/** What the tables say without any cache: entries as 64-bit numbers, indices cut out of the address as one. */
export function obviousWalk(frames: FrameStore, rootPfn: number, levels: number, iovaPfn: number, isWrite: boolean): number {
  let table = BigInt(rootPfn);
  for (let level = levels; level >= 1; level--) {
    const index = Number((BigInt(iovaPfn) >> BigInt(9 * (level - 1))) & 511n);
    const entry = (BigInt(frames.high(Number(table), index)) << 32n) | BigInt(frames.low(Number(table), index));
    if ((entry & (isWrite ? 2n : 1n)) === 0n) return -1;
    const pfn = (entry >> 12n) & (2n ** 40n - 1n);
    if (level === 1 || (entry & 0x80n) !== 0n) return Number(pfn + (BigInt(iovaPfn) % 512n ** BigInt(level - 1)));
    table = pfn;
  }
  return -1;
}
