import type { MachineDescription } from 'dmalab-trace';
import { Explanation } from '../explain/explain.ts';
import { type ExplainOptions, readHandle, readQuestion } from '../explain/explain-question.ts';
import type { ExplainedPage, ExplainResult } from '../explain/explain-result.ts';
import { HandleSearch } from '../explain/handle-search.ts';
import { recordingFromText } from './recording-from-text.ts';
import type { TraceText } from './trace-text.ts';

/** Asks a question to the text of a trace. */
export async function explainText(
  trace: TraceText | string,
  options: ExplainOptions,
  description?: MachineDescription,
): Promise<ExplainResult> {
  const recording = recordingFromText(String(trace), description);
  const handle = readHandle(options);
  let question = handle === undefined ? readQuestion(options, recording.machine().devices) : undefined;
  if (handle !== undefined) {
    const first = recordingFromText(String(trace), description);
    const search = new HandleSearch(first, handle);
    for await (const batch of first.batches()) search.push(batch);
    question = { pages: [search.question()], log: null };
  }
  const explanation = new Explanation(recording, question!);
  for await (const batch of recording.batches()) explanation.push(batch);
  return explanation.finish();
}

/** A life as `m-1 0000:01:00.0 TO_DEVICE: map L7, bounced L5; unmap L9; pages recorded L10`. */
export function lifeTexts({ lives }: ExplainedPage): string[] {
  return lives.map(({ number, device, direction, events, invalidation, reuses }) => {
    const parts = events.map(({ kind, line }) => `${kind} L${line}`);
    if (invalidation !== null) parts.push(`${invalidation.how} ${invalidation.basis}`);
    for (const reuse of reuses) parts.push(`reused by ${reuse.device ?? '?'} m-${reuse.number}`);
    return `m-${number} ${device ?? '?'} ${direction ?? '-'}: ${parts.join(', ')}`;
  });
}
