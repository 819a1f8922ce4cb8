import type { EventBatch } from 'dmalab-trace';
import { Comparison } from '../compare/compare.ts';
import type { CompareData, CompareDevice } from '../compare/compare-result.ts';
import type { SizeHistogram } from '../compare/size-histogram.ts';
import { type Recording, type RecordingProgress, reachedOf } from '../replay/recording.ts';
import { type RecordingFacts, recordingFacts } from '../replay/recording-facts.ts';

/** Sizes of the streaming ranges of a recording. */
export interface TraceSizes {
  readonly data: CompareData;
  readonly recording: RecordingFacts;
  readonly devices: readonly CompareDevice[];
  /** By device of the machine. */
  readonly histogram: SizeHistogram;
  /** Device of the machine, by device here. */
  readonly indexes: readonly number[];
}

/** Goes over a recording once, as `compare` does, in the row as-recorded alone. */
export class TraceSizeReader {
  private readonly comparison: Comparison;
  private readonly recording: Recording;

  /** @throws LabError CMP005 for a recording without `dma:*` events */
  constructor(recording: Recording) {
    this.recording = recording;
    this.comparison = new Comparison(recording, {}, () => ({ hasRecordedRow: true, policies: [] }));
  }

  push(batch: EventBatch): void {
    this.comparison.comparer.push(batch);
  }

  /** How far the pass has come. */
  get reached(): RecordingProgress {
    return reachedOf(this.recording);
  }

  /** The sizes, once all batches have been pushed or the caller has had enough. */
  finish(): TraceSizes {
    const { comparison, recording } = this;
    const { data, devices } = comparison.finish();
    return {
      data,
      recording: recordingFacts(recording),
      devices,
      histogram: comparison.comparer.sizes,
      indexes: comparison.shownDevices(),
    };
  }
}
