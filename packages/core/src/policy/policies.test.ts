import { describe, expect, test } from 'vitest';
import { DmaStep, dmaStepNames, type ProtectionPolicy } from '../dma/index.ts';
import {
  bounceDeferred,
  bounceDeferredMixed,
  bounceLazyUnsafe,
  bounceLink,
  bouncePartial,
  bounceStrict,
  lazy,
  passthrough,
  policies,
  shadow,
  strict,
  swiotlbForce,
} from './index.ts';

test('the policies have names of their own, in the order of tables, and promises', () => {
  expect(policies.map(({ name, promises }) => `${name}: ${promises.join(' ')}`)).toEqual([
    'passthrough: P5 P6',
    'strict: P3 P5 P6',
    'lazy: P5 P6',
    'bounce-strict: P1 P2 P3 P4 P5 P6',
    'bounce-partial: P1 P2 P3 P4 P5 P6',
    'bounce-link: P1 P2 P4 P5 P6',
    'bounce-lazy-unsafe: P2 P5 P6',
    'bounce-deferred: P1 P2 P3 P4 P5 P6',
    'bounce-deferred-mixed: P1 P2 P3 P4 P5 P6',
    'shadow: P1 P2 P3 P4 P5 P6',
    'swiotlb-force: P5 P6',
  ]);
  for (const { summary, status } of policies) {
    expect(summary).toMatch(/^[a-z][ -~]+[^.]$/);
    expect(status).toMatch(/^[A-Za-z][ -~]+[^.]$/);
  }
});

describe.each([bounceStrict, bouncePartial, bounceLink, bounceDeferredMixed])(
  '$name bounces what does not begin and end on a page boundary',
  ({ bounces }) => {
    test.each([
      [0x1000, 4096, false],
      [0x1000, 3 * 4096, false],
      [2 ** 40, 4096, false],
      [0x1001, 4096, true],
      [0x1000, 4095, true],
      [0x1000, 1, true],
      [0x1010, 4080, true],
      [2 ** 40 + 8, 8192, true],
    ])('%i, %i bytes: %s', (address, bytes, expected) => {
      expect(bounces(address, bytes)).toBe(expected);
    });
  },
);

test('strict, lazy and passthrough bounce nothing by themselves', () => {
  for (const policy of [strict, lazy, passthrough]) expect(policy.bounces(0x1010, 60)).toBe(false);
});

test('the policies that copy everything bounce aligned buffers too', () => {
  for (const policy of [bounceDeferred, bounceLazyUnsafe, shadow, swiotlbForce]) expect(policy.bounces(0x1000, 4096)).toBe(true);
});

/** Whether every `first` in the list stands before every `second`. */
function comesBefore(steps: readonly DmaStep[], first: DmaStep, second: DmaStep): boolean {
  return steps.lastIndexOf(first) < steps.indexOf(second);
}

describe.each(policies)('$name', (policy: ProtectionPolicy) => {
  test('takes and gives back in pairs', () => {
    const { DEFERRED, FREES, GIVES } = { DEFERRED: DmaStep.QUEUE_IOVA_AND_SLOTS, FREES: DmaStep.FREE_SLOTS, GIVES: DmaStep.RETURN_SHADOW };
    const has = (steps: readonly DmaStep[], step: DmaStep): boolean => steps.includes(step);
    for (const [map, unmap] of [
      [policy.mapDirect, policy.unmapDirect],
      [policy.mapBounced, policy.unmapBounced],
      [policy.mapDirect, policy.unmapCoherent],
    ]) {
      expect(has(map, DmaStep.TAKE_SLOTS)).toBe(has(unmap, FREES) || has(unmap, DEFERRED));
      expect(has(map, DmaStep.TAKE_SHADOW)).toBe(has(unmap, GIVES));
      expect(has(map, DmaStep.COPY_IN)).toBe(has(unmap, DmaStep.COPY_OUT));
      expect(has(map, DmaStep.WRITE_TABLE)).toBe(has(unmap, DmaStep.CLEAR_TABLE));
      expect(has(map, DmaStep.ALLOCATE_IOVA)).toBe(has(unmap, DmaStep.FREE_IOVA) || has(unmap, DmaStep.QUEUE_IOVA) || has(unmap, DEFERRED));
    }
    expect(has(policy.mapDirect, DmaStep.ALLOCATE_IOVA)).toBe(policy.translated);
    const queues = [policy.unmapDirect, policy.unmapBounced].some((steps) => has(steps, DmaStep.QUEUE_IOVA) || has(steps, DEFERRED));
    expect(queues).toBe(policy.lazy);
    expect(has(policy.mapBounced, DmaStep.TAKE_SHADOW)).toBe(policy.mapNewShadow.length > 0);
  });

  test('fills slots before the device can reach them, and reads them before it gives them back', () => {
    const writes = policy.mapBounced.includes(DmaStep.WRITE_TABLE);
    if (writes) expect(comesBefore(policy.mapBounced, DmaStep.ZERO_PADDING, DmaStep.WRITE_TABLE)).toBe(true);
    expect(comesBefore(policy.mapBounced, DmaStep.TAKE_SLOTS, DmaStep.COPY_IN)).toBe(true);
    for (const release of [DmaStep.FREE_SLOTS, DmaStep.QUEUE_IOVA_AND_SLOTS, DmaStep.RETURN_SHADOW]) {
      if (policy.unmapBounced.includes(release)) expect(comesBefore(policy.unmapBounced, DmaStep.COPY_OUT, release)).toBe(true);
    }
  });
});

test.each([strict, bounceStrict, bouncePartial])(
  '$name waits for the invalidation before it frees, or copies out, anything',
  ({ unmapDirect, unmapBounced, unmapCoherent }) => {
    for (const steps of [unmapDirect, unmapBounced, unmapCoherent]) {
      expect(steps.slice(0, 3)).toEqual([DmaStep.CLEAR_TABLE, DmaStep.SUBMIT_INVALIDATION, DmaStep.WAIT_INVALIDATION]);
    }
  },
);

test('under every policy that bounces by itself, coherent memory and resources are released strictly', () => {
  const bouncing = policies.filter((policy) => policy.translated && policy.bounces(1, 1));
  expect(bouncing).toHaveLength(7);
  for (const { unmapCoherent } of bouncing) expect(unmapCoherent).toBe(strict.unmapCoherent);
});

test('the unsafe and the safe deferral differ in nothing but the moment at which slots are free', () => {
  const common = (steps: readonly DmaStep[]): DmaStep[] =>
    steps.flatMap((step) => {
      if (step === DmaStep.FREE_SLOTS) return [];
      return [step === DmaStep.QUEUE_IOVA_AND_SLOTS ? DmaStep.QUEUE_IOVA : step];
    });
  expect(common(bounceLazyUnsafe.unmapBounced)).toEqual(common(bounceDeferred.unmapBounced));
  expect(bounceLazyUnsafe.mapBounced).toBe(bounceDeferred.mapBounced);
  expect(bounceLazyUnsafe.unmapDirect).toBe(bounceDeferred.unmapDirect);
});

test('steps have readable names', () => {
  expect(dmaStepNames[DmaStep.TAKE_SLOTS]).toBe('take slots');
  expect(dmaStepNames[DmaStep.DRAIN_RING]).toBe('drain ring');
  expect(dmaStepNames).toHaveLength(Object.keys(DmaStep).length);
});
