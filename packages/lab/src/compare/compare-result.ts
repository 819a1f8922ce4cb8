import type { PropertyName } from 'dmalab-core';
import type { DataLevel } from 'dmalab-trace';
import type { CostRanking } from '../cost/rank-rows.ts';
import type { ExposureFigures } from '../exposure/exposure-figures.ts';
import type { RecordingFacts } from '../replay/recording-facts.ts';
import type { Sharing } from '../saturate/saturated-machine.ts';
import type { SaturationResult } from '../saturate/saturation-result.ts';
import type { RowCost, RowWork } from './row-cost.ts';

/** Version of the object below; it changes when a field changes its meaning or goes away. */
export const COMPARE_RESULT_VERSION = 2;

/** Name of the row of the machine as it was. */
export const AS_RECORDED = 'as-recorded';

/**
 * Where a number comes from: `recorded` counted in the trace, `replay` counted by the engine, `model` depends on modelled
 * timer moments, `given` set by the user or taken over unchecked, `inferred` filled in by a rule.
 */
export type FigureBasis = 'recorded' | 'replay' | 'model' | 'given' | 'inferred';

export type FigureUnit =
  | 'calls'
  | 'ranges'
  | 'bytes'
  | 'operations'
  | 'pages'
  | 'slots'
  | 'descriptors'
  | 'flushes'
  | 'entries'
  | 'ratio'
  | 'byte-seconds'
  | 'ns'
  | 'windows'
  | 'mappings';

/** A number that knows what it is. */
export interface Figure {
  /** null: does not apply here (no pool, no flush queue, a figure of the whole domain on its second device). */
  readonly value: number | null;
  readonly unit: FigureUnit;
  readonly basis: FigureBasis;
  /** Beside a recorded value: what the engine counts for the same. */
  readonly replay?: number;
  /** The true value may be larger: the trace does not show everything that counts. */
  readonly lowerBound?: true;
  /** Events were lost, so that the true value may be larger or smaller. */
  readonly uncertain?: true;
}

/** The answer of `compare`, as `--json` prints it. */
export interface CompareResult {
  readonly data: CompareData;
  readonly format: 'dmalab-compare';
  readonly version: number;
  readonly recording: CompareRecording;
  /** Devices of the machine that have calls in the trace, or were named by the user. */
  readonly devices: readonly CompareDevice[];
  /** What was mapped, whatever the policy: all devices together, then each in the order of `devices`. */
  readonly mappings: MappingSizes;
  readonly mappingsByDevice: readonly MappingSizes[];
  /** What the figures say, in sentences, the most important one first; empty without a cost profile. */
  readonly verdict: readonly string[];
  /** The rows that promise P1 to P6, ranked in pairs; null without a price. */
  readonly ranking: CostRanking | null;
  /** Name of the cost profile, null without one. */
  readonly profile: string | null;
  /** A page-selective invalidation alone, as the profile has it, ns: how long a stale window inside a call lasts. */
  readonly invalidationNs: number | null;
  /** The load with many CPUs, whose results the rows have; null when it was not asked for, or not reached. */
  readonly saturation: CompareSaturation | null;
  /** `as-recorded` first. */
  readonly rows: readonly CompareRow[];
}

/** A policy on a number of CPUs, priced. */
export type SaturatedPoint = Omit<SaturationResult, 'charges'>;

/** What ran on many CPUs. */
export interface CompareSaturation {
  /** Numbers of CPUs, ascending. */
  readonly cpus: readonly number[];
  /** What the CPUs share. */
  readonly sharing: Sharing;
  /** The calls that each CPU repeats: those of mappings that are made and ended inside a window of the recording. */
  readonly window: {
    readonly calls: number;
    readonly pairs: number;
    readonly devices: readonly string[];
    /** Left out: ends and syncs of mappings made before the window, and mappings still there behind it. */
    readonly endedFromBefore: number;
    readonly leftOpen: number;
  };
  /** Why nothing ran, null when it did. */
  readonly obstacle: string | null;
}

/** Bounce slots in use over time, all devices together; 1024 buckets at most. */
export interface PoolSeries {
  /** Slots of the pool. */
  readonly limit: number;
  readonly bucketNs: number;
  readonly buckets: readonly { readonly startNs: number; readonly mean: number; readonly max: number }[];
}

