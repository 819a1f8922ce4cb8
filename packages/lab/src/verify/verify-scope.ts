import { EventKind, type ImportStatistics } from 'dmalab-trace';
import type { Recording } from '../replay/recording.ts';
import type { ComparableLines } from './predicted-lines.ts';

/** What of the recording can be compared at all. */
export interface VerifyScope extends ComparableLines {
  /** Devices that bounce but never show a call: they map on a path without `dma:*` events and are not covered. */
  readonly devicesWithoutCalls: ReadonlySet<string>;
  /** The machine description has the bounce pool; else its place and size are guesses from the slots seen. */
  readonly poolDescribed: boolean;
  /** `dma:*` events were recorded: the calls themselves, not only their outcomes. */
  readonly apiLines: boolean;
  /** File line from which events are missing, as far as is known by now; Infinity for none. */
  readonly lossLine: () => number;
  /** Whether events before the first line are missing: then nobody knows the allocators' state. */
  readonly startsInMidLife: () => boolean;
}

/** What the recording lets us compare. */
export function scopeOf(recording: Recording): VerifyScope {
  const { eventsByKind } = recording.facts;
  const { statistics } = recording;
  let apiEvents = 0;
  for (let kind = EventKind.DMA_MAP_PAGE; kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE; kind++) apiEvents += eventsByKind[kind];
  const devicesWithoutCalls = [...recording.facts.devices.values()].filter(({ events, bounced }) => bounced > 0 && events === bounced);
  return {
    devicesWithoutCalls: new Set(devicesWithoutCalls.map(({ name }) => name)),
    poolDescribed: recording.description?.swiotlb !== undefined,
    apiLines: apiEvents > 0,
    descriptors: recording.inference.hasDescriptors,
    cacheTags: eventsByKind[EventKind.CACHE_TAG_FLUSH_RANGE] + eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL] > 0,
    lossLine: () => firstLossLine(statistics),
    startsInMidLife: () => statistics.entriesWritten > statistics.entriesInBuffer,
  };
}

/** First line at or behind which events are missing: lost by the tracer, or on a line that was not understood. */
function firstLossLine(statistics: ImportStatistics): number {
  let first = statistics.losses[0]?.line ?? Number.POSITIVE_INFINITY;
  for (const problem of statistics.problems.values()) if (problem.lineLost) first = Math.min(first, problem.firstLine);
  return first;
}
