import type { Recording } from '../replay/recording.ts';
import { OutcomeVerifier } from './outcome-verifier.ts';
import { Verifier } from './verifier.ts';
import type { VerifyResult } from './verify-result.ts';
import { scopeOf } from './verify-scope.ts';

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
