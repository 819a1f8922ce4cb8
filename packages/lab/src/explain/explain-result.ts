/** What `dmalab explain` finds out. Addresses and sizes in bytes, times in nanoseconds of the recording's clock. */
import type { RecordingFacts } from '../replay/recording-facts.ts';
import type { FaultLine } from './fault-line.ts';

/** Raised when a field changes its meaning or goes. */
export const EXPLAIN_RESULT_VERSION = 1;

/**
 * Where a row comes from: a line of the trace, counted by replay, a rule that fills a gap, a modelled timer, the kernel
 * log that was given.
 */
export type LifeBasis = 'recorded' | 'replay' | 'inferred' | 'model' | 'log';

/** One thing that happened to a page. */
export type LifeEventKind =
  | 'bounced'
  | 'tableMapped'
  | 'mapped'
  | 'allocated'
  | 'syncForCpu'
  | 'syncForDevice'
  | 'tableUnmapped'
  | 'unmapped'
  | 'freed'
  | 'pagesInvalidated'
  | 'domainInvalidated'
  | 'faulted';

export interface LifeEvent {
  readonly kind: LifeEventKind;
  /** Name of the trace event. */
  readonly event: string;
  readonly line: number;
  readonly timeNs: number;
  readonly cpu: number;
  /** Name as in the trace: any bytes. */
  readonly task: string;
  readonly pid: number;
  readonly level: 'task' | 'softirq' | 'hardirq' | 'nmi';
  /** First address of the range on the line, and its bytes. */
  readonly address?: number;
  readonly bytes?: number;
  /** Physical address: of the buffer, or where the page-table entry points. */
  readonly phys?: number;
  /** Bytes that an unmap really took out of the page table, where fewer than asked. */
  readonly unmappedBytes?: number;
  readonly domainId?: number;
  readonly isWrite?: boolean;
}

/** The memory of a page was mapped again while the IOTLB could still hold the old translation. */
export interface StaleReuse {
  readonly line: number;
  readonly timeNs: number;
  /** Null when the line does not say for whom. */
  readonly device: string | null;
  /** Number of the new mapping, 0 when it has none. */
  readonly number: number;
}

/** When a translation could no longer be in the IOTLB. */
export interface Invalidation {
  readonly timeNs: number;
  /** The line that submits it; null when it is modelled. */
  readonly line: number | null;
  readonly basis: LifeBasis;
  /** `pages`, `domain`: what was invalidated; `unmap`: inside the unmap call; `timer`: by the flush timer at the latest. */
  readonly how: 'pages' | 'domain' | 'unmap' | 'timer';
}

/** A mapping, from the point of view of one page of it. */
export interface MappingLife {
  /** N of m-N: mappings numbered from 1 in the order of their API lines; 0 when its beginning was not recorded. */
  readonly number: number;
  /** First address of the page. */
  readonly page: number;
  /** PCI address; null when no line tells. */
  readonly device: string | null;
  readonly kind: 'page' | 'sg' | 'resource' | 'coherent' | 'unknown';
  readonly direction: 'BIDIRECTIONAL' | 'TO_DEVICE' | 'FROM_DEVICE' | 'NONE' | null;
  /** Of the segment that has the page; `bytes` null when only the page table tells. */
  readonly dmaAddr: number;
  readonly bytes: number | null;
  /** Segments of the whole mapping. */
  readonly segments: number;
  /** First byte of the buffer; null for coherent memory and lists. */
  readonly phys: number | null;
  /** What the page-table entry of the page points to. */
  readonly tablePhys: number | null;
  /** The page-table entry points to bounce slots. */
  readonly bounced: boolean;
  /** Null when the beginning was not recorded. */
  readonly mappedNs: number | null;
  readonly mapLine: number | null;
  /** Moment at which the page-table entry was cleared; null while mapped. */
  readonly unmappedNs: number | null;
  readonly unmapLine: number | null;
  /** Mapped again without an unmap in between: its end is missing. */
  readonly endNotRecorded: boolean;
  /** Without calls: several mappings of this address were alive, and which of them the unmap ends is a guess (the oldest). */
  readonly endGuessed: boolean;
  /** False where the device uses physical addresses: nothing stands between it and memory. */
  readonly translated: boolean;
  readonly invalidation: Invalidation | null;
  /** Its domain invalidates by a flush timer. */
  readonly lazy: boolean;
  /** When a lazy domain would have flushed it at the latest (modelled), whatever the recorded mode. */
  readonly lazyDueNs: number | null;
  readonly syncsForCpu: number;
  readonly syncsForDevice: number;
  /** In the order of the trace; of the syncs the first and the last one of each kind. */
  readonly events: readonly LifeEvent[];
  readonly reuses: readonly StaleReuse[];
}

