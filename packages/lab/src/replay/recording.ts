import type { DataGrade, EventBatch, ImportStatistics, MachineDescription, MachineInference, TraceFacts, TraceNames } from 'dmalab-trace';
import type { PolicyChoice, RecordedMachine } from './recorded-machine.ts';

/** How far a pass over the file has come. */
export interface RecordingProgress {
  /** `facts`: gathering what the trace says of its machine; `events`: the pass of the caller. */
  readonly pass: 'facts' | 'events';
  readonly bytesRead: number;
  /** Size of the file, undefined for pipes. */
  readonly totalBytes: number | undefined;
  readonly events: number;
}

/** A trace whose machine is known; `batches` goes over it once. */
export interface Recording {
  /** Name for messages, printable ASCII. */
  readonly file: string;
  /** Name of the machine description, undefined without one. */
  readonly machineFile: string | undefined;
  readonly description: MachineDescription | undefined;
  readonly inference: MachineInference;
  /** What the pass before has seen: all events, or so many of the first ones as were needed. */
  readonly facts: TraceFacts;
  readonly names: TraceNames;
  /** Complete once `batches` has ended. */
  readonly statistics: ImportStatistics;
  /** Bytes of the file read by `batches` so far. */
  readonly bytesRead: number;
  readonly totalBytes: number | undefined;
  /** The events in the order of the file; each batch is valid until the next one is asked for. */
  batches(): AsyncGenerator<EventBatch, void, void>;
  /** Parameters of the recorded machine, or of one with other policies. */
  machine(choose?: PolicyChoice): RecordedMachine;
  /** How good the trace is as input; once `batches` has ended. */
  grade(): DataGrade;
}

/** How far `batches` has come. */
export function reachedOf({ bytesRead, totalBytes, statistics }: Recording): RecordingProgress {
  return { pass: 'events', bytesRead, totalBytes, events: statistics.events };
}
