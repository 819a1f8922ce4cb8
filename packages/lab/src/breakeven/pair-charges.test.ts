import { bounceDeferred, bouncePartial, bounceStrict, Direction, Prng, shadow, strict } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { QUANTITIES } from '../cost/charges.ts';
import { readProfile } from '../cost/read-profile.ts';
import { pairCosts } from '../saturate/pair-cost.ts';
import { BUFFER_ALIGNMENTS, isOfAlignment, offsetOf } from './buffer-alignment.ts';
import { type BufferKind, PairCharges } from './pair-charges.ts';

const profile = readProfile('vtd-bare');

describe('work between the ends of a piece', () => {
  it.each([
    [strict, 4],
    [bounceStrict, 5],
    [bouncePartial, 6],
    [shadow, 4],
    [bounceDeferred, 1],
  ] as const)('is what the engine does there: %#', (policy, sizes) => {
    const random = new Prng(11);
    for (const alignment of BUFFER_ALIGNMENTS) {
      for (const minAlignMask of [0, 4095]) {
        const kind: BufferKind = { alignment, minAlignMask, direction: Direction.FROM_DEVICE };
        const charges = new PairCharges(policy, kind, profile);
        for (let done = 0; done < sizes; ) {
          const bytes = alignment === 'aligned' ? 4096 * (1 + random.below(8)) : 64 + random.below(2 ** (7 + random.below(9)));
          if (!isOfAlignment(alignment, bytes)) continue;
          done += 1;
          const buffer = { bytes, offset: offsetOf(alignment), direction: kind.direction, minAlignMask };
          const [result] = pairCosts(profile, policy, buffer, {
            cpus: [1],
            ...(policy.lazy ? { pairsPerCpu: 510 } : { warmUpPairs: 16, pairsPerCpu: 128 }),
          });
          const own = charges.at(bytes)!.quantities;
          for (let quantity = 0; quantity < QUANTITIES; quantity++)
            expect(own[quantity], `${bytes} bytes, quantity ${quantity}`).toBeCloseTo(
              result.charges.quantities[quantity] / result.measured.pairs,
              6,
            );
        }
      }
    }
  });

  it('is nothing for buffers that cannot be mapped', () => {
    const kind: BufferKind = { alignment: 'unaligned', minAlignMask: 4095, direction: Direction.TO_DEVICE };
    expect(new PairCharges(bounceStrict, kind, profile).at(252 * 1024)).not.toBeNull();
    expect(new PairCharges(bounceStrict, kind, profile).at(256 * 1024)).toBeNull();
    expect(new PairCharges(bouncePartial, kind, profile).at(256 * 1024)).not.toBeNull();
  });
});
