import type { ProtectionPolicy } from 'dmalab-core';
import type { Scene, SceneShape } from './scene.ts';

/** One way of playing an attack; an attack is stopped only if all of its cases are. */
export interface AttackCase {
  /** What is special about it, in a few words. */
  readonly name: string;
  readonly shape?: SceneShape;
  /** Whether it makes sense under the policy; default always. */
  readonly appliesTo?: (policy: ProtectionPolicy) => boolean;
  /** As the attack's, where this case has another one. */
  readonly hole?: string;
  /** Plays it. What the device gains is seen in the bytes, not told by the script. */
  readonly play: (scene: Scene) => void;
}

/** A known attack by DMA, as a script. */
export interface Attack {
  /** `A1` to `A21`. */
  readonly id: string;
  /** Lower case, as on the command line. */
  readonly name: string;
  /** One sentence: what the device does. */
  readonly statement: string;
  /** What has to be the case for it. */
  readonly needs: string;
  /** Which property of the system lets it through where it is not stopped. */
  readonly hole: string;
  /** Where it is described. */
  readonly source: string;
  readonly cases: readonly AttackCase[];
}

/** An attack of the literature that no script plays. */
export interface AttackNotModelled {
  readonly id: string;
  readonly name: string;
  readonly statement: string;
  /** Why the model has no part in it. */
  readonly reason: string;
}

/** Whether a policy copies unaligned buffers through slots. */
export function usesSlots(policy: ProtectionPolicy): boolean {
  return policy.bounces(1, 1);
}

/** Whether it also keeps a device to its own slots by translation. */
export function guardsSlots(policy: ProtectionPolicy): boolean {
  return policy.translated && usesSlots(policy);
}
