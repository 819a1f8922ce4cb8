import type { ExplainVerdict, MappingLife, RecordingGaps } from './explain-result.ts';
import type { FaultLine } from './fault-line.ts';
import { faultReasonText } from './fault-reasons.ts';

/** What the verdict on one page is made of. */
export interface VerdictInput {
  readonly fault: FaultLine | null;
  /** The recording has the device; true when no device was asked about. */
  readonly deviceKnown: boolean;
  /** Its addresses are translated. */
  readonly translated: boolean;
  /** In the order in which they began. */
  readonly lives: readonly MappingLife[];
  /** Time asked about, null for the end of the recording. */
  readonly timeNs: number | null;
  /** A life that was asked for by its handle, -1 for none. */
  readonly named: number;
  readonly gaps: RecordingGaps;
  readonly writeOnlyReadable: boolean;
}

/** A verdict and the life that it is about. */
export interface Verdict {
  readonly verdict: ExplainVerdict;
  readonly chosen: number;
}

/**
 * Judges an access, or the state of a page at a time.
 *
 * The kernel prints a fault after it happened, so the life that counts is the last one that had begun when the line was
 * printed.
 */
export function judge(input: VerdictInput): Verdict {
  const { fault, lives, timeNs, named } = input;
  if (fault?.isInterrupt === true) return { verdict: 'interrupt', chosen: -1 };
  if (!input.deviceKnown) return { verdict: 'unknown-device', chosen: -1 };
  const chosen = named >= 0 ? named : lastBegun(lives, timeNs);
  const subject = fault === null || fault.reason === null ? 'page' : faultReasonText(fault.reason).subject;
  if (subject !== 'page' && subject !== 'unknown') return { verdict: 'not-a-mapping', chosen };
  if (!input.translated && fault !== null) return { verdict: 'untranslated', chosen };
  if (lives.length === 0) return { verdict: isComplete(input.gaps) ? 'never-mapped' : 'not-found', chosen: -1 };
  if (chosen < 0) return { verdict: 'not-mapped-yet', chosen: 0 };
  return { verdict: verdictOfLife(lives[chosen], input), chosen };
}

function verdictOfLife(life: MappingLife, { fault, timeNs, writeOnlyReadable }: VerdictInput): ExplainVerdict {
  const at = timeNs ?? Number.POSITIVE_INFINITY;
  if (life.unmappedNs !== null && life.unmappedNs <= at) {
    return life.invalidation !== null && life.invalidation.timeNs <= at ? 'after-unmap' : 'stale';
  }
  return fault !== null && isRefused(life, fault, writeOnlyReadable) ? 'wrong-direction' : 'mapped';
}

/** Whether the entries of a life refuse the access. */
function isRefused({ direction }: MappingLife, { isWrite }: FaultLine, writeOnlyReadable: boolean): boolean {
  if (isWrite === true) return direction === 'TO_DEVICE';
  return isWrite === false && direction === 'FROM_DEVICE' && !writeOnlyReadable;
}

/** Index of the last life that had begun, -1 when none had. */
function lastBegun(lives: readonly MappingLife[], timeNs: number | null): number {
  if (timeNs === null) return lives.length - 1;
  return lives.findLastIndex((life) => (life.mappedNs ?? Number.NEGATIVE_INFINITY) <= timeNs);
}

/** Nothing says that the recording lacks mappings. */
function isComplete(gaps: RecordingGaps): boolean {
  return gaps.lost === 0 && gaps.firstLossNs === null && gaps.unknownMappings === 0;
}
