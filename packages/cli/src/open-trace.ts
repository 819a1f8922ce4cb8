import type { Recording } from 'dmalab-lab';
import { openRecording } from 'dmalab-lab/node';
import type { Interruption } from './interruption.ts';
import type { ProgressBar } from './terminal/progress.ts';

/**
 * Opens the trace of a verb; `bar` shows how far either pass over it is, under the name `verb` from the second on.
 *
 * @throws Interrupted, and what openRecording throws
 */
export function openTraceWithProgress(
  verb: string,
  trace: string,
  machine: string | undefined,
  bar: ProgressBar,
  interruption: Interruption,
): Promise<Recording> {
  return interruption.during(
    openRecording(trace, {
      machine,
      onProgress: (progress) => {
        if (progress.pass === 'facts') interruption.check();
        bar.show(progress.pass === 'facts' ? 'facts' : verb, progress);
      },
    }),
  );
}