/** How good the input is. */
export interface CompareData {
  readonly level: DataLevel;
  /** The DATA lines of every output. */
  readonly lines: readonly string[];
  readonly events: number;
  readonly lost: number;
  readonly notUnderstood: number;
  /** Values that were not recorded. */
  readonly inferred: readonly { readonly what: string; readonly value: string; readonly why: string; readonly basis: string }[];
  readonly contradictions: readonly {
    readonly what: string;
    readonly trace: string;
    readonly description: string;
    readonly line: number | null;
  }[];
  /** What did not fit while lines were put together into calls. */
  readonly assembly: {
    /** Failed scatter lists without an API line, rebuilt from their inner lines. */
    readonly rebuilt: number;
    /** Unmaps, frees and syncs of mappings whose beginning is not in the trace; not replayed. */
    readonly unknownMappings: number;
    readonly strayLines: number;
    readonly mappingsReplaced: number;
    /** Lines of the files that show the first of each, 0 for none. */
    readonly firstUnknownMappingLine: number;
    readonly firstStrayLine: number;
    /** Calls of devices that neither the description nor the first part of the trace knows; not replayed. */
    readonly callsOfUnknownDevices: number;
    /** Calls whose lines do not say which memory they map (failed allocations, empty lists); not replayed. */
    readonly callsWithoutRanges: number;
    /** Scatter lists of which the kernel printed only a part. */
    readonly listsCut: number;
  };
}

/** Facts of the recording, and what the rows make of it. */
export interface CompareRecording extends RecordingFacts {
  /** Pool of the recorded machine, null without one, and of the what-if rows. */
  readonly pool: ComparePool | null;
  readonly whatIfPool: ComparePool | null;
  /** Moments of lazy flushes in the row as-recorded: from the trace, or modelled because it does not show them. */
  readonly flushMoments: 'recorded' | 'model';
}

export interface ComparePool {
  readonly slots: number;
  readonly areas: number;
  readonly bytes: number;
  readonly basis: FigureBasis;
}

export interface CompareDevice {
  /** PCI address as in the trace. */
  readonly name: string;
  readonly driver: string | null;
  readonly untrusted: boolean;
  readonly group: number | null;
  /** Policy that its recorded mode amounts to. */
  readonly recordedPolicy: string;
  /** Whether the policies of the what-if rows hold for it; otherwise it keeps its recorded mode. */
  readonly chosen: boolean;
  /** Another device in the same domain that bears the figures of the whole domain; null when this one does. */
  readonly sharesDomainWith: string | null;
  /** Map and unmap calls in the trace, allocations and frees included. */
  readonly mapCalls: number;
  readonly unmapCalls: number;
  /** The device did not bounce in the recording: its sync calls left no lines. */
  readonly syncsUnseen: boolean;
}

/** Classes of size, upper limits inclusive; the last one has none. Between 2 KiB and 4 KiB the limit 4 KiB itself is a class. */
export const sizeClasses = ['<=256 B', '<=2 KiB', '<4 KiB', '4 KiB', '<=64 KiB', '<=256 KiB', '>256 KiB'] as const;
export type SizeClass = (typeof sizeClasses)[number];

/** Streaming mappings by size and alignment; each entry of a scatter list is a range of its own. */
export interface MappingSizes {
  readonly ranges: Figure;
  readonly bytes: Figure;
  /** In the order of `sizeClasses`. */
  readonly classes: readonly {
    readonly size: SizeClass;
    /** Starts and ends on a page boundary. */
    readonly aligned: Figure;
    readonly startAligned: Figure;
    readonly unaligned: Figure;
  }[];
}

/** One policy. */
export interface CompareRow {
  /** `as-recorded` or the name of a policy. */
  readonly policy: string;
  readonly summary: string;
  /** Where the policy exists in the world; null in the row as-recorded. */
  readonly status: string | null;
  /** Properties that the policy is held to, null in the row as-recorded: what it promises, not what this trace shows. */
  readonly promises: readonly PropertyName[] | null;
  /** Work of the chosen devices in the quantities that profiles price; null without a cost profile. */
  readonly work: RowWork | null;
  /** Its price; null without a cost profile. */
  readonly cost: RowCost | null;
  /** What the chosen devices could reach; null without a cost profile. */
  readonly exposure: ExposureFigures | null;
  /** Null unless series were asked for, without a cost profile, without a pool, and when no slot was ever taken. */
  readonly poolSeries: PoolSeries | null;
  /** One result for each number of CPUs; null when the saturate load did not run in this row. */
  readonly saturation: readonly SaturatedPoint[] | null;
  /** The chosen devices together; pool figures are the whole machine's. */
  readonly total: RowFigures;
  /** In the order of the result's `devices`. */
  readonly devices: readonly DeviceFigures[];
}

export interface DeviceFigures extends RowFigures {
  readonly name: string;
  /** Policy of the device in this row. */
  readonly policy: string;
}

