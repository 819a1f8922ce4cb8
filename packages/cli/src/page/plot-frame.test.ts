import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LABEL_HEIGHT, spreadLabels, tickText } from './plot-frame.ts';

it('keeps labels apart, in order and in bounds wherever they want to stand', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -50, max: 400, noNaN: true }), { maxLength: 20 }), (wanted) => {
      const placed = spreadLabels(wanted, 10, 10 + 25 * LABEL_HEIGHT);
      const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]! || a - b);
      for (const [rank, index] of order.entries()) {
        expect(placed[index]).toBeGreaterThanOrEqual(10);
        expect(placed[index]).toBeLessThanOrEqual(10 + 25 * LABEL_HEIGHT);
        if (rank > 0) expect(placed[index]! - placed[order[rank - 1]!]!).toBeGreaterThanOrEqual(LABEL_HEIGHT - 1e-9);
      }
    }),
  );
});

it('leaves labels that have room where they are', () => {
  expect(spreadLabels([100, 20, 60], 0, 200)).toEqual([100, 20, 60]);
});

it.each([
  [0.1, '0.1'],
  [0.25, '0.25'],
  [2, '2'],
  [10_000, '10,000'],
])('%d on an axis is %s', (value, text) => expect(tickText(value)).toBe(text));
