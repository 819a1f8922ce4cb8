import type { Figure, FigureBasis, FigureUnit } from '../compare/compare-result.ts';
import type { ExposureAuditor } from './exposure-auditor.ts';
import { AccessKind, ExposureMeasure } from './exposure-class.ts';
import { WindowKind, type WindowTotals } from './stale-windows.ts';

const NS_PER_SECOND = 1e9;

/** What the devices could reach in one row of a comparison, as plain data. */
export interface ExposureFigures {
  /** Devices that an IOMMU limits and that made mappings, all together; a byte that two of them reach counts twice. */
  readonly total: DeviceReach;
  readonly devices: readonly DeviceExposure[];
  /** Which device reached whose data. */
  readonly coLocations: {
    readonly pairs: readonly ExposedPair[];
    /** The worst ones by byte-seconds; `pairs` counts all. */
    readonly worst: readonly ExposedData[];
  };
  /** The first mappings made under stale entries; the devices' `reuse` counts all. */
  readonly reuses: readonly {
    readonly device: string;
    readonly byDevice: string;
    /** Lines of the trace: the unmap whose entry was still cached, and the later map. null: not known. */
    readonly unmapLine: number | null;
    readonly mapLine: number | null;
    readonly pageAddress: number;
    readonly timeNs: number;
  }[];
}

export interface DeviceExposure extends DeviceReach {
  readonly name: string;
  /** Windows between the clearing of entries and their completed invalidation. */
  readonly stale: {
    /** Onto anything but retired slots of the device itself. */
    readonly other: StaleWindowFigures;
    /** Onto nothing but retired slots of the device itself. */
    readonly ownSlots: StaleWindowFigures;
    /** With write right onto memory that is no bounce slot of the device. */
    readonly writeAfterUnmap: StaleWindowFigures;
  };
  /** Mappings made while a stale entry of the device still reached their page; memory that nobody maps again is not seen. */
  readonly reuse: {
    readonly sameDevice: Figure;
    readonly sameDeviceBytes: Figure;
    readonly otherDevice: Figure;
    readonly otherDeviceBytes: Figure;
  };
}

/** Bytes within reach. null: no IOMMU in the way, so that all memory is. */
export interface DeviceReach {
  readonly reach: 'limited' | 'all memory';
  readonly read: AccessExposure | null;
  readonly write: AccessExposure | null;
  /** Read or written, each byte once. */
  readonly either: AccessExposure | null;
  /** Null unless series were asked for. */
  readonly series: ExposureSeries | null;
}

/** Each byte is in exactly one of the first seven; see docs/exposure.md. */
export interface AccessExposure {
  readonly ownLive: HeldBytes;
  readonly ownCoherent: HeldBytes;
  readonly ownPadding: HeldBytes;
  readonly ownSlot: HeldBytes;
  readonly neighbour: HeldBytes;
  readonly otherDevice: HeldBytes;
  readonly stale: HeldBytes;
  /** `neighbour` and `otherDevice`. */
  readonly subPage: HeldBytes;
  /** The part of `ownSlot` that only stale entries reach. */
  readonly retiredSlot: HeldBytes;
  /** Under `write`: outside the bounce pool, reached by stale entries only, and not mapped again for the device. */
  readonly afterUnmap: HeldBytes;
}

export interface HeldBytes {
  readonly peak: Figure;
  readonly byteSeconds: Figure;
}

export interface StaleWindowFigures {
  readonly windows: Figure;
  readonly longest: Figure;
  /** Line of the unmap that opened the longest, null without one. */
  readonly longestLine: number | null;
  readonly sumOfLengths: Figure;
  /** Windows, and pages under them, that close inside the call that opens them: as long as one invalidation takes. */
  readonly windowsInsideCall: Figure;
  readonly pagesInsideCall: Figure;
}

export interface ExposedPair {
  readonly device: string;
  readonly otherDevice: string;
  /** The two share a domain: no policy separates them. */
  readonly sameDomain: boolean;
  readonly count: number;
  readonly bytesPeak: Figure;
  readonly byteSeconds: Figure;
}