/** The counts of one row, for all devices or for one. */
export interface RowFigures {
  /**
   * Calls of the drivers that were replayed; the same in all rows but for unmaps of what could not be mapped. A failed
   * scatter list that was rebuilt counts as a call, with the entries that are known.
   */
  readonly calls: {
    readonly mapPage: Figure;
    readonly unmapPage: Figure;
    readonly mapSg: Figure;
    readonly mapSgEntries: Figure;
    readonly unmapSg: Figure;
    readonly mapResource: Figure;
    readonly unmapResource: Figure;
    readonly alloc: Figure;
    readonly free: Figure;
    readonly sync: Figure;
  };
  /** Map and allocation calls that worked, and that did not. */
  readonly mapped: Figure;
  readonly failed: Figure;
  /** The failed ones by cause. */
  readonly failures: {
    /** No room in the bounce pool. */
    readonly poolFull: Figure;
    /** Longer than a pool segment or the device's segment boundary allows: no pool is large enough. */
    readonly neverFits: Figure;
    /** Linux 6.1 would search the pool for ever. */
    readonly endlessSearch: Figure;
    /** The buffer has to be bounced and there is no pool. */
    readonly noPool: Figure;
    readonly addressSpaceExhausted: Figure;
    /** Direct mapping: the device reaches neither the buffer nor the pool. */
    readonly outOfReach: Figure;
    /** The page tables refused the range. */
    readonly pageTable: Figure;
  };
  /** Streaming ranges (pages and entries of scatter lists) that were mapped, and the share of them that went through slots. */
  readonly bounced: {
    /** Ranges for which slots were asked, whether the mapping then worked or not. */
    readonly attempts: Figure;
    /** Of these, ranges of whole pages that found none and were mapped as they are, where a policy does that. */
    readonly directWhenDry: Figure;
    readonly ranges: Figure;
    readonly bytes: Figure;
    readonly rangeShare: Figure;
    readonly byteShare: Figure;
  };
  /** Bytes copied between buffers and slots. */
  readonly copied: {
    readonly inAtMap: Figure;
    readonly inAtSync: Figure;
    readonly outAtSync: Figure;
    readonly outAtUnmap: Figure;
    readonly in: Figure;
    readonly out: Figure;
  };
  /** Bytes around bounced data that were cleared. */
  readonly zeroed: Figure;
  readonly pageTable: {
    readonly mapOperations: Figure;
    readonly mappedPages: Figure;
    readonly unmapOperations: Figure;
    readonly unmappedPages: Figure;
    /** Pages that hold the tables, roots included: at the end and at most. */
    readonly tablePages: Figure;
    readonly tablePagesPeak: Figure;
  };
  readonly invalidations: {
    readonly pageSelective: Figure;
    readonly domainSelective: Figure;
    /** Waits for the unit, one after each submission; never in a trace. */
    readonly waits: Figure;
    /** All of these together. */
    readonly descriptors: Figure;
  };
  /** Flushes of a whole lazy domain by cause; null for policies without a flush queue. */
  readonly flushes: {
    readonly timer: Figure;
    readonly ringFull: Figure;
    /**
     * For mappings that found the bounce pool dry while slots waited for a flush: of the domain of the mapping's own
     * device, and of others. They count to the device that asked, which need not flush lazily itself.
     */
    readonly earlyOwn: Figure;
    readonly earlyForeign: Figure;
    /** Most unmapped ranges that ever waited for one; in the total the sum over the domains. */
    readonly queuePeak: Figure;
  };
  /** I/O address space in use or waiting for a flush; in the totals the peak is the sum of the domains' peaks. */
  readonly iova: {
    readonly pages: Figure;
    readonly pagesPeak: Figure;
  };
  readonly pool: {
    readonly slots: Figure;
    readonly slotsPeak: Figure;
    /** Slots that waited for a flush, at most; null when none ever did. */
    readonly waitingPeak: Figure;
    /**
     * Smallest pool, of the powers of two of slots that a kernel makes up to four times the row's own, with which every
     * search for slots succeeds at once: no mapping fails for want of room, and none has to flush for it. Null when the
     * row bounces nothing, when no such pool is large enough, and on single devices; also when the row's own pool is too
     * small and it keeps slots longer than their mappings or maps ranges without, since then nothing tells how a larger
     * pool would have gone on.
     */
    readonly smallestSlots: Figure;
  };
  /** Where the row cannot follow the recording. */
  readonly departures: {
    /** Failed in the recording, works here: released at once, since the driver never unmapped it. */
    readonly releasedAtOnce: Figure;
    /** Unmaps, frees and syncs that had nothing to end, because the mapping failed here. */
    readonly skippedUnmaps: Figure;
    /** Mappings still there at the end of the trace. */
    readonly leftOpen: Figure;
  };
}
