import {
  bounceDeferred,
  bounceDeferredMixed,
  bounceLazyUnsafe,
  bouncePartial,
  bounceStrict,
  type CacheTagFlusher,
  Direction,
  DmaStep,
  lazy,
  type ProtectionPolicy,
  shadow,
  strict,
} from 'dmalab-core';
import { expect, test } from 'vitest';
import type { CheckedMachine } from './checked-machine.ts';
import { refutedIn, searched } from './search.oracle.ts';
import type { SmallMachine } from './small-machine.ts';
import { quickMachines, standardMachines } from './standard-machines.ts';

/** A policy or machine spoiled at one point, and what that breaks. */
interface Mutant {
  readonly what: string;
  readonly policy: ProtectionPolicy;
  /** Machine on which it shows; by name of a quick or standard one. */
  readonly on: SmallMachine;
  readonly spoil?: (checked: CheckedMachine) => void;
  /** Steps to look ahead, where all states would be too many. */
  readonly depth?: number;
  /** Properties refuted, all of them, with the steps it takes. */
  readonly breaks: string;
}

const { CLEAR_TABLE, SUBMIT_INVALIDATION, WAIT_INVALIDATION, FREE_TABLES, FREE_IOVA, COPY_IN, COPY_OUT, FREE_SLOTS } = DmaStep;
const { TAKE_SLOTS, ZERO_PADDING, ALLOCATE_IOVA, WRITE_TABLE, FLUSH_MAP, QUEUE_IOVA, QUEUE_IOVA_AND_SLOTS, RETURN_SHADOW } = DmaStep;

const dryPool = machine('quick-dry-pool');
const twoCpus = machine('quick-two-cpus');
const wholePages = machine('quick-whole-pages');
const edges = machine('quick-edges');
const data = machine('quick-data');

/** Two buffers of three pages: lengths that no CPU caches, so that an address freed on one CPU is taken on another. */
const longBuffers: SmallMachine = {
  ...twoCpus,
  name: 'long-buffers',
  devices: 1,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 8192, direction: Direction.TO_DEVICE, uses: 1 },
    { name: 'a2', device: 0, page: 2, offset: 0, bytes: 8192, direction: Direction.TO_DEVICE, uses: 1 },
  ],
};
const oneDevice: SmallMachine = {
  ...dryPool,
  name: 'one-device',
  cpus: 1,
  devices: 1,
  slots: 4,
  buffers: [
    { name: 'a1', device: 0, page: 0, offset: 0, bytes: 4096, direction: Direction.TO_DEVICE, uses: 1 },
    { name: 'a2', device: 0, page: 1, offset: 0, bytes: 4096, direction: Direction.TO_DEVICE, uses: 1 },
  ],
};

function machine(name: string): SmallMachine {
  return [...quickMachines, ...standardMachines].find((candidate) => candidate.name === name)!;
}

function without(steps: readonly DmaStep[], gone: DmaStep): DmaStep[] {
  return steps.filter((step) => step !== gone);
}

