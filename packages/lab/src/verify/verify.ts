import { EventKind, type ImportStatistics } from 'dmalab-trace';
import type { Recording } from '../replay/recording.ts';
import { OutcomeVerifier } from './outcome-verifier.ts';
import { Verifier, type VerifyScope } from './verifier.ts';
import type { VerifyResult } from './verify-result.ts';

/**
 * Replays a recording and compares the model's decisions with the kernel's. Goes over `recording.batches` once.
 */
export async function verifyRecording(recording: Recording): Promise<VerifyResult> {
  const verifier = createVerifier(recording);
  for await (const batch of recording.batches()) verifier.push(batch);
  return verifier.finish();
}

/**
 * The verifier for a recording, for callers that take its batches themselves: of calls and outcomes, or, without `dma:*`
 * events, of outcomes alone.
 */
export function createVerifier(recording: Recording): Verifier | OutcomeVerifier {
  const scope = scopeOf(recording);
  const machine = recording.machine();
  return scope.apiLines ? new Verifier(machine, recording.names, scope) : new OutcomeVerifier(machine, recording.names, scope);
}

/** What the recording lets us compare. */
function scopeOf(recording: Recording): VerifyScope {
  const { eventsByKind } = recording.facts;
  const { statistics } = recording;
  let apiEvents = 0;
  for (let kind = EventKind.DMA_MAP_PAGE; kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE; kind++) apiEvents += eventsByKind[kind];
  const devicesWithoutCalls = [...recording.facts.devices.values()].filter(({ events, bounced }) => bounced > 0 && events === bounced);
  return {
    devicesWithoutCalls: new Set(devicesWithoutCalls.map(({ name }) => name)),
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
