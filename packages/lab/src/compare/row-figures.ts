import { PAGE_SIZE } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import type { CompareDevice, DeviceFigures, Figure, FigureBasis, FigureUnit, MappingSizes, RowFigures } from './compare-result.ts';
import { sizeClasses } from './compare-result.ts';
import { Counter, type CounterTable } from './counters.ts';
import { chosenOwners, type PolicyRow } from './policy-row.ts';
import { ALIGNMENTS, Alignment, type SizeHistogram } from './size-histogram.ts';

/** What the figures of all rows have in common. */
export interface FigureContext {
  /** Events of the recording by kind: what can be `recorded` at all. */
  readonly eventsByKind: Float64Array;
  /** Events were lost: counts are lower bounds, peaks uncertain. */
  readonly loss: boolean;
  /** Machine indexes of the devices in the result, and what is said of each. */
  readonly deviceIndexes: readonly number[];
  readonly devices: readonly CompareDevice[];
  /** Devices that the total is of. */
  readonly chosen: ReadonlySet<number>;
}

/** Where a row's figures come from. */
interface RowSource {
  readonly row: PolicyRow;
  /** Counts of the recording's own lines, for the row as-recorded. */
  readonly recorded: CounterTable | undefined;
  /** Flush timers of the row are modelled, so that what depends on them is. */
  readonly modelled: boolean;
}

/** Which counters and domains a figure sums up; null for all. */
interface Part {
  readonly owners: readonly number[];
  readonly domains: readonly number[];
  /** Device of the machine, -1 for all. */
  readonly device: number;
  /** False for a device whose domain's figures stand at another one. */
  readonly bearsDomain: boolean;
  /** Sync calls of a device in this part left no lines. */
  readonly syncsUnseen: boolean;
}

/** Figures of the chosen devices together, then of each device. */
export function rowFigures(
  context: FigureContext,
  row: PolicyRow,
  recorded: CounterTable | undefined,
  modelled: boolean,
): { readonly total: RowFigures; readonly devices: readonly DeviceFigures[] } {
  const source: RowSource = { row, recorded, modelled };
  return {
    total: new FigureBuilder(context, source, chosenOf(context, row)).figures(),
    devices: context.devices.map((device, position) => ({
      name: device.name,
      policy: row.machine.devices[context.deviceIndexes[position]].policy.name,
      ...new FigureBuilder(context, source, partOf(context, row, position)).figures(),
    })),
  };
}

/** Upper limits of `sizeClasses`, bytes, inclusive. */
const CLASS_LIMITS: readonly number[] = [256, 2048, PAGE_SIZE - 1, PAGE_SIZE, 65_536, 262_144, Number.POSITIVE_INFINITY];

/** Sizes of one device's mappings, or of all of `devices`. */
export function mappingSizes(sizes: SizeHistogram, devices: readonly number[], loss: boolean): MappingSizes {
  const sum = (of: (device: number) => number): number => devices.reduce((total, device) => total + of(device), 0);
  const figure = (value: number, unit: FigureUnit): Figure => ({ value, unit, basis: 'recorded', ...(loss ? { lowerBound: true } : {}) });
  const count = (sizeClass: number, alignment: Alignment): number =>
    sum((device) => sizes.count(device, alignment, sizeClass === 0 ? -1 : CLASS_LIMITS[sizeClass - 1], CLASS_LIMITS[sizeClass]).ranges);
  const classes = sizeClasses.map((size, index) => ({
    size,
    aligned: figure(count(index, Alignment.ALIGNED), 'ranges'),
    startAligned: figure(count(index, Alignment.START_ALIGNED), 'ranges'),
    unaligned: figure(count(index, Alignment.UNALIGNED), 'ranges'),
  }));
  const ranges = classes.reduce((total, row) => total + row.aligned.value! + row.startAligned.value! + row.unaligned.value!, 0);
  return {
    ranges: figure(ranges, 'ranges'),
    bytes: figure(
      sum((device) => ALIGNMENTS.reduce<number>((total, alignment) => total + sizes.count(device, alignment).bytes, 0)),
      'bytes',
    ),
    classes,
  };
}