const mutants: readonly Mutant[] = [
  {
    what: 'bounce-strict: slots freed before the wait',
    policy: {
      ...bounceStrict,
      unmapBounced: [CLEAR_TABLE, SUBMIT_INVALIDATION, COPY_OUT, FREE_SLOTS, WAIT_INVALIDATION, FREE_TABLES, FREE_IOVA],
    },
    on: twoCpus,
    breaks: 'P1:10+1 P3:10+1 P4:18+1',
  },
  {
    what: 'bounce-strict: no invalidation',
    policy: { ...bounceStrict, unmapBounced: [CLEAR_TABLE, FREE_TABLES, FREE_IOVA, COPY_OUT, FREE_SLOTS] },
    on: dryPool,
    breaks: 'P1:10+1 P3:10+1 P4:18+1',
  },
  {
    what: 'bounce-strict: no wait',
    policy: { ...bounceStrict, unmapBounced: without(bounceStrict.unmapBounced, WAIT_INVALIDATION) },
    on: dryPool,
    breaks: 'P1:11+1 P3:11+1 P4:20+1',
  },
  {
    what: 'strict: no wait',
    policy: { ...strict, unmapDirect: without(strict.unmapDirect, WAIT_INVALIDATION) },
    on: wholePages,
    breaks: 'P1:5+1 P2:5+1 P3:6+1',
  },
  {
    what: 'bounce-strict: padding not zeroed',
    policy: { ...bounceStrict, mapBounced: without(bounceStrict.mapBounced, ZERO_PADDING) },
    on: machine('alignment'),
    breaks: 'P1:14 P4:14',
  },
  {
    what: 'bounce-strict: padding zeroed after the device reaches it',
    policy: { ...bounceStrict, mapBounced: [TAKE_SLOTS, COPY_IN, ALLOCATE_IOVA, WRITE_TABLE, FLUSH_MAP, ZERO_PADDING] },
    on: machine('alignment'),
    breaks: 'P1:15 P4:15',
  },
  {
    what: 'bounce-strict: copied in after the device reaches the slots',
    policy: { ...bounceStrict, mapBounced: [TAKE_SLOTS, ZERO_PADDING, ALLOCATE_IOVA, WRITE_TABLE, FLUSH_MAP, COPY_IN] },
    on: dryPool,
    breaks: 'P1:15 P4:15',
  },
  {
    what: 'bounce-strict: not copied in',
    policy: { ...bounceStrict, mapBounced: without(bounceStrict.mapBounced, COPY_IN) },
    on: data,
    breaks: 'P5:4',
  },
  {
    what: 'bounce-strict: not copied out',
    policy: { ...bounceStrict, unmapBounced: without(bounceStrict.unmapBounced, COPY_OUT) },
    on: data,
    breaks: 'P5:11',
  },
  {
    what: 'bounce-strict: copied out after the slots are free',
    policy: {
      ...bounceStrict,
      unmapBounced: [CLEAR_TABLE, SUBMIT_INVALIDATION, WAIT_INVALIDATION, FREE_TABLES, FREE_IOVA, FREE_SLOTS, COPY_OUT],
    },
    on: data,
    breaks: 'P5:12',
  },
  {
    what: 'bounce-strict: slots not freed',
    policy: { ...bounceStrict, unmapBounced: without(bounceStrict.unmapBounced, FREE_SLOTS) },
    on: dryPool,
    breaks: 'P6:10',
  },
  {
    what: 'strict: address not freed',
    policy: { ...strict, unmapDirect: without(strict.unmapDirect, FREE_IOVA) },
    on: dryPool,
    breaks: 'P1:2 P6:5',
  },
  {
    what: 'strict: address freed before the invalidation',
    policy: { ...strict, unmapDirect: [CLEAR_TABLE, FREE_IOVA, SUBMIT_INVALIDATION, WAIT_INVALIDATION, FREE_TABLES] },
    on: longBuffers,
    breaks: 'P1:6+1 P5:8',
  },
  { what: 'lazy: address freed at once', policy: { ...lazy, unmapDirect: [CLEAR_TABLE, FREE_IOVA] }, on: oneDevice, breaks: 'P1:4+1 P5:6' },
  {
    what: 'bounce-deferred: slots freed before the flush',
    policy: { ...bounceDeferred, unmapBounced: [CLEAR_TABLE, COPY_OUT, QUEUE_IOVA, FREE_SLOTS] },
    on: dryPool,
    breaks: 'P1:10+1 P3:10+1 P4:18+1',
  },
  {
    what: 'bounce-deferred: copied out after the slots are queued',
    policy: { ...bounceDeferred, unmapBounced: [CLEAR_TABLE, QUEUE_IOVA_AND_SLOTS, COPY_OUT] },
    on: { ...twoCpus, movesData: true },
    depth: 12,
    breaks: 'P5:9',
  },
  {
    what: 'bounce-deferred: coherent memory released lazily',
    policy: { ...bounceDeferred, unmapCoherent: [CLEAR_TABLE, QUEUE_IOVA] },
    on: wholePages,
    breaks: 'P1:4+1 P3:5+1',
  },
  {
    what: 'bounce-deferred-mixed: direct part released lazily',
    policy: { ...bounceDeferredMixed, unmapDirect: [CLEAR_TABLE, QUEUE_IOVA] },
    on: wholePages,
    breaks: 'P1:4+1 P2:4+1 P3:5+1',
  },
  {
    what: 'bounce-partial: unmapped lazily',
    policy: {
      ...bouncePartial,
      lazy: true,
      unmapBounced: [CLEAR_TABLE, COPY_OUT, QUEUE_IOVA, FREE_SLOTS],
      unmapDirect: [CLEAR_TABLE, QUEUE_IOVA],
    },
    on: edges,
    breaks: 'P1:13+1 P2:13+1 P3:14+1',
  },
  {
    what: 'bounce-deferred: a flush that began earlier counts',
    policy: bounceDeferred,
    on: dryPool,
    spoil: countsEarlierFlushes,
    breaks: 'P1:24+1 P3:24+1 P4:34+1',
  },
  {
    what: 'bounce-deferred: flush of another domain',
    policy: bounceDeferred,
    on: dryPool,
    spoil: flushesWrongDomain,
    breaks: 'P1:12+1 P3:12+1',
  },
  { what: 'bounce-deferred: flush of one ring only', policy: bounceDeferred, on: twoCpus, spoil: drainsOneRing, depth: 9, breaks: 'P6:8' },
  {
    what: 'bounce-strict: invalidates the page before',
    policy: bounceStrict,
    on: dryPool,
    spoil: invalidatesWrongPage,
    breaks: 'P1:12+1 P3:12+1 P4:22+1',
  },
  { what: 'bounce-strict: syncs the wrong part for the CPU', policy: bounceStrict, on: data, spoil: syncsWrongPart, breaks: 'P5:7' },
  { what: 'bounce-strict: syncs too little for the device', policy: bounceStrict, on: data, spoil: syncsTooLittle, breaks: 'P5:6' },
  {
    what: 'shadow: buffer given back before it is copied out',
    policy: { ...shadow, unmapBounced: [RETURN_SHADOW, COPY_OUT] },
    on: data,
    breaks: 'P5:10',
  },
];

