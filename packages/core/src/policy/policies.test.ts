import { describe, expect, test } from 'vitest';
import { DmaStep, dmaStepNames, type ProtectionPolicy } from '../dma/index.ts';
import { bounceStrict, lazy, passthrough, policies, strict } from './index.ts';

test('the policies have names of their own, in the order of tables', () => {
  expect(policies.map(({ name }) => name)).toEqual(['passthrough', 'strict', 'lazy', 'bounce-strict']);
  for (const { summary } of policies) expect(summary).toMatch(/^[a-z][ -~]+[^.]$/);
});

describe('bounce-strict bounces what does not begin and end on a page boundary', () => {
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
    expect(bounceStrict.bounces(address, bytes)).toBe(expected);
  });
});

test('strict, lazy and passthrough bounce nothing by themselves', () => {
  for (const policy of [strict, lazy, passthrough]) expect(policy.bounces(0x1010, 60)).toBe(false);
});

/** Whether every `first` in the list stands before every `second`. */
function comesBefore(steps: readonly DmaStep[], first: DmaStep, second: DmaStep): boolean {
  return steps.lastIndexOf(first) < steps.indexOf(second);
}

describe.each(policies)('$name', (policy: ProtectionPolicy) => {
  test('takes and gives back in pairs', () => {
    const has = (steps: readonly DmaStep[], step: DmaStep): boolean => steps.includes(step);
    for (const [map, unmap] of [
      [policy.mapDirect, policy.unmapDirect],
      [policy.mapBounced, policy.unmapBounced],
      [policy.mapDirect, policy.unmapCoherent],
    ]) {
      expect(has(map, DmaStep.TAKE_SLOTS)).toBe(has(unmap, DmaStep.FREE_SLOTS));
      expect(has(map, DmaStep.COPY_IN)).toBe(has(unmap, DmaStep.COPY_OUT));
      expect(has(map, DmaStep.WRITE_TABLE)).toBe(has(unmap, DmaStep.CLEAR_TABLE));
      expect(has(map, DmaStep.ALLOCATE_IOVA)).toBe(has(unmap, DmaStep.FREE_IOVA) || has(unmap, DmaStep.QUEUE_IOVA));
      expect(has(map, DmaStep.ALLOCATE_IOVA)).toBe(policy.translated);
      expect(has(unmap, DmaStep.QUEUE_IOVA)).toBe(policy.lazy);
    }
  });

  test('fills slots before the device can reach them, and reads them before it gives them back', () => {
    if (policy.translated) expect(comesBefore(policy.mapBounced, DmaStep.ZERO_PADDING, DmaStep.WRITE_TABLE)).toBe(true);
    expect(comesBefore(policy.mapBounced, DmaStep.TAKE_SLOTS, DmaStep.COPY_IN)).toBe(true);
    expect(comesBefore(policy.unmapBounced, DmaStep.COPY_OUT, DmaStep.FREE_SLOTS)).toBe(true);
  });
});

test.each([strict, bounceStrict])(
  '$name waits for the invalidation before it frees, or copies out, anything',
  ({ unmapDirect, unmapBounced, unmapCoherent }) => {
    for (const steps of [unmapDirect, unmapBounced, unmapCoherent]) {
      expect(steps.slice(0, 3)).toEqual([DmaStep.CLEAR_TABLE, DmaStep.SUBMIT_INVALIDATION, DmaStep.WAIT_INVALIDATION]);
    }
  },
);

test('steps have readable names', () => {
  expect(dmaStepNames[DmaStep.TAKE_SLOTS]).toBe('take slots');
  expect(dmaStepNames[DmaStep.DRAIN_RING]).toBe('drain ring');
  expect(dmaStepNames).toHaveLength(Object.keys(DmaStep).length);
});
