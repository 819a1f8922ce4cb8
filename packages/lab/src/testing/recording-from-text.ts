import { type DataGrade, dataGrade, type EventBatch, inferMachine, type MachineDescription, TraceFacts, TraceParser } from 'dmalab-trace';
import { recordedMachine } from '../replay/recorded-machine.ts';
import type { Recording } from '../replay/recording.ts';

/** Less than a batch of lines. */
const CHUNK_BYTES = 32 * 1024;

/** A recording without files: the text of a trace, and a machine description or none. */
export function recordingFromText(trace: string, description?: MachineDescription): Recording {
  const bytes = new Uint8Array(trace.length);
  for (let index = 0; index < trace.length; index++) bytes[index] = trace.charCodeAt(index);
  const facts = new TraceFacts();
  const first = new TraceParser((batch) => facts.add(batch));
  first.push(bytes);
  first.end();
  const inference = inferMachine(facts, description);
  let filled: EventBatch | undefined;
  const parser = new TraceParser((batch) => {
    filled = batch;
  });
  return {
    file: 'test.trace',
    machineFile: description?.file,
    description,
    inference,
    facts,
    names: parser.names,
    statistics: parser.statistics,
    get bytesRead(): number {
      return parser.statistics.bytes;
    },
    totalBytes: bytes.length,
    async *batches(): AsyncGenerator<EventBatch, void, void> {
      for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
        parser.push(bytes.subarray(start, start + CHUNK_BYTES));
        if (filled !== undefined) yield filled;
        filled = undefined;
      }
      parser.end();
      if (filled !== undefined) yield filled;
    },
    machine: (choose) => recordedMachine(description, inference, choose),
    grade: (): DataGrade => dataGrade({ statistics: parser.statistics }),
  };
}