/** Spoiled so that nothing breaks: why is said in docs/checker.md. */
const equivalent: readonly Mutant[] = [
  {
    what: 'bounce-strict: copied out before the table is cleared',
    policy: { ...bounceStrict, unmapBounced: [COPY_OUT, ...without(bounceStrict.unmapBounced, COPY_OUT)] },
    on: data,
    breaks: '',
  },
  {
    what: 'bounce-strict: address freed after the slots',
    policy: {
      ...bounceStrict,
      unmapBounced: [CLEAR_TABLE, SUBMIT_INVALIDATION, WAIT_INVALIDATION, FREE_TABLES, COPY_OUT, FREE_SLOTS, FREE_IOVA],
    },
    on: twoCpus,
    breaks: '',
  },
  { what: 'bounce-lazy-unsafe on one device', policy: bounceLazyUnsafe, on: oneDevice, breaks: '' },
];

test.each(mutants)('$what', ({ policy, on, spoil, depth, breaks }) => {
  const choices = { ...(spoil === undefined ? {} : { spoil }), ...(depth === undefined ? {} : { depth }) };
  const found = refutedIn(searched(on, policy, choices));
  expect(breaks).not.toBe('');
  expect(found).toBe(breaks);
});

test.each(equivalent)('breaks nothing: $what', ({ policy, on, breaks }) => {
  expect(refutedIn(searched(on, policy))).toBe(breaks);
});

/** An entry counts as queued one flush earlier than it was. */
function countsEarlierFlushes({ machine: { domains } }: CheckedMachine): void {
  for (const { flushQueue } of domains) {
    const queue = flushQueue!;
    const { counter, pages } = queue as unknown as Record<'counter' | 'pages', Float64Array>;
    const append = queue.append.bind(queue);
    queue.append = (...entry) => {
      const before = pages.slice();
      append(...entry);
      for (let row = 0; row < pages.length; row++) if (pages[row] !== before[row]) counter[row] = counter[row]! - 1;
    };
  }
}

function flushesWrongDomain({ machine }: CheckedMachine): void {
  const { domains } = machine;
  const { flusher } = machine as unknown as { flusher: CacheTagFlusher };
  const flushAll = flusher.flushAll.bind(flusher);
  flusher.flushAll = (cpu, device, domainId) => flushAll(cpu, device, domainId === domains[0].id ? domains[1].id : domains[0].id);
}

function drainsOneRing({ machine: { domains } }: CheckedMachine): void {
  for (const { flushQueue } of domains) {
    const queue = flushQueue!;
    const drain = queue.drain.bind(queue);
    queue.drain = (ring, cpu, sink) => {
      if (ring === cpu) drain(ring, cpu, sink);
    };
  }
}

function invalidatesWrongPage({ machine }: CheckedMachine): void {
  const { flusher } = machine as unknown as { flusher: CacheTagFlusher };
  const flushRange = flusher.flushRange.bind(flusher);
  flusher.flushRange = (cpu, device, domainId, start, end, leaf) => flushRange(cpu, device, domainId, start - 4096, end - 4096, leaf);
}

function syncsWrongPart({ machine }: CheckedMachine): void {
  const sync = machine.dmaSyncSingleForCpu.bind(machine);
  machine.dmaSyncSingleForCpu = (cpu, device, address, bytes, direction) => sync(cpu, device, address - (address % 4096), bytes, direction);
}

function syncsTooLittle({ machine }: CheckedMachine): void {
  const sync = machine.dmaSyncSingleForDevice.bind(machine);
  machine.dmaSyncSingleForDevice = (cpu, device, address, bytes, direction) =>
    sync(cpu, device, address, Math.max(1024, bytes - 1024), direction);
}
