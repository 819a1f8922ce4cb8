/**
 * What can happen next on a small machine, as one number below 256: who acts in the upper part, on what in the lower.
 *
 * A call begins together with its first step, since beginning it touches nothing but the call's own row.
 */
export const ActionKind = {
  /** An actor (a CPU, or a domain's flush timer) goes on with its call; operand: the actor. */
  STEP: 0,
  /** The unit executes the next descriptor of its queue. */
  UNIT: 16,
  /** The flush timer of a domain fires; operand: the domain. */
  TIMER: 24,
  /** A driver maps a buffer or allocates coherent memory, unmaps or frees it; operand: buffer * 4 + CPU. */
  MAP: 32,
  UNMAP: 64,
  /** Somebody else gets the memory of a buffer that is no longer used; operand: the buffer. */
  GIVE: 96,
  /** The device writes into a mapped buffer, the driver syncs it for the CPU, or changes it and syncs it for the device; operand: buffer * 4 + part. */
  DEVICE_WRITE: 104,
  SYNC_FOR_CPU: 136,
  SYNC_FOR_DEVICE: 168,
  /** The device uses a translation, or the IOTLB drops one, where caching is explored step by step; operand: the row of the reach table. */
  CACHE: 200,
  EVICT: 228,
} as const;
export type ActionKind = (typeof ActionKind)[keyof typeof ActionKind];

/** Part of a buffer that data moves in. */
export const Part = { WHOLE: 0, FIRST: 1, LAST: 2 } as const;
export type Part = (typeof Part)[keyof typeof Part];

const KINDS: readonly ActionKind[] = Object.values(ActionKind);

export function kindOfAction(action: number): ActionKind {
  let found: ActionKind = ActionKind.STEP;
  for (const kind of KINDS) if (kind <= action) found = kind;
  return found;
}