/** The chosen devices and their domains; what nobody known did counts with all devices only. */
function chosenOf(context: FigureContext, row: PolicyRow): Part {
  const { machine, counters } = row;
  const owners = chosenOwners(row, context.chosen);
  return {
    owners: context.chosen.size === machine.devices.length ? [...owners, counters.owners - 1] : owners,
    domains: owners.flatMap((owner) => (owner < machine.devices.length ? [] : [owner - machine.devices.length])),
    device: -1,
    bearsDomain: true,
    syncsUnseen: context.devices.some(
      (device, position) => device.chosen && device.syncsUnseen && bounces(row, context.deviceIndexes[position]),
    ),
  };
}

function partOf(context: FigureContext, row: PolicyRow, position: number): Part {
  const device = context.deviceIndexes[position];
  const { sharesDomainWith, syncsUnseen } = context.devices[position];
  const { domain } = row.machine.devices[device];
  const bearsDomain = sharesDomainWith === null;
  const domains = domain !== null && bearsDomain ? [domain.index] : [];
  return {
    owners: [device, ...domains.map((index) => row.machine.devices.length + index)],
    domains,
    device,
    bearsDomain,
    syncsUnseen: syncsUnseen && bounces(row, device),
  };
}

function bounces(row: PolicyRow, device: number): boolean {
  return row.counters.get(device, Counter.BOUNCE_ATTEMPTS) > 0;
}

/** Makes the figures of one part of one row. */
class FigureBuilder {
  private readonly context: FigureContext;
  private readonly source: RowSource;
  private readonly part: Part;

  constructor(context: FigureContext, source: RowSource, part: Part) {
    this.context = context;
    this.source = source;
    this.part = part;
  }

  figures(): RowFigures {
    return {
      calls: this.calls(),
      mapped: this.shown(Counter.MAPPED, 'calls'),
      failed: this.shown(Counter.FAILED, 'calls'),
      failures: {
        poolFull: this.counted(Counter.POOL_FULL, 'calls'),
        neverFits: this.counted(Counter.NEVER_FITS, 'calls'),
        endlessSearch: this.counted(Counter.ENDLESS_SEARCH, 'calls'),
        noPool: this.counted(Counter.NO_POOL, 'calls'),
        addressSpaceExhausted: this.counted(Counter.ADDRESS_SPACE, 'calls'),
        outOfReach: this.counted(Counter.OUT_OF_REACH, 'calls'),
        pageTable: this.counted(Counter.PAGE_TABLE, 'calls'),
      },
      bounced: {
        attempts: this.shown(Counter.BOUNCE_ATTEMPTS, 'ranges', EventKind.BOUNCED),
        directWhenDry: this.counted(Counter.DIRECT_WHEN_DRY, 'ranges'),
        ranges: this.counted(Counter.BOUNCED_RANGES, 'ranges'),
        bytes: this.counted(Counter.BOUNCED_BYTES, 'bytes'),
        rangeShare: this.share(Counter.BOUNCED_RANGES, Counter.RANGES),
        byteShare: this.share(Counter.BOUNCED_BYTES, Counter.RANGE_BYTES),
      },
      copied: this.copied(),
      zeroed: this.counted(Counter.ZEROED, 'bytes'),
      pageTable: {
        mapOperations: this.shown(Counter.TABLE_MAPS, 'operations', EventKind.MAP),
        mappedPages: this.shown(Counter.TABLE_MAPPED_PAGES, 'pages', EventKind.MAP),
        unmapOperations: this.shown(Counter.TABLE_UNMAPS, 'operations', EventKind.UNMAP),
        unmappedPages: this.shown(Counter.TABLE_UNMAPPED_PAGES, 'pages', EventKind.UNMAP),
        tablePages: this.ofDomains((domain) => this.source.row.counts.tablePages[domain], 'pages'),
        tablePagesPeak: this.tablePagesPeak(),
      },
      invalidations: this.invalidations(),
      flushes: this.flushes(),
      iova: {
        pages: this.ofDomains((domain) => this.source.row.machine.domains[domain].iovaPages, 'pages'),
        pagesPeak: this.ofDomains((domain) => this.source.row.machine.domains[domain].iovaPagesPeak, 'pages'),
      },
      pool: this.pool(),
      departures: {
        releasedAtOnce: this.counted(Counter.RELEASED_AT_ONCE, 'calls'),
        skippedUnmaps: this.counted(Counter.SKIPPED_UNMAPS, 'calls'),
        leftOpen: this.counted(Counter.LEFT_OPEN, 'calls'),
      },
    };
  }

