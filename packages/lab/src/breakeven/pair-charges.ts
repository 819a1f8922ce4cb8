import type { Direction, ProtectionPolicy } from 'dmalab-core';
import { type Charges, emptyCharges } from '../cost/charges.ts';
import { COST_CONSTANT_NAMES } from '../cost/cost-constant.ts';
import type { CostProfile } from '../cost/cost-profile.ts';
import { withConstants } from '../cost/with-constants.ts';
import { pairCosts } from '../saturate/pair-cost.ts';
import type { SaturateOptions } from '../saturate/saturate.ts';
import type { SaturationResult } from '../saturate/saturation-result.ts';
import { type BufferAlignment, offsetOf } from './buffer-alignment.ts';
import { ChargePieces } from './charge-pieces.ts';

/** Pairs to measure: two fillings of a ring of the flush queue. */
const LAZY_PAIRS = 510;
/** Without a flush queue only the way of the slot search through a segment of 128 slots repeats later than with the next pair. */
const STEADY: SaturateOptions = { warmUpPairs: 16, pairsPerCpu: 128 };

/** What the buffers of a comparison have in common. */
export interface BufferKind {
  readonly alignment: BufferAlignment;
  readonly direction: Direction;
  /** Low address bits that the device wants kept through a bounce. */
  readonly minAlignMask: number;
}

/**
 * What a map and unmap pair consists of under one policy, by size of the buffer, in the steady state of the real engine.
 *
 * The engine runs at both ends of a piece of sizes on which the work is linear (ChargePieces); between them the work is a
 * straight line. Differs: the timer of a flush queue, which makes a little more work the longer a pair takes.
 */
export class PairCharges {
  readonly policy: ProtectionPolicy;
  private readonly kind: BufferKind;
  /** Gives the engine its clock; constants without a basis take no time there. */
  private readonly clock: CostProfile;
  private readonly pieces: ChargePieces;
  private readonly measured = new Map<number, Charges | null>();

  constructor(policy: ProtectionPolicy, kind: BufferKind, profile: CostProfile) {
    this.policy = policy;
    this.kind = kind;
    const gaps = COST_CONSTANT_NAMES.filter((name) => profile.constants[name].value === null);
    this.clock = withConstants(profile, Object.fromEntries(gaps.map((name) => [name, 0])));
    this.pieces = new ChargePieces(policy, kind.alignment);
  }

  /** The work of one pair; null for buffers that the policy cannot map. */
  at(bytes: number): Charges | null {
    const [first, last] = this.pieces.around(bytes);
    const from = this.atEnd(first);
    if (last === first || bytes === first) return from;
    const to = this.atEnd(last);
    return from === null || to === null ? null : between(from, to, (bytes - first) / (last - first));
  }

  /** First size beyond `bytes` at which the work is no longer the same line. */
  nextPiece(bytes: number): number {
    return this.pieces.next(bytes);
  }

  /** Pairs on each of several CPUs at the stated constants, which share the invalidation queue and the pool. */
  contended(bytes: number, cpus: number): SaturationResult {
    return this.run(bytes, { cpus: [cpus] });
  }

  private atEnd(bytes: number): Charges | null {
    let charges = this.measured.get(bytes);
    if (charges === undefined) {
      const result = this.run(bytes, { cpus: [1] });
      charges = result.failures > 0 ? null : perPair(result);
      this.measured.set(bytes, charges);
    }
    return charges;
  }

  private run(bytes: number, options: SaturateOptions): SaturationResult {
    const { policy, clock, kind } = this;
    const { alignment, direction, minAlignMask } = kind;
    const buffer = { bytes, offset: offsetOf(alignment), direction, minAlignMask };
    const steady = policy.lazy ? { pairsPerCpu: LAZY_PAIRS } : STEADY;
    return pairCosts(clock, policy, buffer, { ...steady, ...options })[0];
  }
}

function perPair({ charges, measured }: SaturationResult): Charges {
  const each = emptyCharges();
  for (let quantity = 0; quantity < each.quantities.length; quantity++)
    each.quantities[quantity] = charges.quantities[quantity] / measured.pairs;
  return each;
}

function between(from: Charges, to: Charges, at: number): Charges {
  const point = emptyCharges();
  for (let quantity = 0; quantity < point.quantities.length; quantity++)
    point.quantities[quantity] = from.quantities[quantity] + at * (to.quantities[quantity] - from.quantities[quantity]);
  return point;
}
