import { DmaStep, LabError, policies } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { compareRecording } from '../compare/compare.ts';
import { mapPageText, mapText } from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { readPolicy } from './read-policy.ts';
import type { PolicySource, UserPolicy } from './user-policy.ts';

const source: PolicySource = { file: 'mine.js', path: '/home/me/mine.js', watch: { enter: () => {}, leave: () => {} } };
const map = ['ALLOCATE_IOVA', 'WRITE_TABLE', 'FLUSH_MAP'];
const unmap = ['CLEAR_TABLE', 'SUBMIT_INVALIDATION', 'WAIT_INVALIDATION', 'FREE_TABLES', 'FREE_IOVA'];
const good = {
  name: 'mine',
  summary: 'small buffers bounced',
  translated: true,
  lazy: false,
  mapsSgPerEntry: true,
  bounces: (_address: number, bytes: number) => bytes < 2048,
  mapDirect: map,
  mapBounced: ['TAKE_SLOTS', 'COPY_IN', 'ZERO_PADDING', ...map],
  unmapDirect: unmap,
  unmapBounced: [...unmap, 'COPY_OUT', 'FREE_SLOTS'],
  unmapCoherent: unmap,
};

/** Code, what was expected and what to do next, or that there was nothing to refuse. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof LabError) return `${error.code}: ${error.expected} | ${error.got} | ${error.next}`;
    throw error;
  }
  return 'accepted';
}

function read(change: object): UserPolicy {
  return readPolicy({ ...good, ...change }, source, ['yours']);
}

describe('a policy file', () => {
  it('names its steps, or has their numbers', () => {
    const policy = read({ mapDirect: map.map((name) => DmaStep[name as keyof typeof DmaStep]) });
    expect(policy.mapDirect).toEqual([DmaStep.ALLOCATE_IOVA, DmaStep.WRITE_TABLE, DmaStep.FLUSH_MAP]);
    expect(policy.unmapBounced.at(-1)).toBe(DmaStep.FREE_SLOTS);
    expect(policy.bounces(0, 100)).toBe(true);
    expect(policy.promises).toEqual([]);
    expect(policy.status).toBe("user's own, mine.js");
  });

  it('may promise', () => {
    expect(read({ promises: ['P6', 'P1'], status: 'an idea' })).toMatchObject({ promises: ['P1', 'P6'], status: 'an idea' });
  });

  it('is copied, so that nothing changes it later', () => {
    const mine = { ...good, mapDirect: [...map] };
    const policy = readPolicy(mine, source, []);
    mine.mapDirect.pop();
    expect(policy.mapDirect).toHaveLength(3);
  });

  it.each(policies.map((policy) => [policy.name, policy] as const))('can say what %s says', (_, policy) => {
    expect(refusal(() => readPolicy({ ...policy, name: 'mine' }, source, []))).toBe('accepted');
  });

  it.each([
    ['nothing', undefined, 'POL004: an object as the default export, or as the export named policy | neither of them'],
    ['a list', [], 'POL004: an object as the default export, or as the export named policy | a list'],
    ['a function', () => good, 'POL004: an object as the default export, or as the export named policy | function'],
  ])('that exports %s is refused', (_, exported, expected) => {
    expect(refusal(() => readPolicy(exported, source, []))).toContain(expected);
  });

  it.each([
    [{ name: 'strict' }, 'POL006'],
    [{ name: 'yours' }, 'POL006'],
    [{ name: 'as-recorded' }, 'POL006'],
    [{ name: 'Mine' }, 'POL005'],
    [{ name: undefined }, 'POL005'],
    [{ summary: 'a\nb' }, 'POL005'],
    [{ lazy: 'no' }, 'POL005'],
    [{ translated: false, lazy: true }, 'POL005'],
    [{ bounces: true }, 'POL005'],
    [{ promises: 'P1' }, 'POL005'],
    [{ promises: ['P7'] }, 'POL005'],
    [{ unmapDirekt: [] }, 'did you mean unmapDirect?'],
    [{ mapDirect: ['WRITE_TABEL'] }, 'did you mean WRITE_TABLE?'],
    [{ mapDirect: ['CLEAR_TABLE'] }, 'POL007'],
    [{ unmapDirect: ['DRAIN_RING'] }, 'POL007'],
    [{ unmapDirect: [{}] }, 'POL007'],
    [{ mapDirect: 'ALLOCATE_IOVA' }, 'POL008: a list of step names'],
    [{ mapDirect: new Array(33).fill('FLUSH_MAP') }, 'POL008: at most 32 steps'],
    [{ mapDirect: [] }, 'POL008: no FREE_IOVA, since mapDirect has no ALLOCATE_IOVA'],
    [{ unmapDirect: [] }, 'POL008: one of FREE_IOVA, QUEUE_IOVA, since mapDirect has ALLOCATE_IOVA'],
    [{ unmapBounced: unmap }, 'POL008: one of FREE_SLOTS, since mapBounced has TAKE_SLOTS'],
    [{ mapBounced: ['COPY_IN', 'TAKE_SLOTS', ...map] }, 'POL008: TAKE_SLOTS before COPY_IN'],
    [{ mapBounced: [...map, 'TAKE_SLOTS', 'COPY_IN'] }, 'POL008: TAKE_SLOTS before WRITE_TABLE'],
    [{ mapDirect: ['WRITE_TABLE', 'ALLOCATE_IOVA'] }, 'POL008: ALLOCATE_IOVA before WRITE_TABLE'],
    [{ unmapBounced: [...unmap, 'FREE_SLOTS', 'COPY_OUT'] }, 'POL008: COPY_OUT before FREE_SLOTS'],
    [{ unmapDirect: ['CLEAR_TABLE', 'QUEUE_IOVA'] }, 'POL008: lazy: true beside QUEUE_IOVA'],
    [{ lazy: true }, 'POL008: QUEUE_IOVA where lazy is true'],
    [{ unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'FREE_IOVA', 'FREE_IOVA'] }, 'POL008: each step once'],
    [
      { unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'SUBMIT_INVALIDATION', 'FREE_IOVA'] },
      'POL008: SUBMIT_INVALIDATION directly behind CLEAR_TABLE',
    ],
    [{ translated: false }, 'POL008: no ALLOCATE_IOVA where translated is false'],
    [{ unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'FREE_IOVA', 'QUEUE_IOVA'], lazy: true }, 'POL008: one of FREE_IOVA, QUEUE_IOVA'],
  ])('with %o is refused', (change, expected) => {
    expect(refusal(() => read(change))).toContain(expected);
  });

  it('whose function gives no answer is refused when it is asked', () => {
    expect(refusal(() => read({ bounces: () => 1 }).bounces(0x1000, 5))).toContain('POL009: true or false | 1');
    expect(refusal(() => read({ bounces: () => Object.create(null) }).bounces(0x1000, 5))).toContain('| object |');
    const throwing = (): never => {
      throw new Error('no');
    };
    expect(refusal(() => read({ bounces: throwing }).bounces(0x1000, 5))).toContain('| Error: no |');
  });

  it('that the engine cannot run is refused with the moment', async () => {
    const trace = new TraceText().add(task(1), mapText(0x1000, 0x1000, 4096), mapPageText('0000:00:05.0', 0x1000, 4096, 0x1000)).toString();
    const recording = recordingFromText(trace, testMachine({ devices: [{ address: '0000:00:05.0', protection: 'lazy' }] }));
    // Past the checks, as if they had missed it.
    const policy = { ...read({}), mapDirect: [...read({}).mapDirect, DmaStep.QUEUE_IOVA] };
    await expect(compareRecording(recording, { policies: [policy] })).rejects.toMatchObject({ code: 'POL010', file: 'mine.js' });
  });
});
