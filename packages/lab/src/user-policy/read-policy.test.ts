import { DmaStep, LabError, policies } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { compareRecording } from '../compare/compare.ts';
import type { Recording } from '../replay/recording.ts';
import { mapPageText, mapText, unmapPageText, unmapText } from '../testing/kernel-lines.ts';
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

const deferred = ['CLEAR_TABLE', 'COPY_OUT', 'QUEUE_IOVA_AND_SLOTS'];
const shadow = {
  mapBounced: ['TAKE_SHADOW', 'COPY_IN', 'ZERO_PADDING'],
  mapNewShadow: ['GROW_SHADOW', ...map, 'KEEP_SHADOW', 'COPY_IN', 'ZERO_PADDING'],
  unmapBounced: ['COPY_OUT', 'RETURN_SHADOW'],
};
const RANGES = [
  [0x1000, 4096],
  [0x1000, 3 * 4096],
  [0x1000, 4095],
  [0x1010, 4080],
  [0x1010, 8192],
] as const;

/** Aligned and unaligned buffers, each mapped and unmapped twice. */
function smallRecording(): Recording {
  const device = '0000:00:05.0';
  const text = new TraceText();
  for (const [address, bytes] of [...RANGES, ...RANGES]) {
    const offset = address % 4096;
    const pages = Math.ceil((offset + bytes) / 4096);
    const iova = 0xff000 - pages * 4096;
    text.add(task(1), mapText(iova, address - offset, pages * 4096), mapPageText(device, iova + offset, bytes, address));
    text.add(task(1), unmapText(iova, pages * 4096), unmapPageText(device, iova + offset, bytes));
  }
  return recordingFromText(text.toString(), testMachine({ devices: [{ address: device, protection: 'lazy' }] }));
}

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
    const { bounces, ...said } = readPolicy({ ...policy, name: 'mine' }, source, []);
    const { bounces: original, ...expected } = { ...policy, name: 'mine', source };
    expect(said).toEqual(expected);
    for (const [address, bytes] of RANGES) expect(bounces(address, bytes)).toBe(original(address, bytes));
  });

  it('has defaults for what most policies need not say', () => {
    expect(read({})).toMatchObject({ bouncesEdgesOnly: false, mapsAlignedDirectWhenDry: false, mapNewShadow: [] });
  });

  it('does what the policy does that says the same', async () => {
    const names = policies.map(({ name }) => name);
    const copies = policies.map((policy) => readPolicy({ ...policy, name: `my-${policy.name}` }, source, []));
    const { rows } = await compareRecording(smallRecording(), { policies: [...names, ...copies] });
    const figures = new Map(rows.map(({ policy, total }) => [policy, total]));
    for (const name of names) expect(figures.get(`my-${name}`)).toEqual(figures.get(name));
    expect(figures.get('bounce-deferred')).not.toEqual(figures.get('bounce-lazy-unsafe'));
  });

  it('that bounces the ends only has whole pages mapped as they are, whatever it answers', () => {
    const { bounces } = read({ bouncesEdgesOnly: true, bounces: () => true });
    expect(RANGES.map(([address, bytes]) => bounces(address, bytes))).toEqual([false, false, true, true, true]);
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
    [{ unmapBounced: unmap }, 'POL008: one of FREE_SLOTS, QUEUE_IOVA_AND_SLOTS, since mapBounced has TAKE_SLOTS'],
    [{ mapBounced: ['COPY_IN', 'TAKE_SLOTS', ...map] }, 'POL008: TAKE_SLOTS before COPY_IN'],
    [{ mapBounced: [...map, 'TAKE_SLOTS', 'COPY_IN'] }, 'POL008: TAKE_SLOTS before ALLOCATE_IOVA'],
    [{ mapDirect: ['WRITE_TABLE', 'ALLOCATE_IOVA'] }, 'POL008: ALLOCATE_IOVA before WRITE_TABLE'],
    [{ unmapBounced: [...unmap, 'FREE_SLOTS', 'COPY_OUT'] }, 'POL008: COPY_OUT before FREE_SLOTS'],
    [{ unmapDirect: ['CLEAR_TABLE', 'QUEUE_IOVA'] }, 'POL008: lazy: true beside QUEUE_IOVA'],
    [{ lazy: true }, 'POL008: QUEUE_IOVA or QUEUE_IOVA_AND_SLOTS where lazy is true'],
    [{ unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'FREE_IOVA', 'FREE_IOVA'] }, 'POL008: each step once'],
    [
      { unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'SUBMIT_INVALIDATION', 'FREE_IOVA'] },
      'POL008: SUBMIT_INVALIDATION directly behind CLEAR_TABLE',
    ],
    [{ translated: false }, 'POL008: no ALLOCATE_IOVA where translated is false'],
    [{ unmapDirect: ['CLEAR_TABLE', 'FREE_TABLES', 'FREE_IOVA', 'QUEUE_IOVA'], lazy: true }, 'POL008: one of FREE_IOVA, QUEUE_IOVA'],
    [{ mapsAlignedDirectWhenDry: null }, 'POL005'],
    [{ translated: false, mapsAlignedDirectWhenDry: true }, 'POL005: false where translated is false'],
    [{ translated: false, bouncesEdgesOnly: true }, 'POL005: false where translated is false'],
    [{ unmapBounced: deferred }, 'POL008: lazy: true beside QUEUE_IOVA_AND_SLOTS'],
    [{ lazy: true, unmapBounced: deferred }, 'accepted'],
    [{ lazy: true, unmapBounced: deferred, unmapDirect: deferred }, 'POL008: no QUEUE_IOVA_AND_SLOTS, since mapDirect has no TAKE_SLOTS'],
    [{ lazy: true, unmapBounced: [...deferred, 'FREE_SLOTS'] }, 'POL008: one of FREE_SLOTS, QUEUE_IOVA_AND_SLOTS, since'],
    [
      { lazy: true, unmapBounced: [...deferred, 'QUEUE_IOVA'] },
      'POL008: one of FREE_IOVA, QUEUE_IOVA, QUEUE_IOVA_AND_SLOTS, since mapBounced has ALLOCATE_IOVA | QUEUE_IOVA and QUEUE_IOVA_AND_SLOTS',
    ],
    [{ lazy: true, unmapBounced: ['CLEAR_TABLE', 'QUEUE_IOVA_AND_SLOTS', 'COPY_OUT'] }, 'POL008: COPY_OUT before QUEUE_IOVA_AND_SLOTS'],
    [{ lazy: true, unmapBounced: ['COPY_OUT', 'QUEUE_IOVA_AND_SLOTS', 'CLEAR_TABLE'] }, 'POL008: CLEAR_TABLE before QUEUE_IOVA_AND_SLOTS'],
    [{ lazy: true, unmapDirect: ['CLEAR_TABLE', 'QUEUE_IOVA', 'FREE_TABLES'] }, 'POL008: FREE_TABLES before QUEUE_IOVA'],
    [{ lazy: true, bouncesEdgesOnly: true, unmapBounced: deferred }, 'POL008: no QUEUE_IOVA_AND_SLOTS where bouncesEdgesOnly is true'],
    [shadow, 'accepted'],
    [{ ...shadow, mapsAlignedDirectWhenDry: true }, 'accepted'],
    [{ ...shadow, bouncesEdgesOnly: true }, 'POL008: no TAKE_SHADOW where bouncesEdgesOnly is true'],
    [{ ...shadow, mapNewShadow: undefined }, 'POL008: GROW_SHADOW, since mapBounced has TAKE_SHADOW'],
    [{ ...shadow, mapNewShadow: ['GROW_SHADOW', ...map] }, 'POL008: KEEP_SHADOW, since mapBounced has TAKE_SHADOW'],
    [{ ...shadow, mapNewShadow: [...map, 'GROW_SHADOW', 'KEEP_SHADOW'] }, 'POL008: GROW_SHADOW before ALLOCATE_IOVA'],
    [{ ...shadow, mapNewShadow: ['GROW_SHADOW', 'KEEP_SHADOW'] }, 'POL008: WRITE_TABLE before KEEP_SHADOW'],
    [{ ...shadow, mapNewShadow: ['GROW_SHADOW', 'COPY_IN', ...map, 'KEEP_SHADOW'] }, 'POL008: KEEP_SHADOW before COPY_IN'],
    [{ ...shadow, mapNewShadow: ['TAKE_SLOTS'] }, 'POL007'],
    [{ mapNewShadow: shadow.mapNewShadow }, 'POL008: an empty list, since mapBounced has no TAKE_SHADOW'],
    [{ ...shadow, mapBounced: ['GROW_SHADOW'] }, 'POL007'],
    [{ ...shadow, mapBounced: [] }, 'POL008: no RETURN_SHADOW, since mapBounced has no TAKE_SHADOW'],
    [{ mapBounced: map, unmapBounced: unmap }, 'POL008: either TAKE_SLOTS or TAKE_SHADOW | a list without them'],
    [
      { ...shadow, mapBounced: [...shadow.mapBounced, 'TAKE_SLOTS'], unmapBounced: [...shadow.unmapBounced, 'FREE_SLOTS'] },
      'POL008: either TAKE_SLOTS or TAKE_SHADOW | both of them',
    ],
    [
      { ...shadow, mapBounced: [...shadow.mapBounced, ...map], unmapBounced: [...unmap, 'RETURN_SHADOW'] },
      'POL008: no ALLOCATE_IOVA beside',
    ],
    [{ ...shadow, unmapBounced: ['COPY_OUT'] }, 'POL008: one of RETURN_SHADOW, since mapBounced has TAKE_SHADOW'],
    [{ ...shadow, unmapBounced: [...shadow.unmapBounced, 'FREE_SLOTS'] }, 'POL008: no FREE_SLOTS, since mapBounced has no TAKE_SLOTS'],
    [{ ...shadow, unmapBounced: ['RETURN_SHADOW', 'COPY_OUT'] }, 'POL008: COPY_OUT before RETURN_SHADOW'],
    [
      { ...shadow, translated: false, mapDirect: [], unmapDirect: [], unmapCoherent: [] },
      'POL008: no TAKE_SHADOW where translated is false',
    ],
    [
      {
        translated: false,
        bounces: () => true,
        mapDirect: [],
        mapBounced: ['TAKE_SLOTS', 'COPY_IN'],
        unmapDirect: [],
        unmapBounced: ['COPY_OUT', 'FREE_SLOTS'],
        unmapCoherent: [],
      },
      'accepted',
    ],
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
