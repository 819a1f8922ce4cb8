import { EventKind } from 'dmalab-trace';
import type { Recording } from '../replay/recording.ts';
import { OutcomeVerifier } from './outcome-verifier.ts';
import { Verifier, type VerifyScope } from './verifier.ts';
import type { VerifyResult } from './verify-result.ts';

/**
 * Replays a recording and compares the model's decisions with the kernel's.
 *
 * Goes over `recording.batches` once. With `dma:*` events calls and outcomes are compared, without them outcomes alone.
 */
export async function verifyRecording(recording: Recording): Promise<VerifyResult> {
  const scope = scopeOf(recording);
  const machine = recording.machine();
  const verifier = scope.apiLines
    ? new Verifier(machine, recording.names, scope)
    : new OutcomeVerifier(machine, recording.names, scope);
  for await (const batch of recording.batches()) verifier.push(batch);
  return verifier.finish();
}

/** What the recording lets us compare. */
function scopeOf(recording: Recording): VerifyScope {
  const { eventsByKind } = recording.facts;
  const { statistics } = recording;
  let apiEvents = 0;
  for (let kind = EventKind.DMA_MAP_PAGE; kind <= EventKind.DMA_SYNC_SG_FOR_DEVICE; kind++) apiEvents += eventsByKind[kind];
  return {
    apiLines: apiEvents > 0,
    descriptors: recording.inference.hasDescriptors,
    cacheTags: eventsByKind[EventKind.CACHE_TAG_FLUSH_RANGE] + eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL] > 0,
    lossLine: () => statistics.losses[0]?.line ?? Number.POSITIVE_INFINITY,
    startsInMidLife: () => statistics.entriesWritten > statistics.entriesInBuffer,
  };
}
