import { policies } from 'dmalab-core';
import { parseMachineDescription } from 'dmalab-trace';
import { describe, expect, test } from 'vitest';
import { explainText, lifeTexts } from '../testing/explain-text.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { check } from './check.ts';
import { checkOptionsOf } from './check-options.ts';
import { counterexampleTrace } from './counterexample-trace.ts';

/** The counterexamples of a policy as traces, by property. */
function tracesOf(name: string, kernel: string): Map<string, { events: number; trace: string; machine: string }> {
  const policy = policies.find((candidate) => candidate.name === name)!;
  const search = check({ ...checkOptionsOf({ kernel }), policies: [policy] });
  let step = search.next();
  while (step.done !== true) step = search.next();
  const examples = step.value.policies[0].cells.flatMap(({ counterexample }) => counterexample ?? []);
  return new Map(
    examples.map((example) => {
      const { events, trace, machine } = counterexampleTrace(example, policy);
      return [example.property, { events, trace: String.fromCharCode(...trace), machine }];
    }),
  );
}

describe('a counterexample as a trace', () => {
  test.each(['6.1', '6.12'])('is understood line by line when it is imported again (%s rules)', async (kernel) => {
    for (const name of ['passthrough', 'lazy', 'bounce-link', 'bounce-lazy-unsafe']) {
      for (const { events: lines, trace, machine } of tracesOf(name, kernel).values()) {
        // An untranslated device reaches everything before anybody maps anything.
        if (lines === 0) continue;
        const description = parseMachineDescription(machine, 'x.machine.json');
        expect([description.unknownFields, description.contradictions]).toEqual([[], []]);
        const recording = recordingFromText(trace, description);
        let events = 0;
        for await (const batch of recording.batches()) events += batch.rowCount;
        expect(recording.statistics.notUnderstood).toBe(0);
        expect(events).toBe(lines);
      }
    }
  });

  test('tells the unmap and the mapping that gets the slot while it is stale', async () => {
    const { trace, machine } = tracesOf('bounce-lazy-unsafe', '6.12').get('P3')!;
    const result = await explainText(trace, { iova: '0xfffff000' }, parseMachineDescription(machine, 'x.machine.json'));
    expect(result.pages.flatMap(lifeTexts)).toEqual([
      'm-1 0000:01:00.0 FROM_DEVICE: bounced L5, tableMapped L6, mapped L7, tableUnmapped L8, unmapped L9, timer model',
      'm-2 0000:01:01.0 TO_DEVICE: bounced L10, tableMapped L11, mapped L12',
    ]);
  });
});