export interface ExposedData {
  readonly device: string;
  readonly otherDevice: string;
  /** Lines of the trace that mapped the page, or unmapped it where only a stale entry reaches it, and that mapped the data. */
  readonly line: number | null;
  readonly otherLine: number | null;
  readonly throughStale: boolean;
  readonly pageAddress: number;
  readonly bytes: number;
  readonly sinceNs: number;
  readonly durationNs: number;
  readonly byteSeconds: number;
}

/** For plots: bytes that can be read or written, in the order of `classes`, mean and largest in each bucket of time. */
export interface ExposureSeries {
  readonly classes: readonly string[];
  readonly bucketNs: number;
  readonly buckets: readonly {
    readonly startNs: number;
    readonly mean: readonly number[];
    readonly max: readonly number[];
  }[];
}

/** What the figures cannot take from the auditor. */
export interface ExposureContext {
  /** Devices to show, by index, and names of all. */
  readonly shown: readonly number[];
  readonly names: readonly string[];
  /** Domain by device, -1 for none. */
  readonly domains: readonly number[];
  /** Where the moments of flushes come from: `replay` when the row has none that matter. */
  readonly flushes: FigureBasis;
  /** Events were lost. */
  readonly loss: boolean;
}

/** Names of the classes in `ExposureSeries`, in the order of ExposureClass. */
const CLASS_NAMES = ['ownLive', 'ownCoherent', 'otherDevice', 'ownPadding', 'ownSlot', 'neighbour', 'stale'];

/** Measures that do not depend on when a flush comes. */
const SETTLED_BY_CALLS: ReadonlySet<ExposureMeasure> = new Set([
  ExposureMeasure.OWN_LIVE,
  ExposureMeasure.OWN_COHERENT,
  ExposureMeasure.OWN_PADDING,
  ExposureMeasure.NEIGHBOUR,
]);

/** The figures of an auditor that has finished. */
export function exposureFigures(auditor: ExposureAuditor, context: ExposureContext): ExposureFigures {
  const { names, domains } = context;
  const { coLocations, reuses, meter } = auditor;
  return {
    total: reachOf(auditor, meter.all, context),
    devices: context.shown.map((device) => deviceExposure(auditor, device, context)),
    coLocations: {
      pairs: coLocations.pairs.map(({ device, otherDevice, count, bytesPeak, byteNanoseconds }) => ({
        device: names[device],
        otherDevice: names[otherDevice],
        sameDomain: domains[device] === domains[otherDevice],
        count,
        bytesPeak: figure(bytesPeak, 'bytes', context.flushes, context),
        byteSeconds: figure(byteNanoseconds / NS_PER_SECOND, 'byte-seconds', context.flushes, context),
      })),
      worst: coLocations.worst.map(({ device, otherDevice, line, otherLine, byteNanoseconds, ...rest }) => ({
        device: names[device],
        otherDevice: names[otherDevice],
        line: knownLine(line),
        otherLine: knownLine(otherLine),
        ...rest,
        byteSeconds: byteNanoseconds / NS_PER_SECOND,
      })),
    },
    reuses: reuses.first.map(({ device, byDevice, unmapLine, mapLine, ...rest }) => ({
      device: names[device],
      byDevice: names[byDevice],
      unmapLine: knownLine(unmapLine),
      mapLine: knownLine(mapLine),
      ...rest,
    })),
  };
}

function deviceExposure(auditor: ExposureAuditor, device: number, context: ExposureContext): DeviceExposure {
  const { windows, reuses } = auditor;
  const limited = auditor.isTranslated[device];
  const reused = (value: number, unit: FigureUnit): Figure => {
    const counted = figure(limited ? value : null, unit, context.flushes, context);
    return limited ? { ...counted, lowerBound: true } : counted;
  };
  const stale = (kind: WindowKind): StaleWindowFigures => windowFigures(limited ? windows.totalsOf(device, kind) : undefined, context);
  return {
    name: context.names[device],
    ...reachOf(auditor, device, context),
    stale: {
      other: stale(WindowKind.OTHER),
      ownSlots: stale(WindowKind.OWN_SLOT),
      writeAfterUnmap: stale(WindowKind.AFTER_UNMAP),
    },
    reuse: {
      sameDevice: reused(reuses.sameDevice[device], 'mappings'),
      sameDeviceBytes: reused(reuses.sameDeviceBytes[device], 'bytes'),
      otherDevice: reused(reuses.otherDevice[device], 'mappings'),
      otherDeviceBytes: reused(reuses.otherDeviceBytes[device], 'bytes'),
    },
  };
}