/** A live mapping near the page. */
export interface Neighbour {
  readonly number: number;
  readonly device: string;
  readonly dmaAddr: number;
  readonly bytes: number;
}

/** Another address space in which the page was mapped. */
export interface Elsewhere {
  readonly devices: readonly string[];
  readonly lives: number;
  /** The one that was mapped at the time asked about, null when none was. */
  readonly live: MappingLife | null;
}

/** What became of the access, or of the page when no access was asked about. */
export type ExplainVerdict =
  /** An interrupt was refused. */
  | 'interrupt'
  /** The fault reason is about something else than the page's mapping. */
  | 'not-a-mapping'
  /** The recording does not have the device. */
  | 'unknown-device'
  /** The device's addresses are physical ones. */
  | 'untranslated'
  /** No mapping in the recording, which is complete as far as it tells. */
  | 'never-mapped'
  /** No mapping in the recording, but the recording is not complete. */
  | 'not-found'
  /** The first mapping came later. */
  | 'not-mapped-yet'
  /** After the unmap and its invalidation. */
  | 'after-unmap'
  /** After the unmap, before the invalidation. */
  | 'stale'
  /** Mapped at that time, but not for this access. */
  | 'wrong-direction'
  /** Mapped at that time. */
  | 'mapped';

/** One page, and what is known of it. */
export interface ExplainedPage {
  /** First address of the page; null for an interrupt. */
  readonly page: number | null;
  readonly fault: FaultLine | null;
  /** Devices whose address space was asked about; empty for all. */
  readonly devices: readonly string[];
  readonly driver: string | null;
  /** Time asked about; null without one. */
  readonly timeNs: number | null;
  /** The chosen life was asked for by a handle. */
  readonly named: boolean;
  readonly verdict: ExplainVerdict;
  /** Index in `lives` of the one that the verdict is about, -1 for none. */
  readonly chosen: number;
  /** In the order in which they began. */
  readonly lives: readonly MappingLife[];
  /** Only where one address space was asked about. */
  readonly elsewhere: readonly Elsewhere[];
  /** Live mappings of the address space below and above the page at the time asked about, or at the end. */
  readonly below: Neighbour | null;
  readonly above: Neighbour | null;
  /** The kernel made entries of write-only mappings readable. */
  readonly writeOnlyReadable: boolean;
}

/** What the recording cannot show; null and 0 where nothing is missing. */
export interface RecordingGaps {
  readonly firstTimeNs: number;
  readonly lastTimeNs: number;
  /** Events known to be lost, and the first place; -1 for a loss that nobody counted. */
  readonly lost: number;
  readonly firstLossNs: number | null;
  /** Unmaps of mappings that began before the recording. */
  readonly unknownMappings: number;
  /** No `dma:*` events: who mapped what, exact sizes and directions are not known. */
  readonly outcomesOnly: boolean;
  /** No invalidation was recorded. */
  readonly noDescriptors: boolean;
  /** Mappings that have a number. */
  readonly mappings: number;
}

/** What a log had besides its faults. */
export interface LogSummary {
  readonly lines: number;
  /** Messages that the kernel counted and did not print. */
  readonly suppressed: number;
  /** Lines that begin like a fault and are none of the known forms. */
  readonly notUnderstood: number;
}

export interface ExplainResult {
  readonly format: 'dmalab-explain';
  readonly version: number;
  readonly recording: RecordingFacts;
  readonly gaps: RecordingGaps;
  /** The kernel log that was given, null without one. */
  readonly log: LogSummary | null;
  readonly pages: readonly ExplainedPage[];
}
