import type { CallSequence, SequenceCall } from '../saturate/call-sequence.ts';
import { type SequenceLosses, SequenceRecorder } from '../saturate/sequence-recorder.ts';

/** Long enough for rings of some hundred buffers to be gone round; each CPU runs all of it, so it is not longer. */
const WINDOW_CALLS = 1024;

/**
 * Keeps one window of a recording's calls, from as late as one pass can tell: windows begin with the first call and
 * whenever the calls so far have doubled, and the last one that got full is taken. So it shows drivers at work, not
 * being loaded, and lies in the second half of a long recording.
 */
export class CallWindow {
  private readonly windowCalls: number;
  private recorder: SequenceRecorder;
  private full: SequenceRecorder | undefined;
  private calls = 0;
  private nextStart: number;

  constructor(windowCalls: number = WINDOW_CALLS) {
    this.windowCalls = windowCalls;
    this.recorder = new SequenceRecorder(windowCalls);
    this.nextStart = windowCalls;
  }

  add(call: SequenceCall): void {
    if (this.recorder.isFull && this.calls >= this.nextStart) {
      this.full = this.recorder;
      this.recorder = new SequenceRecorder(this.windowCalls);
      this.nextStart = this.calls * 2;
    }
    this.recorder.add(call);
    this.calls += 1;
  }

  /** The window's calls, without those of mappings that are not made and ended inside it. */
  finish(): { readonly sequence: CallSequence; readonly losses: SequenceLosses } {
    const { recorder, full } = this;
    const taken = recorder.isFull || full === undefined ? recorder : full;
    return { sequence: taken.finish(), losses: taken.losses };
  }
}