  private calls(): RowFigures['calls'] {
    return {
      mapPage: this.shown(Counter.MAP_PAGE, 'calls'),
      unmapPage: this.shown(Counter.UNMAP_PAGE, 'calls'),
      mapSg: this.shown(Counter.MAP_SG, 'calls'),
      mapSgEntries: this.shown(Counter.MAP_SG_ENTRIES, 'ranges'),
      unmapSg: this.shown(Counter.UNMAP_SG, 'calls'),
      mapResource: this.shown(Counter.MAP_RESOURCE, 'calls'),
      unmapResource: this.shown(Counter.UNMAP_RESOURCE, 'calls'),
      alloc: this.shown(Counter.ALLOC, 'calls'),
      free: this.shown(Counter.FREE, 'calls'),
      sync: this.shown(Counter.SYNC, 'calls'),
    };
  }

  private copied(): RowFigures['copied'] {
    const atSync = this.part.syncsUnseen;
    const inAtMap = this.sum(Counter.COPIED_IN_MAP);
    const inAtSync = this.sum(Counter.COPIED_IN_SYNC);
    const outAtSync = this.sum(Counter.COPIED_OUT_SYNC);
    const outAtUnmap = this.sum(Counter.COPIED_OUT_UNMAP);
    return {
      inAtMap: this.bound(inAtMap, 'bytes', false),
      inAtSync: this.bound(inAtSync, 'bytes', atSync),
      outAtSync: this.bound(outAtSync, 'bytes', atSync),
      outAtUnmap: this.bound(outAtUnmap, 'bytes', false),
      in: this.bound(inAtMap + inAtSync, 'bytes', atSync),
      out: this.bound(outAtSync + outAtUnmap, 'bytes', atSync),
    };
  }

  private invalidations(): RowFigures['invalidations'] {
    const submissions = this.sum(Counter.PAGE_SELECTIVE) + this.sum(Counter.DOMAIN_SELECTIVE);
    return {
      pageSelective: this.shown(Counter.PAGE_SELECTIVE, 'descriptors', EventKind.QI_SUBMIT),
      domainSelective: this.shown(Counter.DOMAIN_SELECTIVE, 'descriptors', EventKind.QI_SUBMIT, true),
      waits: this.bound(submissions, 'descriptors', false, this.timedBasis),
      descriptors: this.bound(submissions * 2, 'descriptors', false, this.timedBasis),
    };
  }

  private flushes(): RowFigures['flushes'] {
    const { row } = this.source;
    const { device, domains } = this.part;
    const isLazy =
      device < 0 ? domains.some((domain) => row.machine.domains[domain].flushQueue !== null) : row.machine.devices[device].policy.lazy;
    if (!isLazy) {
      const none = (unit: FigureUnit): Figure => ({ value: null, unit, basis: 'replay' });
      return {
        timer: none('flushes'),
        ringFull: none('flushes'),
        earlyOwn: none('flushes'),
        earlyForeign: this.early(Counter.FLUSHES_EARLY_FOREIGN, true),
        queuePeak: none('entries'),
      };
    }
    const lazy = domains.filter((domain) => row.machine.domains[domain].flushQueue !== null);
    return {
      timer: this.shown(Counter.FLUSHES_TIMER, 'flushes', this.flushKind, true),
      ringFull: this.shown(Counter.FLUSHES_RING_FULL, 'flushes', this.flushKind, true),
      earlyOwn: this.early(Counter.FLUSHES_EARLY_OWN, false),
      earlyForeign: this.early(Counter.FLUSHES_EARLY_FOREIGN, false),
      queuePeak: this.peak(
        this.part.bearsDomain ? lazy.reduce((sum, domain) => sum + row.machine.domains[domain].flushQueue!.entriesPeak, 0) : null,
        'entries',
        this.timedBasis,
      ),
    };
  }

