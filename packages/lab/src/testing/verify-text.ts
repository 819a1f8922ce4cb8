import type { MachineDescription } from 'dmalab-trace';
import { verifyRecording } from '../verify/verify.ts';
import type { VerifyResult } from '../verify/verify-result.ts';
import { recordingFromText } from './recording-from-text.ts';
import type { TraceText } from './trace-text.ts';

/** Verifies the text of a trace. */
export function verifyText(trace: TraceText | string, description: MachineDescription): Promise<VerifyResult> {
  return verifyRecording(recordingFromText(String(trace), description));
}

/** The checks that had anything to do, one line each: `map 3 equal, 1 differ, 0 given, 2 not comparable`. */
export function tally(result: VerifyResult): string[] {
  return result.checks
    .filter((row) => row.predictions + row.given + row.notComparable > 0)
    .map(({ id, equal, differ, given, notComparable }) => {
      const rest = [
        [differ, 'differ'],
        [given, 'given'],
        [notComparable, 'not comparable'],
      ] as const;
      const parts = rest.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
      return [`${id} ${equal} equal`, ...parts].join(', ');
    });
}

/** Differences as `line check: expected X; got Y`. */
export function differenceTexts(result: VerifyResult): string[] {
  return result.differences.map(({ line, check, expected, got }) => `L${line} ${check}: ${expected}; got ${got}`);
}

/** Lines in the ledger. */
export function ledgerTotal(result: VerifyResult): number {
  const { calls, outcomes, crossChecks, notModelled, notCompared } = result.ledger;
  return calls + outcomes + crossChecks + notModelled + notCompared;
}