/** In the total a device without IOMMU makes everything reachable. */
function reachOf(auditor: ExposureAuditor, device: number, context: ExposureContext): DeviceReach {
  const { meter, isTranslated } = auditor;
  const limited = device === meter.all ? context.shown.every((shown) => isTranslated[shown]) : isTranslated[device];
  if (!limited) return { reach: 'all memory', read: null, write: null, either: null, series: null };
  const access = (kind: AccessKind): AccessExposure => accessExposure(auditor, device, kind, context);
  return {
    reach: 'limited',
    read: access(AccessKind.READ),
    write: access(AccessKind.WRITE),
    either: access(AccessKind.EITHER),
    series: seriesOf(auditor, device),
  };
}

function accessExposure(auditor: ExposureAuditor, device: number, access: AccessKind, context: ExposureContext): AccessExposure {
  const { meter } = auditor;
  const held = (measure: ExposureMeasure): HeldBytes => {
    const basis = SETTLED_BY_CALLS.has(measure) ? 'replay' : context.flushes;
    const seconds = meter.byteNanoseconds(device, access, measure) / NS_PER_SECOND;
    return {
      peak: figure(meter.bytesPeak(device, access, measure), 'bytes', basis, context),
      byteSeconds: figure(seconds, 'byte-seconds', basis, context),
    };
  };
  return {
    ownLive: held(ExposureMeasure.OWN_LIVE),
    ownCoherent: held(ExposureMeasure.OWN_COHERENT),
    ownPadding: held(ExposureMeasure.OWN_PADDING),
    ownSlot: held(ExposureMeasure.OWN_SLOT),
    neighbour: held(ExposureMeasure.NEIGHBOUR),
    otherDevice: held(ExposureMeasure.OTHER_DEVICE),
    stale: held(ExposureMeasure.STALE),
    subPage: held(ExposureMeasure.SUB_PAGE),
    retiredSlot: held(ExposureMeasure.RETIRED_SLOT),
    afterUnmap: held(ExposureMeasure.AFTER_UNMAP),
  };
}

function windowFigures(totals: WindowTotals | undefined, context: ExposureContext): StaleWindowFigures {
  const timed = (value: number | undefined, unit: FigureUnit): Figure => figure(value ?? null, unit, context.flushes, context);
  const counted = (value: number | undefined, unit: FigureUnit): Figure => figure(value ?? null, unit, 'replay', context);
  const some = totals !== undefined && totals.windows > 0;
  return {
    windows: timed(totals?.windows, 'windows'),
    longest: timed(some ? totals.longestNs : undefined, 'ns'),
    longestLine: some ? knownLine(totals.longestLine) : null,
    sumOfLengths: timed(totals?.totalNs, 'ns'),
    windowsInsideCall: counted(totals?.windowsInCall, 'windows'),
    pagesInsideCall: counted(totals?.pagesInCall, 'pages'),
  };
}

function seriesOf(auditor: ExposureAuditor, device: number): ExposureSeries | null {
  const series = auditor.meter.seriesOf(device);
  if (series === undefined) return null;
  return { classes: CLASS_NAMES, bucketNs: series.bucketNs, buckets: series.buckets() };
}

function knownLine(line: number): number | null {
  return line > 0 ? line : null;
}

function figure(value: number | null, unit: FigureUnit, basis: FigureBasis, { loss }: ExposureContext): Figure {
  return { value, unit, basis, ...(loss && value !== null ? { uncertain: true } : {}) };
}
