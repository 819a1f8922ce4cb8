/** What every result object says of its recording. */
import type { Recording } from 'dmalab-lab';
import { countText, shareText } from '../terminal/format.ts';
import type { AssemblyReport, DataReport } from './data-report.ts';

/** Facts of the recording and of its machine. */
export interface RecordingReport {
  readonly file: string;
  /** Name of the machine description, null without one. */
  readonly machine: string | null;
  readonly kernelRules: string;
  readonly kernelRelease: string | null;
  readonly cpus: number;
  readonly hz: number;
  readonly durationNs: number;
}

/** `data` and `recording` of a result object, once the trace has been read. */
export function recordingReport(recording: Recording, assembly: AssemblyReport): { data: DataReport; recording: RecordingReport } {
  const { statistics, inference, description } = recording;
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
    recording: {
      file: recording.file,
      machine: recording.machineFile ?? null,
      kernelRules: inference.kernelRules,
      kernelRelease: description?.kernelRelease ?? null,
      cpus: inference.cpuCount,
      hz: inference.kernelHz,
      durationNs: statistics.events === 0 ? 0 : statistics.lastTimeNs - statistics.firstTimeNs,
    },
  };
}

/** How far an interrupted pass has come: `45,000 events, 38 % of the file`. */
export function reachedText(recording: Recording): string {
  const { statistics, bytesRead, totalBytes } = recording;
  const share = totalBytes === undefined ? '' : `, ${shareText(Math.min(bytesRead, totalBytes), totalBytes)} of the file`;
  return `${countText(statistics.events)} events${share}`;
}
