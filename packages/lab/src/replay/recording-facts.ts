import type { Recording } from './recording.ts';

/** Facts of a recording and of the machine it was made on; every result object has them. */
export interface RecordingFacts {
  readonly file: string;
  /** Name of the machine description; null without one. */
  readonly machine: string | null;
  readonly kernelRules: string;
  readonly kernelRelease: string | null;
  readonly cpus: number;
  readonly hz: number;
  /** The machine description says that an emulator made the recording: order and addresses are real, durations are not. */
  readonly emulated: boolean;
  /** From the first to the last event. */
  readonly durationNs: number;
}

/** The facts of a recording that has been read. */
export function recordingFacts(recording: Recording): RecordingFacts {
  const { inference, description, statistics } = recording;
  return {
    file: recording.file,
    machine: recording.machineFile ?? null,
    kernelRules: inference.kernelRules,
    kernelRelease: description?.kernelRelease ?? null,
    cpus: inference.cpuCount,
    hz: inference.kernelHz,
    emulated: /emulat|qemu/i.test(description?.recordedOn ?? ''),
    durationNs: statistics.events > 0 ? statistics.lastTimeNs - statistics.firstTimeNs : 0,
  };
}
