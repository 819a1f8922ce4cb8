import type { PropertyName, ProtectionPolicy } from 'dmalab-core';

/** Properties that a policy can promise. */
export const promiseNames: readonly PropertyName[] = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6'];

/** Where a policy of the user's own comes from. */
export interface PolicySource {
  /** As the user named it, printable. */
  readonly file: string;
  /** Absolute, as stacks show it. */
  readonly path: string;
  /** Told when code of the file begins and ends to run, so that somebody can see that it does not come back. */
  readonly watch: CodeWatch;
}

export interface CodeWatch {
  enter(): void;
  leave(): void;
}

/** A policy of the user's own, checked and copied: nothing of it changes any more. */
export interface UserPolicy extends ProtectionPolicy {
  readonly source: PolicySource;
}

export function isUserPolicy(policy: ProtectionPolicy): policy is UserPolicy {
  return 'source' in policy;
}
