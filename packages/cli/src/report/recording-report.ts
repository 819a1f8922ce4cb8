/** What every result object says of its recording. */
import { type Recording, type RecordingFacts, type RecordingProgress, recordingFacts } from 'dmalab-lab';
import { countText, shareText } from '../terminal/format.ts';
import type { AssemblyReport, DataReport } from './data-report.ts';

/** `data` and `recording` of a result object, once the trace has been read. */
export function recordingReport(recording: Recording, assembly: AssemblyReport): { data: DataReport; recording: RecordingFacts } {
  const { inference, description } = recording;
  const grade = recording.grade();
  const disagreements = inference.contradictions.map((contradiction) => ({ ...contradiction, line: contradiction.line ?? null }));
  const own = (description?.contradictions ?? []).map((sentence) => ({
    what: 'description',
    trace: '',
    description: sentence,
    line: null,
  }));
  return {
    data: { ...grade, inferred: inference.rows, contradictions: [...disagreements, ...own], assembly },
    recording: recordingFacts(recording),
  };
}

/** How far an interrupted pass has come: `45,000 events, 38 % of the file`. */
export function reachedText({ events, bytesRead, totalBytes }: Omit<RecordingProgress, 'pass'>): string {
  const share = totalBytes === undefined ? '' : `, ${shareText(Math.min(bytesRead, totalBytes), totalBytes)} of the file`;
  return `${countText(events)} events${share}`;
}