  /** Flushes for want of slots, which no recording has. A device that never flushes itself can ask for those of others. */
  private early(counter: Counter, noneIsNull: boolean): Figure {
    const count = this.sum(counter);
    return noneIsNull && count === 0
      ? { value: null, unit: 'flushes', basis: 'replay' }
      : this.bound(count, 'flushes', false, this.timedBasis);
  }

  private pool(): RowFigures['pool'] {
    const { row } = this.source;
    const { counts } = row;
    const { pool } = row.machine;
    const { device } = this.part;
    const used = pool === null ? null : device < 0 ? pool.used : counts.slotsUsed[device];
    const peak = pool === null ? null : device < 0 ? pool.hiwater : counts.slotsPeak[device];
    const smallest = device < 0 ? (row.candidates?.smallest ?? null) : null;
    const waiting = device < 0 ? counts.slotsWaitingPeakTotal : counts.slotsWaitingPeak[device];
    return {
      slots: this.peak(used, 'slots'),
      slotsPeak: this.peak(peak, 'slots'),
      waitingPeak: this.peak(counts.slotsWaitingPeakTotal === 0 ? null : waiting, 'slots', this.timedBasis),
      smallestSlots: this.peak(smallest, 'slots'),
    };
  }

  private tablePagesPeak(): Figure {
    const { row } = this.source;
    if (this.part.device < 0 && this.part.domains.length === row.machine.domains.length)
      return this.peak(row.counts.tablePagesTotalPeak, 'pages', this.timedBasis);
    return this.ofDomains((domain) => row.counts.tablePagesPeak[domain], 'pages');
  }

  private ofDomains(of: (domain: number) => number, unit: FigureUnit): Figure {
    const { domains, bearsDomain } = this.part;
    return this.peak(bearsDomain ? domains.reduce((sum, domain) => sum + of(domain), 0) : null, unit, this.timedBasis);
  }

  // ---- one figure --------------------------------------------------------------------------------------------

  /** Depends on when a lazy domain is flushed. */
  private get timedBasis(): FigureBasis {
    return this.source.modelled ? 'model' : 'replay';
  }

  /** Events that show the flush of a whole domain. */
  private get flushKind(): EventKind {
    return this.context.eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL] > 0 ? EventKind.CACHE_TAG_FLUSH_ALL : EventKind.QI_SUBMIT;
  }

  private sum(counter: Counter): number {
    return sumOf(this.source.row.counters, this.part.owners, counter);
  }

  private counted(counter: Counter, unit: FigureUnit): Figure {
    return this.bound(this.sum(counter), unit, false);
  }

  /** A count that the recording shows by itself, if it has lines of that kind. */
  private shown(counter: Counter, unit: FigureUnit, kind?: EventKind, timed: boolean = false): Figure {
    const { recorded } = this.source;
    const replay = this.sum(counter);
    const hasLines = kind === undefined || this.context.eventsByKind[kind] > 0;
    if (recorded === undefined || !hasLines) return this.bound(replay, unit, false, timed ? this.timedBasis : 'replay');
    return { ...this.bound(sumOf(recorded, this.part.owners, counter), unit, false, 'recorded'), replay };
  }

  private bound(value: number, unit: FigureUnit, isLower: boolean, basis: FigureBasis = 'replay'): Figure {
    return { value, unit, basis, ...(isLower || this.context.loss ? { lowerBound: true } : {}) };
  }

  /** A state or a peak, which lost events can make too large as well. */
  private peak(value: number | null, unit: FigureUnit, basis: FigureBasis = 'replay'): Figure {
    return { value, unit, basis, ...(this.context.loss && value !== null ? { uncertain: true } : {}) };
  }

  private share(part: Counter, whole: Counter): Figure {
    const all = this.sum(whole);
    const share = all === 0 ? null : this.sum(part) / all;
    return { value: share, unit: 'ratio', basis: 'replay', ...(this.context.loss && share !== null ? { uncertain: true } : {}) };
  }
}

function sumOf(counters: CounterTable, owners: readonly number[], counter: Counter): number {
  let sum = 0;
  for (const owner of owners) sum += counters.get(owner, counter);
  return sum;
}
