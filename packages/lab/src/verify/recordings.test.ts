import { describe, expect, it } from 'vitest';
import { openRecording } from '../replay/open-recording.ts';
import { ownRecordings, recordingsElsewhere, recordingsIn } from '../testing/recordings.ts';
import { differenceTexts, ledgerTotal } from '../testing/verify-text.ts';
import { verifyRecording } from './verify.ts';
import type { VerifyResult } from './verify-result.ts';

/** Everything of the recording is predicted, and every event of it is accounted for. */
async function expectEqual(path: string): Promise<VerifyResult> {
  const recording = await openRecording(path);
  const result = await verifyRecording(recording);
  expect(differenceTexts(result)).toEqual([]);
  expect(result.checks.reduce((sum, check) => sum + check.differ, 0)).toBe(0);
  expect(result.checks.reduce((sum, check) => sum + check.equal, 0)).toBeGreaterThan(100);
  expect(ledgerTotal(result)).toBe(recording.statistics.events);
  expect(recording.statistics.notUnderstood).toBe(0);
  return result;
}

/** Goal: the model does what the kernels did, on every recording there is. */
describe('recordings of the repository', () => {
  it('there are some of each kernel', () => {
    expect(ownRecordings.filter(([path]) => path.includes('linux-6.12-')).length).toBeGreaterThan(10);
    expect(ownRecordings.filter(([path]) => path.includes('linux-6.1-')).length).toBeGreaterThan(2);
  });

  it.each(ownRecordings)('%s', async (_, path) => {
    const { strayLines, unknownMappings, limits } = await expectEqual(path);
    expect({ strayLines, unknownMappings }).toEqual({ strayLines: 0, unknownMappings: 0 });
    if (path.includes('linux-6.12-')) expect(limits).toEqual([]);
  });
});

describe('recordings elsewhere', () => {
  const folder = recordingsElsewhere;
  if (folder === undefined) {
    it.skip('DMALAB_TRACES names no folder; with it, dmalab verifies every *.trace.gz there', () => undefined);
    return;
  }
  it('the folder has recordings', () => expect(recordingsIn(folder)).not.toEqual([]));
  it.each(recordingsIn(folder))('%s', async (path) => {
    await expectEqual(path);
  });
});
